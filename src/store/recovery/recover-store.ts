/**
 * The whole store at its start: log, ConsumeQueues, index, and what of the marks counts.
 *
 *   positions, checkpoint, snapshot ─▶ recoverLog ─▶ recoverQueues ─▶ recoverIndex ─▶ dispatch goes on at the smallest
 *
 * Called by: the start of the broker, with the store's folder locked. Blocks on: the disk.
 * Rules:     spec/store-format.md §10; what is believed when: checkpoint/positions-file.ts.
 */
import type { Log } from '../../log.ts'
import { CheckpointFile, PositionsFile, readQueuesSnapshot } from '../checkpoint/index.ts'
import { LogReader } from '../commitlog/log-reader.ts'
import { type RecoveredQueue, recoverQueues } from '../consumequeue/recover-queues.ts'
import { type LastEnd, recoverIndex } from '../index/index-recovery.ts'
import type { StoreSettings } from '../settings.ts'
import type { StoreFolder } from '../store-folder.ts'
import { recoverLog } from './recover-log.ts'

export interface RecoveredStore {
  /** First byte that exists, and where the next record goes. */
  min: number
  end: number
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
  /** What was damaged, cut or mended: one line each. */
  findings: string[]
}

export function recoverStore(settings: StoreSettings, folder: StoreFolder, log: Log): RecoveredStore {
  const found = new PositionsFile(folder.root).read()
  const checkpoint = new CheckpointFile(folder.root).read()
  const checkpointTime = Math.min(checkpoint.physicMsgTimestamp, checkpoint.logicsMsgTimestamp)
  const isClean = !folder.isUnclean
  const findings: string[] = []
  if (found?.reason !== undefined) log.info(`positions of the last run count in part only: ${found.reason}`)
  const marks = found && { trust: found.trust, appended: found.slot.appended, flushed: found.slot.flushed }
  const recovered = recoverLog({ settings, marks, isClean, checkpointTime, log })
  for (const finding of recovered.findings) findings.push(JSON.stringify(finding))
  const { min, end } = recovered
  const trust = found?.trust ?? 'none'
  const provenTo =
    found === undefined || trust === 'none' ? undefined : trust === 'live' ? found.slot.dispatched : found.slot.settled
  using source = new LogReader(settings)
  const queues = recoverQueues({
    settings,
    source,
    logMin: min,
    logEnd: end,
    snapshot: readQueuesSnapshot(folder.root, (reason) => log.warn(`queues snapshot is not used: ${reason}`)),
    provenTo,
    isClean,
    checkpointTime,
    log,
  })
  let dispatchFrom = queues.resumeFrom
  if (settings.messageIndexEnable) {
    const lastEnd: LastEnd = isClean ? 'clean' : trust === 'live' ? 'process' : 'power'
    const syncedUntil = checkpoint.indexMsgTimestamp
    const index = recoverIndex({ settings, source, logMin: min, logEnd: end, provenTo, lastEnd, syncedUntil })
    for (const finding of index.findings) log.warn(finding)
    findings.push(...index.findings)
    dispatchFrom = Math.min(dispatchFrom, index.resumeFrom)
  }
  dispatchFrom = Math.max(min, Math.min(dispatchFrom, end))
  const settled = trust === 'none' || found === undefined ? min : Math.min(found.slot.settled, dispatchFrom)
  return {
    min,
    end,
    allocated: recovered.allocated,
    dispatchFrom,
    settled: Math.max(min, settled),
    queues: queues.queues,
    isUnclean: folder.isUnclean,
    recordCount: recovered.recordCount,
    rewrittenBytes: end - recovered.rewrittenFrom,
    readFrom: recovered.scannedFrom,
    findings,
  }
}
