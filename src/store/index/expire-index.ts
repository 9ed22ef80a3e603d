/** Removes index files whose records are all gone, oldest first; the newest file always stays (spec/store-format.md §11). */
import { unlinkSync } from 'node:fs'
import type { StoreSettings } from '../settings.ts'
import { indexFolder, listIndexFiles, readIndexHeader } from './index-files.ts'

/** Names of the files that were removed. */
export function expireIndexFiles(settings: Pick<StoreSettings, 'storePathRootDir'>, logMin: number): string[] {
  const files = listIndexFiles(indexFolder(settings))
  const removed: string[] = []
  for (const file of files.slice(0, -1)) {
    const header = readIndexHeader(file.path)
    if (header !== undefined && header.endPhyOffset >= logMin) break
    unlinkSync(file.path)
    removed.push(file.name)
  }
  return removed
}
