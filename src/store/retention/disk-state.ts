/**
 * Why senders are refused for lack of room: one cause, one message with path, bytes free, threshold and key.
 *
 * Two causes, each re-evaluated every second by its owner: `segment` (the next segment cannot be allocated) and `ratio`
 * (the file system is fuller than diskSpaceWarningLevelRatio). The flag is up while either holds.
 */
import { type ControlBlock, FLAGS } from '../../concurrency/control-block.ts'
import type { Log } from '../../log.ts'

export type DiskCause = 'segment' | 'ratio'

export class DiskState {
  private readonly control: ControlBlock
  private readonly log: Log
  private readonly tell: (problem: string | undefined) => void
  private readonly causes = new Map<DiskCause, string>()
  private said: string | undefined

  /** `tell` hears each change: the text that senders are answered, or undefined when there is room again. */
  constructor(control: ControlBlock, log: Log, tell: (problem: string | undefined) => void) {
    this.control = control
    this.log = log
    this.tell = tell
  }

  get problem(): string | undefined {
    return this.causes.get('segment') ?? this.causes.get('ratio')
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
    const { problem } = this
    if (problem === this.said) return
    if (problem === undefined) this.log.info('disk has room again: messages are accepted')
    else if (this.said === undefined) this.log.error(`messages are refused: ${problem}`)
    this.said = problem
    this.tell(problem)
  }
}
