/**
 * ConsumeQueueExt: where a unit's real tagsCode is when enableConsumeQueueExt is set.
 *
 *   consumequeue_ext/<topic>/<queueId>/<start byte, 20 digits>, mappedFileSizeConsumeQueueExt each
 *   0  int16 size (20 + m)   2  int64 tagsCode   10  int64 store time   18  int16 m   20  m bytes of a filter's bit map
 *
 * A file ends with int16 −1 where fewer than size + 4 bytes are left. The address of a unit is its byte + Long.MIN_VALUE; it
 * stands in the ConsumeQueue unit in place of the tagsCode, and no hash or time is that small. The bit map says which SQL92
 * filters the message passed (filter/bloom-filter.ts); m is 0 without enableCalcFilterBitMap, and for a topic that no group
 * filters.
 *
 * Format: spec/store-format.md §4 "ConsumeQueueExt".
 */
import { readSync } from 'node:fs'
import { join } from 'node:path'
import { FOLDERS, type StoreSettings } from '../settings.ts'
import { queueFilePath } from './queue-files.ts'
import type { FdCache } from './queue-store.ts'
import { isReal, UNIT } from './unit.ts'

export type ExtSettings = Pick<StoreSettings, 'storePathRootDir' | 'mappedFileSizeConsumeQueueExt'>

export const EXT = { size: 0, tagsCode: 2, storeTime: 10, bitMapSize: 18, bitMap: 20 } as const
/** Without a bit map. */
export const EXT_UNIT_SIZE = EXT.bitMap
/** A larger bit map is not looked at: 512 bits are enough for 150 filters of a topic. */
export const BIT_MAP_MAX = 64
const HIGH = 0x1_0000_0000
const SIGN = 0x8000_0000

export function extFolder(settings: Pick<ExtSettings, 'storePathRootDir'>, topic: string, queueId: number): string {
  return join(settings.storePathRootDir, FOLDERS.consumeQueueExt, topic, String(queueId))
}

/** By the high half of a tagsCode: −1 and 0 are hashes, times are positive. */
export function isExtAddress(tagsHigh: number): boolean {
  return tagsHigh < -1
}

/** Byte of the ext queue that an address names. */
export function extOffset(addressHigh: number, addressLow: number): number {
  return (addressHigh + SIGN) * HIGH + (addressLow >>> 0)
}

export function addressHigh(offset: number): number {
  return Math.floor(offset / HIGH) - SIGN
}

/** Byte that a ConsumeQueue unit names, -1 when it holds a tagsCode itself or is none. */
export function addressIn(unit: DataView): number {
  const high = unit.getInt32(UNIT.tagsCode)
  return isReal(unit, 0) && isExtAddress(high) ? extOffset(high, unit.getInt32(UNIT.tagsCode + 4)) : -1
}

/** Reads the unit at a byte of the ext queue into `bytes`, as much of it as there is room for; false where none is. */
export function readExtUnit(
  fds: FdCache,
  folder: string,
  fileSize: number,
  offset: number,
  bytes: Buffer,
  flags: string,
): boolean {
  const start = offset - (offset % fileSize)
  try {
    const fd = fds.get(queueFilePath(folder, start), flags)
    return (
      readSync(fd, bytes, 0, bytes.length, offset - start) >= EXT_UNIT_SIZE &&
      bytes.readInt16BE(EXT.size) >= EXT_UNIT_SIZE
    )
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Puts real tags codes in the place of addresses. */
export class ExtReader {
  private readonly fds: FdCache
  private readonly folder: string
  private readonly fileSize: number
  private readonly unit = Buffer.alloc(EXT_UNIT_SIZE + BIT_MAP_MAX)

  constructor(settings: ExtSettings, topic: string, queueId: number, fds: FdCache) {
    this.fds = fds
    this.folder = extFolder(settings, topic, queueId)
    this.fileSize = settings.mappedFileSizeConsumeQueueExt
  }

  /**
   * Overwrites the eight bytes of an address at `at` with the tagsCode. Returns the bit map, valid until the next call;
   * undefined where there is none, or no ext unit.
   */
  resolve(bytes: Buffer, at: number): Buffer | undefined {
    const { unit } = this
    const offset = extOffset(bytes.readInt32BE(at), bytes.readInt32BE(at + 4))
    if (!readExtUnit(this.fds, this.folder, this.fileSize, offset, unit, 'r')) return undefined
    unit.copy(bytes, at, EXT.tagsCode, EXT.tagsCode + 8)
    const size = unit.readInt16BE(EXT.bitMapSize)
    const isWhole = size > 0 && size <= BIT_MAP_MAX && unit.readInt16BE(EXT.size) === EXT_UNIT_SIZE + size
    return isWhole ? unit.subarray(EXT.bitMap, EXT.bitMap + size) : undefined
  }
}
