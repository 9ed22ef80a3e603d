/**
 * The broker's log in this mode, at its start: recovered on the main thread, before the DLedger thread takes it over.
 *
 * A store without data files whose CommitLog has some goes on from it: that log is closed, and entry 0 stands at its end
 * (spec/dledger.md §1.7). All members have to convert equal logs.
 * Called by: broker/engine.ts. Blocks on: the disk.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Log } from '../log.ts'
import { CLASSIC_LAYOUT, PwriteTail } from '../store/commitlog/index.ts'
import { listSegments, segmentStart } from '../store/commitlog/segments.ts'
import { type RecoveredLog, recoverLog } from '../store/recovery/index.ts'
import type { StartMarks } from '../store/recovery/recover-store.ts'
import { removeUnusedSegments } from '../store/retention/retention.ts'
import type { StoreSettings } from '../store/settings.ts'
import { DLedgerLog, type Found, type LogSettings, logSettings } from './log/index.ts'

export interface RecoveredDLedgerLog extends RecoveredLog {
  found: Found
  /** Where the log of entries begins; what is below is in the classic CommitLog. */
  divide: number
  /** Known to be committed below: what the checkpoint says. */
  committed: number
}

/** `startPos` counts where there is no data file yet. */
export function brokerLogSettings(settings: StoreSettings, startPos = 0): LogSettings {
  const { storePathRootDir, storePathCommitLog: dataFolder, mappedFileSizeCommitLog: fileSize, dLegerSelfId } = settings
  return logSettings(join(storePathRootDir, `dledger-${dLegerSelfId}`), { dataFolder, fileSize, startPos })
}

export function recoverDLedgerLog(
  settings: StoreSettings,
  marks: StartMarks,
  isClean: boolean,
  log: Log,
): RecoveredDLedgerLog {
  const classic = isFresh(settings) ? closeClassicLog(settings, marks, isClean, log) : undefined
  const files = brokerLogSettings(settings, classic?.end ?? 0)
  const entries = new DLedgerLog(files, log)
  const { found, endPos, endIndex, endTerm } = entries
  const checkpoint = entries.state.loadCheckpoint()?.committedIndex ?? -1
  const committed =
    endIndex < 0 ? found.beginPos : checkpoint < entries.beginIndex ? 0 : entries.endOf(Math.min(checkpoint, endIndex))
  entries.close()
  const divide = found.segments[0]?.start ?? files.startPos
  log.info(`the DLedger log ends at ${endPos}, with entry ${endIndex} of term ${endTerm}`, { committed })
  const first = listSegments(settings.storePathClassicCommitLog, settings.mappedFileSizeCommitLog)[0]
  const last = found.segments[found.segments.length - 1]
  return {
    ...{ found, divide, committed, end: endPos },
    min: first !== undefined && first.start < divide ? first.start : found.beginPos,
    lastStoreTimestamp: 0,
    scannedFrom: last?.start ?? endPos,
    scannedBy: 'clean stop',
    recordCount: 0,
    rewrittenFrom: endPos,
    allocated: last === undefined ? endPos : last.start + settings.mappedFileSizeCommitLog,
    findings: classic?.findings ?? [],
  }
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
): RecoveredLog | undefined {
  const folder = settings.storePathClassicCommitLog
  const { mappedFileSizeCommitLog: size } = settings
  if (listSegments(folder, size).length === 0) return undefined
  const classic = { ...settings, storePathCommitLog: folder }
  const recovered = recoverLog({ settings: classic, marks, isClean, checkpointTime, log })
  const { end } = recovered
  // A broker of the JVM takes the end of the last file for the divide.
  removeUnusedSegments(classic, end)
  const start = segmentStart(end, size)
  const left = size - (end - start)
  if (end === start) return recovered
  const tail = new PwriteTail(folder, size, CLASSIC_LAYOUT)
  tail.open(start, end - start)
  tail.blank(left)
  tail.close()
  log.info(`the CommitLog of the time before DLedger is closed at ${end}: entries begin at ${start + size}`, {
    folder: dirname(folder),
  })
  return { ...recovered, end: start + size }
}
