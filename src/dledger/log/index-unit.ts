/**
 * One unit of DLedger's index files, 32 bytes at index · 32.
 *
 *   0 magic(4)  4 pos(8)  12 size(4)  16 index(8)  24 term(8)
 *
 * Format: spec/dledger.md §2.3.
 */
import { ENTRY_MAGIC } from '../wire/index.ts'

export const INDEX_UNIT_SIZE = 32

export interface IndexUnit {
  pos: number
  size: number
  index: number
  term: number
}

export function writeIndexUnit(view: DataView, at: number, unit: IndexUnit): void {
  view.setInt32(at, ENTRY_MAGIC)
  view.setBigInt64(at + 4, BigInt(unit.pos))
  view.setInt32(at + 12, unit.size)
  view.setBigInt64(at + 16, BigInt(unit.index))
  view.setBigInt64(at + 24, BigInt(unit.term))
}

/** undefined where no unit stands. */
export function readIndexUnit(view: DataView, at: number): IndexUnit | undefined {
  if (at + INDEX_UNIT_SIZE > view.byteLength || view.getInt32(at) !== ENTRY_MAGIC) return undefined
  return {
    pos: Number(view.getBigInt64(at + 4)),
    size: view.getInt32(at + 12),
    index: Number(view.getBigInt64(at + 16)),
    term: Number(view.getBigInt64(at + 24)),
  }
}
