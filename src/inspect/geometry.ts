/**
 * Sizes that a store was made with, read off its files: a store does not say them anywhere, and a broker that is given
 * others refuses it.
 *
 *   CommitLog, ConsumeQueue   the size that most files have and that divides all names
 *   IndexFile                 slots S and entries N from 40 + 4·S + 20·N = size: N from a full file, else where entry 1 stands;
 *                             without entries N = 4·S, as RocketMQ's own
 *
 * What the user knows (a configuration file, --set) goes before.
 * Format: spec/store-format.md §1, §5.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { UNIT_SIZE } from '../store/consumequeue/index.ts'
import {
  ENTRY,
  getInt64,
  HEADER,
  type IndexFile,
  type IndexHeader,
  readIndexHeader,
  SLOT_SIZE,
} from '../store/index/index.ts'
import type { StoreSettings } from '../store/settings.ts'
import type { StoreFiles } from './store-files.ts'

/** What the inspector needs of a configuration. */
export type InspectSettings = Pick<
  StoreSettings,
  | 'storePathRootDir'
  | 'storePathCommitLog'
  | 'mappedFileSizeCommitLog'
  | 'enableDLegerCommitLog'
  | 'storePathClassicCommitLog'
  | 'mappedFileSizeConsumeQueue'
  | 'mappedFileSizeConsumeQueueExt'
  | 'maxHashSlotNum'
  | 'maxIndexNum'
  | 'messageIndexEnable'
  | 'messageDelayLevel'
>

/** RocketMQ's defaults, for what the files do not tell. */
const DEFAULTS: Omit<
  InspectSettings,
  'storePathRootDir' | 'storePathCommitLog' | 'enableDLegerCommitLog' | 'storePathClassicCommitLog'
> = {
  mappedFileSizeCommitLog: 1_073_741_824,
  mappedFileSizeConsumeQueue: 6_000_000,
  mappedFileSizeConsumeQueueExt: 50_331_648,
  maxHashSlotNum: 5_000_000,
  maxIndexNum: 20_000_000,
  messageIndexEnable: true,
  messageDelayLevel: '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
}

/** Of a file whose slots are not known so much is searched for its first entry. */
const SLOT_BYTES_MAX = 256 * 1024 * 1024
const CHUNK = 1024 * 1024

export function geometryOf(
  files: StoreFiles,
  known: Partial<StoreSettings>,
  segmentSizeInMarks: number | undefined,
): InspectSettings {
  const { segments, queues, indexFiles } = files
  const all = queues.flatMap((queue) => queue.files)
  const marked = segmentSizeInMarks !== undefined && segmentSizeInMarks > 0 ? segmentSizeInMarks : undefined
  const log = marked ?? commonSize(segments, 1) ?? DEFAULTS.mappedFileSizeCommitLog
  const queue = commonSize(all, UNIT_SIZE) ?? DEFAULTS.mappedFileSizeConsumeQueue
  const ext = mostCommon(queues.flatMap(({ extSizes }) => extSizes)) ?? DEFAULTS.mappedFileSizeConsumeQueueExt
  return {
    storePathRootDir: files.root,
    storePathCommitLog: files.logFolder,
    storePathClassicCommitLog: files.classicFolder,
    enableDLegerCommitLog: files.member !== undefined,
    mappedFileSizeCommitLog: known.mappedFileSizeCommitLog ?? log,
    mappedFileSizeConsumeQueue: known.mappedFileSizeConsumeQueue ?? queue,
    mappedFileSizeConsumeQueueExt: known.mappedFileSizeConsumeQueueExt ?? ext,
    ...indexGeometry(indexFiles, known),
    messageIndexEnable: known.messageIndexEnable ?? DEFAULTS.messageIndexEnable,
    messageDelayLevel: known.messageDelayLevel ?? DEFAULTS.messageDelayLevel,
  }
}

/** The most frequent size that fits all names; a file that somebody cut, or an odd name, is outvoted. */
function commonSize(files: { start: number; size: number }[], unit: number): number | undefined {
  const sizes = files.map(({ size }) => size).filter((size) => size > 0 && size % unit === 0)
  const byVotes = [...countOf(sizes)].sort((a, b) => b[1] - a[1] || b[0] - a[0])
  const fitting = byVotes.find(([size]) => files.every(({ start }) => start % size === 0))
  return (fitting ?? byVotes[0])?.[0]
}

function mostCommon(numbers: number[]): number | undefined {
  return [...countOf(numbers)].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0]
}

function countOf(numbers: number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1)
  return counts
}

type IndexGeometry = Pick<InspectSettings, 'maxHashSlotNum' | 'maxIndexNum'>

function indexGeometry(files: readonly IndexFile[], known: Partial<StoreSettings>): IndexGeometry {
  const size = mostCommon(files.map((file) => file.size))
  const { maxHashSlotNum, maxIndexNum } = DEFAULTS
  const standard = {
    maxHashSlotNum: known.maxHashSlotNum ?? maxHashSlotNum,
    maxIndexNum: known.maxIndexNum ?? maxIndexNum,
  }
  if (size === undefined || isSizeOf(standard, size)) return standard
  const own = files.filter((file) => file.size === size)
  for (let tries = 0; tries < TRIES; tries += 1) {
    for (const file of own) {
      // Once for all that is compared with it: a broker that runs writes it with each entry.
      const header = readIndexHeader(file.path)
      if (header === undefined || header.indexCount < 2) continue
      const found = fromFullFile(file, header) ?? fromFirstEntry(file, header)
      if (found !== undefined) return found
    }
    if (!own.some(({ path }) => isFresh(path))) break
    Atomics.wait(pause, 0, 0, PAUSE_MS)
  }
  return bySize(size, known) ?? standard
}

/** A file without entries, or one that is being written, tells in a moment. */
const TRIES = 5
const PAUSE_MS = 10
const FRESH_MS = 10_000
const pause = new Int32Array(new SharedArrayBuffer(4))

function isFresh(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status !== undefined && Math.abs(Date.now() - status.mtimeMs) < FRESH_MS
}

/** Nothing but its size speaks: what is known of it counts, then RocketMQ's four entries a slot. */
function bySize(size: number, known: Partial<StoreSettings>): IndexGeometry | undefined {
  const room = size - HEADER.size
  const of = (maxHashSlotNum: number, maxIndexNum: number) =>
    [maxHashSlotNum, maxIndexNum].every((each) => Number.isInteger(each) && each > 0)
      ? { maxHashSlotNum, maxIndexNum }
      : undefined
  const withSlots = (slots: number) => of(slots, (room - slots * SLOT_SIZE) / ENTRY.size)
  if (known.maxHashSlotNum !== undefined) return withSlots(known.maxHashSlotNum)
  if (known.maxIndexNum !== undefined) return of((room - known.maxIndexNum * ENTRY.size) / SLOT_SIZE, known.maxIndexNum)
  return withSlots(room / (SLOT_SIZE + 4 * ENTRY.size)) ?? withSlots(DEFAULTS.maxHashSlotNum)
}

function isSizeOf({ maxHashSlotNum, maxIndexNum }: IndexGeometry, size: number): boolean {
  return HEADER.size + maxHashSlotNum * SLOT_SIZE + maxIndexNum * ENTRY.size === size
}

/** A full file has as many entries as there is room for, and its last entry is the one that its header names. */
function fromFullFile(file: IndexFile, header: IndexHeader): IndexGeometry | undefined {
  const slots = (file.size - HEADER.size - header.indexCount * ENTRY.size) / SLOT_SIZE
  if (!Number.isInteger(slots) || slots < 1) return undefined
  return fits(file, header, slots) ? { maxHashSlotNum: slots, maxIndexNum: header.indexCount } : undefined
}

/** Entry 1 has the offset that the header calls the first: each place where such a number stands is tried. */
function fromFirstEntry(file: IndexFile, header: IndexHeader): IndexGeometry | undefined {
  const wanted = Buffer.alloc(8)
  wanted.writeBigInt64BE(BigInt(header.beginPhyOffset))
  const fd = openSync(file.path, 'r')
  try {
    const bytes = Buffer.alloc(CHUNK + 8)
    const until = Math.min(file.size, SLOT_BYTES_MAX)
    for (let from = HEADER.size; from < until; from += CHUNK) {
      const read = readSync(fd, bytes, 0, bytes.length, from)
      for (let at = 0; at + 8 <= read && at < CHUNK; at += SLOT_SIZE) {
        if (bytes.compare(wanted, 0, 8, at, at + 8) !== 0) continue
        const slots = (from + at - ENTRY.physicalOffset - ENTRY.size - HEADER.size) / SLOT_SIZE
        const entries = (file.size - HEADER.size - slots * SLOT_SIZE) / ENTRY.size
        if (slots < 1 || !Number.isInteger(entries) || entries < header.indexCount) continue
        if (fits(file, header, slots)) return { maxHashSlotNum: slots, maxIndexNum: entries }
      }
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}

/**
 * With so many slots the first entry and the last one are those that the header names, and the first slots lead to them. Of a
 * file that is written meanwhile the header's end may be that of the entry before the last, and a slot may lead further.
 */
function fits(file: IndexFile, header: IndexHeader, slots: number): boolean {
  const fd = openSync(file.path, 'r')
  try {
    const read = (at: number, length: number) => {
      const bytes = Buffer.alloc(length)
      return readSync(fd, bytes, 0, length, at) === length ? new DataView(bytes.buffer, bytes.byteOffset) : undefined
    }
    const entryAt = (entry: number) => read(HEADER.size + slots * SLOT_SIZE + entry * ENTRY.size, ENTRY.size)
    const newest = header.indexCount - 1
    const first = entryAt(1)
    const last = entryAt(newest)
    if (first === undefined || last === undefined) return false
    if (getInt64(first, ENTRY.physicalOffset) !== header.beginPhyOffset) return false
    const isEnd = (entry: DataView | undefined) =>
      entry !== undefined && getInt64(entry, ENTRY.physicalOffset) === header.endPhyOffset
    const hash = last.getInt32(ENTRY.keyHash)
    if (hash < 0 || first.getInt32(ENTRY.keyHash) < 0) return false
    const leadsTo = read(HEADER.size + (hash % slots) * SLOT_SIZE, SLOT_SIZE)?.getInt32(0) ?? 0
    if (isEnd(last) && leadsTo === newest) return true
    if (!isFresh(file.path) || !(isEnd(last) || isEnd(entryAt(newest - 1)))) return false
    const entries = (file.size - HEADER.size - slots * SLOT_SIZE) / ENTRY.size
    if (leadsTo === newest) return true
    const later = leadsTo > newest && leadsTo < entries ? entryAt(leadsTo) : undefined
    return later !== undefined && later.getInt32(ENTRY.keyHash) % slots === hash % slots
  } finally {
    closeSync(fd)
  }
}
