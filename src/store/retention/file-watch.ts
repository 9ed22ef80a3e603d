/**
 * Notices, once a second, that somebody takes the store's files away under the broker, and keeps what can be kept.
 *
 *   segment ahead of the tail   made again
 *   the tail, or the one before its content lives on in the file without a name, which is held open here: it is written
 *                               under its name again. Into the tail nothing may be sent any more: senders are refused
 *                               until the broker is started again, which then finds everything
 *   older segments              named: consumers are served while some thread has the file open, no longer
 *   abort, lock, positions      named; abort is written again
 *
 * The files of a DLedger log are not looked at: its thread makes, cuts and removes them, and a member that lost one is filled again.
 *
 * A file that was made shorter is named. Whoever has it mapped may end by SIGBUS; the next start says what is lost.
 * Whoever replaces segments on purpose does it while this does not run: a new inode under an old name counts as foreign.
 * Called by: stages/housekeeping.ts. Blocks on: the disk, when a segment has to be copied.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { fdatasync, syncFolder } from '../../native/index.ts'
import { allocateSegment } from '../commitlog/segment-allocator.ts'
import { commitLogFolder, segmentName, segmentPath, segmentStart } from '../commitlog/segments.ts'
import { writeSynced } from '../metadata/durable-file.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'
import type { DiskState } from './disk-state.ts'

const INTERVAL_MS = 1000
const CHUNK = 1024 * 1024
/** Files beside the log whose loss costs something. */
const OTHERS = ['lock', 'abort', join(FOLDERS.own, 'positions')]

export interface FileWatchOptions {
  settings: StoreSettings
  control: ControlBlock
  disk: DiskState
  log: Log
}

type Fate = 'there' | 'removed' | 'replaced' | 'short'

interface Held {
  fd: number
  inode: number
  /** What was copied back, up to here in the log; -1 for nothing. */
  savedTo: number
  savedInode: number
  /** `appended` when the loss was seen last: the copy is made when it stands still. */
  seenAt: number
}

export class FileWatch {
  private readonly options: FileWatchOptions
  private readonly folder: string
  private readonly ownFolder: string
  private readonly size: number
  /** Open segments by their start: the one before the tail, the tail, those ahead. */
  private readonly held = new Map<number, Held>()
  private readonly others = new Map<string, number>()
  private readonly told = new Set<string>()
  private checkedAt = Number.NEGATIVE_INFINITY

  constructor(options: FileWatchOptions) {
    const { settings } = options
    this.options = options
    this.folder = commitLogFolder(settings)
    this.ownFolder = join(settings.storePathRootDir, FOLDERS.own)
    this.size = settings.mappedFileSizeCommitLog
  }

  step(now: number): void {
    if (now - this.checkedAt < INTERVAL_MS) return
    this.checkedAt = now
    this.check(false)
  }

  /** Append has ended: what has to be saved is saved now. */
  close(): void {
    this.check(true)
    for (const { fd } of this.held.values()) closeSync(fd)
    this.held.clear()
  }

  /** All segments were taken away on purpose. */
  forget(): void {
    for (const start of [...this.held.keys()]) this.drop(start)
  }

  private check(isLast: boolean): void {
    try {
      if (!this.options.settings.enableDLegerCommitLog) {
        this.checkSegments(isLast)
        this.checkNames()
      }
      this.checkOthers()
    } catch (error) {
      this.tell('watch', `the store's files cannot be looked at: ${describe(error)}`)
    }
  }

  private checkSegments(isLast: boolean): void {
    const { control } = this.options
    const tail = segmentStart(control.load('appended'), this.size)
    for (const [start, held] of this.held) {
      if (start < tail) this.checkFull(start, held)
      if (start < tail - this.size) this.drop(start)
    }
    const allocated = control.load('allocated')
    for (let start = tail; start < allocated; start += this.size) {
      const held = this.held.get(start) ?? this.hold(start)
      const path = segmentPath(this.folder, start)
      const fate = held === undefined ? 'removed' : fateOf(path, held, this.size)
      if (fate === 'there') continue
      if (start > tail) this.makeAgain(start, path, fate)
      else this.saveTail(start, path, held, fate, isLast)
    }
  }

  /** A segment that the log has left since the last look, or just before. */
  private checkFull(start: number, held: Held): void {
    const path = segmentPath(this.folder, start)
    const fate = fateOf(path, held, this.size)
    if (fate === 'there') return
    if (held.savedTo < 0) this.tell(path, `${path} was ${this.said(path, fate)} by somebody else`)
    if (fate !== 'short') this.save(start, path, held, start + this.size, fate)
  }

  private hold(start: number): Held | undefined {
    try {
      const fd = openSync(segmentPath(this.folder, start), 'r')
      const held = { fd, inode: fstatSync(fd).ino, savedTo: -1, savedInode: -1, seenAt: -1 }
      this.held.set(start, held)
      return held
    } catch {
      return undefined
    }
  }

  private makeAgain(start: number, path: string, fate: Fate): void {
    const { folder, ownFolder, size } = this
    this.tell(path, `${path} was ${this.said(path, fate)} by somebody else before the log came to it: it is made again`)
    this.drop(start)
    if (fate !== 'removed') this.putAside(path, start)
    allocateSegment({ folder, ownFolder, start, size })
    this.hold(start)
    this.told.delete(path)
  }

  private saveTail(start: number, path: string, held: Held | undefined, fate: Fate, isLast: boolean): void {
    if (fate === 'short') {
      this.tell(path, `${path} was ${this.said(path, fate)} by somebody else: messages are lost`)
      return
    }
    const what =
      `${path} was ${this.said(path, fate)} by somebody else, and the log is written to it: sends are refused, consumers ` +
      'are served; start the broker again'
    this.tell(path, what)
    this.options.disk.set('file', what)
    if (held === undefined) return
    const appended = this.options.control.load('appended')
    // What was under way when senders were refused is in the log once it stands still.
    if (isLast || held.seenAt === appended) this.save(start, path, held, appended, fate)
    held.seenAt = appended
  }

  /** Writes the nameless file's content under its name, all of it: zeros behind `end` too. */
  private save(start: number, path: string, held: Held, end: number, fate: Fate): void {
    if (held.savedTo === end && existsSync(path)) return
    const temporary = join(this.ownFolder, `${segmentName(start)}.new`)
    const inode = copySegment(held.fd, temporary, this.size)
    if (fate === 'replaced') this.putAside(path, start)
    renameSync(temporary, path)
    syncFolder(this.folder)
    held.savedTo = end
    held.savedInode = inode
    this.options.log.warn(`the CommitLog segment has its content again, up to ${end} (${path})`, { start, end })
  }

  private putAside(path: string, start: number): void {
    if (existsSync(path)) renameSync(path, join(this.ownFolder, `${segmentName(start)}.foreign`))
  }

  private drop(start: number): void {
    const held = this.held.get(start)
    if (held !== undefined) closeSync(held.fd)
    this.held.delete(start)
  }

  /**
   * Segments that nobody here holds open. Counted, not looked up by name: V8 keeps the text of a number that was made once, and
   * a name for each segment each second was 0.8 MB a minute of its old generation with 300 segments (measured).
   */
  private checkNames(): void {
    const { control } = this.options
    const first = segmentStart(control.load('retained'), this.size)
    const tail = segmentStart(control.load('appended'), this.size)
    let missing = (tail - first) / this.size
    for (const name of readdirSync(this.folder)) {
      const start = Number(name)
      if (start >= first && start < tail && start % this.size === 0) missing -= 1
    }
    for (let start = first; missing > 0 && start < tail; start += this.size) {
      const path = segmentPath(this.folder, start)
      if (existsSync(path)) continue
      missing -= 1
      this.tell(path, `${path} was removed by somebody else: messages from ${start} to ${start + this.size} are lost`)
    }
  }

  private checkOthers(): void {
    const root = this.options.settings.storePathRootDir
    for (const name of OTHERS) {
      const path = join(root, name)
      const inode = statSync(path, { throwIfNoEntry: false })?.ino
      const known = this.others.get(name)
      if (inode === known || (known === undefined && inode !== undefined)) {
        if (inode !== undefined) this.others.set(name, inode)
        continue
      }
      this.tell(
        path,
        `a file of the store was ${inode === undefined ? 'removed' : 'replaced'} under the broker (${path})`,
      )
      if (name !== 'abort' || inode !== undefined) continue
      writeSynced(path, String(process.pid))
      this.others.set(name, statSync(path).ino)
      this.told.delete(path)
    }
  }

  private said(path: string, fate: Fate): string {
    if (fate !== 'short') return fate
    return `cut to ${statSync(path, { throwIfNoEntry: false })?.size ?? 0} bytes, expected ${this.size},`
  }

  private tell(key: string, what: string): void {
    if (this.told.has(key)) return
    this.told.add(key)
    this.options.log.error(what)
  }
}

function fateOf(path: string, held: Held, size: number): Fate {
  const now = statSync(path, { throwIfNoEntry: false })
  if (now === undefined) return 'removed'
  if (now.ino !== held.inode && now.ino !== held.savedInode) return 'replaced'
  // Ours again, and still behind what is written into the nameless file.
  if (now.ino === held.savedInode) return 'removed'
  return now.size < size ? 'short' : 'there'
}

function copySegment(from: number, path: string, size: number): number {
  const fd = openSync(path, 'w', 0o644)
  try {
    const bytes = Buffer.allocUnsafeSlow(CHUNK)
    for (let at = 0; at < size; ) {
      const read = readSync(from, bytes, 0, Math.min(CHUNK, size - at), at)
      if (read === 0) break
      for (let done = 0; done < read; ) done += writeSync(fd, bytes, done, read - done, at + done)
      at += read
    }
    fdatasync(fd)
    return fstatSync(fd).ino
  } finally {
    closeSync(fd)
  }
}
