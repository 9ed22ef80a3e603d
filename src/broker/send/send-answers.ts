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
import type { Host } from './record-encoder.ts'
import { type Refusal, SEND_CODE } from './send-checks.ts'

export interface SendAnswersOptions {
  settings: { readonly regionId: string; readonly traceOn: boolean }
  stats: { putFailures: number }
  storeHost: Host
  /** Why sends that were taken cannot be confirmed any more. */
  failure(): string
}

const STORED: Partial<Record<SendOutcome['status'], number>> = {
  ok: SEND_CODE.success,
  flushTimeout: SEND_CODE.flushDiskTimeout,
  slaveUnavailable: SEND_CODE.slaveNotAvailable,
  slaveTimeout: SEND_CODE.flushSlaveTimeout,
}

export class SendAnswers {
  private readonly options: SendAnswersOptions
  private hostHex: Buffer

  constructor(options: SendAnswersOptions) {
    this.options = options
    this.hostHex = Buffer.from(hostHex(options.storeHost))
  }

  /** The host that is in every id has another port now. */
  hostChanged(): void {
    this.hostHex = Buffer.from(hostHex(this.options.storeHost))
  }

  answer(connection: Connection, outcome: SendOutcome): void {
    const code = STORED[outcome.status]
    if (code === undefined) {
      this.refuse(connection, outcome.opaque, outcome.serialize, {
        code: SEND_CODE.systemError,
        remark: this.whyNot(outcome),
      })
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
      outcome.sizes,
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

  private whyNot({ status }: SendOutcome): string {
    if (status === 'oldEpoch') {
      return 'the role of the broker changed while the message was under way: nothing is stored'
    }
    if (status === 'tooLarge') return 'the message is larger than a CommitLog file: nothing is stored'
    return `the broker failed before it could confirm: ${this.options.failure()}`
  }
}
