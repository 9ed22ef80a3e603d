/**
 * Why senders are refused for lack of room: one cause, one message with path, bytes free, threshold and key.
 *
 * Three causes, each re-evaluated every second by its owner: `segment` (the next segment cannot be allocated), `ratio`
 * (the file system is fuller than diskSpaceWarningLevelRatio), `file` (the segment that is written was taken away; for
 * good). The flag is up while one holds. A cause is told when it comes and when it goes, not each time its numbers move.
 */
import { type ControlBlock, FLAGS } from '../../concurrency/control-block.ts'

export type DiskCause = 'file' | 'segment' | 'ratio'
/** The first of them that holds is told. */
const CAUSES: DiskCause[] = ['file', 'segment', 'ratio']

export class DiskState {
  private readonly control: ControlBlock
  private readonly tell: (problem: string | undefined) => void
  private readonly causes = new Map<DiskCause, string>()
  private told: DiskCause | undefined

  /** `tell` hears each change: the text for senders and log, or undefined when there is room again. */
  constructor(control: ControlBlock, tell: (problem: string | undefined) => void) {
    this.control = control
    this.tell = tell
  }

  set(cause: DiskCause, text: string): void {
    this.causes.set(cause, text)
    this.control.raiseFlag(FLAGS.diskFull)
    this.publish()
  }

  clear(cause: DiskCause): void {
    if (!this.causes.delete(cause)) return
    if (this.causes.size === 0) this.control.lowerFlag(FLAGS.diskFull)
    this.publish()
  }

  private publish(): void {
    const cause = CAUSES.find((each) => this.causes.has(each))
    if (cause === this.told) return
    this.told = cause
    this.tell(cause === undefined ? undefined : this.causes.get(cause))
  }
}
