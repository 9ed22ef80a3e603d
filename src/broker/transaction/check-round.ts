/**
 * One round of checks: every half that nobody has decided, from the front of the half queue on, and what is done with it.
 *
 *   front ──▶ x . x x . . x │ young          x decided: not even read
 *               │     │ └ held: sender wants to be asked later, or no producer of the group is there; the front stays here
 *               │     └ expired: copied to TRANS_CHECK_MAX_TIME_TOPIC
 *               └ checked: a copy with one check more takes its place (op message), then its producer is asked (39)
 *
 * A check counts when it is sent: a group whose producers are away keeps its checks. An entry that cannot be read, is no half
 * or cannot be copied is told in the log, kept for the operator where that is possible, and passed.
 * Bounds:    BATCH halves or BATCH_BYTES at a time are in memory and under way. A held half that has more than `heldSpanMax`
 *            halves behind it gets an uncounted copy at their end, so that the front goes on.
 * Rules:     spec/broker-requests.md §10. RocketMQ counts a check in every round, sent or not, gives a half that wants to be
 *            asked later a copy each time, and begins a round for 60 s with an entry that it cannot copy.
 */
import type { Clock } from '../../clock.ts'
import { describe } from '../../errors.ts'
import { failpoint } from '../../faults.ts'
import type { Log } from '../../log.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { ProducerManager } from '../groups/index.ts'
import type { InternalMessage, InternalPut, PutResult, StoredMessages } from '../put/index.ts'
import type { QueueIds } from '../queue-ids.ts'
import type { StoreView } from '../store-view.ts'
import { PERM_READ_WRITE, type TopicTable } from '../topics/index.ts'
import { TOPIC } from '../topics/names.ts'
import { type CheckSettings, decide } from './check-decision.ts'
import { checkRequest } from './check-request.ts'
import { checkedCopyOf, expiredCopyOf, type Half, halfOf, laterCopyOf } from './half-message.ts'
import { isIllegal, isStored, type OpWriter } from './op-writer.ts'
import { placesOf } from './queue-places.ts'
import type { TransactionState } from './transaction-state.ts'

export interface CheckDependencies {
  readonly settings: CheckSettings
  readonly state: TransactionState
  readonly ops: OpWriter
  readonly view: Pick<StoreView, 'unitsOf' | 'queueMax' | 'queueMin'>
  readonly queueIds: Pick<QueueIds, 'find'>
  readonly puts: Pick<InternalPut, 'put'>
  readonly messages: Pick<StoredMessages, 'at'>
  readonly producers: Pick<ProducerManager<Connection>, 'pick'>
  readonly topics: TopicTable
  readonly clock: Clock
  readonly log: Log
  readonly heldSpanMax: number
}

/** What a round did, for the log and for tests. */
export interface RoundReport {
  checked: number
  expired: number
  held: number
  /** Copies of held halves. */
  moved: number
  /** Why it ended before its time. */
  stopped: string | undefined
}

const BATCH = 64
const BATCH_BYTES = 4 * 1024 * 1024
const UNITS_PER_READ = 800
/** As RocketMQ: so many connections of a group are looked at. */
const PEERS_MAX = 3
/** A producer that does not read gets no further checks meanwhile. */
const PEER_BYTES_MAX = 1024 * 1024
/** Lines a round about halves that are given up; the rest is in its report. */
const TOLD_MAX = 10

/** passed: decided, replaced or given up. held: it stays, others go on. stop: the round ends in front of it. */
type Outcome = 'passed' | 'held' | 'stop'

interface Found {
  readonly offset: number
  readonly physicalOffset: number
}

export class CheckRound {
  readonly report: RoundReport = { checked: 0, expired: 0, held: 0, moved: 0, stopped: undefined }
  private readonly deps: CheckDependencies
  private readonly startedAt: number
  /** Where the half queue ends, for this round. */
  private readonly end: number
  private firstHeld: number | undefined

  constructor(deps: CheckDependencies) {
    this.deps = deps
    this.startedAt = deps.clock.now()
    this.end = deps.view.queueMax(TOPIC.half, 0)
  }

  async run(isStopping: () => boolean): Promise<RoundReport> {
    const { state, view, queueIds } = this.deps
    const { decided } = state
    const queue = queueIds.find(TOPIC.half, 0)
    let at = Math.max(decided.firstHalf, view.queueMin(TOPIC.half, 0))
    for (let isOver = queue < 0; !isOver && at < this.end && !isStopping(); ) {
      const { found, next } = this.collect(queue, at)
      const outcomes = await Promise.all(found.map((one) => this.take(one)))
      const stop = outcomes.indexOf('stop')
      for (const [i, { offset }] of found.entries()) {
        if (outcomes[i] === 'held') this.hold(offset)
        // Behind the first stop others may have been passed already: they are copied twice rather than forgotten.
        if (i === stop) at = offset
      }
      isOver = stop >= 0
      if (!isOver) at = next
      // An administrator's new offsets count from the next round on.
      if (state.decided !== decided) break
      decided.pass(Math.max(decided.firstHalf, Math.min(this.firstHeld ?? at, at)))
    }
    return this.report
  }

  /** The next undecided halves, and where to go on behind them. */
  private collect(queue: number, from: number): { found: Found[]; next: number } {
    const { state, view } = this.deps
    const found: Found[] = []
    const first = state.decided.nextUndecided(from, this.end)
    if (first >= this.end) return { found, next: this.end }
    const { offsets, sizes, next } = placesOf(view, queue, first, UNITS_PER_READ, this.end)
    let bytes = 0
    for (let i = 0; i < offsets.length; i += 1) {
      const offset = first + i
      if (state.decided.has(offset)) continue
      if (found.length === BATCH || bytes > BATCH_BYTES) return { found, next: offset }
      if (offsets[i] >= 0) {
        found.push({ offset, physicalOffset: offsets[i] })
        bytes += sizes[i]
      }
    }
    return { found, next }
  }

  private async take({ offset, physicalOffset }: Found): Promise<Outcome> {
    const { state, messages, log } = this.deps
    // A copy stands for it already: this round begins where one ended early.
    if (state.copies.newest(offset) !== offset) return 'passed'
    // Its end is under way.
    if (state.isBusy(offset)) return 'held'
    return state.exclusive(offset, async () => {
      try {
        const message = await messages.at(physicalOffset)
        if (message === undefined) {
          log.error(`half message ${offset} at ${physicalOffset} cannot be read: it is passed, unchecked`)
          return 'passed'
        }
        const half = halfOf(message)
        if (typeof half !== 'string') return await this.judge(offset, half)
        log.error(`half message ${offset} at ${physicalOffset} cannot be checked: ${half}`)
        return await this.giveUp(offset, expiredCopyOf(message))
      } catch (error) {
        // Nothing that is wrong with the record: the next round may read it.
        log.error(`half message ${offset} at ${physicalOffset} was not checked: ${describe(error)}`)
        return this.isFarBehind(offset) ? 'passed' : 'held'
      }
    })
  }

  private judge(offset: number, half: Half): Outcome | Promise<Outcome> {
    const { clock, settings } = this.deps
    switch (decide(half, clock.now(), this.startedAt, settings)) {
      case 'young':
        return 'stop'
      case 'later':
        return this.keep(offset, half)
      case 'check':
        return this.check(offset, half)
      case 'expired':
        this.tellExpired(offset, half)
        return this.giveUp(offset, expiredCopyOf(half.message))
    }
  }

  private async check(offset: number, half: Half): Promise<Outcome> {
    const peer = this.producerOf(half.producerGroup)
    if (peer === undefined) return this.keep(offset, half)
    const copy = checkedCopyOf(half)
    const stored = await this.deps.puts.put(copy)
    if (!isStored(stored)) return this.refused(offset, half, stored)
    await this.deps.ops.replaced(offset, stored.queueOffset)
    failpoint('half-copied')
    // It may have left while the copy was stored.
    const asked = peer.closed ? this.producerOf(half.producerGroup) : peer
    asked?.oneway(checkRequest(half, copy, stored))
    if (asked !== undefined) this.report.checked += 1
    failpoint('half-asked')
    return 'passed'
  }

  /** Nobody is asked now. The front of the half queue waits for it, unless too much would wait. */
  private async keep(offset: number, half: Half): Promise<Outcome> {
    if (!this.isFarBehind(offset)) return 'held'
    const stored = await this.deps.puts.put(laterCopyOf(half))
    if (!isStored(stored)) return this.refused(offset, half, stored)
    await this.deps.ops.replaced(offset, stored.queueOffset)
    this.report.moved += 1
    return 'passed'
  }

  private refused(offset: number, half: Half, result: PutResult): Outcome | Promise<Outcome> {
    const { status, remark = status } = result
    if (!isIllegal(result)) return this.stop(remark)
    // One property more is too much for it: it can never be checked.
    this.deps.log.error(`half message ${offset} of group ${half.producerGroup} cannot be checked: ${remark}`)
    return this.giveUp(offset, expiredCopyOf(half.message))
  }

  private async giveUp(offset: number, copy: InternalMessage): Promise<Outcome> {
    const { puts, topics, log } = this.deps
    topics.createInternal({ topic: TOPIC.halfExpired, queueNums: 1, perm: PERM_READ_WRITE })
    const stored = await puts.put(copy)
    if (isStored(stored)) this.report.expired += 1
    else if (stored.status !== 'illegal' && stored.status !== 'tooLarge')
      return this.stop(stored.remark ?? stored.status)
    else log.error(`half message ${offset} cannot be kept in ${TOPIC.halfExpired}: ${stored.remark}`)
    return 'passed'
  }

  /** The store takes nothing now: the next round tries again. */
  private stop(why: string): Outcome {
    this.report.stopped = why
    return 'stop'
  }

  /** Too much would have to be remembered of those behind it. */
  private isFarBehind(offset: number): boolean {
    return this.end - offset > this.deps.heldSpanMax
  }

  private tellExpired(offset: number, { producerGroup, realTopic, checkTimes }: Half): void {
    if (this.report.expired >= TOLD_MAX) return
    this.deps.log.warn(
      `half message ${offset} of group ${producerGroup} for topic ${realTopic} is given up after ${checkTimes} checks: ` +
        `it is kept in ${TOPIC.halfExpired}`,
    )
  }

  private hold(offset: number): void {
    this.firstHeld ??= offset
    this.report.held += 1
  }

  private producerOf(group: string): Connection | undefined {
    for (let i = 0; i < PEERS_MAX; i += 1) {
      const peer = this.deps.producers.pick(group)
      if (peer === undefined || peer.pendingBytes <= PEER_BYTES_MAX) return peer
    }
    return undefined
  }
}
