/**
 * A broker as its users run it: a process, started by the command, that can be killed.
 *
 *   const broker = await startBrokerProcess({ folder, config: { flushDiskType: 'SYNC_FLUSH' } })
 *   broker.address                      // "127.0.0.1:40123"
 *   await broker.kill()                 // SIGKILL
 *   await broker.exit                   // { status, signal }
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFailed } from 'vitest'
import type { BrokerConfig } from '../../../src/config/index.ts'
import { type FaultName, SMALL } from '../../../src/testing/index.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
export const PACKAGE = join(HERE, '..', '..', '..')
const MIB = 1024 * 1024
const READY_MS_MAX = 30_000
const TEXT_MAX = 4 * MIB
const SHOWN = 4000

/** Segments roll every few hundred messages. */
export const TINY = {
  ...SMALL,
  mappedFileSizeCommitLog: MIB,
  maxMessageSize: 256 * 1024,
  mappedFileSizeConsumeQueue: 20 * 500,
  maxHashSlotNum: 1000,
  maxIndexNum: 4000,
} satisfies Partial<BrokerConfig>

export interface ProcessOptions {
  /** The store. */
  folder: string
  config?: Partial<BrokerConfig>
  env?: Record<string, string>
  /** Fault switches that set() moves. */
  faults?: boolean
  /** ulimit -n */
  descriptors?: number
  /** A network namespace that it runs in (support/lossy-link.ts). */
  netns?: string
  /** Folder of the package that is run; this one by default. */
  root?: string
}

export interface Exit {
  status: number | null
  signal: NodeJS.Signals | null
}

export interface BrokerProcess extends AsyncDisposable {
  readonly pid: number
  /** "host:port" */
  readonly address: string
  /** The port without pulls. */
  readonly fast: string
  readonly namesrv: string
  readonly folder: string
  /** What it has printed: the screen, and the log as JSON lines. */
  readonly screen: string
  readonly log: string
  readonly exit: Promise<Exit>
  readonly hasExited: boolean
  /** Only with `faults`. Resolves when the switch has been moved. */
  set(name: FaultName, value: number): Promise<void>
  /** SIGKILL, and the end. */
  kill(): Promise<Exit>
  /** SIGTERM, and the end. */
  stop(): Promise<Exit>
  /** VmRSS, bytes. */
  rss(): number
}

/** Rejects with what it printed when it ends before it is ready. */
export async function startBrokerProcess(options: ProcessOptions): Promise<BrokerProcess> {
  const child = spawnBroker(options)
  const texts = { screen: '', log: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    texts.screen = (texts.screen + text).slice(-TEXT_MAX)
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    texts.log = (texts.log + text).slice(-TEXT_MAX)
  })
  showLogOfFailedTest(texts)
  let hasExited = false
  const exit = new Promise<Exit>((resolve) => {
    child.on('close', (status, signal) => {
      hasExited = true
      resolve({ status, signal })
    })
  })
  await until(
    () => hasExited || texts.screen.includes('Ctrl-C stops'),
    READY_MS_MAX,
    () => child.kill('SIGKILL'),
  )
  if (hasExited || !texts.screen.includes('Ctrl-C stops')) {
    const { status, signal } = await exit
    throw new Error(`the broker ended before it was ready: status ${status} ${signal}\n${texts.screen}${texts.log}`)
  }
  const kill = async () => {
    if (!hasExited) child.kill('SIGKILL')
    return exit
  }
  return {
    pid: child.pid!,
    address: /^ {2}clients +([^,\s]+)/m.exec(texts.screen)?.[1] ?? '',
    fast: /^ {2}clients .*fast (\S+)/m.exec(texts.screen)?.[1] ?? '',
    namesrv: /^ {2}NameServer +(\S+)/m.exec(texts.screen)?.[1] ?? '',
    folder: options.folder,
    exit,
    kill,
    get screen() {
      return texts.screen
    },
    get log() {
      return texts.log
    },
    get hasExited() {
      return hasExited
    },
    async set(name, value) {
      const said = `did set ${name} ${value}\n`
      const before = texts.screen.split(said).length
      child.stdin?.write(`set ${name} ${value}\n`)
      await until(
        () => hasExited || texts.screen.split(said).length > before,
        READY_MS_MAX,
        () => {},
      )
    },
    stop: () => {
      if (!hasExited) child.kill('SIGTERM')
      return exit
    },
    rss: () => statusBytes(child.pid!, 'VmRSS'),
    [Symbol.asyncDispose]: async () => {
      // A stopped process does not go before it goes on.
      if (!hasExited) child.kill('SIGCONT')
      await kill()
    },
  }
}

export function spawnBroker({
  folder,
  config,
  env,
  faults,
  descriptors,
  netns,
  root = PACKAGE,
}: ProcessOptions): ChildProcess {
  const pairs = Object.entries({ ...TINY, ...config, storePathRootDir: folder })
  const command = ['broker', ...pairs.flatMap(([key, value]) => ['--set', `${key}=${value}`])]
  const program = faults === true ? [join(HERE, 'broker-with-faults.mjs'), root] : [join(root, 'bin', 'basaltmq.js')]
  const args = [...program, ...command]
  const [file, all] =
    descriptors === undefined
      ? [process.execPath, args]
      : ['/bin/sh', ['-c', `ulimit -n ${descriptors} && exec "$0" "$@"`, process.execPath, ...args]]
  const [first, ...rest] = netns === undefined ? [file, ...all] : ['ip', 'netns', 'exec', netns, file, ...all]
  return spawn(first, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
}

/** Polls until it holds; calls `late` once when that takes longer than `limitMs`, and then gives up. */
export async function until(holds: () => boolean, limitMs: number, late?: () => void): Promise<void> {
  const end = performance.now() + limitMs
  while (!holds()) {
    if (performance.now() > end) {
      if (late === undefined) throw new Error(`not within ${limitMs} ms: ${holds}`)
      late()
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function showLogOfFailedTest(texts: { log: string }): void {
  try {
    onTestFailed(() => console.error(`the broker's log ended with:\n${texts.log.slice(-SHOWN)}`))
  } catch {
    // Outside of a test there is nobody to show it to.
  }
}

export function statusBytes(pid: number, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}
