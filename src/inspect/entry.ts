/**
 * Entries of a DLedger log as the inspector shows and checks them: what the header says, whether it is what a member writes, and
 * whether one follows another.
 *
 * Format: spec/dledger.md §2.1. What frames the entry (magic, size, position) is judged by store/recovery/log-scanner.ts already.
 */
import { crcOfBody, readInt64 } from '../store/commitlog/index.ts'

const HEADER = 48
const AT = { index: 8, term: 16, channel: 32, bodyCrc: 40, bodyLength: 44 } as const

export interface InspectedEntryHead {
  position: number
  size: number
  index: number
  term: number
  /** 0: members of the JVM write none. */
  bodyCrc: number
}

/** The entry of `size` bytes whose header is at index `at`. */
export function entryHead(view: DataView, at: number, position: number, size: number): InspectedEntryHead {
  const index = readInt64(view, at + AT.index)
  const term = readInt64(view, at + AT.term)
  return { position, size, index, term, bodyCrc: view.getInt32(at + AT.bodyCrc) }
}

/** What is wrong with it by itself; '' nothing. All of it is at index `at` of the bytes. */
export function entryProblem(
  head: InspectedEntryHead,
  bytes: Buffer,
  view: DataView,
  at: number,
  checkCRC: boolean,
): string {
  const { size, index, term, bodyCrc } = head
  if (view.getInt32(at + AT.bodyLength) !== size - HEADER)
    return 'a body length that does not fit the size of the entry'
  if (index < 0 || term < 0) return `index ${index} and term ${term}`
  if (view.getInt32(at + AT.channel) !== 0) return 'a channel, which is always 0'
  if (checkCRC && bodyCrc !== 0 && crcOfBody(bytes, at + HEADER, at + size) !== bodyCrc)
    return 'an entry that differs from its CRC'
  return ''
}

/** The last entry that was seen, and whether another one may follow it. */
export class EntryChain {
  last: { index: number; term: number } | undefined
  /** Entries between were not readable. */
  private hasGap = false

  /** What is wrong with it behind the last one; '' nothing. */
  problemOf({ index, term }: InspectedEntryHead): string {
    const { last, hasGap } = this
    if (last === undefined) return ''
    const follows = hasGap ? index > last.index : index === last.index + 1
    if (!follows) return `entry ${index} behind entry ${last.index}`
    return term < last.term ? `entry ${index} of term ${term} behind term ${last.term}` : ''
  }

  take({ index, term }: InspectedEntryHead): void {
    this.last = { index, term }
    this.hasGap = false
  }

  /** One whose index or term cannot be believed: the one behind it tells. */
  passDamaged(head: InspectedEntryHead): void {
    const { last } = this
    if (last === undefined) return
    const isNext = head.index === last.index + 1
    this.last = { index: last.index + 1, term: isNext && head.term >= 0 ? Math.min(head.term, last.term) : last.term }
  }

  gap(): void {
    this.hasGap = this.last !== undefined
  }

  reset(): void {
    this.last = undefined
    this.hasGap = false
  }
}
