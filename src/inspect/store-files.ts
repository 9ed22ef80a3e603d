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
  /** Ascending. */
  segments: Segment[]
  /** Entries of commitlog/ that are no segments: a broker does not start with them. */
  strays: string[]
  queues: QueueFiles[]
  /** Oldest first. */
  indexFiles: IndexFile[]
}

const SEGMENT_NAME = /^\d{20}$/

export function listStore(root: string, logFolder: string): StoreFiles {
  const { segments, strays } = listLog(logFolder)
  const settings = { storePathRootDir: root, mappedFileSizeConsumeQueue: 0 }
  const queues = findQueues(settings).map(({ topic, queueId }) => listQueue(root, topic, queueId))
  queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1))
  return { root, logFolder, segments, strays, queues, indexFiles: listIndexFiles(indexFolder(settings)) }
}

export function listLog(logFolder: string): Pick<StoreFiles, 'segments' | 'strays'> {
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
