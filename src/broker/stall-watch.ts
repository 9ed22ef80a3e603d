/**
 * Notices that a stage stands still, and says why: what RocketMQ sees as a put lock that is held (pageCacheLockTimeMills, and
 * the reason to refuse sends once it exceeds osPageCacheBusyTimeOutMills), without a cause.
 *
 *   append   sends wait in its ring, and it has moved nothing for a while:
 *            a closed fence · the next segment is not allocated · a write that does not return, beside a sync or alone
 *   sync     one fdatasync of the CommitLog that has not returned (the flush thread says when it begins and ends)
 *
 * Looked at by a timer. Only looks that came when they were due count: a machine that was suspended did not wait.
 */
import type { ControlBlock } from '../concurrency/control-block.ts'
import { FENCE } from '../concurrency/fence.ts'
import type { Log } from '../log.ts'
import { type Refusal, SEND_CODE } from './send/send-checks.ts'

export interface StallWatchOptions {
  control: Pick<ControlBlock, 'load' | 'word' | 'fence' | 'visible'>
  settings: {
    readonly brokerFastFailureEnable: boolean
    readonly osPageCacheBusyTimeOutMills: number
    readonly mappedFileSizeCommitLog: number
  }
  /** Bytes that append has not taken. */
  waiting(): number
  log: Log
}

/** Between two looks. */
export const LOOK_MS = 100
const APPEND_TOLD_MS = 500
const SYNC_TOLD_MS = 1000
/** Between two lines about one stage that stalls again and again. */
const TOLD_AGAIN_MS = 10_000

export class StallWatch {
  /** How long append has stood still, milliseconds. */
  stalledMs = 0
  /** How long the sync that runs has run. */
  syncingMs = 0
  /** Beyond osPageCacheBusyTimeOutMills a send is refused at once instead of being put behind those that nobody takes. */
  refusal: Refusal | undefined
  private readonly options: StallWatchOptions
  private readonly appendTold: Told
  private readonly syncTold: Told
  private appended = -1
  private sync = 0
  private lastLook = Number.NaN

  constructor(options: StallWatchOptions) {
    this.options = options
    this.appendTold = new Told(options.log, 'append stands still', APPEND_TOLD_MS)
    this.syncTold = new Told(options.log, 'an fdatasync of the CommitLog does not return', SYNC_TOLD_MS)
  }

  /** `now`: monotonic milliseconds. */
  look(now: number): void {
    const { control, waiting } = this.options
    const appended = control.load('appended')
    const sync = control.word('syncing')
    const passed = Math.max(0, Math.min(now - this.lastLook, 2 * LOOK_MS)) || 0
    const isStill = appended === this.appended && waiting() > 0
    const isSyncing = (sync & 1) !== 0 && sync === this.sync
    this.stalledMs = isStill && passed > 0 ? this.stalledMs + passed : 0
    this.syncingMs = isSyncing && passed > 0 ? this.syncingMs + passed : 0
    this.appended = appended
    this.sync = sync
    this.lastLook = now
    this.refusal = this.refusalNow()
    this.appendTold.look(now, this.stalledMs, () => this.cause())
    this.syncTold.look(
      now,
      this.syncingMs,
      () => 'the disk is slow, or has much to write; SYNC_FLUSH senders wait for it',
    )
  }

  /** Which stage has how much to do: what a refused sender is told. */
  behind(): string {
    const { control, waiting } = this.options
    const unflushed = control.load('appended') - control.load('flushed')
    const undispatched = control.visible() - control.load('dispatched')
    const since = this.syncingMs > 0 ? ` (its sync runs for ${Math.round(this.syncingMs)} ms)` : ''
    return `append has ${waiting()} bytes to take, flush is ${unflushed} bytes behind${since}, dispatch ${undispatched}`
  }

  private refusalNow(): Refusal | undefined {
    const { brokerFastFailureEnable, osPageCacheBusyTimeOutMills } = this.options.settings
    if (!brokerFastFailureEnable || this.stalledMs <= osPageCacheBusyTimeOutMills) return undefined
    const remark =
      '[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while: append stands still for ' +
      `${Math.round(this.stalledMs)}ms, ${this.cause()}; ${this.behind()}`
    return { code: SEND_CODE.systemBusy, remark }
  }

  private cause(): string {
    const { control, settings } = this.options
    if (control.fence !== FENCE.open) return 'the role of the broker changes'
    const size = settings.mappedFileSizeCommitLog
    const next = this.appended - (this.appended % size) + size
    if (control.load('allocated') < next + size) return `the CommitLog segment ${next} is not allocated yet`
    const kernel = "the kernel's limits of dirty pages (vm.dirty_*), no memory, or no CPU"
    if (this.syncingMs === 0) return `its write into the log does not return: ${kernel}`
    return `its write into the log does not return while a sync runs for ${Math.round(this.syncingMs)} ms: the disk, ${kernel}`
  }
}

/** A stall is told when it is long, and again with its length when it is over. */
class Told {
  private readonly log: Log
  private readonly what: string
  private readonly fromMs: number
  private longest = 0
  private isTold = false
  private quietUntil = 0

  constructor(log: Log, what: string, fromMs: number) {
    this.log = log
    this.what = what
    this.fromMs = fromMs
  }

  look(now: number, ms: number, cause: () => string): void {
    if (ms === 0) {
      if (this.isTold) this.log.warn(`${this.what}: over after ${Math.round(this.longest)} ms`)
      this.isTold = false
      this.longest = 0
      return
    }
    this.longest = Math.max(this.longest, ms)
    if (this.isTold || ms < this.fromMs || now < this.quietUntil) return
    this.isTold = true
    this.quietUntil = now + TOLD_AGAIN_MS
    this.log.warn(`${this.what} for ${Math.round(ms)} ms: ${cause()}`)
  }
}
