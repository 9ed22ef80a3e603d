/**
 * Syncs the files of queues and the index that dispatch has written to, without knowing how it writes them.
 *
 * Files of a queue are named by their start offset and written in order: from the one that held the end at the last sync,
 * every file up to the newest may have changed. A file that was not there at the last sync makes its folder dirty too.
 */
import { closeSync, existsSync, fdatasyncSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { queueFileSize } from '../consumequeue/queue-files.ts'
import { errnoOf, syncFolder } from '../metadata/durable-file.ts'
import { offsetName } from '../offset-name.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'

const UNIT_SIZE = 20
const INDEX_END_TIME_AT = 8

export interface TrackedQueue {
  topic: string
  queueId: number
  /** All units below are on disk. */
  syncedUnits: number
  /** Newest file at the last sync, undefined before the first. */
  newestFile: string | undefined
  newestExtFile: string | undefined
}

export class QueueFilesSync {
  private readonly settings: StoreSettings
  private readonly topicsSynced = new Set<string>()

  constructor(settings: StoreSettings) {
    this.settings = settings
  }

  /** All units of the queue that were in the page cache before the call are on disk after it. */
  syncQueue(queue: TrackedQueue, maxOffset: number): void {
    const { settings } = this
    const fileSize = queueFileSize(settings)
    const first = Math.floor((queue.syncedUnits * UNIT_SIZE) / fileSize)
    const from = offsetName(first * fileSize)
    queue.newestFile = this.syncFiles(FOLDERS.consumeQueue, queue, from, queue.newestFile)
    if (settings.enableConsumeQueueExt) {
      const fromExt = queue.newestExtFile ?? ''
      queue.newestExtFile = this.syncFiles(FOLDERS.consumeQueueExt, queue, fromExt, queue.newestExtFile)
    }
    queue.syncedUnits = Math.max(queue.syncedUnits, maxOffset)
  }

  /** Forgets that the topic's folder entry is durable: its queues were removed. */
  forgetTopic(topic: string): void {
    this.topicsSynced.delete(`${FOLDERS.consumeQueue}/${topic}`)
    this.topicsSynced.delete(`${FOLDERS.consumeQueueExt}/${topic}`)
  }

  private syncFiles(kind: string, queue: TrackedQueue, from: string, newestBefore: string | undefined) {
    const base = join(this.settings.storePathRootDir, kind)
    const folder = join(base, queue.topic, String(queue.queueId))
    const files = listNumeric(folder)
    const newest = files.at(-1)
    for (const file of files) if (file >= from) syncFile(join(folder, file))
    if (newest !== undefined && newest !== newestBefore) {
      syncIfThere(folder)
      if (newestBefore === undefined) this.syncParents(base, kind, queue.topic)
    }
    return newest ?? newestBefore
  }

  /** A queue that is new to this process may be new in its topic's folder, and the topic in the base folder. */
  private syncParents(base: string, kind: string, topic: string): void {
    syncIfThere(join(base, topic))
    const key = `${kind}/${topic}`
    if (this.topicsSynced.has(key)) return
    this.topicsSynced.add(key)
    syncIfThere(base)
  }
}

/** Index files: the newest at the last sync and all after it. */
export class IndexFilesSync {
  private readonly folder: string
  private newest = ''

  constructor(settings: StoreSettings) {
    this.folder = join(settings.storePathRootDir, FOLDERS.index)
  }

  /** endTimestamp of the newest index file as it was before it was synced; undefined without one. */
  sync(): number | undefined {
    const files = listNumeric(this.folder).filter((file) => file >= this.newest)
    let endTime: number | undefined
    for (const file of files) {
      const path = join(this.folder, file)
      endTime = readEndTime(path) ?? endTime
      syncFile(path)
    }
    const newest = files.at(-1) ?? this.newest
    if (newest !== this.newest) syncFolder(this.folder)
    this.newest = newest
    return endTime
  }
}

/** Names of digits, ascending; empty where the folder is missing or no folder. */
export function listNumeric(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .sort()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw error
  }
}

/** A topic may be removed while its queues are synced. */
function syncIfThere(folder: string): void {
  try {
    syncFolder(folder)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

function syncFile(path: string): void {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    // Removed by retention, or with its topic, since the folder was listed.
    if (errnoOf(error) === 'ENOENT' && !existsSync(path)) return
    throw error
  }
  try {
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function readEndTime(path: string): number | undefined {
  const bytes = Buffer.alloc(8)
  try {
    const fd = openSync(path, 'r')
    try {
      if (readSync(fd, bytes, 0, 8, INDEX_END_TIME_AT) < 8) return undefined
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  const time = Number(bytes.readBigInt64BE(0))
  return time > 0 ? time : undefined
}
