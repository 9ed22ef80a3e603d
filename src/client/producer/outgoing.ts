/** A message on its way: checked, packed, with its id. What stays the same over all tries of a send. */
import { uniqueId } from '../../admin/unique-id.ts'
import { SYS_FLAG } from '../../store/commitlog/record-view.ts'
import { compress, compressionFlag } from '../message/compression.ts'
import { badMessage, bodyBytes, checkTopic, type Message, propertiesText } from '../message/message.ts'
import { PROPERTY } from '../message/property-names.ts'
import { wrapNamespace } from '../namespace.ts'
import type { ResolvedProducerOptions } from './options.ts'

export type SendKind = 'message' | 'batch' | 'reply'

export interface Outgoing {
  readonly kind: SendKind
  /** In its namespace. */
  readonly topic: string
  readonly body: Uint8Array
  readonly sysFlag: number
  readonly flag: number
  readonly bornTimestamp: number
  readonly properties: string
  /** UNIQ_KEY; of a batch the ids of its items with commas between. */
  readonly msgId: string
  readonly reconsumeTimes: number
  readonly maxReconsumeTimes: number | undefined
}

type PackOptions = Pick<
  ResolvedProducerOptions,
  'namespace' | 'maxMessageSize' | 'compressMsgBodyOverHowmuch' | 'compressType' | 'compressLevel'
>

/** Properties are an int16 in the store. */
export const PROPERTIES_BYTES_MAX = 32_767

export interface Extra {
  kind?: SendKind
  /** Properties that only the client sets. */
  own?: readonly (readonly [string, string])[]
  sysFlag?: number
  /** The topic is the broker's own: in no namespace. */
  plainTopic?: boolean
}

const NOTHING: Extra = {}

/** Throws ClientError BAD_MESSAGE. */
export function pack(message: Message, options: PackOptions, now: number, extra: Extra = NOTHING): Outgoing {
  checkTopic(message.topic)
  const plain = bodyBytes(message, options.maxMessageSize)
  const msgId = uniqueId(now)
  const properties = propertiesText(message, msgId, ownProperties(options.namespace, extra.own))
  checkProperties(message.topic, properties)
  const packed = packBody(plain, options)
  return {
    kind: extra.kind ?? 'message',
    topic:
      options.namespace === '' || extra.plainTopic === true
        ? message.topic
        : wrapNamespace(options.namespace, message.topic),
    body: packed ?? plain,
    sysFlag: (extra.sysFlag ?? 0) | (packed === undefined ? 0 : compressionFlag(options.compressType)),
    flag: flagOf(message),
    bornTimestamp: now,
    properties,
    msgId,
    reconsumeTimes: 0,
    maxReconsumeTimes: undefined,
  }
}

type Pairs = readonly (readonly [string, string])[]
const NO_PAIRS: Pairs = []

/** What only the client sets, beside the id. */
export function ownProperties(namespace: string, own: Pairs = NO_PAIRS): Pairs {
  return namespace === '' ? own : [...own, [PROPERTY.instanceId, namespace]]
}

/** Undefined: it stays as it is, being small, or not getting smaller. */
function packBody(body: Uint8Array, options: PackOptions): Uint8Array | undefined {
  if (body.length < options.compressMsgBodyOverHowmuch) return undefined
  const packed = compress(body, options.compressType, options.compressLevel)
  return packed.length < body.length ? packed : undefined
}

export function checkProperties(topic: string, properties: string): void {
  // A text of UTF-16 units is at most three times as long in UTF-8.
  if (properties.length * 3 <= PROPERTIES_BYTES_MAX) return
  const length = Buffer.byteLength(properties)
  if (length <= PROPERTIES_BYTES_MAX) return
  throw badMessage(
    `the properties of a message to ${topic} have ${length} bytes, at most ${PROPERTIES_BYTES_MAX} may be`,
  )
}

export function flagOf({ flag = 0, topic }: Message): number {
  if (flag === (flag | 0)) return flag
  throw badMessage(`flag of a message to ${topic} is ${flag}`, 'give a 32-bit integer')
}

export const HALF = SYS_FLAG.prepared
