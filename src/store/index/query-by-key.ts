/**
 * Finds records by topic and key: the pool's task for QUERY_MESSAGE. Only paths and numbers come in, so that any thread
 * can run it; everything is read by pread.
 *
 * Files are taken newest first; in each the chain of the key's slot, newest first. An entry's time is its file's
 * beginTimestamp plus whole seconds. RocketMQ 4.9.8 leaves hash collisions to the client; here the record itself is read
 * and compared, so that foreign results of a damaged index and collisions take nobody's place.
 *
 * Source: spec/store-format.md §12 "Query by key".
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { javaHash, javaHashOfString } from '../commitlog/java-hash.ts'
import { LogReader, type LogReaderSettings } from '../commitlog/log-reader.ts'
import { decodeRecord, FIELD, RECORD_SIZE_MIN } from '../commitlog/record.ts'
import { indexHash } from '../dispatch/property-scan.ts'
import type { KeyQuery, KeyQueryResult } from '../message-store.ts'
import { indexFolder, listIndexFiles, readIndexHeader } from './index-files.ts'
import {
  ENTRY,
  getInt64,
  HEADER,
  type IndexHeader,
  type IndexLayout,
  type IndexSettings,
  indexLayout,
  SLOT_SIZE,
} from './layout.ts'

/** A chain that is longer than this is damaged, or a key that half of all messages have. */
const CHAIN_MAX = 1_000_000

export interface QueryByKeyTask {
  settings: IndexSettings & LogReaderSettings
  query: KeyQuery
  /** Records outside [logMin, logEnd) are not read. */
  logMin: number
  logEnd: number
}

export async function queryByKey(task: QueryByKeyTask): Promise<KeyQueryResult> {
  return queryByKeySync(task)
}

export function queryByKeySync({ settings, query, logMin, logEnd }: QueryByKeyTask): KeyQueryResult {
  const layout = indexLayout(settings)
  const keyHash = indexHash(javaHashOfString(`#${query.key}`, javaHash(query.topic)))
  const wanted = query.maxNum
  const found = new Map<number, Uint8Array>()
  const newestFirst = listIndexFiles(indexFolder(settings)).reverse()
  using reader = new LogReader(settings, 0)
  let newest: IndexHeader | undefined
  for (const file of newestFirst) {
    const header = readIndexHeader(file.path)
    if (header === undefined) continue
    newest ??= header
    if (found.size >= wanted) break
    const overlaps = query.beginTimestamp <= header.endTimestamp && query.endTimestamp >= header.beginTimestamp
    if (overlaps) {
      for (const offset of offsetsIn(file.path, layout, header, keyHash, query)) {
        if (found.size >= wanted) break
        if (found.has(offset) || offset < logMin || offset >= logEnd) continue
        const record = recordWithKey(reader, offset, query)
        if (record !== undefined) found.set(offset, record)
      }
    }
    if (header.beginTimestamp < query.beginTimestamp) break
  }
  return {
    records: [...found].sort((a, b) => a[0] - b[0]).map(([, record]) => record),
    indexLastUpdateTimestamp: newest?.endTimestamp ?? 0,
    indexLastUpdatePhyoffset: newest?.endPhyOffset ?? 0,
  }
}

/** Offsets of entries with this hash and a time in range, newest first. */
function* offsetsIn(
  path: string,
  layout: IndexLayout,
  header: IndexHeader,
  keyHash: number,
  query: KeyQuery,
): Generator<number> {
  const bytes = Buffer.alloc(ENTRY.size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const fd = openSync(path, 'r')
  try {
    const slotAt = HEADER.size + (keyHash % layout.slotCount) * SLOT_SIZE
    if (readSync(fd, bytes, 0, SLOT_SIZE, slotAt) < SLOT_SIZE) return
    let entry = view.getInt32(0)
    for (let steps = 0; steps < CHAIN_MAX && entry > 0 && entry < header.indexCount; steps += 1) {
      if (readSync(fd, bytes, 0, ENTRY.size, layout.entriesAt + entry * ENTRY.size) < ENTRY.size) return
      const time = header.beginTimestamp + 1000 * view.getInt32(ENTRY.seconds)
      if (view.getInt32(ENTRY.keyHash) === keyHash && isInRange(time, query)) yield getInt64(view, ENTRY.physicalOffset)
      if (time < floorToSecond(query.beginTimestamp, header.beginTimestamp)) return
      const previous = view.getInt32(ENTRY.previous)
      if (previous >= entry) return
      entry = previous
    }
  } finally {
    closeSync(fd)
  }
}

function isInRange(time: number, query: KeyQuery): boolean {
  return time >= query.beginTimestamp && time <= query.endTimestamp
}

/** The time that an entry of this moment has, so that equal seconds do not end the walk early. */
function floorToSecond(time: number, begin: number): number {
  return begin + Math.floor((time - begin) / 1000) * 1000
}

function recordWithKey(reader: LogReader, offset: number, query: KeyQuery): Uint8Array | undefined {
  const head = reader.readCold(offset, RECORD_SIZE_MIN)
  if (head === undefined || head.length < RECORD_SIZE_MIN) return undefined
  const size = head.readInt32BE(FIELD.totalSize)
  if (size < RECORD_SIZE_MIN) return undefined
  const record = reader.readCold(offset, size)
  if (record === undefined || record.length < size) return undefined
  const message = decodeRecord(record)
  if (message === undefined || message.topic !== query.topic) return undefined
  if (message.properties.get('UNIQ_KEY') === query.key) return record
  return message.properties.get('KEYS')?.split(' ').includes(query.key) === true ? record : undefined
}
