/**
 * The map cut to the size of a picture: rows of whole segments, each of the same number of columns. A model cell that goes
 * over several columns is taken to be alike throughout.
 */
import { KINDS, type Kind, type KindBytes, noBytes } from './kinds.ts'
import { type MapCell, type MapSegment, type StoreMap, sumKinds } from './store-map.ts'

export interface Column {
  /** Of the log. */
  from: number
  to: number
  bytes: number
  kinds: KindBytes
  topics: Map<string, number>
  notOnDisk: number | undefined
  inMemory: number | undefined
}

export interface Row {
  segments: MapSegment[]
  bytes: number
  kinds: KindBytes
  notOnDisk: number | undefined
  inMemory: number | undefined
  columns: Column[]
  /** Shares of the row's width at which a segment begins, without the first one. */
  cuts: number[]
}

export function rowsOf({ segments }: StoreMap, rowsMax: number, columnCount: number): Row[] {
  const shown = segments.filter(({ size }) => size > 0)
  const perRow = Math.max(1, Math.ceil(shown.length / rowsMax))
  // A row that is shorter than the others, the last one, must not look as long.
  const widest = Math.max(1, ...chunks(shown, perRow).map(bytesOf))
  return chunks(shown, perRow).map((own) => rowOf(own, columnCount, widest))
}

function chunks(segments: MapSegment[], size: number): MapSegment[][] {
  const found: MapSegment[][] = []
  for (let i = 0; i < segments.length; i += size) found.push(segments.slice(i, i + size))
  return found
}

const bytesOf = (segments: readonly MapSegment[]) => segments.reduce((sum, { size }) => sum + size, 0)

function rowOf(segments: MapSegment[], columnCount: number, widest: number): Row {
  const bytes = bytesOf(segments)
  const count = Math.max(1, Math.round((columnCount * bytes) / widest))
  const width = bytes / count
  const columns: Column[] = []
  let position = 0
  for (const cell of segments.flatMap(({ cells }) => cells)) {
    const size = cell.to - cell.from
    for (let done = 0; done < size; ) {
      const index = Math.min(count - 1, Math.floor((position + done) / width + 1e-9))
      const end = index === count - 1 ? Number.POSITIVE_INFINITY : (index + 1) * width - position
      const part = Math.min(size, end) - done
      if (part <= 0) break
      columns[index] ??= emptyColumn(cell.from + done)
      take(columns[index], cell, part / size)
      columns[index].to = cell.from + done + part
      columns[index].bytes += part
      done += part
    }
    position += size
  }
  let start = 0
  const cuts = segments.slice(0, -1).map(({ size }) => {
    start += size
    return start / bytes
  })
  return {
    segments,
    bytes,
    columns: columns.filter((column) => column !== undefined),
    cuts,
    kinds: sumKinds(segments.map(({ kinds }) => kinds)),
    notOnDisk: sumKnown(segments.map(({ notOnDisk }) => notOnDisk)),
    inMemory: sumKnown(segments.map(({ inMemory }) => inMemory)),
  }
}

function emptyColumn(from: number): Column {
  return { from, to: from, bytes: 0, kinds: noBytes(), topics: new Map(), notOnDisk: 0, inMemory: 0 }
}

function take(column: Column, cell: MapCell, share: number): void {
  for (const [kind, bytes] of Object.entries(cell.kinds) as [Kind, number][]) column.kinds[kind] += bytes * share
  for (const [topic, bytes] of Object.entries(cell.topics)) {
    column.topics.set(topic, (column.topics.get(topic) ?? 0) + bytes * share)
  }
  column.notOnDisk = sumKnown([column.notOnDisk, part(cell.notOnDisk, share)])
  column.inMemory = sumKnown([column.inMemory, part(cell.inMemory, share)])
}

const part = (bytes: number | undefined, share: number) => (bytes === undefined ? undefined : bytes * share)

function sumKnown(numbers: readonly (number | undefined)[]): number | undefined {
  let sum = 0
  for (const each of numbers) {
    if (each === undefined) return undefined
    sum += each
  }
  return sum
}

/**
 * One kind for each column, so that along the row each kind has as many columns as it has bytes: what is left over of a kind
 * goes on to the next column. Damage is never left out.
 */
export function dithered(columns: readonly Column[]): Kind[] {
  const owed = noBytes()
  return columns.map(({ kinds, bytes }) => {
    for (const kind of KINDS) owed[kind] += kinds[kind] / Math.max(1, bytes)
    let chosen: Kind = KINDS[0]
    if (kinds.damaged > 0) owed.damaged = Math.max(0, owed.damaged)
    else
      for (const kind of KINDS) if (kinds[kind] > 0 && (kinds[chosen] === 0 || owed[kind] > owed[chosen])) chosen = kind
    owed[chosen] -= 1
    return chosen
  })
}
