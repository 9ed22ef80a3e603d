/** A dispatcher over a store folder, logs made of given records, and comparisons of whole folders. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import {
  allocateSegment,
  CLASSIC_LAYOUT,
  LogReader,
  listSegments,
  RecordView,
  segmentPath,
  writeRecord,
} from '../../../src/store/commitlog/index.ts'
import { QueueStore } from '../../../src/store/consumequeue/index.ts'
import { Dispatcher } from '../../../src/store/dispatch/index.ts'
import { IndexWriter } from '../../../src/store/index/index.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { type CapturedLog, capturedLog } from '../scratch.ts'

export interface Rig {
  settings: StoreSettings
  source: LogReader
  queues: QueueStore
  index: IndexWriter | undefined
  dispatcher: Dispatcher
  log: CapturedLog
  close(): void
}

export interface RigOptions {
  slotCount?: number
  fdCount?: number
  isDiskFull?: () => boolean
  now?: () => number
}

/** Closed after the test if it is not closed before. */
export function rig(settings: StoreSettings, options: RigOptions = {}): Rig {
  const { isDiskFull } = options
  const clock = options.now === undefined ? systemClock : { now: options.now }
  const log = capturedLog()
  const source = new LogReader(settings)
  const queues = new QueueStore({ settings, ...options })
  const index = settings.messageIndexEnable ? new IndexWriter({ settings, clock, isDiskFull }) : undefined
  const dispatcher = new Dispatcher({ settings, source, queues, index, log })
  let isOpen = true
  const close = () => {
    if (!isOpen) return
    isOpen = false
    dispatcher.close()
    source.close()
  }
  onTestFinished(close)
  return { settings, source, queues, index, dispatcher, log, close }
}

/** Dispatches [from, to) in batches. */
export function dispatchAll({ dispatcher }: Rig, from: number, to: number, batchBytes = 10_000): void {
  for (let position = from; position < to; ) position = dispatcher.dispatch(position, to, batchBytes)
}

/** End of the records in a log, from its files. */
export function endOfLog(settings: StoreSettings): number {
  const segments = listSegments(settings.storePathCommitLog, settings.mappedFileSizeCommitLog)
  const record = new RecordView()
  let end = 0
  for (const { start, path } of segments) {
    const bytes = readFileSync(path)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length; at += record.totalSize) {
      if (record.read(bytes, view, at, bytes.length) !== 'record') break
      end = start + at + record.totalSize
    }
  }
  return end
}

/** Every file below a folder by its path, with its bytes. */
export function filesBelow(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const walk = (relative: string) => {
    for (const name of readdirSync(join(folder, relative))) {
      const path = join(relative, name)
      if (statSync(join(folder, path)).isDirectory()) walk(path)
      else files.set(path, readFileSync(join(folder, path)))
    }
  }
  walk('.')
  return files
}

export interface TestRecord {
  topic: string
  queueId: number
  queueOffset: number
  properties?: string
  sysFlag?: number
  bodyLength?: number
  storeTimestamp?: number
}

const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }
export const FIRST_TIME = 1_700_000_000_000

/** Writes records as the append thread does. */
export class LogMaker {
  readonly settings: StoreSettings
  readonly places: { offset: number; size: number; record: TestRecord }[] = []
  end = 0
  private time = FIRST_TIME

  constructor(settings: StoreSettings) {
    this.settings = settings
    mkdirSync(join(settings.storePathRootDir, 'basalt'), { recursive: true })
    this.allocate(0)
  }

  add(record: TestRecord): number {
    const { mappedFileSizeCommitLog: segmentSize } = this.settings
    const bytes = Buffer.alloc(400 + (record.bodyLength ?? 20) + (record.properties?.length ?? 0) * 3)
    const write = () =>
      writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, {
        queueId: record.queueId,
        queueOffset: record.queueOffset,
        physicalOffset: this.end,
        sysFlag: record.sysFlag ?? 0,
        bornTimestamp: this.time,
        bornHost: HOST,
        storeTimestamp: record.storeTimestamp ?? this.time,
        storeHost: HOST,
        body: Buffer.alloc(record.bodyLength ?? 20, 97),
        topic: record.topic,
        properties: record.properties ?? '',
      })
    const left = segmentSize - (this.end % segmentSize)
    if (!CLASSIC_LAYOUT.fits(write(), left)) {
      const blank = Buffer.alloc(8)
      CLASSIC_LAYOUT.writeBlank(new DataView(blank.buffer, blank.byteOffset, 8), 0, left)
      this.overwrite(this.end, blank)
      this.end += left
      this.allocate(this.end)
    }
    const size = write()
    this.overwrite(this.end, bytes.subarray(0, size))
    this.places.push({ offset: this.end, size, record })
    const offset = this.end
    this.end += size
    this.time += 7
    return offset
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    const { mappedFileSizeCommitLog: segmentSize, storePathCommitLog } = this.settings
    const start = offset - (offset % segmentSize)
    patch(segmentPath(storePathCommitLog, start), offset - start, bytes)
  }

  /** Removes all segments that end at or below `offset`, as retention does. */
  expireBelow(offset: number): void {
    const { mappedFileSizeCommitLog: segmentSize, storePathCommitLog } = this.settings
    for (const { start, path } of listSegments(storePathCommitLog, segmentSize)) {
      if (start + segmentSize <= offset) rmSync(path)
    }
  }

  private allocate(start: number): void {
    allocateSegment({
      folder: this.settings.storePathCommitLog,
      ownFolder: join(this.settings.storePathRootDir, 'basalt'),
      start,
      size: this.settings.mappedFileSizeCommitLog,
    })
  }
}

export function patch(path: string, at: number, bytes: Uint8Array): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, at)
  closeSync(file)
}
