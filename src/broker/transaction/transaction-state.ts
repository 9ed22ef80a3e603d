/**
 * How far transactions are: which halves are decided, which copies stand for which, and who is at work on one.
 *
 * Owns:      the offsets of CID_RMQ_SYS_TRANS. An Apache broker that opens the store goes on from them, and so do we from its.
 * Invariant: a half is ended or replaced by one task at a time (exclusive()). Offsets are stored once the log is on disk as
 *            it was when they were found: otherwise a power cut could take the commit, or the copy, of a half that they
 *            leave behind.
 * Blocks on: nothing.
 */
import { failpoint } from '../../faults.ts'
import type { Log } from '../../log.ts'
import type { ConsumerOffsets } from '../offsets/index.ts'
import type { StoreView } from '../store-view.ts'
import { TOPIC } from '../topics/names.ts'
import { DecidedHalves } from './decided-halves.ts'
import { HalfCopies } from './half-copies.ts'
import { TRANSACTION_GROUP } from './half-message.ts'
import { type OpQueueSource, readOps } from './op-queue.ts'

export interface TransactionStateDependencies {
  readonly source: OpQueueSource & { readonly view: Pick<StoreView, 'queueMin'> }
  readonly offsets: ConsumerOffsets
  /** Positions of the log: its end, and what no crash takes back. */
  appended(): number
  flushed(): number
  /** Changes when the log lost its tail to a fence: what was read from it or put into it may be gone. */
  epoch(): number
  readonly log: Log
}

/** Queue offsets of the first half and the first op message that are still needed; -1 where none is stored. */
interface Fronts {
  readonly half: number
  readonly op: number
}

const WRITER = 'transaction checks'

function isSame(a: Fronts, b: Fronts): boolean {
  return a.half === b.half && a.op === b.op
}

export class TransactionState {
  decided: DecidedHalves
  copies = new HalfCopies()
  private readonly deps: TransactionStateDependencies
  private readonly busy = new Map<number, Promise<unknown>>()
  /** As the offset table has them from us; what differs was set by somebody else. */
  private stored: Fronts
  private epoch: number
  /** Waits until the log is on disk up to `below`. */
  private found: (Fronts & { readonly below: number }) | undefined

  constructor(deps: TransactionStateDependencies) {
    this.deps = deps
    this.stored = this.offsetsNow()
    this.epoch = deps.epoch()
    this.decided = this.startAt(this.stored)
  }

  /** Reads the op messages that it does not know, after a start all. An administrator's new offsets count from here. */
  async catchUp(): Promise<void> {
    const now = this.offsetsNow()
    const epoch = this.deps.epoch()
    if (!isSame(now, this.stored) || epoch !== this.epoch) {
      this.deps.log.warn(
        `transactions are read anew, in epoch ${epoch}: halves from ${now.half}, op messages from ${now.op}`,
      )
      // Copies may be gone with the tail; what only has other offsets still has its copies.
      if (epoch !== this.epoch) this.copies = new HalfCopies()
      this.stored = now
      this.epoch = epoch
      this.found = undefined
      this.decided = this.startAt(now)
    }
    await readOps(this.deps.source, this.decided, this.copies)
  }

  /** Nothing that was known counts: the log and the offsets were another one's to write. */
  forget(): void {
    this.copies = new HalfCopies()
    this.stored = this.offsetsNow()
    this.epoch = this.deps.epoch()
    this.found = undefined
    this.decided = this.startAt(this.stored)
  }

  isBusy(half: number): boolean {
    return this.busy.has(half)
  }

  /** Runs `work` when nobody else is at work on the half; where another takes its place meanwhile, on that one. */
  async exclusive<T>(half: number, work: (half: number) => Promise<T>): Promise<T> {
    for (;;) {
      const newest = this.copies.newest(half)
      const other = this.busy.get(newest)
      if (other === undefined) {
        const done = work(newest).finally(() => this.busy.delete(newest))
        this.busy.set(newest, done)
        return done
      }
      await other.catch(() => {})
    }
  }

  /** A round has come this far. */
  roundDone(): void {
    const { firstHalf: half, firstOp: op } = this.decided
    this.copies.dropBelow(half)
    if (!isSame({ half, op }, this.stored)) this.found = { half, op, below: this.deps.appended() }
  }

  /** Hands what the last round found to the offset table once it may be believed; `now`: at a stop, which syncs the log. */
  storeOffsets(now = false): void {
    const { found } = this
    if (found === undefined || (!now && this.deps.flushed() < found.below)) return
    this.found = undefined
    // The tail with the copies of what they leave behind may be gone.
    if (this.deps.epoch() !== this.epoch) return
    // Somebody has set them meanwhile: the next round goes on from there.
    if (!isSame(this.offsetsNow(), this.stored)) return
    this.stored = { half: found.half, op: found.op }
    const { offsets } = this.deps
    if (found.half !== offsets.query(TRANSACTION_GROUP, TOPIC.half, 0)) {
      offsets.commit(TRANSACTION_GROUP, TOPIC.half, 0, found.half, WRITER)
    }
    if (found.op !== offsets.query(TRANSACTION_GROUP, TOPIC.halfOp, 0)) {
      offsets.commit(TRANSACTION_GROUP, TOPIC.halfOp, 0, found.op, WRITER)
    }
    failpoint('transaction-offsets')
  }

  private offsetsNow(): Fronts {
    const { offsets } = this.deps
    return {
      half: offsets.query(TRANSACTION_GROUP, TOPIC.half, 0),
      op: offsets.query(TRANSACTION_GROUP, TOPIC.halfOp, 0),
    }
  }

  /** Where the offsets lie outside their queues (none stored, records expired, a tail lost), the nearest that do not. */
  private startAt({ half, op }: Fronts): DecidedHalves {
    const { view } = this.deps.source
    const inside = (topic: string, offset: number) =>
      Math.min(Math.max(offset, view.queueMin(topic, 0)), view.queueMax(topic, 0))
    return new DecidedHalves(inside(TOPIC.half, half), inside(TOPIC.halfOp, op))
  }
}
