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
import { decidedBy } from './half-message.ts'
import { placesOf } from './queue-places.ts'

const NOTHING: readonly number[] = []
/** Op messages have about 140 bytes. */
const OPS_PER_READ = 512

export interface OpQueueSource {
  readonly queueIds: Pick<QueueIds, 'find'>
  readonly view: Pick<StoreView, 'unitsOf' | 'readRecords' | 'queueMax'>
}

/** Adds all op messages that can be seen and that `decided` does not know. */
export async function readOps({ queueIds, view }: OpQueueSource, decided: DecidedHalves): Promise<void> {
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
    const found = bytes === undefined ? new Map<number, number[]>() : opsIn(bytes)
    for (let offset = from; offset < next; offset += 1) {
      decided.add(offset, found.get(offsets[offset - from]) ?? NOTHING)
    }
  }
}

/** Physical offset → halves, of records that lie side by side. */
function opsIn(bytes: Uint8Array): Map<number, number[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const record = new RecordView()
  const ops = new Map<number, number[]>()
  for (let at = 0; at < bytes.length; at += record.totalSize) {
    if (record.read(bytes, view, at, bytes.length) !== 'record') break
    const message = decodeRecord(bytes, at)
    if (message !== undefined) ops.set(message.physicalOffset, decidedBy(message.body, message.properties.get('TAGS')))
  }
  return ops
}
