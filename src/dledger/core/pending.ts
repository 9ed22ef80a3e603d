/**
 * Appends that wait for their commit: who asked, at which index, until when.
 *
 * Owns:      one term's waiting appends of a leader, in order of index. Pure, as the core is; beside it because only raw APPEND
 *            requests (50001) are answered by index; records of producers are answered by position, at the broker's gate.
 * Source:    spec §5.1, §5.4. Stricter: when the leader steps down all of them are answered at once (the original: when it leads again).
 */
import { assert } from '../../assert.ts'
import { CODES } from './codes.ts'

export interface PendingAppend {
  token: number
  index: number
  pos: number
  deadline: number
}

export interface AppendAnswer {
  token: number
  code: number
  index: number
  pos: number
}

/** maxPendingRequestsNum of DLedger. */
const PENDING_MAX = 10_000

export class PendingAppends {
  private waiting: PendingAppend[] = []
  private head = 0

  get size(): number {
    return this.waiting.length - this.head
  }

  get isFull(): boolean {
    return this.size >= PENDING_MAX
  }

  add(append: PendingAppend): void {
    assert(this.size === 0 || append.index > this.waiting[this.waiting.length - 1]!.index, 'appends come in order')
    this.waiting.push(append)
  }

  committed(index: number, out: AppendAnswer[]): void {
    while (this.head < this.waiting.length && this.waiting[this.head]!.index <= index)
      out.push(answerTo(this.waiting[this.head++]!, CODES.SUCCESS))
    this.compact()
  }

  /** The entry stays in the log and may be committed later: the answer says only that nobody knows. */
  expire(now: number, out: AppendAnswer[]): void {
    while (this.head < this.waiting.length && this.waiting[this.head]!.deadline <= now)
      out.push(answerTo(this.waiting[this.head++]!, CODES.WAIT_QUORUM_ACK_TIMEOUT))
    this.compact()
  }

  /** The leader steps down: what becomes of them is the next leader's matter. */
  abandon(out: AppendAnswer[]): void {
    while (this.head < this.waiting.length) out.push(answerTo(this.waiting[this.head++]!, CODES.TERM_CHANGED))
    this.compact()
  }

  private compact(): void {
    if (this.head < 1024 && this.head < this.waiting.length) return
    this.waiting.splice(0, this.head)
    this.head = 0
  }
}

function answerTo(append: PendingAppend, code: number): AppendAnswer {
  return { token: append.token, code, index: append.index, pos: code === CODES.SUCCESS ? append.pos : -1 }
}
