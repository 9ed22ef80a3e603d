/** Entries of the simulated logs. An entry is made once, by a leader; equal bytes are the same object. */
import type { EntryBatch } from '../../src/dledger/core/index.ts'

export interface SimEntry {
  readonly index: number
  readonly term: number
  readonly pos: number
  readonly size: number
  /** What a client wrote, −1 for a no-op, −2 for bytes that a power loss has torn unseen. */
  readonly value: number
}

export interface SimBatch extends EntryBatch {
  readonly list: readonly SimEntry[]
}

export function batchOf(list: readonly SimEntry[]): SimBatch {
  let bytes = 0
  for (const entry of list) bytes += entry.size
  return { list, firstIndex: list[0]!.index, count: list.length, lastTerm: list[list.length - 1]!.term, bytes }
}

/** The simulator makes all batches that it meets. */
export function listOf(batch: EntryBatch): readonly SimEntry[] {
  return (batch as SimBatch).list
}
