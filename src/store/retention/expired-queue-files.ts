/**
 * ConsumeQueue and index files whose every entry points below the log's first record.
 *
 * Both are generators that give one path to remove at a time, and undefined after a folder without any, so that the
 * caller may do something else between thousands of queues.
 * Source: spec/store-format.md §11; units §4, index header §5.
 */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { listNumeric } from '../checkpoint/queue-files.ts'
import { queueFileSize } from '../consumequeue/queue-files.ts'
import { errnoOf } from '../metadata/durable-file.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'

const UNIT_SIZE = 20
const INDEX_HEADER_SIZE = 40
const END_OFFSET_AT = 24

/** `min`: physical offset of the log's first record. A queue's newest file always stays. */
export function* expiredQueueFiles(settings: StoreSettings, min: number): Generator<string | undefined> {
  const root = join(settings.storePathRootDir, FOLDERS.consumeQueue)
  for (const topic of foldersIn(root)) {
    for (const queueId of listNumeric(join(root, topic))) {
      const folder = join(root, topic, queueId)
      for (const name of listNumeric(folder).slice(0, -1)) {
        const path = join(folder, name)
        const last = readAt(path, queueFileSize(settings) - UNIT_SIZE, UNIT_SIZE)
        // A unit without a size was never written: the file's end tells nothing about its age.
        if (last === undefined || last.readInt32BE(8) <= 0 || Number(last.readBigInt64BE(0)) >= min) break
        yield path
      }
      yield undefined
    }
  }
}

export function* expiredIndexFiles(settings: StoreSettings, min: number): Generator<string | undefined> {
  const folder = join(settings.storePathRootDir, FOLDERS.index)
  for (const name of listNumeric(folder).slice(0, -1)) {
    const path = join(folder, name)
    const header = readAt(path, 0, INDEX_HEADER_SIZE)
    if (header === undefined || Number(header.readBigInt64BE(END_OFFSET_AT)) >= min) break
    yield path
  }
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

function readAt(path: string, at: number, length: number): Buffer | undefined {
  try {
    const fd = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(length)
      return readSync(fd, bytes, 0, length, at) === length ? bytes : undefined
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}
