/**
 * Replies to requests (324, 325): handed to the producer that asked, over its own connection (326), and stored.
 *
 *   replier ── 325 ──▶ broker ── 326 ──▶ requester (REPLY_TO_CLIENT, known by its heartbeat)
 *                        │  ◀──────────── 0 or 1
 *              ◀─ 0, 1 ──┴─▶ <cluster>_REPLY_TOPIC (storeReplyMessageEnable)
 *
 * The code says whether the requester has the reply; whether it is stored shows in msgId alone ("0": it is not).
 * Blocks on: nothing. A requester that does not answer costs its replier PUSH_MS_MAX.
 * Rules: spec/broker-requests.md §6.
 */
import type { Clock } from '../../clock.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { answerTo, type RemotingCommand, request as requestOf } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { hostText } from '../../remoting/host.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader, type HeaderOf } from '../../remoting/schema.ts'
import {
  PUSH_REPLY_MESSAGE_TO_CLIENT,
  SEND_MESSAGE_ANSWER,
  SEND_REPLY_MESSAGE,
  SEND_REPLY_MESSAGE_V2,
} from '../../remoting/schemas/send.ts'
import { javaHash } from '../../store/commitlog/java-hash.ts'
import { offsetMsgId } from '../../store/commitlog/offset-msg-id.ts'
import { formatProperties, inJavaOrder, type Properties, parseProperties } from '../../store/commitlog/properties.ts'
import { SYS_FLAG } from '../../store/commitlog/record.ts'
import { isInLog } from '../acks.ts'
import type { ProducerManager } from '../groups/index.ts'
import type { InternalPut, PutResult } from '../put/index.ts'
import type { Processor } from '../router.ts'
import type { Host } from '../send/record-encoder.ts'
import { checkBroker, checkQueueId, type Refusal, unknownTopic } from '../send/send-checks.ts'
import type { TopicConfig, TopicTable } from '../topics/index.ts'

export interface ReplyDependencies {
  readonly settings: {
    readonly startAcceptSendRequestTimeStamp: number
    readonly brokerPermission: number
    readonly brokerIP1: string
    readonly storeReplyMessageEnable: boolean
    readonly regionId: string
    readonly traceOn: boolean
  }
  readonly topics: TopicTable
  readonly producers: Pick<ProducerManager<Connection>, 'connection'>
  readonly puts: Pick<InternalPut, 'put'>
  readonly storeHost: Host
  /** A reply is stored: for the counters. */
  counted(topic: string, queueId: number, bytes: number): void
  readonly clock: Clock
  readonly log: Log
}

type Reply = HeaderOf<typeof SEND_REPLY_MESSAGE>

const PUSH_MS_MAX = 10_000
const REPLY_TO = 'REPLY_TO_CLIENT'
const PUSH_TIME = 'PUSH_REPLY_TIME'
const WAIT = 'WAIT'
/** A reply may be compressed; it is no half message and no batch. */
const KEPT_FLAGS = SYS_FLAG.compressed | SYS_FLAG.compressionMask

export function replyProcessors(deps: ReplyDependencies): [number, Processor][] {
  const processor = new ReplyProcessor(deps)
  return [
    [REQUEST.SEND_REPLY_MESSAGE, (request, from) => processor.take(request, from, SEND_REPLY_MESSAGE)],
    [REQUEST.SEND_REPLY_MESSAGE_V2, (request, from) => processor.take(request, from, SEND_REPLY_MESSAGE_V2)],
  ]
}

class ReplyProcessor {
  private readonly deps: ReplyDependencies

  constructor(deps: ReplyDependencies) {
    this.deps = deps
  }

  async take(
    request: RemotingCommand,
    from: Connection,
    schema: typeof SEND_REPLY_MESSAGE | typeof SEND_REPLY_MESSAGE_V2,
  ): Promise<RemotingCommand> {
    const reply: Reply = decodeHeader(schema, request.ext)
    const topic = this.admit(reply, from)
    if ('remark' in topic) return this.answer(request, topic.code, topic.remark)
    const queueId = reply.queueId >= 0 ? reply.queueId : Math.floor(Math.random() * topic.writeQueueNums)
    const properties = parseProperties(reply.properties ?? '')
    const body = request.body ?? new Uint8Array()
    const [fault, stored] = await Promise.all([
      this.push(reply, properties, body, from),
      this.store(reply, queueId, properties, body, from),
    ])
    const { storeHost } = this.deps
    const isStored = stored !== undefined && isInLog(stored.status)
    return this.answer(request, fault === undefined ? RESPONSE.SUCCESS : RESPONSE.SYSTEM_ERROR, fault, {
      msgId: isStored ? offsetMsgId(storeHost, stored.physicalOffset) : '0',
      queueId,
      queueOffset: isStored ? stored.queueOffset : 0,
    })
  }

  private admit(reply: Reply, from: Connection): TopicConfig | Refusal {
    const { settings, topics, clock } = this.deps
    const closed = checkBroker(settings, clock.now())
    if (closed !== undefined) return closed
    const { topic, defaultTopic, defaultTopicQueueNums: queueNums, unitMode } = reply
    const invalid = topics.validateName(topic)
    if (invalid !== undefined) return { code: RESPONSE.SYSTEM_ERROR, remark: invalid }
    if (topics.isForbiddenToSend(topic)) {
      return { code: RESPONSE.NO_PERMISSION, remark: `Sending message to topic[${topic}] is forbidden.` }
    }
    const remote = from.remoteAddress
    const config = topics.get(topic) ?? topics.autoCreate({ topic, defaultTopic, queueNums, unitMode, remote })
    if (config === undefined) return unknownTopic(topic, topics.whyNotCreated(defaultTopic))
    return checkQueueId(reply.queueId, config, remote) ?? config
  }

  /** Why the requester has not taken the reply, or undefined. */
  private async push(
    reply: Reply,
    properties: Properties,
    body: Uint8Array,
    from: Connection,
  ): Promise<string | undefined> {
    const requester = properties.get(REPLY_TO)
    if (requester === undefined) return `reply message properties[${REPLY_TO}] is null`
    const connection = this.deps.producers.connection(requester)
    if (connection === undefined) return `push reply message fail, channel of <${requester}> not found.`
    const failed = `push reply message to ${requester}fail.`
    try {
      const answer = await connection.invoke(this.pushRequest(reply, properties, body, from), PUSH_MS_MAX)
      return answer.code === RESPONSE.SUCCESS ? undefined : failed
    } catch (error) {
      this.deps.log.warn(`a reply did not reach ${requester}: ${describe(error)}`)
      return failed
    }
  }

  private pushRequest(reply: Reply, properties: Properties, body: Uint8Array, from: Connection): RemotingCommand {
    const { clock, storeHost } = this.deps
    const now = clock.now()
    const pushed = new Map(properties).set(PUSH_TIME, String(now))
    const ext = encodeHeader(PUSH_REPLY_MESSAGE_TO_CLIENT, {
      producerGroup: reply.producerGroup,
      topic: reply.topic,
      defaultTopic: reply.defaultTopic,
      defaultTopicQueueNums: reply.defaultTopicQueueNums,
      queueId: reply.queueId,
      sysFlag: reply.sysFlag,
      bornTimestamp: reply.bornTimestamp,
      flag: reply.flag,
      properties: formatProperties(inJavaOrder(pushed, javaHash)),
      reconsumeTimes: reply.reconsumeTimes,
      unitMode: reply.unitMode,
      bornHost: from.remoteAddress,
      storeHost: hostText(storeHost),
      storeTimestamp: now,
    })
    return requestOf(REQUEST.PUSH_REPLY_MESSAGE_TO_CLIENT, ext, body)
  }

  private async store(
    reply: Reply,
    queueId: number,
    properties: Properties,
    body: Uint8Array,
    from: Connection,
  ): Promise<PutResult | undefined> {
    const { settings, puts, log, counted } = this.deps
    if (!settings.storeReplyMessageEnable) return undefined
    const { topic, flag, sysFlag, bornTimestamp, reconsumeTimes } = reply
    const stored = await puts.put(
      {
        ...{ topic, queueId, body, flag, bornTimestamp, reconsumeTimes },
        // The text as it came: RocketMQ adds nothing to it either.
        properties: reply.properties ?? '',
        sysFlag: sysFlag & KEPT_FLAGS,
        bornHost: { address: from.remoteHost, port: from.remotePort },
        preparedTransactionOffset: 0,
      },
      { waits: properties.get(WAIT)?.toLowerCase() !== 'false' },
    )
    if (stored.physicalOffset >= 0) counted(topic, queueId, stored.size)
    else log.warn(`a reply is not stored in ${topic}: ${stored.remark ?? stored.status}`)
    return stored
  }

  private answer(
    request: RemotingCommand,
    code: number,
    remark: string | undefined,
    header?: { msgId: string; queueId: number; queueOffset: number },
  ): RemotingCommand {
    const answer = answerTo(request, code, remark)
    const { settings } = this.deps
    const always = { MSG_REGION: settings.regionId, TRACE_ON: String(settings.traceOn) }
    answer.ext = header === undefined ? always : { ...encodeHeader(SEND_MESSAGE_ANSWER, header), ...always }
    return answer
  }
}
