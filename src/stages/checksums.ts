/**
 * The thread of side checksums: hashes sealed segments and reads them again (store/checksums), a block at a time, and waits in
 * between so that rates are kept. Nobody waits for it, the broker does not end with it, and it exists only while it has
 * something to do (broker/checksums).
 *
 * Priority:  nice 19: it gets the processor when nobody else wants it.
 * Owns:      basalt/checksums, basalt/scrub.json. Blocks on: the disk.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { ControlBlock } from '../concurrency/control-block.ts'
import { setNice } from '../native/index.ts'
import { loadBlockHash } from '../store/checksums/block-hash.ts'
import { ChecksumKeeper, type ChecksumSettings, type ChecksumStatus } from '../store/checksums/checksum-keeper.ts'

export interface ChecksumsStart {
  control: SharedArrayBuffer
  settings: ChecksumSettings
}

export type ToChecksums =
  /** Segments may have been sealed, a pass may be due; the settings as they are now. */
  { kind: 'look'; settings: ChecksumSettings } | { kind: 'stop' }

export type FromChecksums =
  | { kind: 'status'; status: ChecksumStatus }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: Record<string, unknown> | undefined }

const IDLEST = 19
/** Segments that are sealed one after the other find the thread still there. */
const LINGER_MS = 10_000
const STATUS_MS = 500
/** Less than this is not worth a timer. */
const WAIT_MS_MIN = 2

class Waiter {
  private wake: (() => void) | undefined

  /** True where something woke it before the time was over. */
  wait(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.wake = undefined
        resolve(false)
      }, ms)
      this.wake = () => {
        clearTimeout(timer)
        this.wake = undefined
        resolve(true)
      }
    })
  }

  rouse(): void {
    this.wake?.()
  }
}

async function run(port: NonNullable<typeof parentPort>, start: ChecksumsStart): Promise<void> {
  const { settings } = start
  const post = (message: FromChecksums) => port.postMessage(message)
  const say = (level: 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) =>
    post({ kind: 'log', level, message, fields })
  const log = { info: say('info'), warn: say('warn'), error: say('error') }
  const waiter = new Waiter()
  let isStopping = false
  let looks = false
  port.on('message', (message: ToChecksums) => {
    if (message.kind === 'stop') isStopping = true
    else {
      Object.assign(settings, message.settings)
      looks = true
    }
    waiter.rouse()
  })
  try {
    setNice(IDLEST)
  } catch {
    // A system whose threads have no priority of their own: the rates are low.
  }
  const hash = await loadBlockHash()
  const keeper = new ChecksumKeeper({ settings, control: ControlBlock.attach(start.control), hash, log })
  let toldAt = Number.NEGATIVE_INFINITY
  const tell = () => {
    toldAt = performance.now()
    post({ kind: 'status', status: keeper.status() })
  }
  let owedMs = 0
  while (!isStopping) {
    if (looks) keeper.look()
    looks = false
    const began = performance.now()
    const { bytes, rate } = keeper.step()
    if (bytes === 0) {
      tell()
      owedMs = 0
      if (!(await waiter.wait(LINGER_MS))) break
      continue
    }
    if (performance.now() - toldAt >= STATUS_MS) tell()
    owedMs = Math.max(0, owedMs + (bytes / rate) * 1000 - (performance.now() - began))
    if (owedMs < WAIT_MS_MIN) {
      // Messages are read between steps.
      await new Promise(setImmediate)
      continue
    }
    const from = performance.now()
    await waiter.wait(owedMs)
    owedMs = Math.max(0, owedMs - (performance.now() - from))
  }
  keeper.close()
  port.close()
}

if (!isMainThread && parentPort !== null) await run(parentPort, workerData as ChecksumsStart)
