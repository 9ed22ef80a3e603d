/**
 * What verify says about each byte of a store of RocketMQ's: the table of docs/inspector.md, for the recorded store, and what
 * side checksums add.
 *
 *   found    any change of it is a finding        none   nothing says what it should be: a change is no finding
 *   partly   some changes are findings
 */
import type { DecodedRecord } from './stores.ts'

export type Claim = 'found' | 'partly' | 'none'

const COMMIT = 8
const RECORD_FIELDS: [name: string, from: number, to: number, claim: Claim][] = [
  ['totalSize', 0, 4, 'found'],
  ['magic', 4, 8, 'found'],
  ['bodyCRC', 8, 12, 'found'],
  ['queueId', 12, 16, 'found'],
  ['flag', 16, 20, 'none'],
  ['queueOffset', 20, 28, 'found'],
  ['physicalOffset', 28, 36, 'found'],
  ['sysFlag', 36, 40, 'partly'],
  ['bornTimestamp', 40, 48, 'none'],
  ['bornHost', 48, 56, 'none'],
  ['storeTimestamp', 56, 64, 'partly'],
  ['storeHost', 64, 72, 'none'],
  ['reconsumeTimes', 72, 76, 'none'],
]

export interface Place {
  name: string
  claim: Claim
}

/** A byte of a segment that has side checksums, or of their own file: also those that mean nothing. */
export function claimInSealed(name: 'sealed segment' | 'side checksums'): Place {
  return { name, claim: 'found' }
}

/** A byte of the log, by the records that an independent decoder found. */
export function claimInLog(records: readonly DecodedRecord[], segmentSize: number, at: number): Place {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (records[middle].at <= at) low = middle + 1
    else high = middle
  }
  const record = records[low - 1]
  const byte = at - record.at
  if (byte >= record.size) {
    const isBlank = byte < record.size + 8 && low < records.length && (record.at + record.size) % segmentSize !== 0
    return isBlank ? { name: 'blank', claim: 'found' } : { name: 'unused', claim: 'partly' }
  }
  for (const [name, from, to, claim] of RECORD_FIELDS) if (byte >= from && byte < to) return { name, claim }
  if (byte < 84) return { name: 'preparedTransactionOffset', claim: record.sysFlag === COMMIT ? 'partly' : 'found' }
  const bodyEnd = 88 + record.storedBodyLength
  if (byte < bodyEnd) return { name: byte < 88 ? 'bodyLength' : 'body', claim: 'found' }
  const topicEnd = bodyEnd + 1 + record.topic.length
  if (byte < topicEnd) return { name: 'topic', claim: 'found' }
  if (byte < topicEnd + 2) return { name: 'propertiesLength', claim: 'found' }
  return claimInProperties(record, byte - topicEnd - 2)
}

/** Values of TAGS are in the unit, those of KEYS and UNIQ_KEY in the index. */
function claimInProperties({ properties }: DecodedRecord, byte: number): Place {
  let from = 0
  for (const pair of properties.split('\u0002')) {
    const length = Buffer.byteLength(pair)
    const name = pair.split('\u0001')[0]
    const isIn = byte >= from + name.length + 1 && byte < from + length
    if (isIn && ['TAGS', 'KEYS', 'UNIQ_KEY'].includes(name)) {
      // A blank or a separator that comes into being may leave the same keys.
      return { name, claim: name === 'KEYS' ? 'partly' : 'found' }
    }
    from += length + 1
  }
  return { name: 'properties', claim: 'partly' }
}

/** `count` of units, entries: what is in use. */
export function claimInQueue(): Place {
  return { name: 'unit', claim: 'found' }
}

const HEADER = 40

export function claimInIndex(slots: number, indexCount: number, at: number): Place {
  if (at < HEADER) return { name: 'index header', claim: 'found' }
  if (at < HEADER + 4 * slots) return { name: 'slot', claim: 'found' }
  const entry = Math.floor((at - HEADER - 4 * slots) / 20)
  if (entry === 0 || entry >= indexCount) return { name: 'unused entry', claim: 'none' }
  return { name: 'entry', claim: 'found' }
}

export function claimInCheckpoint(at: number): Place {
  if (at < 24) return { name: 'checkpoint time', claim: 'partly' }
  return at < 40 ? { name: 'checkpoint of 5.x', claim: 'none' } : { name: 'checkpoint rest', claim: 'found' }
}
