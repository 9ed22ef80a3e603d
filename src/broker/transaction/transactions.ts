/**
 * The transactions of one broker: ends as they come, a round of checks every transactionCheckInterval, one at a time.
 *
 *   half send (send/half-place.ts) ─▶ half queue ─▶ end() ─▶ real topic, op queue
 *                                         └─ check() ─▶ copy, 39 to its producer ─▶ end()
 *
 * Owns:      TransactionState. Blocks on: nothing.
 */
import { describe } from '../../errors.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { physicalOffsetOf } from '../../store/commitlog/offset-msg-id.ts'
import { isInLog } from '../acks.ts'
import type { WaitingLine } from '../processors/index.ts'
import { PERM_READ_WRITE } from '../topics/index.ts'
import { TOPIC } from '../topics/names.ts'
import { type CheckDependencies, CheckRound, type RoundReport } from './check-round.ts'
import { HALF, resumedCopyOf } from './half-message.ts'
import { OpWriter, type OpWriterDependencies } from './op-writer.ts'
import {
  type Ended,
  type EndTransaction,
  type TransactionEndDependencies,
  TransactionEnds,
} from './transaction-ends.ts'
import { TransactionState, type TransactionStateDependencies } from './transaction-state.ts'

type Parts = 'state' | 'ops' | 'heldSpanMax' | 'view' | 'queueIds' | 'source'
export type TransactionDependencies = Omit<CheckDependencies, Parts> &
  Omit<TransactionEndDependencies, Parts> &
  Omit<OpWriterDependencies, Parts> &
  Omit<TransactionStateDependencies, Parts> & {
    readonly source: TransactionStateDependencies['source'] & Pick<CheckDependencies, 'view' | 'queueIds'>
  }

const HELD_SPAN_MAX = 1_000_000
const DRAIN_MS_MAX = 1000
const DRAIN_POLL_MS = 2

export class Transactions {
  readonly state: TransactionState
  /** Halves behind one that waits, before it gets a copy at their end: see check-round.ts. */
  heldSpanMax = HELD_SPAN_MAX
  private readonly deps: TransactionDependencies
  private readonly ends: TransactionEnds
  private readonly ops: OpWriter
  /** What the op queue holds is known. */
  private loaded: Promise<void>
  private round: Promise<RoundReport | undefined> | undefined
  private isStopping = false
  /** Rises with each change of the broker's role. */
  private reign = 0

  constructor(deps: TransactionDependencies) {
    this.deps = deps
    this.state = new TransactionState(deps)
    this.ops = new OpWriter({ ...deps, state: this.state })
    this.ends = new TransactionEnds({ ...deps, state: this.state, ops: this.ops })
    this.loaded = this.load()
  }

  /** This broker is the master of its group now: what the log and the offsets say holds, and nothing else. */
  lead(): void {
    this.reign += 1
    this.state.forget()
    this.loaded = this.load()
  }

  /** It is a slave now. A round that runs ends with the half that it is at. */
  follow(): void {
    this.reign += 1
    this.state.forget()
  }

  private load(): Promise<void> {
    return this.state.catchUp().catch((error: unknown) => {
      this.deps.log.error(
        `op messages of transactions could not be read, the first round of checks tries again: ${describe(error)}`,
      )
    })
  }

  /** 37. Undefined: there is nothing to answer. */
  async end(request: EndTransaction): Promise<Ended | undefined> {
    if (this.isStopping) return { code: RESPONSE.SERVICE_NOT_AVAILABLE, remark: 'the broker is stopping' }
    // An end may name a half that a copy stands for since the run before.
    await this.loaded
    return this.ends.end(request)
  }

  /** 323: the half is checked again from the start, also one that was given up. */
  async resume(offsetMsgId: string | undefined): Promise<Ended> {
    const offset = physicalOffsetOf(offsetMsgId)
    const message = offset === undefined ? undefined : await this.deps.messages.at(offset)
    const isHalf = message?.topic === TOPIC.half || message?.topic === TOPIC.halfExpired
    if (message === undefined || !isHalf || !message.properties.has(HALF.producerGroup)) {
      return failed(`no half message has the id ${offsetMsgId}`)
    }
    this.deps.topics.createInternal({ topic: TOPIC.half, queueNums: 1, perm: PERM_READ_WRITE })
    const { status, remark } = await this.deps.puts.put(resumedCopyOf(message))
    return isInLog(status) ? { code: RESPONSE.SUCCESS } : failed(remark ?? status)
  }

  /** A round of checks, unless one runs. Settled when it is over; never rejects. */
  check(): Promise<RoundReport | undefined> {
    if (this.isStopping || this.deps.settings.brokerRole === 'SLAVE') return Promise.resolve(undefined)
    this.round ??= this.runRound().finally(() => {
      this.round = undefined
    })
    return this.round
  }

  /** Ten times a second. */
  tick(): void {
    this.state.storeOffsets()
  }

  /** Ends that are under way. */
  line(): WaitingLine {
    return { size: this.ends.pending, capacity: this.deps.settings.endTransactionPoolQueueCapacity, headWaitMs: 0 }
  }

  /** Takes no more; settled when what is under way is done, or that takes too long. */
  async close(): Promise<void> {
    this.isStopping = true
    const until = performance.now() + DRAIN_MS_MAX
    while ((this.ends.pending > 0 || this.round !== undefined) && performance.now() < until) {
      await new Promise((fulfil) => setTimeout(fulfil, DRAIN_POLL_MS))
    }
    const { brokerRole, enableDLegerCommitLog } = this.deps.settings
    // A stop syncs the log; what of it stays is the group's to say.
    if (brokerRole !== 'SLAVE') this.state.storeOffsets(!enableDLegerCommitLog)
  }

  private async runRound(): Promise<RoundReport | undefined> {
    const { log } = this.deps
    const { reign } = this
    try {
      await this.loaded
      await this.state.catchUp()
      const report = await new CheckRound({
        ...this.deps,
        ...this.deps.source,
        state: this.state,
        ops: this.ops,
        heldSpanMax: this.heldSpanMax,
      }).run(() => this.isStopping || reign !== this.reign)
      if (reign !== this.reign) return report
      this.state.roundDone()
      const { checked, expired, moved, stopped } = report
      if (checked + expired + moved > 0) log.info('half messages were checked', { ...report })
      if (stopped !== undefined) log.warn(`checks of half messages stopped until the next round: ${stopped}`)
      return report
    } catch (error) {
      log.error(`a round of transaction checks failed, the next one starts anew: ${describe(error)}`)
      return undefined
    }
  }
}

function failed(why: string): Ended {
  return { code: RESPONSE.SYSTEM_ERROR, remark: `Put message back to ${TOPIC.half} failed: ${why}` }
}
