/**
 * The files of a store as they are, whatever state they are in: nothing here throws for what a crash, a copy or a foreign hand
 * may leave. What a broker would refuse is in `strays`.
 *
 * Format: spec/store-format.md §1.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Segment } from '../store/commitlog/index.ts'
import { findQueues, listQueueFiles, namesIn, type QueueFile, queueFolder } from '../store/consumequeue/index.ts'
import { type IndexFile, indexFolder, listIndexFiles } from '../store/index/index.ts'
import { FOLDERS } from '../store/settings.ts'

export interface QueueFiles {
  topic: string
  queueId: number
  folder: string
  files: QueueFile[]
  /** Sizes of the files in consumequeue_ext; empty without any. */
  extSizes: number[]
  strays: string[]
}

export interface StoreFiles {
  root: string
  logFolder: string
  /** CommitLog before a DLedger log; '' without one. */
  classicFolder: string
  /** Whose log it is, in DLedger mode. */
  member: MemberFiles | undefined
  /** Ascending. */
  segments: Segment[]
  /** Entries of commitlog/ that are no segments: a broker does not start with them. */
  strays: string[]
  queues: QueueFiles[]
  /** Oldest first. */
  indexFiles: IndexFile[]
}

export interface MemberFiles {
  /** n0 */
  id: string
  /** dledger-n0 */
  folder: string
  /** Of the entry index. */
  indexFiles: Segment[]
  /** What is in its index folder and no file of it. */
  strays: string[]
}

const SEGMENT_NAME = /^\d{20}$/

export interface LogPlaces {
  logFolder: string
  classicFolder: string
  member: { id: string; folder: string } | undefined
}

export function listStore(root: string, { logFolder, classicFolder, member }: LogPlaces): StoreFiles {
  const { segments, strays } = listLog(logFolder, classicFolder)
  const settings = { storePathRootDir: root, mappedFileSizeConsumeQueue: 0 }
  const queues = findQueues(settings).map(({ topic, queueId }) => listQueue(root, topic, queueId))
  queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1))
  const index = member && listFolder(join(member.folder, 'index'))
  return {
    ...{ root, logFolder, classicFolder, segments, strays, queues },
    indexFiles: listIndexFiles(indexFolder(settings)),
    member: member && { ...member, indexFiles: index!.segments, strays: index!.strays },
  }
}

/** With `classicFolder`: what is older than the first data file is there. */
export function listLog(logFolder: string, classicFolder = ''): Pick<StoreFiles, 'segments' | 'strays'> {
  const own = listFolder(logFolder)
  if (classicFolder === '') return own
  const old = listFolder(classicFolder)
  const divide = own.segments[0]?.start ?? Number.POSITIVE_INFINITY
  const segments = [...old.segments.filter(({ start }) => start < divide), ...own.segments]
  return { segments, strays: [...old.strays, ...own.strays] }
}

/** The segments of the log that these settings are of. */
export function listLogOf(settings: {
  storePathCommitLog: string
  storePathClassicCommitLog: string
}): Pick<StoreFiles, 'segments' | 'strays'> {
  return listLog(settings.storePathCommitLog, settings.storePathClassicCommitLog)
}

function listFolder(logFolder: string): Pick<StoreFiles, 'segments' | 'strays'> {
  const segments: Segment[] = []
  const strays: string[] = []
  for (const name of namesIn(logFolder)) {
    const path = join(logFolder, name)
    const status = statSync(path, { throwIfNoEntry: false })
    if (status === undefined) continue
    const start = Number(name)
    const isSegment = SEGMENT_NAME.test(name) && status.isFile() && Number.isSafeInteger(start)
    if (isSegment) segments.push({ start, path, size: status.size })
    else strays.push(path)
  }
  segments.sort((a, b) => a.start - b.start)
  return { segments, strays }
}

export function listQueue(root: string, topic: string, queueId: number): QueueFiles {
  const folder = queueFolder({ storePathRootDir: root, mappedFileSizeConsumeQueue: 0 }, topic, queueId)
  const strays: string[] = []
  const files = listQueueFiles(folder, (path) => strays.push(path)).filter(({ start }) => Number.isSafeInteger(start))
  const ext = join(root, FOLDERS.consumeQueueExt, topic, String(queueId))
  return { topic, queueId, folder, files, extSizes: listQueueFiles(ext).map(({ size }) => size), strays }
}
