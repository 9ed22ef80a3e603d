/**
 * Files that the log does not need any more: out of the way at once, gone by the pool. To free the blocks of a GiB takes a while.
 *
 *   retire(path) ─▶ <own folder>/<name>.old ─▶ unlinked, soon            (another file system: unlinked at once)
 *
 * Owns:      *.old in the own folder; what a crash leaves of them is removed at the next start.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'

let retired = 0

export function retireFile(path: string, ownFolder: string): void {
  const old = join(ownFolder, `${basename(path)}-${process.pid}-${retired++}.old`)
  try {
    mkdirSync(ownFolder, { recursive: true })
    renameSync(path, old)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    unlinkSync(path)
    return
  }
  // What cannot be removed now is tried again at the next start.
  rm(old, { force: true }).catch(() => {})
}

/** What a crash left: files that were to be removed, and those that were being made (spare-file.ts). */
export function removeLeftOvers(ownFolder: string): void {
  for (const name of readdirSync(ownFolder))
    if (name.endsWith('.old') || /^spare-.*\.new$/.test(name)) rmSync(join(ownFolder, name), { force: true })
}
