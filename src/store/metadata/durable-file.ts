/**
 * Replacing a small file so that every crash leaves the old or the new one, whole.
 *
 *   write <file>.tmp ─▶ fdatasync ─▶ rename over <file> ─▶ fsync of the folder
 *
 * All calls are synchronous: they belong on the housekeeping thread, or before the threads start.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, StoreError } from '../../errors.ts'

export interface DurableWrite {
  /** Runs when the temporary file is on disk and the rename is still to come. */
  beforeRename?(): void
}

/** Throws StoreError DISK_FULL or FILE_WRITE; the former file is untouched then. */
export function writeDurably(path: string, content: string | Uint8Array, options: DurableWrite = {}): void {
  const temporary = `${path}.tmp`
  try {
    writeSynced(temporary, content)
    options.beforeRename?.()
    renameSync(temporary, path)
    syncFolder(dirname(path))
  } catch (error) {
    removeQuietly(temporary)
    throw writeError(path, error)
  }
}

/** Creates or overwrites a file and puts its content on disk. Its name is durable only after syncFolder. */
export function writeSynced(path: string, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const fd = openSync(path, 'w', 0o644)
  try {
    let written = 0
    while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written)
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Makes created, renamed and removed names in the folder durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was not there, or the caller's own error says more.
  }
}

/** `code` of a Node system error, such as ENOSPC. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return (error as NodeJS.ErrnoException).code
}

export function isDiskFull(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'DISK_FULL'
}

function writeError(path: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  if (isDiskFull(error)) {
    return new StoreError('DISK_FULL', {
      what: `no room to write ${path}: ${describe(error)}`,
      where: path,
      todo: 'free space on this file system; the former file is kept until then',
      retriable: true,
      cause: error,
    })
  }
  return new StoreError('FILE_WRITE', {
    what: `${path} cannot be written: ${describe(error)}`,
    where: path,
    todo: 'check the folder’s owner, permissions and disk; the former file is kept',
    retriable: true,
    cause: error,
  })
}
