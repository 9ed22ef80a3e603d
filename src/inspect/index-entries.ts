/** Index files and their entries, of one key or all. */
import { closeSync, openSync, readSync } from 'node:fs'
import { javaHash } from '../store/commitlog/index.ts'
import { indexHash } from '../store/dispatch/index.ts'
import { ENTRY, getInt64, type IndexHeader, indexLayout, readIndexHeader } from '../store/index/index.ts'
import type { InspectedStore } from './open-store.ts'
import { tryRead } from './try-read.ts'

export interface InspectedIndexFile {
  name: string
  path: string
  size: number
  header: IndexHeader | undefined
}

export interface InspectedEntry {
  file: string
  entry: number
  keyHash: number
  physicalOffset: number
  /** Store time of the record, to the second. */
  time: number
  previous: number
}

const CHUNK_ENTRIES = 4096

export function indexFilesOf({ files }: InspectedStore): InspectedIndexFile[] {
  return files.indexFiles.map((file) => ({ ...file, header: tryRead(() => readIndexHeader(file.path)) }))
}

/** What an entry holds of a key. */
export function keyHashOf(topic: string, key: string): number {
  return indexHash(javaHash(`${topic}#${key}`))
}

/** Entries in the order in which they were written; of one key hash where it is given. */
export function* indexEntries(store: InspectedStore, name?: string, keyHash?: number): Generator<InspectedEntry> {
  const layout = indexLayout(store.settings)
  const bytes = Buffer.alloc(CHUNK_ENTRIES * ENTRY.size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const { name: file, path, header } of indexFilesOf(store)) {
    if (header === undefined || (name !== undefined && name !== file)) continue
    const fd = openSync(path, 'r')
    try {
      const end = Math.min(header.indexCount, layout.entryCount)
      for (let first = 1; first < end; first += CHUNK_ENTRIES) {
        const wanted = Math.min(CHUNK_ENTRIES, end - first)
        const read = readSync(fd, bytes, 0, wanted * ENTRY.size, layout.entriesAt + first * ENTRY.size)
        for (let at = 0; at + ENTRY.size <= read; at += ENTRY.size) {
          if (keyHash !== undefined && view.getInt32(at) !== keyHash) continue
          yield {
            file,
            entry: first + at / ENTRY.size,
            keyHash: view.getInt32(at),
            physicalOffset: getInt64(view, at + ENTRY.physicalOffset),
            time: header.beginTimestamp + view.getInt32(at + ENTRY.seconds) * 1000,
            previous: view.getInt32(at + ENTRY.previous),
          }
        }
      }
    } finally {
      closeSync(fd)
    }
  }
}
