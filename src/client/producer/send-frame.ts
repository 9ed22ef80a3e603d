/**
 * The frame of a send, written in place: its JSON header is a text kept for each queue, with the message's parts between.
 *
 *   {"code":310,"extFields":{"a":group,"b":topic,"c":…,"d":…,"e":queueId,"f":"│sysFlag│","g":"│born│…│,"opaque":│…
 *   └──────────────── kept for a queue ─────────────────────────────────────┘
 *
 * The same bytes as the schema's encoder gives (test/client/send-frame.test.ts). Requests that are signed, replies and binary
 * headers go the general way.
 *
 * Bounds: one text a queue that was sent to.
 */
import { OWN_LANGUAGE, OWN_VERSION, type RemotingCommand, request } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { encodeFrameHeader, HEADER_AT, writeFrameStart } from '../../remoting/frame.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { encodeHeader } from '../../remoting/schema.ts'
import { SEND_MESSAGE_V2 } from '../../remoting/schemas/index.ts'
import type { Outgoing, SendKind } from './outgoing.ts'

/** What all sends of a producer say. */
export interface SendHeaderSettings {
  /** In its namespace. */
  readonly group: string
  readonly createTopicKey: string
  readonly defaultTopicQueueNums: number
  readonly unitMode: boolean
}

export const CODE: Record<SendKind, number> = {
  message: REQUEST.SEND_MESSAGE_V2,
  batch: REQUEST.SEND_BATCH_MESSAGE,
  reply: REQUEST.SEND_REPLY_MESSAGE_V2,
}

/** Bodies from here on are handed to the socket as they are: a copy costs more than another piece of a writev. */
const NOT_COPIED = 32 * 1024
/** UTF-8 bytes of one UTF-16 unit. */
const BYTES_A_UNIT = 3

export class SendFrames {
  private readonly settings: SendHeaderSettings
  private readonly kept: Record<SendKind, Map<string, string[]>> = {
    message: new Map(),
    batch: new Map(),
    reply: new Map(),
  }
  private readonly rear: string

  constructor(settings: SendHeaderSettings) {
    this.settings = settings
    this.rear = `,"serializeTypeCurrentRPC":"JSON","version":${OWN_VERSION}}`
  }

  /** The whole request, the general way. */
  command(out: Outgoing, queueId: number): RemotingCommand {
    const { group, createTopicKey, defaultTopicQueueNums, unitMode } = this.settings
    const header = encodeHeader(SEND_MESSAGE_V2, {
      producerGroup: group,
      topic: out.topic,
      defaultTopic: createTopicKey,
      defaultTopicQueueNums,
      queueId,
      sysFlag: out.sysFlag,
      bornTimestamp: out.bornTimestamp,
      flag: out.flag,
      properties: out.properties,
      reconsumeTimes: out.reconsumeTimes,
      unitMode,
      maxReconsumeTimes: out.maxReconsumeTimes,
      batch: out.kind === 'batch',
    })
    return request(CODE[out.kind], header, out.body)
  }

  /** Writes the request; `flag`: 0, or FLAG_ONEWAY. */
  write(c: Connection, out: Outgoing, queueId: number, opaque: number, flag: number): void {
    const { body } = out
    if (body.length >= NOT_COPIED) {
      const command = this.command(out, queueId)
      command.opaque = opaque
      command.flag = flag
      c.sendFrame(encodeFrameHeader(command, body.length), [body])
      return
    }
    const text = this.header(out, queueId, opaque, flag)
    const at = c.reserve(HEADER_AT + text.length * BYTES_A_UNIT + body.length)
    const headerLength = c.out.write(text, at + HEADER_AT)
    writeFrameStart(c.out, at, 0, headerLength, body.length)
    c.out.set(body, at + HEADER_AT + headerLength)
    c.advance(HEADER_AT + headerLength + body.length)
  }

  private header(out: Outgoing, queueId: number, opaque: number, flag: number): string {
    const most = out.maxReconsumeTimes === undefined ? '' : `,"l":"${out.maxReconsumeTimes}"`
    return (
      `${this.front(out, queueId)}${out.sysFlag}","g":"${out.bornTimestamp}","h":"${out.flag}","i":` +
      `${JSON.stringify(out.properties)},"j":"${out.reconsumeTimes}","k":"${this.settings.unitMode}"${most},` +
      `"m":"${out.kind === 'batch'}"},"flag":${flag},"language":"${OWN_LANGUAGE}","opaque":${opaque}${this.rear}`
    )
  }

  private front(out: Outgoing, queueId: number): string {
    const ofKind = this.kept[out.kind]
    let texts = ofKind.get(out.topic)
    if (texts === undefined) {
      texts = []
      ofKind.set(out.topic, texts)
    }
    texts[queueId] ??= this.makeFront(out, queueId)
    return texts[queueId]
  }

  private makeFront({ kind, topic }: Outgoing, queueId: number): string {
    const { group, createTopicKey, defaultTopicQueueNums } = this.settings
    return (
      `{"code":${CODE[kind]},"extFields":{"a":${JSON.stringify(group)},"b":${JSON.stringify(topic)},` +
      `"c":${JSON.stringify(createTopicKey)},"d":"${defaultTopicQueueNums}","e":"${queueId}","f":"`
    )
  }
}
