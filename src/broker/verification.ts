/**
 * After a start: reads what recovery believed without reading it (the marks of the last run said that it is whole), CRCs
 * included, and names what is damaged, each record once, by file and byte.
 *
 *   log  …──────────┬──────────────────────────┬─────────────────────┬──── end
 *                   └ VERIFIED_SEGMENTS before  └ recovery read from here
 *                   |<──────── this ─────────>|
 *
 * In the pool, a chunk at a time, four fifths of the time idle: nobody waits for it. Ends by itself.
 */
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { LogFolders, segmentStart } from '../store/commitlog/index.ts'
import type { VerifiedLog } from '../store/recovery/index.ts'
import type { StoreSettings } from '../store/settings.ts'

export interface VerificationOptions {
  settings: StoreSettings
  log: Log
  /** Start of the log, end of what recovery found, and where recovery began to read. */
  min: number
  end: number
  recoveredFrom: number
  /** Start of the log now: segments expire meanwhile. */
  retained(): number
  verify(from: number, to: number, bytesMax: number): Promise<VerifiedLog>
}

const VERIFIED_SEGMENTS = 2
const START_MS = 2000
const CHUNK_BYTES = 4 * 1024 * 1024
/** Idle milliseconds for one of work. */
const IDLE_SHARE = 4
/** A whole file may be damaged: the log says so many records by name, and then how many more there are. */
const TOLD_MAX = 20

export class Verification {
  damaged = 0
  isDone = false
  private readonly options: VerificationOptions
  private at: number
  private readonly to: number
  private timer: NodeJS.Timeout | undefined

  constructor(options: VerificationOptions) {
    const { settings, min, end, recoveredFrom } = options
    const size = settings.mappedFileSizeCommitLog
    this.options = options
    this.to = Math.min(recoveredFrom, end)
    this.at = Math.max(min, segmentStart(end - 1, size) - (VERIFIED_SEGMENTS - 1) * size)
  }

  start(afterMs = START_MS): void {
    if (this.at >= this.to) this.isDone = true
    else this.again(afterMs)
  }

  stop(): void {
    this.isDone = true
    clearTimeout(this.timer)
  }

  private again(afterMs: number): void {
    this.timer = setTimeout(() => void this.step(), afterMs).unref()
  }

  private async step(): Promise<void> {
    const began = performance.now()
    try {
      this.at = Math.max(this.at, this.options.retained())
      const { damaged, next } = await this.options.verify(this.at, this.to, CHUNK_BYTES)
      if (this.isDone) return
      // A file that expired while it was read looks damaged.
      const retained = this.options.retained()
      for (const range of damaged) if (range.from >= retained) this.tell(range)
      this.at = Math.max(next, this.at + 1)
    } catch (error) {
      if (this.isDone) return
      this.options.log.warn(`the log of the last run is not verified: ${describe(error)}`)
      this.isDone = true
      return
    }
    if (this.at < this.to) this.again((performance.now() - began) * IDLE_SHARE)
    else this.finish()
  }

  private tell({ from, to, problem }: VerifiedLog['damaged'][0]): void {
    this.damaged += 1
    if (this.damaged > TOLD_MAX) return
    const { settings, log } = this.options
    const start = segmentStart(from, settings.mappedFileSizeCommitLog)
    const file = new LogFolders(settings).pathAt(start)
    log.warn(`a record of the CommitLog is damaged: ${problem} (${file} byte ${from - start})`, {
      code: 'RECORD_DAMAGED',
      file,
      offset: from - start,
      from,
      to,
    })
  }

  private finish(): void {
    this.isDone = true
    const { log } = this.options
    if (this.damaged > TOLD_MAX) log.warn(`${this.damaged - TOLD_MAX} more records of the CommitLog are damaged`)
  }
}
