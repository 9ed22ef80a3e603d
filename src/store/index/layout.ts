/**
 * An index file: from the hash of `topic#key` to the physical offsets of its records, newest first.
 *
 *   0   beginTimestamp  endTimestamp  beginPhyOffset  endPhyOffset   int64 each
 *   32  hashSlotCount: slots in use     36  indexCount: next free entry, from 1
 *   40  S slots, int32 each: newest entry of the chain, 0 = none; a key has slot keyHash mod S
 *   40 + 4·S  N entries of 20 bytes, number 0 never used:
 *       0 keyHash int32   4 physical offset int64   12 seconds since beginTimestamp int32   16 previous entry int32
 *
 * Big-endian. Format: spec/store-format.md §5.
 */
import type { StoreSettings } from '../settings.ts'

export const HEADER = {
  beginTimestamp: 0,
  endTimestamp: 8,
  beginPhyOffset: 16,
  endPhyOffset: 24,
  hashSlotCount: 32,
  indexCount: 36,
  size: 40,
} as const

export const ENTRY = { keyHash: 0, physicalOffset: 4, seconds: 12, previous: 16, size: 20 } as const
export const SLOT_SIZE = 4

export type IndexSettings = Pick<StoreSettings, 'storePathRootDir' | 'maxHashSlotNum' | 'maxIndexNum'>

export interface IndexLayout {
  slotCount: number
  /** Entries, number 0 included. */
  entryCount: number
  /** Byte of entry 0. */
  entriesAt: number
  fileSize: number
}

export function indexLayout(settings: IndexSettings): IndexLayout {
  const { maxHashSlotNum: slotCount, maxIndexNum: entryCount } = settings
  const entriesAt = HEADER.size + slotCount * SLOT_SIZE
  return { slotCount, entryCount, entriesAt, fileSize: entriesAt + entryCount * ENTRY.size }
}

export interface IndexHeader {
  beginTimestamp: number
  endTimestamp: number
  beginPhyOffset: number
  endPhyOffset: number
  hashSlotCount: number
  indexCount: number
}

const HIGH = 0x1_0000_0000

export function getInt64(view: DataView, at: number): number {
  return view.getInt32(at) * HIGH + view.getUint32(at + 4)
}

export function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / HIGH))
  view.setInt32(at + 4, value | 0)
}

export function readHeader(view: DataView): IndexHeader {
  return {
    beginTimestamp: getInt64(view, HEADER.beginTimestamp),
    endTimestamp: getInt64(view, HEADER.endTimestamp),
    beginPhyOffset: getInt64(view, HEADER.beginPhyOffset),
    endPhyOffset: getInt64(view, HEADER.endPhyOffset),
    hashSlotCount: view.getInt32(HEADER.hashSlotCount),
    indexCount: view.getInt32(HEADER.indexCount),
  }
}

export function writeHeader(view: DataView, header: IndexHeader): void {
  setInt64(view, HEADER.beginTimestamp, header.beginTimestamp)
  setInt64(view, HEADER.endTimestamp, header.endTimestamp)
  setInt64(view, HEADER.beginPhyOffset, header.beginPhyOffset)
  setInt64(view, HEADER.endPhyOffset, header.endPhyOffset)
  view.setInt32(HEADER.hashSlotCount, header.hashSlotCount)
  view.setInt32(HEADER.indexCount, header.indexCount)
}
