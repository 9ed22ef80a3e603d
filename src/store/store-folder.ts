/**
 * The store's folders while a broker uses them: made, locked, and marked as in use.
 *
 *   open    folders made and synced ─▶ lock (byte 0 of <root>/lock) ─▶ abort there? = unclean ─▶ abort written, synced
 *   close   (everything on disk) ─▶ abort removed, folder synced ─▶ lock released
 *
 * The lock is what RocketMQ takes (fcntl on byte 0 of `lock`), so that a broker of either kind refuses the other's store.
 * abort holds our pid as text, as RocketMQ 5.x writes it; 4.9.8 only looks whether the file exists. It stands before
 * anything else is changed, so that a crash during recovery is seen too.
 * Format: spec/store-format.md §6.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { BasaltError, describe, StoreError } from '../errors.ts'
import { lockFile } from '../native/index.ts'
import { removeUnfinishedSegments } from './commitlog/segment-allocator.ts'
import { commitLogFolder } from './commitlog/segments.ts'
import { errnoOf, isDiskFull, syncFolder, writeSynced } from './metadata/durable-file.ts'
import { FOLDERS, type StoreSettings } from './settings.ts'

export interface StoreFolder {
  root: string
  /** <root>/basalt */
  ownFolder: string
  /** <root>/config */
  configFolder: string
  /** The broker before this one did not stop cleanly: abort was there. */
  isUnclean: boolean
  /** Descriptor that holds the lock. Nobody else may open and close <root>/lock in this process. */
  lockFd: number
}

/**
 * Throws StoreError STORE_IN_USE (folder, and pid if known), STORE_FOLDER (cannot be made or written), DISK_FULL.
 * On failure nothing stays locked.
 */
export function openStoreFolder(settings: StoreSettings): StoreFolder {
  const root = resolve(settings.storePathRootDir)
  const ownFolder = join(root, FOLDERS.own)
  const configFolder = join(root, FOLDERS.config)
  try {
    for (const folder of foldersOf(settings)) makeFolder(folder)
  } catch (error) {
    throw folderError(root, error)
  }
  const lockFd = lockStore(root)
  try {
    const isUnclean = wasUnclean(root)
    removeUnfinishedSegments(ownFolder, readdirSync(ownFolder))
    writeSynced(abortPath(root), String(process.pid))
    syncFolder(root)
    return { root, ownFolder, configFolder, isUnclean, lockFd }
  } catch (error) {
    closeSync(lockFd)
    throw folderError(root, error)
  }
}

/**
 * `isClean`: everything appended is flushed, dispatched and settled, and all files are on disk. Otherwise abort stays and
 * the next start recovers.
 */
export function closeStoreFolder(folder: StoreFolder, isClean: boolean): void {
  try {
    if (isClean) {
      rmSync(abortPath(folder.root), { force: true })
      syncFolder(folder.root)
    }
  } finally {
    closeSync(folder.lockFd)
  }
}

/** A start that changed nothing yet gives up: the store is as clean or unclean as it was found. */
export function abandonStoreFolder(folder: StoreFolder): void {
  closeStoreFolder(folder, !folder.isUnclean)
}

/** All that openStoreFolder makes. */
export function foldersOf(settings: StoreSettings): string[] {
  const root = resolve(settings.storePathRootDir)
  const below = [FOLDERS.consumeQueue, FOLDERS.index, FOLDERS.config, FOLDERS.own].map((name) => join(root, name))
  if (settings.enableConsumeQueueExt) below.push(join(root, FOLDERS.consumeQueueExt))
  return [root, resolve(commitLogFolder(settings)), ...below]
}

/** Makes the folder and those above it, each durable in its parent. */
function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made))
}

/** Descriptor that holds the store's lock; close it to let go. Throws StoreError STORE_IN_USE, STORE_FOLDER. */
export function lockStore(root: string): number {
  const path = join(root, 'lock')
  let fd = -1
  try {
    fd = openSync(path, 'a+', 0o644)
    if (lockFile(fd, 0, 1)) {
      if (fstatSync(fd).size === 0) {
        writeSync(fd, 'lock')
        fsyncSync(fd)
      }
      return fd
    }
  } catch (error) {
    if (fd >= 0) closeSync(fd)
    throw folderError(root, error)
  }
  const holder = holderOf(fd, root)
  closeSync(fd)
  throw new StoreError('STORE_IN_USE', {
    what: `the store is used by another broker${holder === undefined ? '' : `, ${holder}`}`,
    where: root,
    todo: 'stop that broker, or give this one its own storePathRootDir',
  })
}

/** `process 4711 (java)`, or undefined where the system does not tell. */
function holderOf(fd: number, root: string): string | undefined {
  const pid = pidFromLocks(fstatSync(fd).ino) ?? pidFromAbort(root)
  if (pid === undefined) return undefined
  if (pid === process.pid) return `process ${pid} (this one)`
  // The program's file: the name in comm is that of the main thread, which Node 24 calls "MainThread".
  const name = tryRead(() => basename(readlinkSync(`/proc/${pid}/exe`))) ?? commOf(pid)
  return name === undefined ? `process ${pid}` : `process ${pid} (${name})`
}

function commOf(pid: number): string | undefined {
  return tryRead(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim())
}

function tryRead(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** /proc/locks names the owner of a JVM's lock; ours belongs to an open file and has none there. */
function pidFromLocks(inode: number): number | undefined {
  let text: string
  try {
    text = readFileSync('/proc/locks', 'latin1')
  } catch {
    return undefined
  }
  for (const line of text.split('\n')) {
    const match = / (\d+) \S+:\S+:(\d+) \d+ \S+$/.exec(line)
    if (match !== null && Number(match[2]) === inode && Number(match[1]) > 0) return Number(match[1])
  }
  return undefined
}

function pidFromAbort(root: string): number | undefined {
  try {
    const pid = Number(readFileSync(abortPath(root), 'latin1').trim())
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/** The last broker did not stop cleanly. */
export function wasUnclean(root: string): boolean {
  return existsSync(abortPath(root))
}

function abortPath(root: string): string {
  return join(root, 'abort')
}

/** What a start says when the folders cannot be used. */
export function folderError(root: string, error: unknown): Error {
  if (error instanceof BasaltError) return error
  const where = (error as NodeJS.ErrnoException).path ?? root
  if (isDiskFull(error)) {
    return new StoreError('DISK_FULL', {
      what: `no room to open the store: ${describe(error)}`,
      where,
      todo: 'free space on this file system',
      cause: error,
    })
  }
  const todo =
    errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM'
      ? 'give the broker’s user the right to write there, or choose another storePathRootDir'
      : 'choose another storePathRootDir, or put right what is there'
  return new StoreError('STORE_FOLDER', {
    what: `the store cannot be opened: ${describe(error)}`,
    where,
    todo,
    cause: error,
  })
}
