/** Every record of a store's log, read from its files. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeRecord, type Message } from '../../../src/store/commitlog/index.ts'

export function allRecords(store: string): Message[] {
  const folder = join(store, 'commitlog')
  const records: Message[] = []
  for (const file of readdirSync(folder).sort()) {
    const bytes = readFileSync(join(folder, file))
    for (let at = 0; ; ) {
      const message = decodeRecord(bytes, at)
      if (message === undefined || message.physicalOffset !== Number(file) + at) break
      records.push(message)
      at += message.totalSize
    }
  }
  return records
}
