/**
 * Finds the end of the log, mends the index, erases what lies behind. What it returns is on disk.
 *
 *   list files ─▶ where does it begin ─▶ walk from the third last file ─▶ index made again where it differs ─▶ zeros behind the end
 *
 * Stricter than the original: torn bodies end the log; stale bytes behind the end do not stay; damage in front of what this member
 * knows to be committed, or of whole files, stops the start instead of forgetting entries that were acknowledged.
 * Source: spec/dledger.md §2.6, §5.6. Called by: log.ts, once; the inspector, on a disk that only remembers. Blocks on: the disk.
 */
import { StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { allocateBlocks } from '../../store/commitlog/segment-allocator.ts'
import { listSegments, type Segment, segmentStart } from '../../store/commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../../store/disk.ts'
import { cutTail } from '../../store/recovery/tail.ts'
import type { EntryHead } from './entry-check.ts'
import type { IndexFiles } from './index-files.ts'
import { headAt, scan } from './scan.ts'
import type { LogSettings } from './settings.ts'
import type { StateFiles } from './state-files.ts'

export interface Found {
  segments: Segment[]
  beginIndex: number
  beginPos: number
  endIndex: number
  endTerm: number
  endPos: number
  /** The entries were looked at from here on, so many of them. */
  walkedFrom: number
  walkedCount: number
}

/** Entries that end below are committed, by the checkpoint's index; `endOf`: where an entry inside the log ends. */
export function committedBelow(
  { beginIndex, beginPos, endIndex, endPos }: Found,
  checkpoint: number,
  endOf: (index: number) => number,
): number {
  if (endIndex < 0) return beginPos
  if (checkpoint < beginIndex) return 0
  return checkpoint >= endIndex ? endPos : endOf(checkpoint)
}

export type IndexToMend = Pick<IndexFiles, 'read' | 'ensure' | 'put' | 'flush' | 'cut' | 'dropBefore' | 'sync'>

/** The walk begins so many files before the end, or earlier where the index does not agree. */
const FILES_WALKED = 3

export function recover(
  settings: LogSettings,
  index: IndexToMend,
  state: StateFiles,
  log: Log,
  disk: StoreDisk = realDisk,
): Found {
  const { fileSize } = settings
  disk.makeFolder(settings.dataFolder)
  let segments = listSegments(settings.dataFolder, fileSize, disk).map((it) => fillUp(it, fileSize, log, disk))
  const begin = beginOf(segments, state, disk)
  segments = contiguous(settings, segments, begin?.pos, begin?.isReal === true, log, disk)
  const beginPos = begin?.isReal ? begin.pos : (segments[0]?.start ?? settings.startPos)
  const first = segments.length === 0 ? undefined : headAt(segments[0], beginPos, disk)
  if (first === undefined && segments.length > 1 && headAt(segments[1], segments[1].start, disk) !== undefined)
    throw damaged(segments[0], `no entry at ${beginPos}`)
  const startAt = first === undefined ? 0 : walkFrom(segments, index, disk)
  const walked = segments.slice(startAt)
  const walkedFrom = startAt === 0 ? beginPos : (walked[0]?.start ?? beginPos)
  const mend = indexMender(index)
  let walkedCount = 0
  const visit = (head: EntryHead) => {
    walkedCount += 1
    mend(head)
  }
  const found = scan(walked, walkedFrom, visit, disk)
  const { last, endPos } = found
  if (found.why !== 'zero' && found.why !== 'end')
    log.warn(`the DLedger log ends with entry ${last?.index ?? -1}: ${found.why}`, { folder: settings.dataFolder })
  const lastFile = segments[segments.length - 1]
  // One file behind may have been begun; two hold entries that no crash can have put there before these.
  if (lastFile !== undefined && lastFile.start - segmentStart(endPos, fileSize) > fileSize)
    throw damaged(lastFile, `the entries end at ${endPos} (${found.why})`)
  checkCommitted(settings, state, segments, last?.index ?? -1, found.why)
  index.flush()
  index.cut((last?.index ?? -1) + 1)
  // A retirement that was not finished.
  if (last !== undefined) index.dropBefore(first!.index)
  index.sync()
  for (const { path } of segments) syncFile(path, disk)
  segments = cutTail(settings.dataFolder, fileSize, segments, endPos, disk)
  return {
    segments,
    beginIndex: last === undefined ? -1 : first!.index,
    beginPos,
    endIndex: last?.index ?? -1,
    endTerm: last?.term ?? -1,
    endPos,
    walkedFrom,
    walkedCount,
  }
}

/** A file that is too short would end a member of the JVM; what it lacks reads as zeros. */
function fillUp(segment: Segment, fileSize: number, log: Log, disk: StoreDisk): Segment {
  if (segment.size === fileSize) return segment
  log.warn(`a data file of the DLedger log has ${segment.size} of ${fileSize} bytes and was filled up with zeros`, {
    file: segment.path,
  })
  const fd = disk.open(segment.path, 'r+')
  try {
    allocateBlocks(fd, segment.size, fileSize - segment.size, disk)
  } finally {
    disk.close(fd)
  }
  return { ...segment, size: fileSize }
}

/** Where the log begins inside a file, if it does; `isReal` false when that was only begun (DLedgerLog.#beginWith). */
function beginOf(
  segments: Segment[],
  state: StateFiles,
  disk: StoreDisk,
): { pos: number; isReal: boolean } | undefined {
  const begin = state.loadBegin()
  const holder = segments.find((it) => begin !== undefined && it.start <= begin.pos && begin.pos < it.start + it.size)
  if (begin === undefined || holder === undefined) return undefined
  return { pos: begin.pos, isReal: begin.isDone && headAt(holder, begin.pos, disk)?.index === begin.index }
}

/** The files from the begin on, one behind the other. */
function contiguous(
  settings: LogSettings,
  segments: Segment[],
  beginPos: number | undefined,
  isReal: boolean,
  log: Log,
  disk: StoreDisk,
): Segment[] {
  const { fileSize, dataFolder } = settings
  const beginFile = beginPos === undefined ? -1 : segmentStart(beginPos, fileSize)
  const kept: Segment[] = []
  for (const segment of segments) {
    const former = kept[kept.length - 1]
    const follows = former === undefined || segment.start === former.start + fileSize
    if ((isReal && segment.start < beginFile) || (!isReal && !follows && segment.start === beginFile)) {
      log.warn('a data file of a log that began anew is removed', { file: segment.path })
      disk.unlink(segment.path)
    } else if (follows) kept.push(segment)
    else
      throw new StoreError('SEGMENT_MISSING', {
        what: `the DLedger log lacks its data file that starts at ${former.start + fileSize}`,
        where: segment.path,
        todo: "restore it; or remove this member's whole folder, so that it is filled again by the others",
      })
  }
  if (kept.length < segments.length) disk.syncFolder(dataFolder)
  return kept
}

/** The last file but two, or an earlier one, whose first entry is sound and in the index. */
function walkFrom(segments: Segment[], index: IndexToMend, disk: StoreDisk): number {
  for (let i = Math.max(0, segments.length - FILES_WALKED); i > 0; i--) {
    const head = headAt(segments[i], segments[i].start, disk)
    if (head !== undefined && agrees(index, head)) return i
  }
  return 0
}

function agrees(index: IndexToMend, head: EntryHead): boolean {
  const unit = index.read(head.index)
  return unit !== undefined && unit.pos === head.pos && unit.size === head.size && unit.term === head.term
}

/** Compares the unit of each entry, and writes all from the first that differs on. */
function indexMender(index: IndexToMend): (head: EntryHead) => void {
  let isWriting = false
  return (head) => {
    if (!isWriting && agrees(index, head)) return
    isWriting = true
    index.ensure(head.index)
    index.put(head.index, head.term, head.pos, head.size)
  }
}

/** A log without files is a new disk: it is filled by the others. One that has lost its end is not to be trusted with a vote. */
function checkCommitted(settings: LogSettings, state: StateFiles, segments: Segment[], end: number, why: string): void {
  const committed = state.loadCheckpoint()?.committedIndex ?? -1
  if (segments.length === 0 || end >= committed) return
  throw new StoreError('COMMITTED_LOST', {
    what: `the DLedger log ends with entry ${end} (${why}), but entry ${committed} was committed and on disk here`,
    where: settings.dataFolder,
    todo: "restore the files; or remove this member's whole folder, so that it is filled again by the others",
  })
}

function damaged(segment: Segment, what: string): StoreError {
  return new StoreError('LOG_DAMAGED', {
    what: `the DLedger log is damaged: ${what}, but there are files behind`,
    where: segment.path,
    todo: "restore it; or remove this member's whole folder, so that it is filled again by the others",
  })
}

function syncFile(path: string, disk: StoreDisk): void {
  const fd = disk.open(path, 'r+')
  try {
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}
