/**
 * The body of REGISTER_BROKER: which topics a broker has, in three forms.
 *
 *   JSON        {"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{…},"topicConfigTable":{name:{…}}}}
 *   bare        the wrapper alone: senders below version 37
 *   compressed  zlib of: int32 n, DataVersion JSON; int32 topics; per topic int32 n, "name read write perm filter [attributes]";
 *               int32 n, filter list JSON; whatever follows (5.x static topics) is ignored
 *
 * A body that cannot be read is one error. A single bad topic in a readable body is skipped and named in `skipped`:
 * one odd name must not take a broker with a thousand good topics out of every route.
 * Format: spec/namesrv.md §4.
 */
import { crc32, inflateSync } from 'node:zlib'
import { describe, RemotingError } from '../errors.ts'
import { VERSIONS } from '../remoting/command.ts'
import { parse } from '../remoting/fastjson.ts'
import { wrongName } from './names.ts'
import { type DataVersion, NO_VERSION, type RegisteredTopic } from './types.ts'

/** 16 MiB frames deflate about tenfold; 64 MiB of topic texts are a million topics. */
const INFLATED_BYTES_MAX = 64 * 1024 * 1024
/** A client loops over the queues of a route: a billion would stop every client that asks. */
const QUEUES_MAX = 65_535
const PERM_MAX = 15

export interface RegisterBody {
  dataVersion: DataVersion
  topics: RegisteredTopic[]
  filterServerList: string[]
  /** "topic x: why", for the log. */
  skipped: string[]
}

export interface RegisterBodyOptions {
  version: number
  compressed: boolean
  /** CRC-32 & 0x7fffffff of the bytes as sent; 0: not checked. */
  bodyCrc32: number
}

/** Throws RemotingError CRC_MISMATCH or BAD_BODY. */
export function decodeRegisterBody(body: Uint8Array | undefined, options: RegisterBodyOptions): RegisterBody {
  const bytes = Buffer.from(body?.buffer ?? new ArrayBuffer(0), body?.byteOffset, body?.length)
  if (options.bodyCrc32 !== 0 && (crc32(bytes) & 0x7fff_ffff) !== options.bodyCrc32) {
    throw new RemotingError('CRC_MISMATCH', { what: 'crc32 not match' })
  }
  if (bytes.length === 0) return { dataVersion: NO_VERSION, topics: [], filterServerList: [], skipped: [] }
  try {
    if (options.version < VERSIONS.v3_0_11) return fromWrapper(parseObject(bytes.toString()), undefined)
    if (options.compressed) return fromCompressed(inflateSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX }))
    const outer = parseObject(bytes.toString())
    return fromWrapper(outer.topicConfigSerializeWrapper, outer.filterServerList)
  } catch (error) {
    throw badBody(error)
  }
}

/** `{"timestamp":ms,"counter":n}`, 5.x with `stateVersion`; absent parts are 0. Throws RemotingError BAD_BODY. */
export function decodeDataVersion(value: unknown): DataVersion {
  if (value === undefined || value === null) return NO_VERSION
  if (!isObject(value)) throw badBody('its dataVersion is not an object')
  const part = (name: keyof DataVersion) => {
    const number = Number(value[name] ?? 0)
    if (!Number.isInteger(number)) throw badBody(`the ${name} of its dataVersion is not an integer`)
    return number
  }
  return { stateVersion: part('stateVersion'), timestamp: part('timestamp'), counter: part('counter') }
}

/** The text of 322's body and answer; 4.9 has no stateVersion, so a zero one is left out. */
export function formatDataVersion({ stateVersion, timestamp, counter }: DataVersion): string {
  return JSON.stringify(stateVersion === 0 ? { counter, timestamp } : { counter, stateVersion, timestamp })
}

function fromWrapper(wrapper: unknown, filterServerList: unknown): RegisterBody {
  const into: RegisterBody = {
    dataVersion: NO_VERSION,
    topics: [],
    filterServerList: texts(filterServerList),
    skipped: [],
  }
  if (wrapper === undefined || wrapper === null) return into
  if (!isObject(wrapper)) throw badBody('its topicConfigSerializeWrapper is not an object')
  into.dataVersion = decodeDataVersion(wrapper.dataVersion)
  const table = wrapper.topicConfigTable ?? {}
  if (!isObject(table)) throw badBody('its topicConfigTable is not an object')
  for (const [topic, config] of Object.entries(table)) {
    if (!isObject(config)) into.skipped.push(`topic ${quoted(topic)}: it is not an object`)
    // Releases up to 4.8.0 wrote topicSynFlag.
    else
      addTopic(
        into,
        topic,
        config.readQueueNums,
        config.writeQueueNums,
        config.perm,
        config.topicSysFlag ?? config.topicSynFlag,
      )
  }
  return into
}

function fromCompressed(bytes: Buffer): RegisterBody {
  let at = 0
  const int = () => {
    if (at + 4 > bytes.length) throw badBody(`it ends at ${bytes.length}, in a length at ${at}`)
    at += 4
    return bytes.readInt32BE(at - 4)
  }
  const text = () => {
    const length = int()
    if (length < 0 || length > bytes.length - at)
      throw badBody(`it declares ${length} bytes at ${at} of ${bytes.length}`)
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  const into: RegisterBody = { dataVersion: NO_VERSION, topics: [], filterServerList: [], skipped: [] }
  into.dataVersion = decodeDataVersion(parseObject(text()))
  const count = int()
  if (count < 0) throw badBody(`it declares ${count} topics`)
  for (let index = 0; index < count; index++) {
    const items = text().split(' ')
    const [topic, read, write, perm] = items
    if (items.length === 5 || items.length === 6) addTopic(into, topic, read, write, perm, 0)
    else into.skipped.push(`topic ${quoted(topic)}: ${items.length} items, expected 5 or 6`)
  }
  into.filterServerList = texts(parse(text()))
  return into
}

function addTopic(
  into: RegisterBody,
  topic: string,
  read: unknown,
  write: unknown,
  perm: unknown,
  flag: unknown,
): void {
  const config = {
    topic,
    readQueueNums: Number(read),
    writeQueueNums: Number(write),
    perm: Number(perm),
    topicSysFlag: Number(flag ?? 0),
  }
  const wrong = wrongName(topic) ?? wrongTopic(config)
  if (wrong === undefined) into.topics.push(config)
  else into.skipped.push(`topic ${quoted(topic)} ${wrong}`)
}

/** Why the numbers of a topic cannot be, or undefined. */
export function wrongTopic({ readQueueNums, writeQueueNums, perm, topicSysFlag }: RegisteredTopic): string | undefined {
  const within = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max
  if (!within(readQueueNums, QUEUES_MAX)) return `has ${readQueueNums} read queues, expected 0 to ${QUEUES_MAX}`
  if (!within(writeQueueNums, QUEUES_MAX)) return `has ${writeQueueNums} write queues, expected 0 to ${QUEUES_MAX}`
  if (!within(perm, PERM_MAX)) return `has perm ${perm}, expected 0 to ${PERM_MAX}`
  if (!within(topicSysFlag, 0x7fff_ffff)) return `has topicSysFlag ${topicSysFlag}`
  return undefined
}

function parseObject(text: string): Record<string, unknown> {
  const value = parse(text)
  if (isObject(value)) return value
  throw badBody('it is not a JSON object')
}

/** A whole body as fastjson writes it. Throws RemotingError BAD_BODY. */
export function parseBody(body: Uint8Array | undefined): unknown {
  try {
    return parse(body ?? '')
  } catch (error) {
    throw badBody(error)
  }
}

/** From a reason in words, or from whatever was thrown while reading. */
export function badBody(why: unknown): RemotingError {
  if (why instanceof RemotingError && why.code === 'BAD_BODY') return why
  const cause = why instanceof Error ? why : undefined
  return new RemotingError('BAD_BODY', { what: `the body cannot be read: ${describe(why)}`, cause })
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((it) => typeof it === 'string') : []
}

function quoted(topic: string): string {
  return JSON.stringify(topic.slice(0, 64))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
