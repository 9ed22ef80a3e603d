/**
 * One message as a line of JSON, and back, without loss: as it is stored, its body compressed if it was sent so.
 *
 *   body         text that comes back byte for byte, else bodyBase64
 *   properties   an object that comes back byte for byte, else propertiesText, else propertiesBase64
 *   bodyCRC      only where it is not that of the body: the message was damaged before
 *   version      2: a topic longer than 127 bytes (RocketMQ 5.x)
 *
 * Lines by hand need topic and body; the rest has defaults. physicalOffset says where the message was, and is not kept.
 */
import { isUtf8 } from 'node:buffer'
import { isIP } from 'node:net'
import { ConfigError } from '../../errors.ts'
import {
  crcOfBody,
  formatProperties,
  type Host,
  PROPERTIES_LENGTH_MAX,
  parseProperties,
  RECORD_MAGIC,
  type RecordInput,
  type RecordView,
  TOPIC_LENGTH_MAX,
} from '../../store/commitlog/index.ts'
import { hostText } from '../message.ts'
import { isObject } from '../tables.ts'

/** What brokers take for a topic. */
export const QUEUE_NUMS_MAX = 65_536
/** A record without a queue offset of its own: it gets the next one. */
export const NO_OFFSET = -1

const FIELDS = new Set(
  (
    'topic topicBase64 queueId queueOffset physicalOffset storeTime bornTime bornHost storeHost flag sysFlag reconsumeTimes ' +
    'preparedTransactionOffset properties propertiesText propertiesBase64 body bodyBase64 bodyCRC version'
  ).split(' '),
)

/** Put together by hand: through one object it takes three times as long. */
export function lineOf(r: RecordView, bytes: Buffer): string {
  const body = bytes.subarray(r.bodyStart, r.bodyStart + r.bodyLength)
  const topic = textOf('topic', bytes.subarray(r.topicStart, r.topicStart + r.topicLength))
  const place = `"queueId":${r.queueId},"queueOffset":${r.queueOffset},"physicalOffset":${r.physicalOffset}`
  const times = `"storeTime":${r.storeTimestamp},"bornTime":${r.bornTimestamp}`
  const born = hostIn(bytes, r.bornHostStart, r.bornHostLength)
  const store = hostIn(bytes, r.storeHostStart, r.storeHostLength)
  const flags = `"flag":${r.flag},"sysFlag":${r.sysFlag},"reconsumeTimes":${r.reconsumeTimes}`
  const half = `"preparedTransactionOffset":${r.preparedTransactionOffset}`
  const properties = propertiesOf(bytes.subarray(r.propertiesStart, r.propertiesStart + r.propertiesLength))
  const version = r.magic === RECORD_MAGIC ? '' : ',"version":2'
  const crc = r.bodyCRC === crcOfBody(body, 0, body.length) ? '' : `,"bodyCRC":${r.bodyCRC}`
  const head = `${topic},${place},${times},"bornHost":"${born}","storeHost":"${store}",${flags},${half}`
  return `{${head},${properties}${version}${crc},${textOf('body', body)}}\n`
}

function hostIn(bytes: Buffer, at: number, length: number): string {
  const port = bytes.readInt32BE(at + length)
  if (length !== 4) return hostText({ address: bytes.subarray(at, at + length), port })
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}:${port}`
}

function textOf(name: string, bytes: Buffer, textName = name): string {
  return isUtf8(bytes)
    ? `"${textName}":${JSON.stringify(bytes.toString())}`
    : `"${name}Base64":"${bytes.toString('base64')}"`
}

function propertiesOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) return textOf('properties', bytes)
  const text = bytes.toString()
  const properties = Object.fromEntries(parseProperties(text))
  if (formatProperties(Object.entries(properties)) !== text) return textOf('properties', bytes, 'propertiesText')
  return `"properties":${JSON.stringify(properties)}`
}

export interface LineRecord extends RecordInput {
  topic: Buffer
  properties: Buffer
}

/** `now`: for what a line written by hand leaves out. Throws ConfigError BAD_LINE. */
export function parseLine(text: string, line: number, path: string, now: number): LineRecord {
  return new Line(text, line, path).record(now)
}

/** Lines of one client, or one broker, follow one another. */
const hosts = new Map<unknown, Host>()
const HOSTS_MAX = 1024

class Line {
  private readonly object: Record<string, unknown>
  private readonly line: number
  private readonly path: string

  constructor(text: string, line: number, path: string) {
    this.line = line
    this.path = path
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw this.bad('it is no JSON')
    }
    if (!isObject(value)) throw this.bad('it is no JSON object')
    this.object = value
    for (const name of Object.keys(value))
      if (!FIELDS.has(name)) throw this.bad(`it has a field ${JSON.stringify(name)}, which no exported message has`)
  }

  record(now: number): LineRecord {
    const version = this.object.version === 2 ? 2 : 1
    if (this.object.version !== undefined && version !== this.object.version && this.object.version !== 1)
      throw this.bad('version is neither 1 nor 2')
    const topic = this.bytes('topic')
    if (topic === undefined) throw this.bad('it has no topic')
    const max = version === 1 ? TOPIC_LENGTH_MAX : PROPERTIES_LENGTH_MAX
    if (topic.length === 0 || topic.length > max) throw this.bad(`its topic has ${topic.length} bytes`)
    const body = this.bytes('body')
    if (body === undefined) throw this.bad('it has neither body nor bodyBase64')
    const properties = this.properties()
    if (properties.length > PROPERTIES_LENGTH_MAX) throw this.bad(`its properties have ${properties.length} bytes`)
    const storeTimestamp = this.integer('storeTime', now)
    if (storeTimestamp <= 0) throw this.bad('storeTime is no time')
    const bodyCRC = this.object.bodyCRC === undefined ? undefined : this.integer('bodyCRC', 0, true)
    return {
      version,
      ...(bodyCRC === undefined ? {} : { bodyCRC }),
      queueId: this.queueId(),
      flag: this.integer('flag', 0, true),
      queueOffset: this.integer('queueOffset', NO_OFFSET),
      physicalOffset: this.integer('physicalOffset', 0),
      sysFlag: this.integer('sysFlag', 0, true),
      bornTimestamp: this.integer('bornTime', storeTimestamp),
      bornHost: this.host('bornHost'),
      storeTimestamp,
      storeHost: this.host('storeHost'),
      reconsumeTimes: this.integer('reconsumeTimes', 0, true),
      preparedTransactionOffset: this.integer('preparedTransactionOffset', 0),
      body,
      topic,
      properties,
    }
  }

  private queueId(): number {
    const queueId = this.integer('queueId', 0, true)
    if (queueId < 0 || queueId >= QUEUE_NUMS_MAX) throw this.bad(`queueId ${queueId} is beyond what a topic has`)
    return queueId
  }

  private properties(): Buffer {
    const { properties } = this.object
    if (properties === undefined) return this.bytes('properties', 'propertiesText') ?? Buffer.alloc(0)
    if (!isObject(properties)) throw this.bad('properties is no object')
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value !== 'string') throw this.bad(`property ${JSON.stringify(name)} is no text`)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these two separate properties
      if (/[\u0001\u0002]/.test(name) || value.includes('\u0002'))
        throw this.bad(`property ${JSON.stringify(name)} holds a character that separates properties`)
    }
    return Buffer.from(formatProperties(Object.entries(properties as Record<string, string>)))
  }

  private bytes(name: string, textName = name): Buffer | undefined {
    const { [textName]: text, [`${name}Base64`]: encoded } = this.object
    if (text !== undefined && encoded !== undefined) throw this.bad(`it has both ${textName} and ${name}Base64`)
    const value = text ?? encoded
    if (value === undefined) return undefined
    if (typeof value !== 'string') throw this.bad(`${text === undefined ? `${name}Base64` : textName} is no text`)
    if (text !== undefined) return Buffer.from(value)
    const bytes = Buffer.from(value, 'base64')
    if (bytes.toString('base64') !== value) throw this.bad(`${name}Base64 is no base64`)
    return bytes
  }

  private integer(name: string, otherwise: number, isInt32 = false): number {
    const value = this.object[name]
    if (value === undefined) return otherwise
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.bad(`${name} is no integer`)
    if (isInt32 && value !== (value | 0)) throw this.bad(`${name} is beyond 32 bits`)
    const mayBeNegative = ['flag', 'sysFlag', 'bodyCRC', 'preparedTransactionOffset', 'bornTime'].includes(name)
    if (value < 0 && !mayBeNegative && value !== otherwise) throw this.bad(`${name} is negative`)
    return value
  }

  private host(name: string): Host {
    const value = this.object[name]
    if (value === undefined) return { address: Buffer.from([127, 0, 0, 1]), port: 0 }
    const known = hosts.get(value)
    if (known !== undefined) return known
    const match = typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:]+)):(-?\d{1,10})$/.exec(value) : null
    const address = match === null ? undefined : addressOf(match[1], match[2])
    const port = Number(match?.[3])
    if (address === undefined || port !== (port | 0)) throw this.bad(`${name} is no address:port`)
    if (hosts.size >= HOSTS_MAX) hosts.clear()
    hosts.set(value, { address, port })
    return { address, port }
  }

  private bad(what: string): ConfigError {
    return new ConfigError('BAD_LINE', {
      what: `line ${this.line}: ${what}`,
      where: this.path,
      todo: 'give what "basaltmq inspect export" wrote, or lines with topic and body',
    })
  }
}

function addressOf(v6: string | undefined, v4: string | undefined): Buffer | undefined {
  if (v4 !== undefined) return isIP(v4) === 4 ? Buffer.from(v4.split('.').map(Number)) : undefined
  if (v6 === undefined || isIP(v6) !== 6 || v6.includes('.') || v6.includes('%')) return undefined
  const [front, back] = v6.split('::')
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'))
  const [head, tail] = [groups(front), groups(back)]
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail]
  const bytes = Buffer.alloc(16)
  all.forEach((group, i) => void bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i))
  return bytes
}
