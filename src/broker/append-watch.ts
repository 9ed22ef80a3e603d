/**
 * Notices that append stands still: sends wait in its ring, and it has moved nothing for a while (a write that the disk holds
 * up; a closed fence). What RocketMQ sees as a put lock that is held: pageCacheLockTimeMills, and the reason to refuse
 * sends once it exceeds osPageCacheBusyTimeOutMills.
 *
 * Looked at by a timer. Only looks that came when they were due count: a machine that was suspended did not wait for append.
 */
import type { ControlBlock } from '../concurrency/control-block.ts'

export interface AppendWatchOptions {
  control: Pick<ControlBlock, 'load'>
  /** Bytes that append has not taken. */
  waiting(): number
  /** Between two looks, milliseconds. */
  everyMs: number
}

export class AppendWatch {
  private readonly options: AppendWatchOptions
  private appended = -1
  private lastLook = Number.NaN
  /** How long append has stood still, milliseconds. */
  stalledMs = 0

  constructor(options: AppendWatchOptions) {
    this.options = options
  }

  /** `now`: monotonic milliseconds. */
  look(now: number): void {
    const { control, waiting, everyMs } = this.options
    const appended = control.load('appended')
    const isStill = appended === this.appended && waiting() > 0
    const passed = Math.min(now - this.lastLook, 2 * everyMs)
    this.stalledMs = isStill && passed > 0 ? this.stalledMs + passed : 0
    this.appended = appended
    this.lastLook = now
  }
}
