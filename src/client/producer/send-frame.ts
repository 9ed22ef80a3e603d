/**
 * The frame of a send, written in place: what all sends to a queue say is kept as bytes, the message's parts go between.
 *
 *   {"code":310,"extFields":{"a":group,…,"f":"0","g":"│born│","h":"0","i":"│properties│","j":"0",…,"opaque":│…│,"serialize…}
 *   └───────────── front, kept for a queue ─────────────────┘             └── rear, of a kind ───────────┘  └── tail ────┘
 *
 * The same bytes as the schema's encoder gives (test/client/producer/send-frame.test.ts). Requests that are signed, replies and
 * binary headers go the general way, and so does what is sent back (reconsumeTimes).
 *
 * Bounds: one front a queue that was sent to.
 */
import { FLAG_ONEWAY, OWN_LANGUAGE, OWN_VERSION, type RemotingCommand, request } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { encodeFrameHeader, HEADER_AT, writeFrameStart } from '../../remoting/frame.ts'
import { intLength, putInt } from '../../remoting/hot/digits.ts'
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
/** Bytes of one UTF-16 unit in JSON: \u0001. */
const BYTES_A_UNIT = 6
const OPAQUE_DIGITS_MAX = 11

/** What sends to one queue begin with, up to their properties. */
interface Front {
  readonly bytes: Uint8Array
  readonly bornAt: number
  /** What stands there now: many sends have the same millisecond. */
  born: number
  readonly sysFlag: number
  readonly flag: number
}

export class SendFrames {
  private readonly settings: SendHeaderSettings
  private readonly fronts: Record<SendKind, Map<string, Front[]>> = {
    message: new Map(),
    batch: new Map(),
    reply: new Map(),
  }
  /** By kind: what follows the properties, up to the opaque. */
  private readonly rears: Record<SendKind, Record<number, Uint8Array>>
  private readonly tail = Buffer.from(`,"serializeTypeCurrentRPC":"JSON","version":${OWN_VERSION}}`)

  constructor(settings: SendHeaderSettings) {
    this.settings = settings
    const rear = (isBatch: boolean, flag: number) =>
      Buffer.from(
        `","j":"0","k":"${settings.unitMode}","m":"${isBatch}"},"flag":${flag},"language":"${OWN_LANGUAGE}","opaque":`,
      )
    const rears = (isBatch: boolean) => ({ 0: rear(isBatch, 0), [FLAG_ONEWAY]: rear(isBatch, FLAG_ONEWAY) })
    this.rears = { message: rears(false), batch: rears(true), reply: rears(false) }
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
    const { body, properties } = out
    if (body.length >= NOT_COPIED || out.reconsumeTimes !== 0 || out.maxReconsumeTimes !== undefined) {
      const command = this.command(out, queueId)
      command.opaque = opaque
      command.flag = flag
      c.sendFrame(encodeFrameHeader(command, body.length), [body])
      return
    }
    const { bytes: front } = this.frontOf(out, queueId)
    const rear = this.rears[out.kind][flag]
    const { tail } = this
    const most = front.length + properties.length * BYTES_A_UNIT + rear.length + OPAQUE_DIGITS_MAX + tail.length
    const at = c.reserve(HEADER_AT + most + body.length)
    const bytes = c.out
    const headerAt = at + HEADER_AT
    bytes.set(front, headerAt)
    let end = putJsonText(bytes, headerAt + front.length, properties)
    bytes.set(rear, end)
    end += rear.length
    end = putInt(bytes, end, opaque)
    bytes.set(tail, end)
    end += tail.length
    writeFrameStart(bytes, at, 0, end - headerAt, body.length)
    bytes.set(body, end)
    c.advance(end + body.length - at)
  }

  /** With the time of this message in it. */
  private frontOf(out: Outgoing, queueId: number): Front {
    const ofKind = this.fronts[out.kind]
    let fronts = ofKind.get(out.topic)
    if (fronts === undefined) {
      fronts = []
      ofKind.set(out.topic, fronts)
    }
    const front = fronts[queueId]
    const { bornTimestamp: born } = out
    if (front !== undefined && front.sysFlag === out.sysFlag && front.flag === out.flag) {
      if (front.born === born) return front
      if (intLength(front.born) === intLength(born)) {
        putInt(front.bytes, front.bornAt, born)
        front.born = born
        return front
      }
    }
    fronts[queueId] = this.makeFront(out, queueId)
    return fronts[queueId]
  }

  private makeFront({ kind, topic, sysFlag, flag, bornTimestamp: born }: Outgoing, queueId: number): Front {
    const { group, createTopicKey, defaultTopicQueueNums } = this.settings
    const before =
      `{"code":${CODE[kind]},"extFields":{"a":${JSON.stringify(group)},"b":${JSON.stringify(topic)},` +
      `"c":${JSON.stringify(createTopicKey)},"d":"${defaultTopicQueueNums}","e":"${queueId}","f":"${sysFlag}","g":"`
    const bytes = Buffer.from(`${before}${born}","h":"${flag}","i":"`)
    return { bytes, bornAt: Buffer.byteLength(before), born, sysFlag, flag }
  }
}

/** The text as it stands between the quotes of JSON; the place behind it. */
function putJsonText(out: Buffer, at: number, text: string): number {
  let to = at
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c >= SPACE && c < DELETE && c !== QUOTE && c !== BACKSLASH) out[to++] = c
    else if (c === 1 || c === 2) {
      // The dividers of properties: \u0001, \u0002.
      out[to] = BACKSLASH
      out[to + 1] = SMALL_U
      out[to + 2] = out[to + 3] = out[to + 4] = ZERO
      out[to + 5] = ZERO + c
      to += BYTES_A_UNIT
    } else return at + out.write(JSON.stringify(text).slice(1, -1), at)
  }
  return to
}
const SPACE = 0x20
const QUOTE = 0x22
const ZERO = 0x30
const BACKSLASH = 0x5c
const SMALL_U = 0x75
const DELETE = 0x7f
