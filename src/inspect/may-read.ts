/**
 * What would end a command later, or let it take files that it may not read for missing ones, told before anything is looked at:
 * files of another user, and pipes in the place of files, which would be waited for without end.
 */
import { accessSync, constants, lstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../errors.ts'
import { errnoOf } from '../store/metadata/durable-file.ts'
import { FOLDERS } from '../store/settings.ts'
import type { StoreFiles } from './store-files.ts'

/** Folders whose files are read by name; those of log and queues are listed already. */
const NAMED = ['', FOLDERS.config, FOLDERS.index, FOLDERS.own, join(FOLDERS.own, 'checksums')]

/** Throws StoreError NOT_READABLE, NO_FILE. */
export function refuseUnreadable(files: StoreFiles): void {
  for (const { path } of [...files.segments, ...(files.member?.indexFiles ?? [])]) mayRead(path)
  for (const queue of files.queues) for (const { path } of queue.files) mayRead(path)
  for (const path of files.strays) refusePipe(path)
  for (const folder of NAMED) {
    const path = join(files.root, folder)
    for (const name of namesOf(path)) {
      refusePipe(join(path, name))
      mayRead(join(path, name))
    }
  }
}

/** The error in words where it is one of rights, else itself. */
export function deniedOf(error: unknown): unknown {
  if (!isDenied(error)) return error
  const { path } = error as NodeJS.ErrnoException
  return new StoreError('NOT_READABLE', {
    what: 'this user may not read it',
    ...(path === undefined ? {} : { where: path }),
    todo: 'run the command as the user whose store it is',
    cause: error,
  })
}

function mayRead(path: string): void {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    // Retention removes files meanwhile.
    if (isDenied(error)) throw deniedOf(error)
  }
}

function refusePipe(path: string): void {
  const link = lstatSync(path, { throwIfNoEntry: false })
  const status = link?.isSymbolicLink() === true ? statSync(path, { throwIfNoEntry: false }) : link
  if (status === undefined || status.isFile() || status.isDirectory()) return
  throw new StoreError('NO_FILE', {
    what: 'this is a pipe, a socket or a device in the place of a file',
    where: path,
    todo: 'remove it',
  })
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (isDenied(error)) throw error
    return []
  }
}

function isDenied(error: unknown): boolean {
  return errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM'
}
