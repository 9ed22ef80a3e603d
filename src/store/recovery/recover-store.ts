/**
 * The whole store at its start: log, ConsumeQueues, index, and what of the marks counts.
 *
 *   positions, checkpoint, snapshot ─▶ recoverLog ─▶ recoverQueues ─▶ recoverIndex ─▶ dispatch goes on at the smallest
 *
 * Called by: the start of the broker, with the store's folder locked. Blocks on: the disk.
 * Rules:     spec/store-format.md §10; what is believed when: checkpoint/positions-file.ts.
 */
import type { Log } from '../../log.ts'
import { type Checkpoint, CheckpointFile, PositionsFile, readQueuesSnapshot } from '../checkpoint/index.ts'
import type { FoundPositions } from '../checkpoint/positions-file.ts'
import { logLayout } from '../commitlog/log-layout.ts'
import { LogReader } from '../commitlog/log-reader.ts'
import { type RecoveredQueue, recoverQueues } from '../consumequeue/recover-queues.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import type { LogSource } from '../dispatch/dispatcher.ts'
import { type LastEnd, recoverIndex } from '../index/index-recovery.ts'
import type { StoreSettings } from '../settings.ts'
import type { StoreFolder } from '../store-folder.ts'
import type { Finding } from './finding.ts'
import { type RecoveredLog, recoverLog } from './recover-log.ts'
import type { LogMarks } from './scan-start.ts'

export interface RecoveredStore {
  /** First byte that exists, and where the next record goes. */
  min: number
  end: number
  /** Below, records are known to be committed: `end` but for DLedger. */
  committed: number
  /** End of the last segment whose blocks are there. */
  allocated: number
  /** Dispatch goes on here; below, ConsumeQueues and index are whole. */
  dispatchFrom: number
  /** Below, ConsumeQueues and index are on disk. */
  settled: number
  queues: RecoveredQueue[]
  isUnclean: boolean
  /** Records that were read, and bytes that were written again. */
  recordCount: number
  rewrittenBytes: number
  /** Recovery has read the log from here on; what is below it believed. */
  readFrom: number
  /** What said that this is enough. */
  readBy: RecoveredLog['scannedBy']
  /** What was damaged, cut or mended: one line each. */
  findings: string[]
  /** Those of the log among them. */
  logFindings: Finding[]
}

/** What the last broker left behind for the next start, and what that is worth. */
export interface StartMarks {
  found: FoundPositions | undefined
  checkpoint: Checkpoint
  /** min(physic, logics): all records stored up to then are on disk with their units, ms. */
  checkpointTime: number
  /** For the log; undefined where there is no positions file. */
  marks: LogMarks | undefined
  /** Records below have their units and index entries; undefined when no mark says so. */
  provenTo: number | undefined
  lastEnd: LastEnd
}

export function startMarks(root: string, isClean: boolean): StartMarks {
  const found = new PositionsFile(root).read()
  const checkpoint = new CheckpointFile(root).read()
  const checkpointTime = Math.min(checkpoint.physicMsgTimestamp, checkpoint.logicsMsgTimestamp)
  const marks = found && { trust: found.trust, appended: found.slot.appended, flushed: found.slot.flushed }
  const trust = found?.trust ?? 'none'
  const provenTo =
    found === undefined || trust === 'none' ? undefined : trust === 'live' ? found.slot.dispatched : found.slot.settled
  const lastEnd = isClean ? 'clean' : trust === 'live' ? 'process' : 'power'
  return { found, checkpoint, checkpointTime, marks, provenTo, lastEnd }
}

/** Where recovery reads and writes: the disk at a start, one that only remembers in a rehearsal. */
export interface RecoveryGround {
  disk: StoreDisk
  /** Reads the log when recoverLog has made it whole up to `logEnd`. */
  source(logEnd: number): LogSource & Disposable
  /** In the place of recoverLog: DLedger's log. Records above `committed` may go again, unless they are in a queue already. */
  log?(marks: StartMarks, isClean: boolean): RecoveredLog & { committed: number }
}

export function recoverStore(
  settings: StoreSettings,
  folder: Pick<StoreFolder, 'root' | 'isUnclean'>,
  log: Log,
  ground: RecoveryGround = { disk: realDisk, source: () => new LogReader(settings) },
): RecoveredStore {
  const { disk } = ground
  const isClean = !folder.isUnclean
  const started = startMarks(folder.root, isClean)
  const { found, checkpoint, checkpointTime, marks, provenTo, lastEnd } = started
  const findings: string[] = []
  if (found?.reason !== undefined) log.info(`positions of the last run count in part only: ${found.reason}`)
  const special = ground.log?.(started, isClean)
  const recovered = special ?? recoverLog({ settings, marks, isClean, checkpointTime, log, disk })
  for (const finding of recovered.findings) findings.push(JSON.stringify(finding))
  const { min, end } = recovered
  using source = ground.source(end)
  const queues = recoverQueues({
    settings,
    source,
    layout: logLayout(settings),
    logMin: min,
    logEnd: end,
    committed: special?.committed,
    snapshot: readQueuesSnapshot(folder.root, (reason) => log.warn(`queues snapshot is not used: ${reason}`)),
    provenTo,
    isClean,
    checkpointTime,
    log,
    disk,
  })
  let dispatchFrom = queues.resumeFrom
  if (settings.messageIndexEnable) {
    const syncedUntil = checkpoint.indexMsgTimestamp
    const index = recoverIndex({ settings, source, logMin: min, logEnd: end, provenTo, lastEnd, syncedUntil, disk })
    for (const finding of index.findings) log.warn(finding)
    findings.push(...index.findings)
    dispatchFrom = Math.min(dispatchFrom, index.resumeFrom)
  }
  const { countedTo } = queues
  dispatchFrom = Math.max(min, Math.min(dispatchFrom, countedTo))
  const settled = found === undefined || found.trust === 'none' ? min : Math.min(found.slot.settled, dispatchFrom)
  return {
    min,
    end,
    committed: countedTo,
    allocated: recovered.allocated,
    dispatchFrom,
    settled: Math.max(min, settled),
    queues: queues.queues,
    isUnclean: folder.isUnclean,
    recordCount: recovered.recordCount,
    rewrittenBytes: end - recovered.rewrittenFrom,
    readFrom: recovered.scannedFrom,
    readBy: recovered.scannedBy,
    findings,
    logFindings: recovered.findings,
  }
}
