/**
 * Where the records of one queue are: a stretch of its ConsumeQueue units, copied, so that it outlives the next read.
 */
import type { StoreView } from '../store-view.ts'

export interface Places {
  /** Queue offset of the first. */
  readonly from: number
  /** Physical offsets; negative where the unit holds no record. */
  readonly offsets: Float64Array
  readonly sizes: Int32Array
  /** Queue offset behind the stretch. */
  readonly next: number
}

/** At most `count` units from `from` on, none at or above `end`. Never empty while from < end: a missing file is skipped. */
export function placesOf(
  view: Pick<StoreView, 'unitsOf'>,
  queue: number,
  from: number,
  count: number,
  end: number,
): Places {
  const reader = view.unitsOf(queue)
  const units = reader.read(from, count, end)
  const offsets = new Float64Array(units.count)
  const sizes = new Int32Array(units.count)
  for (let i = 0; i < units.count; i += 1) {
    offsets[i] = units.isBlank(i) ? -1 : units.physicalOffset(i)
    sizes[i] = units.size(i)
  }
  const next = units.count > 0 ? from + units.count : Math.min(end, reader.nextFile(from))
  return { from, offsets, sizes, next }
}
