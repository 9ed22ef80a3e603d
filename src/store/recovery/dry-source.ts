/**
 * The log as a rehearsed start reads it: segments that it would not change through maps, the others as they would be.
 */
import { type LogFolders, type LogReader, type MappedSegment, segmentStart } from '../commitlog/index.ts'
import type { LogSource } from '../dispatch/dispatcher.ts'
import type { DryDisk } from './dry-disk.ts'

export class DrySource implements LogSource, Disposable {
  private readonly reader: LogReader
  private readonly disk: DryDisk
  private readonly folders: LogFolders
  private readonly size: number
  private readonly end: number
  /** Of those that would be changed the last one that was asked for. */
  private current: MappedSegment | undefined

  /** `end`: nothing above it is asked for. */
  constructor(disk: DryDisk, reader: LogReader, folders: LogFolders, size: number, end: number) {
    this.disk = disk
    this.reader = reader
    this.folders = folders
    this.size = size
    this.end = end
  }

  segmentAt(offset: number): MappedSegment | undefined {
    const { current } = this
    if (current !== undefined && offset >= current.start && offset < current.end) return current
    const start = segmentStart(offset, this.size)
    const path = this.folders.pathAt(start)
    if (this.disk.stat(path) === undefined) return undefined
    const used = Math.min(this.size, Math.max(0, this.end - start))
    if (this.disk.isMappable(path, used, this.size)) return this.reader.segmentAt(offset)
    // The whole address range, and memory only for what is read into it.
    const bytes = Buffer.from(new ArrayBuffer(this.size))
    const handle = this.disk.open(path, 'r')
    try {
      const chunk = 1024 * 1024
      for (let at = 0; at < used; ) {
        at = Math.max(at, this.disk.nextData(handle, at))
        if (at >= used) break
        at += this.disk.read(handle, bytes, at, Math.min(chunk, used - at), at)
      }
    } finally {
      this.disk.close(handle)
    }
    this.current = { start, end: start + this.size, bytes, view: new DataView(bytes.buffer) }
    return this.current
  }

  [Symbol.dispose](): void {
    this.reader.close()
  }
}
