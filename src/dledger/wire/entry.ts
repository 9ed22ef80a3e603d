/**
 * A DLedger entry: header of 48 bytes and body, as the log has it, and as JSON carries it.
 *
 *   0 magic(4) 4 size(4) 8 index(8) 16 term(8) 24 pos(8) 32 channel(4) 36 chainCrc(4) 40 bodyCrc(4) 44 bodyLength(4) 48 body
 *
 * The CRC fields are 0 in everything that 0.3.1.2 writes and never looked at; they travel and are stored as they came.
 * Format: spec/dledger.md §2.1, §3.4.
 */
import { RemotingError } from '../../errors.ts'
import { readInt64, writeInt64 } from '../../store/commitlog/record.ts'
import type { EntryBatch } from '../core/messages.ts'

export const ENTRY_HEADER_SIZE = 48
export const ENTRY_MAGIC = 1

export interface DLedgerEntry {
  magic: number
  /** 48 + length of the body. */
  size: number
  index: number
  term: number
  pos: number
  channel: number
  chainCrc: number
  bodyCrc: number
  body: Uint8Array
}

/** Writes header and body at `at`; the caller has room for `entry.size` bytes. Size and length come from the body. */
export function writeEntry(view: DataView, bytes: Uint8Array, at: number, entry: DLedgerEntry): number {
  const size = ENTRY_HEADER_SIZE + entry.body.length
  view.setInt32(at, entry.magic)
  view.setInt32(at + 4, size)
  writeInt64(view, at + 8, entry.index)
  writeInt64(view, at + 16, entry.term)
  writeInt64(view, at + 24, entry.pos)
  view.setInt32(at + 32, entry.channel)
  view.setInt32(at + 36, entry.chainCrc)
  view.setInt32(at + 40, entry.bodyCrc)
  view.setInt32(at + 44, entry.body.length)
  bytes.set(entry.body, at + ENTRY_HEADER_SIZE)
  return size
}

/** The entry at `at`, its body a view into `bytes`; undefined when none that recovery would take stands there. */
export function readEntry(view: DataView, bytes: Uint8Array, at: number): DLedgerEntry | undefined {
  if (at + ENTRY_HEADER_SIZE > view.byteLength) return undefined
  const size = view.getInt32(at + 4)
  const bodyLength = view.getInt32(at + 44)
  const isWhole = size >= ENTRY_HEADER_SIZE && size - ENTRY_HEADER_SIZE === bodyLength && at + size <= view.byteLength
  if (view.getInt32(at) !== ENTRY_MAGIC || !isWhole) return undefined
  return {
    magic: ENTRY_MAGIC,
    size,
    index: readInt64(view, at + 8),
    term: readInt64(view, at + 16),
    pos: readInt64(view, at + 24),
    channel: view.getInt32(at + 32),
    chainCrc: view.getInt32(at + 36),
    bodyCrc: view.getInt32(at + 40),
    body: bytes.subarray(at + ENTRY_HEADER_SIZE, at + size),
  }
}

/** Equality as COMPARE, TRUNCATE and repeated pushes mean it: all but the CRCs. */
export function isSameEntry(a: DLedgerEntry, b: DLedgerEntry): boolean {
  return (
    a.size === b.size &&
    a.magic === b.magic &&
    a.index === b.index &&
    a.term === b.term &&
    a.channel === b.channel &&
    a.pos === b.pos &&
    Buffer.compare(a.body, b.body) === 0
  )
}

/** Consecutive entries. Their JSON is made once, as bytes, however many peers it goes to. */
export class WireBatch implements EntryBatch {
  readonly entries: readonly DLedgerEntry[]
  readonly bytes: number
  private made: Buffer | undefined

  constructor(entries: readonly DLedgerEntry[]) {
    let bytes = 0
    for (let i = 0; i < entries.length; i++) {
      bytes += entries[i]!.size
      if (entries[i]!.index !== entries[0]!.index + i)
        throw new RemotingError('ENTRIES_NOT_CONSECUTIVE', {
          what: `a push has entry ${entries[i]!.index} behind ${entries[i - 1]!.index}`,
          todo: 'the sender is no DLedger 0.3 member: check dLegerPeers and its version',
        })
    }
    this.entries = entries
    this.bytes = bytes
  }

  get firstIndex(): number {
    return this.entries[0]?.index ?? -1
  }

  get count(): number {
    return this.entries.length
  }

  get lastTerm(): number {
    return this.entries[this.entries.length - 1]?.term ?? -1
  }

  /** The entries as objects, separated by commas: ASCII. */
  json(): Buffer {
    if (this.made === undefined) {
      let text = ''
      for (const entry of this.entries) text += (text === '' ? '' : ',') + entryJson(entry)
      this.made = Buffer.from(text, 'latin1')
    }
    return this.made
  }
}

function entryJson(entry: DLedgerEntry): string {
  const { body, bodyCrc, chainCrc, channel, index, magic, pos, size, term } = entry
  const base64 = Buffer.from(body.buffer, body.byteOffset, body.length).toString('base64')
  return `{"body":"${base64}","bodyCrc":${bodyCrc},"chainCrc":${chainCrc},"channel":${channel},"index":${index},"magic":${magic},"pos":${pos},"size":${size},"term":${term}}`
}

/** Two 32-bit writes: no BigInt on the way of each entry. */
