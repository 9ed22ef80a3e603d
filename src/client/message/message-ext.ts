/**
 * A message as a consumer gets it, read from the record that the broker stored.
 *
 * Body and properties are read when they are first asked for: a message whose body nobody reads is never decompressed.
 * The bytes are those of the answer that it came with, shared by all messages of that answer.
 */
import { hostText } from '../../remoting/host.ts'
import { offsetMsgId } from '../../store/commitlog/offset-msg-id.ts'
import { parseProperties } from '../../store/commitlog/properties.ts'
import { RecordView, SYS_FLAG } from '../../store/commitlog/record-view.ts'
import { ClientError } from '../errors.ts'
import { compressionOf, decompress } from './compression.ts'
import { PROPERTY } from './property-names.ts'

/** A message as a consumer gets it. Its body is decompressed when it is first asked for. */
export class MessageExt {
  /** As its consumer knows it: of a retried message the topic that it was sent to. */
  topic: string
  /** Name of the broker that has it. */
  readonly brokerName: string
  /** Number of its queue at that broker. */
  readonly queueId: number
  /** Place in its queue. */
  readonly queueOffset: number
  /** Place in the broker's CommitLog. */
  readonly commitLogOffset: number
  /** What the producer put there. */
  readonly flag: number
  /** Bits of RocketMQ: compression, transaction, kinds of hosts. */
  readonly sysFlag: number
  /** Milliseconds since 1970, by the producer's clock. */
  readonly bornTimestamp: number
  /** Milliseconds since 1970, by the broker's clock. */
  readonly storeTimestamp: number
  /** How often it was consumed in vain. */
  reconsumeTimes: number
  /** Of a committed message: where its half message was in the CommitLog. */
  readonly preparedTransactionOffset: number
  /** CRC-32 of the body as it was stored. */
  readonly bodyCRC: number
  /** Bytes of the record in the broker's CommitLog. */
  readonly storeSize: number
  /** Bytes of the body as it was stored. */
  readonly bodySize: number
  private readonly record: Buffer
  private readonly places: RecordPlaces
  private readonly range: QueueRange | undefined
  private readBody: Buffer | undefined
  private readProperties: Record<string, string> | undefined

  /** @internal */
  constructor(bytes: Buffer, view: RecordView, topic: string, brokerName: string, range?: QueueRange) {
    this.range = range
    this.topic = topic
    this.brokerName = brokerName
    this.queueId = view.queueId
    this.queueOffset = view.queueOffset
    this.commitLogOffset = view.physicalOffset
    this.flag = view.flag
    this.sysFlag = view.sysFlag
    this.bornTimestamp = view.bornTimestamp
    this.storeTimestamp = view.storeTimestamp
    this.reconsumeTimes = view.reconsumeTimes
    this.preparedTransactionOffset = view.preparedTransactionOffset
    this.bodyCRC = view.bodyCRC
    this.storeSize = view.totalSize
    this.bodySize = view.bodyLength
    this.record = bytes
    this.places = {
      bornHost: view.bornHostStart,
      bornHostLength: view.bornHostLength,
      storeHost: view.storeHostStart,
      storeHostLength: view.storeHostLength,
      body: view.bodyStart,
      properties: view.propertiesStart,
      propertiesLength: view.propertiesLength,
    }
  }

  /** As it was sent. Throws ClientError COMPRESSION where its compression cannot be undone here. */
  get body(): Buffer {
    if (this.readBody === undefined) {
      const stored = this.storedBody
      const type = compressionOf(this.sysFlag)
      this.readBody = type === undefined ? stored : decompress(stored, type)
    }
    return this.readBody
  }

  /** As it was stored, still compressed. */
  get storedBody(): Buffer {
    return this.record.subarray(this.places.body, this.places.body + this.bodySize)
  }

  /**
   * All properties, the client's own among them; may be added to. Of a pulled message MIN_OFFSET and MAX_OFFSET say what its queue held
   * then: MAX_OFFSET − queueOffset is how far behind it is.
   */
  get properties(): Record<string, string> {
    if (this.readProperties === undefined) {
      const properties = Object.assign(
        Object.create(null) as Record<string, string>,
        Object.fromEntries(parseProperties(this.propertiesText)),
      )
      if (this.range !== undefined) {
        properties[PROPERTY.minOffset] = String(this.range.minOffset)
        properties[PROPERTY.maxOffset] = String(this.range.maxOffset)
      }
      this.readProperties = properties
    }
    return this.readProperties
  }

  /** What its producer gave it to be selected by. */
  get tags(): string | undefined {
    return this.properties[PROPERTY.tags]
  }

  /** What its producer gave it to be found by. */
  get keys(): string[] {
    return this.properties[PROPERTY.keys]?.split(' ').filter((key) => key !== '') ?? []
  }

  /** The id that its producer gave it; the place in the log where it gave none. */
  get msgId(): string {
    return this.properties[PROPERTY.uniqueKey] ?? this.offsetMsgId
  }

  /** Where the broker has it. */
  get offsetMsgId(): string {
    return offsetMsgId(this.host(this.places.storeHost, this.places.storeHostLength), this.commitLogOffset)
  }

  /** UNIQ_KEY of a message that was sent in a transaction. */
  get transactionId(): string | undefined {
    const { properties } = this
    return properties[PROPERTY.transactionPrepared] === 'true' ? properties[PROPERTY.uniqueKey] : undefined
  }

  /** Whether its transaction has not ended. */
  get isHalf(): boolean {
    return (this.sysFlag & SYS_FLAG.transactionMask) === SYS_FLAG.prepared
  }

  /** Delay level that it was sent with; 0: none. */
  get delayTimeLevel(): number {
    return Number(this.properties[PROPERTY.delay] ?? 0)
  }

  /** "ip:port" of the producer. */
  get bornHost(): string {
    return hostText(this.host(this.places.bornHost, this.places.bornHostLength))
  }

  /** "ip:port" of the broker. */
  get storeHost(): string {
    return hostText(this.host(this.places.storeHost, this.places.storeHostLength))
  }

  private get propertiesText(): string {
    const { properties, propertiesLength } = this.places
    return this.record.toString('utf8', properties, properties + propertiesLength)
  }

  private host(start: number, length: number): { address: Uint8Array; port: number } {
    return {
      address: Uint8Array.from(this.record.subarray(start, start + length)),
      port: this.record.readInt32BE(start + length),
    }
  }
}

/** What a queue held when a message was pulled of it. */
export interface QueueRange {
  readonly minOffset: number
  readonly maxOffset: number
}

interface RecordPlaces {
  readonly bornHost: number
  readonly bornHostLength: number
  readonly storeHost: number
  readonly storeHostLength: number
  readonly body: number
  readonly properties: number
  readonly propertiesLength: number
}

/**
 * The records side by side in an answer's body, all of its bytes. Throws ClientError BAD_ANSWER where something else lies
 * between them.
 */
export function decodeMessages(body: Uint8Array | undefined, brokerName: string, range?: QueueRange): MessageExt[] {
  const messages: MessageExt[] = []
  if (body === undefined) return messages
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  const data = new DataView(body.buffer, body.byteOffset, body.length)
  const view = new RecordView()
  let topic = ''
  let topicBytes: Buffer | undefined
  for (let at = 0; at < bytes.length; at += view.totalSize) {
    if (view.read(bytes, data, at, bytes.length) !== 'record') {
      throw new ClientError('BAD_ANSWER', {
        what: `the answer of ${brokerName} holds no record at byte ${at} of ${bytes.length}`,
      })
    }
    const { topicStart, topicLength } = view
    // An answer has one topic, mostly.
    if (topicBytes?.equals(bytes.subarray(topicStart, topicStart + topicLength)) !== true) {
      topicBytes = bytes.subarray(topicStart, topicStart + topicLength)
      topic = topicBytes.toString('utf8')
    }
    messages.push(new MessageExt(bytes, view, topic, brokerName, range))
  }
  return messages
}
