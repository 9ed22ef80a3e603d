/**
 * The recovery of a member's log, rehearsed: recover() itself, on a disk that only remembers, beside an entry index that is read and
 * never written.
 *
 * Called by: broker-log.ts, for the inspector. Blocks on: the disk. Throws what a start would.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Log } from '../log.ts'
import { listSegments, type Segment } from '../store/commitlog/segments.ts'
import type { StoreDisk } from '../store/disk.ts'
import { committedBelow, type Found, type IndexToMend, type LogSettings, recover } from './log/index.ts'
import { type IndexUnit, unitIn } from './log/index-files.ts'
import { INDEX_UNIT_SIZE } from './log/settings.ts'
import { StateFiles } from './log/state-files.ts'

export function foundByRehearsal(files: LogSettings, log: Log, disk: StoreDisk): { found: Found; committed: number } {
  const state = new StateFiles(files.folder, files.ownFolder)
  const checkpoint = state.loadCheckpoint()?.committedIndex ?? -1
  using index = new SeenIndex(files, checkpoint)
  const found = recover(files, index, state, log, disk)
  state.loadTerm()
  if (index.putCount > 0) log.warn(`${index.putCount} units of the entry index are written again`)
  return { found, committed: committedBelow(found, checkpoint, () => index.wantedEnd) }
}

/** What a start would put into the index is counted; of one entry it is remembered. */
class SeenIndex implements IndexToMend, Disposable {
  putCount = 0
  private readonly files: Segment[]
  private readonly wanted: number
  private putEnd: number | undefined
  private fd = -1
  private opened: Segment | undefined
  private readonly bytes = Buffer.alloc(INDEX_UNIT_SIZE)
  private readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, INDEX_UNIT_SIZE)

  constructor({ indexFolder, indexFileSize }: LogSettings, wanted: number) {
    this.files = listSegments(indexFolder, indexFileSize).filter(({ size }) => size === indexFileSize)
    this.wanted = wanted
  }

  /** End of the entry that is wanted, by its unit. */
  get wantedEnd(): number {
    const unit = this.read(this.wanted)
    return this.putEnd ?? (unit === undefined ? 0 : unit.pos + unit.size)
  }

  read(index: number): IndexUnit | undefined {
    const at = index * INDEX_UNIT_SIZE
    const file = this.files.find(({ start, size }) => at >= start && at < start + size)
    if (file === undefined) return undefined
    if (file !== this.opened) {
      this[Symbol.dispose]()
      this.fd = openSync(file.path, 'r')
      this.opened = file
    }
    if (readSync(this.fd, this.bytes, 0, INDEX_UNIT_SIZE, at - file.start) < INDEX_UNIT_SIZE) return undefined
    return unitIn(this.view, index)
  }

  put(index: number, _term: number, pos: number, size: number): void {
    this.putCount += 1
    if (index === this.wanted) this.putEnd = pos + size
  }

  ensure(): void {}
  flush(): void {}
  cut(): void {}
  dropBefore(): void {}
  sync(): void {}

  [Symbol.dispose](): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
    this.opened = undefined
  }
}
