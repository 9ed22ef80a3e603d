/** One record as an object for people and programs, its body unpacked where that can be done. */
import * as zlib from 'node:zlib'
import { decodeRecord, type Host, type Message, SYS_FLAG } from '../store/commitlog/index.ts'
import { offsetMsgId } from '../store/commitlog/offset-msg-id.ts'
import type { InspectedEntryHead } from './entry.ts'

export interface InspectedMessage {
  physicalOffset: number
  size: number
  topic: string
  queueId: number
  queueOffset: number
  storeTime: number
  bornTime: number
  bornHost: string
  storeHost: string
  flag: number
  sysFlag: number
  /** What the bits of sysFlag say: `LZ4`, `half`, `commit`, … */
  kinds: string[]
  reconsumeTimes: number
  preparedTransactionOffset: number
  offsetMsgId: string
  /** UNIQ_KEY. */
  msgId: string | undefined
  tags: string | undefined
  keys: string | undefined
  properties: Record<string, string>
  bodyCRC: number
  bodyIsIntact: boolean
  storedBodySize: number
  body: Buffer
  /** The entry that holds it, in a DLedger log. */
  entry?: InspectedEntryHead
  /** Why `body` is as it was stored, and not what the producer sent. */
  packed: string | undefined
}

const COMPRESSION: Record<number, string> = { 0: 'zlib', 256: 'LZ4', 512: 'ZSTD', 768: 'zlib' }
/** A body of 4 MiB that unpacks to more was made to hurt. */
const UNPACKED_MAX = 256 * 1024 * 1024

/** Undefined where no whole record is. */
export function messageAt(bytes: Uint8Array, at = 0): InspectedMessage | undefined {
  const message = decodeRecord(bytes, at)
  return message === undefined ? undefined : inspected(message)
}

export function inspected(message: Message): InspectedMessage {
  const { properties, sysFlag } = message
  const stored = Buffer.from(message.body)
  const { body, packed } = unpack(stored, sysFlag)
  return {
    physicalOffset: message.physicalOffset,
    size: message.totalSize,
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    storeTime: message.storeTimestamp,
    bornTime: message.bornTimestamp,
    bornHost: hostText(message.bornHost),
    storeHost: hostText(message.storeHost),
    flag: message.flag,
    sysFlag,
    kinds: kindsOf(sysFlag),
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    offsetMsgId: offsetMsgId(message.storeHost, message.physicalOffset),
    msgId: properties.get('UNIQ_KEY'),
    tags: properties.get('TAGS'),
    keys: properties.get('KEYS'),
    properties: Object.fromEntries(properties),
    bodyCRC: message.bodyCRC,
    bodyIsIntact: message.bodyIsIntact,
    storedBodySize: stored.length,
    body,
    packed,
  }
}

function kindsOf(sysFlag: number): string[] {
  const kinds: string[] = []
  if ((sysFlag & SYS_FLAG.compressed) !== 0) kinds.push(COMPRESSION[sysFlag & SYS_FLAG.compressionMask] ?? 'compressed')
  if ((sysFlag & SYS_FLAG.multiTags) !== 0) kinds.push('multiTags')
  const transaction = sysFlag & SYS_FLAG.transactionMask
  if (transaction === SYS_FLAG.prepared) kinds.push('half')
  if (transaction === SYS_FLAG.commit) kinds.push('commit')
  if (transaction === SYS_FLAG.rollback) kinds.push('rollback')
  return kinds
}

type Decompress = (bytes: Buffer, options: { maxOutputLength: number }) => Buffer

function unpack(stored: Buffer, sysFlag: number): { body: Buffer; packed: string | undefined } {
  if ((sysFlag & SYS_FLAG.compressed) === 0) return { body: stored, packed: undefined }
  const kind = COMPRESSION[sysFlag & SYS_FLAG.compressionMask]
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: Decompress }
  const decompress: Decompress | undefined =
    kind === 'zlib' ? zlib.inflateSync : kind === 'ZSTD' ? zstdDecompressSync : undefined
  if (decompress === undefined)
    return { body: stored, packed: `${kind ?? 'an unknown compression'} is not unpacked here` }
  try {
    return { body: decompress(stored, { maxOutputLength: UNPACKED_MAX }), packed: undefined }
  } catch {
    return { body: stored, packed: `its ${kind} cannot be unpacked` }
  }
}

export function hostText({ address, port }: Host): string {
  if (address.length === 4) return `${address.join('.')}:${port}`
  const groups = Array.from({ length: 8 }, (_, i) => ((address[2 * i] << 8) | address[2 * i + 1]).toString(16))
  return `[${groups.join(':')}]:${port}`
}
