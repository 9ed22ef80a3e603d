/** Logs for recovery to find: records of known places, and ways to damage them. */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  allocateSegment,
  CLASSIC_LAYOUT,
  listSegments,
  RecordView,
  segmentName,
  writeRecord,
} from '../../../src/store/commitlog/index.ts'
import { type RecoveredLog, type RecoverLogOptions, recoverLog } from '../../../src/store/recovery/index.ts'
import { type CapturedLog, capturedLog, scratchFolder, storeSettings } from '../scratch.ts'

export const SIZE = 65_536
const FIRST_TIME = 1_700_000_000_000
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }

export interface Built {
  at: number
  size: number
  text: string
}

export interface BuildOptions {
  segmentSize?: number
  /** Body length of record `index`. */
  bodyLength?: (index: number) => number
  firstTime?: number
}

export class BuiltLog {
  readonly root = scratchFolder()
  readonly folder = join(this.root, 'commitlog')
  readonly records: Built[] = []
  readonly segmentSize: number
  end = 0
  private time: number
  private readonly bodyLength: (index: number) => number

  constructor(count: number, options: BuildOptions = {}) {
    this.segmentSize = options.segmentSize ?? SIZE
    this.bodyLength = options.bodyLength ?? ((index) => (index * 37) % 400)
    this.time = options.firstTime ?? FIRST_TIME
    mkdirSync(this.folder)
    this.allocate(0)
    this.append(count)
  }

  /** Appends as a broker does: a record that leaves no room for a blank goes to the next segment. */
  append(count: number): void {
    for (let i = 0; i < count; i++) {
      const index = this.records.length
      const text = `record ${index} `.padEnd(20 + this.bodyLength(index), String(index % 10))
      const bytes = Buffer.alloc(200 + text.length)
      let left = this.segmentSize - (this.end % this.segmentSize)
      const write = () => this.write(bytes, text, index)
      let size = write()
      if (!CLASSIC_LAYOUT.fits(size, left)) {
        const blank = Buffer.alloc(8)
        CLASSIC_LAYOUT.writeBlank(new DataView(blank.buffer, blank.byteOffset, 8), 0, left)
        this.overwrite(this.end, blank)
        this.end += left
        left = this.segmentSize
        this.allocate(this.end)
        size = write()
      }
      this.overwrite(this.end, bytes.subarray(0, size))
      this.records.push({ at: this.end, size, text })
      this.end += size
      this.time += 1
    }
  }

  allocate(start: number): void {
    allocateSegment({ folder: this.folder, ownFolder: join(this.root, 'basalt'), start, size: this.segmentSize })
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    const fd = openSync(this.path(offset), 'r+')
    writeSync(fd, bytes, 0, bytes.length, offset % this.segmentSize)
    closeSync(fd)
  }

  flip(offset: number, bit = 0): void {
    const byte = this.bytes(offset, 1)[0]
    this.overwrite(offset, Buffer.from([byte ^ (1 << bit)]))
  }

  bytes(offset: number, length: number): Buffer {
    const at = offset % this.segmentSize
    return readFileSync(this.path(offset)).subarray(at, at + length)
  }

  path(offset: number): string {
    return join(this.folder, segmentName(offset - (offset % this.segmentSize)))
  }

  /** All files of the log, one behind the other. */
  whole(): Buffer {
    return Buffer.concat(listSegments(this.folder, this.segmentSize).map(({ path }) => readFileSync(path)))
  }

  recover(options: Partial<RecoverLogOptions> = {}): RecoveredLog & { lines: CapturedLog } {
    const settings = storeSettings(this.root, { mappedFileSizeCommitLog: this.segmentSize })
    const lines = capturedLog()
    const log = { settings, marks: undefined, isClean: false, checkpointTime: 0, log: lines, ...options }
    return { ...recoverLog(log), lines }
  }

  /** Texts that a reader finds by following the records from the start, as dispatch or a broker of Apache's does. */
  readable(): string[] {
    const log = this.whole()
    const view = new DataView(log.buffer, log.byteOffset, log.length)
    const record = new RecordView()
    const texts: string[] = []
    for (let at = 0; at < log.length; at += record.totalSize) {
      const kind = record.read(log, view, at, log.length)
      if (kind === 'blank') continue
      if (kind !== 'record') break
      if (record.sysFlag === 12) continue
      texts.push(log.toString('latin1', record.bodyStart, record.bodyStart + record.bodyLength))
    }
    return texts
  }

  private write(bytes: Buffer, text: string, index: number): number {
    return writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, {
      queueId: index % 4,
      queueOffset: index >> 2,
      physicalOffset: this.end,
      bornTimestamp: this.time,
      bornHost: HOST,
      storeTimestamp: this.time,
      storeHost: HOST,
      body: Buffer.from(text),
      topic: 'Topic',
      properties: `KEYS\u0001k${index}`,
    })
  }
}
