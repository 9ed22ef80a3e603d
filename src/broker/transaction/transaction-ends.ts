/**
 * END_TRANSACTION (37): a producer says what becomes of its half.
 *
 *   commit    the message in its real topic, then the op message
 *   rollback  the op message
 *   unknown   nothing: the half is checked later
 *
 * In this order, and the op message only when the message is stored: whatever dies in between, the half is undecided and
 * its producer is asked again, so that a commit may be delivered twice and is never lost.
 * Invariant: the same end twice stores nothing twice while the half, or a copy of it, is in use.
 * Rules: spec/broker-requests.md §10.
 */
import { failpoint } from '../../faults.ts'
import type { Log } from '../../log.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import type { HeaderOf } from '../../remoting/schema.ts'
import type { END_TRANSACTION } from '../../remoting/schemas/send.ts'
import { SYS_FLAG } from '../../store/commitlog/record.ts'
import type { InternalPut, PutResult, StoredMessages } from '../put/index.ts'
import { commitOf, commitWaits, type Half, halfOf } from './half-message.ts'
import { isIllegal, isStored, type OpWriter } from './op-writer.ts'
import type { TransactionState } from './transaction-state.ts'

export type EndTransaction = HeaderOf<typeof END_TRANSACTION>

export interface Ended {
  readonly code: number
  readonly remark?: string
}

export interface TransactionEndDependencies {
  readonly settings: {
    readonly brokerRole: string
    readonly enableDLegerCommitLog?: boolean
    readonly endTransactionPoolQueueCapacity: number
    readonly syncFlushTimeout: number
  }
  readonly state: TransactionState
  readonly puts: Pick<InternalPut, 'put'>
  readonly messages: Pick<StoredMessages, 'at'>
  readonly ops: OpWriter
  /** Positions: the log's end, and up to where it may be read. */
  appended(): number
  visible(): number
  readonly log: Log
}

const VISIBLE_POLL_MS = 2
const OK: Ended = { code: RESPONSE.SUCCESS }
const NOT_FOUND = error('Find prepared transaction message failed')

export class TransactionEnds {
  private readonly deps: TransactionEndDependencies
  private underWay = 0

  constructor(deps: TransactionEndDependencies) {
    this.deps = deps
  }

  /** Ends that are not answered yet. */
  get pending(): number {
    return this.underWay
  }

  /** Undefined: there is nothing to answer. */
  async end(request: EndTransaction): Promise<Ended | undefined> {
    const { settings } = this.deps
    if (settings.brokerRole === 'SLAVE') {
      return { code: RESPONSE.SLAVE_NOT_AVAILABLE, remark: 'the broker is a slave: its master ends transactions' }
    }
    const type = request.commitOrRollback
    if (type === 0) return undefined
    if (type !== SYS_FLAG.commit && type !== SYS_FLAG.rollback) {
      return error(`commitOrRollback field wrong: ${type}, expected 8 (commit), 12 (rollback) or 0 (unknown)`)
    }
    const capacity = settings.endTransactionPoolQueueCapacity
    if (this.underWay >= capacity) {
      return { code: RESPONSE.SYSTEM_BUSY, remark: `${capacity} ends of transactions are under way already` }
    }
    this.underWay += 1
    try {
      const half = await this.find(request)
      if ('code' in half) return half
      const isCommit = type === SYS_FLAG.commit
      return await this.deps.state.exclusive(half.message.queueOffset, (newest) => this.finish(half, newest, isCommit))
    } finally {
      this.underWay -= 1
    }
  }

  private async find(request: EndTransaction): Promise<Half | Ended> {
    const { commitLogOffset, tranStateTableOffset, producerGroup } = request
    await this.untilVisible(commitLogOffset)
    const message = await this.deps.messages.at(commitLogOffset)
    const half = message === undefined ? NOT_FOUND : halfOf(message)
    if (typeof half === 'string') {
      this.deps.log.warn(`no half message is at ${commitLogOffset}, where group ${producerGroup} ends one: ${half}`)
      return NOT_FOUND
    }
    if ('code' in half) return half
    if (half.producerGroup !== producerGroup) return error('The producer group wrong')
    if (half.message.queueOffset !== tranStateTableOffset) return error('The transaction state table offset wrong')
    return half
  }

  /** A half that was sent with WAIT=false may be ended before it is on disk, where that is what others may see. */
  private async untilVisible(offset: number): Promise<void> {
    const until = performance.now() + this.deps.settings.syncFlushTimeout
    while (offset >= this.deps.visible() && offset < this.deps.appended() && performance.now() < until) {
      await new Promise((fulfil) => setTimeout(fulfil, VISIBLE_POLL_MS))
    }
  }

  /** `newest` is the queue offset of the half, or of the copy that stands for it now. */
  private async finish(half: Half, newest: number, isCommit: boolean): Promise<Ended> {
    const { decided } = this.deps.state
    if (decided.has(newest)) return OK
    if (isCommit) {
      const result = await this.deps.puts.put(commitOf(half), { waits: commitWaits(half) })
      const refused = refusalOf(result)
      if (refused !== undefined) return refused
      failpoint('transaction-committed')
    }
    await this.deps.ops.ended(newest)
    failpoint('transaction-noted')
    return OK
  }
}

/** The codes of RocketMQ's sendFinalMessage; a message that is stored is a success however late it is safe. */
function refusalOf(result: PutResult): Ended | undefined {
  const { status, remark = status } = result
  if (isStored(result)) return undefined
  if (isIllegal(result)) return { code: RESPONSE.MESSAGE_ILLEGAL, remark: `The message is illegal: ${remark}` }
  return status === 'unavailable' ? { code: RESPONSE.SERVICE_NOT_AVAILABLE, remark } : error(remark)
}

function error(remark: string): Ended {
  return { code: RESPONSE.SYSTEM_ERROR, remark }
}
