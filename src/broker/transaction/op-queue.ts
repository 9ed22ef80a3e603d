/**
 * Reads op messages back: after a start, and what another broker wrote into the store before.
 *
 * Blocks on: nothing, the pool reads. A record that is gone or damaged decides nothing.
 */

import { decodeRecord } from '../../store/commitlog/index.ts'
import { RecordView } from '../../store/commitlog/record.ts'
import type { QueueIds } from '../queue-ids.ts'
import type { StoreView } from '../store-view.ts'
import { TOPIC } from '../topics/names.ts'
import type { DecidedHalves } from './decided-halves.ts'
import type { HalfCopies } from './half-copies.ts'
import { NO_OP, type Op, readOp } from './half-message.ts'
import { placesOf } from './queue-places.ts'

/** Op messages have about 140 bytes. */
const OPS_PER_READ = 512

export interface OpQueueSource {
  readonly queueIds: Pick<QueueIds, 'find'>
  readonly view: Pick<StoreView, 'unitsOf' | 'readRecords' | 'queueMax'>
}

/** Takes in all op messages that can be seen and that `decided` does not know. */
export async function readOps(
  { queueIds, view }: OpQueueSource,
  decided: DecidedHalves,
  copies: HalfCopies,
): Promise<void> {
  const queue = queueIds.find(TOPIC.halfOp, 0)
  const end = view.queueMax(TOPIC.halfOp, 0)
  while (queue >= 0 && decided.knownOps < end) {
    const { from, offsets, sizes, next } = placesOf(view, queue, decided.knownOps, OPS_PER_READ, end)
    const there = offsets.map((_, i) => i).filter((i) => offsets[i] >= 0)
    const wanted = Int32Array.from(there, (i) => sizes[i])
    const bytes =
      there.length === 0
        ? undefined
        : await view.readRecords(
            there.map((i) => offsets[i]),
            wanted,
          )
    const found = bytes === undefined ? new Map<number, Op>() : opsIn(bytes)
    for (let offset = from; offset < next; offset += 1) {
      const { halves, copy } = found.get(offsets[offset - from]) ?? NO_OP
      decided.add(offset, halves)
      if (copy !== undefined) copies.replaced(halves[0], copy)
    }
  }
}

/** By physical offset, of records that lie side by side. */
function opsIn(bytes: Uint8Array): Map<number, Op> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const record = new RecordView()
  const ops = new Map<number, Op>()
  for (let at = 0; at < bytes.length; at += record.totalSize) {
    if (record.read(bytes, view, at, bytes.length) !== 'record') break
    const message = decodeRecord(bytes, at)
    if (message !== undefined) ops.set(message.physicalOffset, readOp(message))
  }
  return ops
}
