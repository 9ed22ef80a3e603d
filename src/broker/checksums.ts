/**
 * Side checksums from the network thread's side: starts their thread when there is something to do, and shows what it found.
 *
 *   once a second: a segment was sealed │ a pass is due │ the disk refused something a minute ago ─▶ thread, or word to it
 *
 * A broker with nothing sealed has no such thread, and one whose segments are hashed has none either until the next pass. A
 * thread that dies is a warning. Owns: the thread. Blocks on: nothing.
 */
import { Worker } from 'node:worker_threads'
import type { ControlBlock } from '../concurrency/control-block.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ChecksumsStart, FromChecksums, ToChecksums } from '../stages/checksums.ts'
import { threadArguments } from '../stages/thread-arguments.ts'
import type { ChecksumSettings, ChecksumStatus } from '../store/checksums/checksum-keeper.ts'
import { isPassDue } from '../store/checksums/scrub-state.ts'
import { sealedEnd } from '../store/checksums/sealed-end.ts'
import { segmentName, segmentStart } from '../store/commitlog/index.ts'
import type { StoreSettings } from '../store/settings.ts'
import type { Schedule } from './schedule.ts'

export interface ChecksumsOptions {
  /** The running configuration: read at each use. */
  settings: StoreSettings
  control: ControlBlock
  log: Log
}

const LOOK_MS = 1000
/** What a start has to do comes first. */
const FIRST_MS = 2000
const RETRY_MS = 60_000
const STOP_MS_MAX = 1000
const YOUNG_GENERATION_MB = 4
/** Places in the runtime table. */
const SHOWN_MAX = 10

export class Checksums {
  private readonly options: ChecksumsOptions
  private worker: Worker | undefined
  private ended: Promise<void> = Promise.resolve()
  private status: ChecksumStatus | undefined
  private settingsSent = ''
  private readonly startedAt = performance.now()
  /** Monotonic: no thread before, because the last one ended with something left to do. */
  private notBefore = 0
  private isClosed = false

  constructor(options: ChecksumsOptions) {
    this.options = options
  }

  addTo(schedule: Schedule): void {
    schedule.add(LOOK_MS, () => this.look())
  }

  /** Rows of the runtime table; none before there was anything to do. */
  rows(): Record<string, string> {
    const { status } = this
    if (status === undefined) return {}
    const { settings, control } = this.options
    // The thread may not be there to hear that segments have expired.
    const retained = control.load('retained')
    const damages = status.damages.filter(({ to }) => to > retained)
    const left = Math.max(0, status.sealedTo - retained) / settings.mappedFileSizeCommitLog
    const state = settings.sideChecksums ? status.doing : 'off'
    const rows = {
      checksums_state: state,
      checksums_segments: Math.min(status.hashed, Math.ceil(left)),
      checksums_missing: status.missing,
      checksums_refused: status.refused,
      checksums_problem: status.problem,
      scrub_position: status.position,
      scrub_bytes: status.passBytes,
      scrub_reads: status.reads,
      scrub_lastPass: status.lastPassAt,
      scrub_lastPassBytes: status.lastPassBytes,
      scrub_mismatches: damages.length,
      scrub_damaged: damages
        .slice(0, SHOWN_MAX)
        .map(({ start, from }) => `${segmentName(start)}:${from - start}`)
        .join(' '),
    }
    return Object.fromEntries(Object.entries(rows).map(([name, value]) => [`basalt_${name}`, String(value)]))
  }

  look(): void {
    const { settings } = this.options
    if (this.isClosed || performance.now() - this.startedAt < FIRST_MS) return
    if (!settings.sideChecksums) {
      if (this.worker !== undefined) this.post({ kind: 'stop' })
      return
    }
    if (this.worker === undefined) {
      if (performance.now() >= this.notBefore && this.isWanted()) this.start()
    } else if (
      (this.isWanted() && this.status?.doing === 'nothing') ||
      JSON.stringify(this.wanted()) !== this.settingsSent
    )
      this.sendLook()
  }

  async close(): Promise<void> {
    this.isClosed = true
    const { worker } = this
    if (worker === undefined) return
    this.post({ kind: 'stop' })
    const timer = setTimeout(() => void worker.terminate(), STOP_MS_MAX)
    await this.ended
    clearTimeout(timer)
  }

  private isWanted(): boolean {
    const { settings, control } = this.options
    const { status } = this
    const size = settings.mappedFileSizeCommitLog
    const sealedTo = segmentStart(sealedEnd(control, settings), size)
    if (sealedTo <= segmentStart(control.load('retained'), size)) return false
    if (status === undefined || sealedTo > status.sealedTo || status.missing > 0) return true
    return isPassDue(status, settings, control.now())
  }

  private wanted(): ChecksumSettings {
    const { settings } = this.options
    return {
      storePathRootDir: settings.storePathRootDir,
      storePathCommitLog: settings.storePathCommitLog,
      mappedFileSizeCommitLog: settings.mappedFileSizeCommitLog,
      enableDLegerCommitLog: settings.enableDLegerCommitLog,
      storePathClassicCommitLog: settings.storePathClassicCommitLog,
      sideChecksumRate: settings.sideChecksumRate,
      scrubRate: settings.scrubRate,
      scrubInterval: settings.scrubInterval,
    }
  }

  private start(): void {
    const { control, log } = this.options
    const settings = this.wanted()
    this.settingsSent = JSON.stringify(settings)
    const workerData: ChecksumsStart = { control: control.buffer, settings }
    const worker = new Worker(entry(), {
      name: 'basalt-checksums',
      workerData,
      ...threadArguments(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    this.worker = worker
    worker.on('message', (message: FromChecksums) => {
      if (message.kind === 'status') this.status = message.status
      else log[message.level](message.message, { stage: 'checksums', ...message.fields })
    })
    worker.on('error', (error) => {
      log.warn(`the thread of side checksums ended, another one begins in a minute: ${describe(error)}`)
      this.notBefore = performance.now() + RETRY_MS
    })
    this.ended = new Promise((resolve) => {
      worker.on('exit', () => {
        this.worker = undefined
        if (this.status !== undefined && (this.status.missing > 0 || this.status.problem !== ''))
          this.notBefore = performance.now() + RETRY_MS
        if (this.status !== undefined) this.status.doing = 'nothing'
        resolve()
      })
    })
  }

  private sendLook(): void {
    const settings = this.wanted()
    this.settingsSent = JSON.stringify(settings)
    this.post({ kind: 'look', settings })
  }

  private post(message: ToChecksums): void {
    this.worker?.postMessage(message)
  }
}

/** Worker threads run JavaScript: from the sources (tests) the compiled twin in dist is taken. */
function entry(): URL {
  const here = import.meta.url
  return here.endsWith('.ts')
    ? new URL('../../dist/stages/checksums.js', here)
    : new URL('../stages/checksums.js', here)
}
