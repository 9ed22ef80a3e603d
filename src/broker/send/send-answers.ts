/**
 * Answers to sends: of those that are stored, and of those that are refused. All carry regionId and traceOn, which are read
 * at each answer: a client traces as the last one said.
 *
 * Called by: acks.ts and the send processor through message-service.ts, once a send. An answer that says yes is written
 * straight into the connection's output, without an object.
 * Format:    spec/broker-requests.md §3.
 */
import { answerTo, FLAG_ONEWAY, type SerializeType } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { type SendFields, sendAnswerRoom, writeSendAnswer } from '../../remoting/hot/index.ts'
import { hostHex } from '../../store/commitlog/offset-msg-id.ts'
import type { SendOutcome } from '../acks.ts'
import type { Membership } from '../replication/index.ts'
import { entrySteps } from './entry-places.ts'
import type { Host } from './record-encoder.ts'
import { type Refusal, SEND_CODE } from './send-checks.ts'

export interface SendAnswersOptions {
  settings: { readonly regionId: string; readonly traceOn: boolean; readonly mappedFileSizeCommitLog: number }
  stats: { putFailures: number }
  storeHost: Host
  /** Why sends that were taken cannot be confirmed any more. */
  failure(): string
  /** In a DLedger group: what is appended by its leader and not committed is promised to nobody. */
  membership?: Pick<Membership, 'changedText' | 'noMajorityText'> | undefined
}

type Codes = Partial<Record<SendOutcome['status'], number>>

const COMMITTED: Codes = { ok: SEND_CODE.success }
const STORED: Codes = {
  ...COMMITTED,
  flushTimeout: SEND_CODE.flushDiskTimeout,
  slaveUnavailable: SEND_CODE.slaveNotAvailable,
  slaveTimeout: SEND_CODE.flushSlaveTimeout,
}

export class SendAnswers {
  private readonly options: SendAnswersOptions
  private readonly stored: Codes
  private hostHex: Buffer

  constructor(options: SendAnswersOptions) {
    this.options = options
    this.stored = options.membership === undefined ? STORED : COMMITTED
    this.hostHex = Buffer.from(hostHex(options.storeHost))
  }

  /** The host that is in every id has another port now. */
  hostChanged(): void {
    this.hostHex = Buffer.from(hostHex(this.options.storeHost))
  }

  answer(connection: Connection, outcome: SendOutcome): void {
    const code = this.stored[outcome.status]
    if (code === undefined) {
      this.refuse(connection, outcome.opaque, outcome.serialize, this.whyNot(outcome))
      return
    }
    const { regionId, traceOn } = this.options.settings
    const room = sendAnswerRoom(outcome.sizes?.length ?? 1, this.hostHex.length, regionId)
    const at = connection.reserve(room)
    const length = writeSendAnswer(
      connection.out,
      at,
      outcome,
      code,
      this.hostHex,
      outcome.queueId,
      outcome.physicalOffset,
      outcome.queueOffset,
      regionId,
      traceOn,
      this.stepsOf(outcome),
    )
    connection.advance(length)
  }

  /** A send that was not taken. */
  refuseSend(connection: Connection, { flag, opaque, serialize }: SendFields, refusal: Refusal): void {
    if ((flag & FLAG_ONEWAY) !== 0) this.options.stats.putFailures += 1
    else this.refuse(connection, opaque, serialize, refusal)
  }

  private refuse(connection: Connection, opaque: number, serialize: number, { code, remark }: Refusal): void {
    const { settings, stats } = this.options
    stats.putFailures += 1
    const answer = answerTo({ opaque, serialize: serialize as SerializeType }, code, remark)
    answer.ext = { MSG_REGION: settings.regionId, TRACE_ON: String(settings.traceOn) }
    connection.send(answer)
  }

  /** From record to record of a batch: its sizes, where each record is no entry of its own. */
  private stepsOf({ sizes, physicalOffset }: SendOutcome): number[] | undefined {
    const { membership, settings } = this.options
    if (sizes === undefined || membership === undefined) return sizes
    return entrySteps(physicalOffset, sizes, settings.mappedFileSizeCommitLog)
  }

  private whyNot({ status }: SendOutcome): Refusal {
    const { membership } = this.options
    if (status === 'tooLarge') return systemError('the message is larger than a CommitLog file: nothing is stored')
    if (status === 'noRoom')
      return notAvailable('there is no room on the disk: nothing is stored, or only the first messages of a batch')
    if (membership !== undefined) {
      if (status === 'oldEpoch') return notAvailable(membership.changedText(false))
      if (status === 'leaderChanged') return systemError(membership.changedText(true))
      if (status !== 'failed') return systemError(membership.noMajorityText())
    } else if (status === 'oldEpoch') {
      return systemError('the role of the broker changed while the message was under way: nothing is stored')
    }
    return systemError(`the broker failed before it could confirm: ${this.options.failure()}`)
  }
}

function notAvailable(why: string): Refusal {
  return { code: SEND_CODE.serviceNotAvailable, remark: `service not available now. ${why}` }
}

function systemError(remark: string): Refusal {
  return { code: SEND_CODE.systemError, remark }
}
