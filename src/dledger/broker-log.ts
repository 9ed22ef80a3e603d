/**
 * The broker's log in this mode, at its start: recovered on the main thread, before the DLedger thread takes it over.
 *
 * A store without data files whose CommitLog has some goes on from it: that log is closed, and entry 0 stands at its end
 * (spec/dledger.md §1.7). All members have to convert equal logs.
 * Called by: broker/engine.ts; the inspector, on a disk that only remembers. Blocks on: the disk.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Log } from '../log.ts'
import { BLANK_SIZE, CLASSIC_LAYOUT } from '../store/commitlog/index.ts'
import { listSegments, type Segment, segmentPath, segmentStart } from '../store/commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../store/disk.ts'
import { type RecoveredLog, recoverLog } from '../store/recovery/index.ts'
import type { StartMarks } from '../store/recovery/recover-store.ts'
import { removeUnusedSegments } from '../store/retention/retention.ts'
import type { StoreSettings } from '../store/settings.ts'
import { committedBelow, DLedgerLog, type Found, type LogSettings, logSettings, StateFiles } from './log/index.ts'
import { foundByRehearsal } from './rehearsal.ts'

export interface RecoveredDLedgerLog extends RecoveredLog {
  found: Found
  /** Where the log of entries begins; what is below is in the classic CommitLog. */
  divide: number
  /** Known to be committed below: what the checkpoint says. */
  committed: number
}

type ClassicLog = Pick<StoreSettings, 'storePathClassicCommitLog' | 'mappedFileSizeCommitLog'>

/** `startPos` counts where there is no data file yet. */
export function brokerLogSettings(settings: StoreSettings, startPos = 0): LogSettings {
  const { storePathRootDir, storePathCommitLog: dataFolder, mappedFileSizeCommitLog: fileSize, dLegerSelfId } = settings
  return logSettings(join(storePathRootDir, `dledger-${dLegerSelfId}`), { dataFolder, fileSize, startPos })
}

/** With another disk than the real one nothing is changed, and the log is where it would be. */
export function recoverDLedgerLog(
  settings: StoreSettings,
  marks: StartMarks,
  isClean: boolean,
  log: Log,
  disk: StoreDisk = realDisk,
): RecoveredDLedgerLog {
  const classic = isFresh(settings) ? closeClassicLog(settings, marks, isClean, log, disk) : undefined
  const files = brokerLogSettings(settings, classic?.end ?? 0)
  const { found, committed } = disk === realDisk ? foundByStart(files, log) : foundByRehearsal(files, log, disk)
  const { beginPos, endIndex, endTerm, endPos, walkedFrom, walkedCount, segments } = found
  const divide = segments[0]?.start ?? files.startPos
  log.info(`the DLedger log ends at ${endPos}, with entry ${endIndex} of term ${endTerm}`, { committed })
  const first = classicBefore(settings, found, divide, log, disk)[0]
  const last = segments[segments.length - 1]
  return {
    ...{ found, divide, committed, end: endPos },
    min: first?.start ?? beginPos,
    lastStoreTimestamp: 0,
    scannedFrom: walkedFrom,
    scannedBy: 'entries',
    recordCount: walkedCount,
    rewrittenFrom: endPos,
    allocated: last === undefined ? endPos : last.start + settings.mappedFileSizeCommitLog,
    findings: classic?.findings ?? [],
  }
}

function foundByStart(files: LogSettings, log: Log): { found: Found; committed: number } {
  const entries = new DLedgerLog(files, log)
  const { found, state } = entries
  const checkpoint = state.loadCheckpoint()?.committedIndex ?? -1
  const committed = committedBelow(found, checkpoint, (index) => entries.endOf(index))
  entries.close()
  return { found, committed }
}

/** No entry was ever stored here. */
function isFresh({ storePathCommitLog: data }: StoreSettings): boolean {
  return !existsSync(data) || readdirSync(data).length === 0
}

/** Recovers the CommitLog as a classic broker does, and fills its last file up with a blank. */
function closeClassicLog(
  settings: StoreSettings,
  { marks, checkpointTime }: StartMarks,
  isClean: boolean,
  log: Log,
  disk: StoreDisk,
): RecoveredLog | undefined {
  const folder = settings.storePathClassicCommitLog
  const { mappedFileSizeCommitLog: size } = settings
  if (listSegments(folder, size).length === 0) return undefined
  const classic = { ...settings, storePathCommitLog: folder }
  const recovered = recoverLog({ settings: classic, marks, isClean, checkpointTime, log, disk })
  const { end } = recovered
  // A broker of the JVM takes the end of the last file for the divide.
  removeUnusedSegments(classic, end, disk)
  const start = segmentStart(end, size)
  if (end === start) return recovered
  endWithBlank(segmentPath(folder, start), end - start, size, disk)
  log.info(`the CommitLog of the time before DLedger is closed at ${end}: entries begin at ${start + size}`, {
    folder: dirname(folder),
  })
  return { ...recovered, end: start + size }
}

/** The CommitLog in front of the entries; empty where a hole lies between: then it is no part of the log. */
function classicBefore(
  settings: StoreSettings,
  { segments: [firstFile] }: Found,
  divide: number,
  log: Log,
  disk: StoreDisk,
): Segment[] {
  const { folder, ownFolder } = brokerLogSettings(settings)
  const { segments, isParted } = classicSegments(settings, divide, disk)
  if (!isParted) return segments
  const begin = new StateFiles(folder, ownFolder).loadBegin()
  const beganIn = begin?.isDone === true ? segmentStart(begin.pos, settings.mappedFileSizeCommitLog) : -1
  // A crash came between.
  if (beganIn === firstFile?.start) removeParted(settings, divide, log, disk)
  else
    log.warn(
      `the CommitLog of the time before DLedger is not served: between it and the entries at ${divide} files are missing`,
      {
        folder: settings.storePathClassicCommitLog,
      },
    )
  return []
}

/** The log has begun anew, behind a hole: the CommitLog of before goes as the data files of before have. */
export function removeParted(settings: ClassicLog, divide: number, log: Log, disk: StoreDisk = realDisk): void {
  const { segments, isParted } = classicSegments(settings, divide, disk)
  if (!isParted) return
  const folder = settings.storePathClassicCommitLog
  for (const { path } of segments) disk.remove(path)
  disk.syncFolder(folder)
  log.warn(`the CommitLog of the time before DLedger is removed: entries begin anew at ${divide}`, { folder })
}

function classicSegments(
  { storePathClassicCommitLog: folder, mappedFileSizeCommitLog: size }: ClassicLog,
  divide: number,
  disk: StoreDisk,
): { segments: Segment[]; isParted: boolean } {
  const segments = listSegments(folder, size, disk).filter(({ start }) => start < divide)
  const last = segments[segments.length - 1]
  return { segments, isParted: last !== undefined && last.start + size < divide }
}

function endWithBlank(path: string, at: number, size: number, disk: StoreDisk): void {
  const blank = Buffer.alloc(BLANK_SIZE)
  CLASSIC_LAYOUT.writeBlank(new DataView(blank.buffer, blank.byteOffset, BLANK_SIZE), 0, size - at)
  const fd = disk.open(path, 'r+')
  try {
    disk.write(fd, blank, 0, BLANK_SIZE, at)
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}
