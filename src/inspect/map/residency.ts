/**
 * How much of each cell is in the page cache (mincore on a map of the segment; nothing is touched, so nothing is read in by it).
 *
 * Every page is asked while there are few enough; else pages at even distances, each standing for its neighbours. The kernel
 * tells only the owner of a file, or who may write to it; to others everything would look resident.
 */
import { accessSync, closeSync, constants, fstatSync, openSync } from 'node:fs'
import { MapSlot, nativeMissing, pageSize } from '../../native/index.ts'
import type { Grid, GridSegment } from './grid.ts'

export interface Residency {
  /** Bytes in memory by cell. */
  cells: Float64Array
  /** Not every page was asked. */
  isSampled: boolean
}

const ASKED_MAX = 262_144
/** Of address space at a time. */
const MAP_MAX = 1024 * 1024 * 1024

/** A text: why nobody knows. */
export function residencyOf(grid: Grid, askedMax = ASKED_MAX): Residency | string {
  if (process.platform !== 'linux') return 'asked on Linux only'
  if (nativeMissing() !== undefined) return 'the addon is not built'
  const size = Math.max(0, ...grid.segments.map((segment) => Math.min(MAP_MAX, segment.end - segment.start)))
  const residency: Residency = { cells: new Float64Array(grid.cellCount), isSampled: false }
  if (size === 0) return residency
  const perCell = Math.max(4, Math.floor(askedMax / Math.max(1, grid.cellCount)))
  const slot = new MapSlot(Math.ceil(size / pageSize()) * pageSize())
  try {
    for (const segment of grid.segments) {
      const problem = askSegment(slot, grid, segment, perCell, residency)
      if (problem !== undefined) return problem
    }
    return residency
  } catch (error) {
    return `mincore failed: ${(error as Error).message}`
  } finally {
    slot.close()
  }
}

function askSegment(
  slot: MapSlot,
  grid: Grid,
  segment: GridSegment,
  perCell: number,
  residency: Residency,
): string | undefined {
  const page = pageSize()
  let fd: number
  try {
    fd = openSync(segment.path, 'r')
  } catch {
    return undefined
  }
  try {
    if (!mayKnow(segment.path, fd)) return 'the kernel tells it to the owner of the files alone'
    const size = Math.min(segment.end - segment.start, fstatSync(fd).size)
    const cellsAtOnce = Math.max(1, Math.floor(slot.size / grid.cellSize))
    for (let first = 0; first < segment.cells; first += cellsAtOnce) {
      const from = first * grid.cellSize
      const length = Math.min(size, (first + cellsAtOnce) * grid.cellSize) - from
      if (length <= 0) break
      slot.map(fd, from, length, false)
      const until = Math.min(segment.cells, first + cellsAtOnce)
      for (let cell = first; cell < until; cell += 1) {
        const start = (cell - first) * grid.cellSize
        const bytes = Math.min(grid.cellSize, length - start)
        if (bytes <= 0) break
        const pages = Math.ceil(bytes / page)
        const asked = Math.min(pages, perCell)
        if (asked < pages) residency.isSampled = true
        residency.cells[segment.firstCell + cell] = bytes * shareOf(slot, start, pages, asked)
      }
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}

function shareOf(slot: MapSlot, start: number, pages: number, asked: number): number {
  const page = pageSize()
  if (asked === pages && slot.resident(start, Math.min(pages * page, slot.mapped - start))) return 1
  let resident = 0
  for (let i = 0; i < asked; i += 1) {
    const index = Math.floor((i * pages) / asked)
    const at = start + index * page
    if (slot.resident(at, Math.min(page, slot.mapped - at))) resident += 1
  }
  return resident / asked
}

function mayKnow(path: string, fd: number): boolean {
  if (process.geteuid?.() === 0 || fstatSync(fd).uid === process.geteuid?.()) return true
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
