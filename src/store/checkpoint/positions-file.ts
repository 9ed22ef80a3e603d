/**
 * <root>/basalt/positions: where every stage was, from which the next start resumes and `top --store` reads.
 *
 *       0  slot of even sequence numbers          4096  slot of odd ones          8192 bytes, never grows
 *
 * Refreshed ten times a second, every five seconds where nothing moves, by one pwrite without a sync: what the page cache holds outlives the process, and the
 * kernel writes it back in time. sync() makes it durable, at each checkpoint.
 *
 * Trust (trustOf): `live` after the death of a process: same boot, same file; the page cache held everything, so all
 * marks count. `durable` after another boot: only flushed and settled count, which were on disk before they were written
 * here. `none` when this is not the file that was written (a copied or restored store): its marks speak of other files,
 * and recovery has to look for itself.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, removeQuietly, syncFolder } from '../metadata/durable-file.ts'
import { FOLDERS } from '../settings.ts'
import { decodeSlot, encodeSlot, type PositionsSlot, SLOT_SIZE } from './positions-slot.ts'

/** A file that does not change is written so often, for those who ask whether the broker lives. */
export const POSITIONS_IDLE_MS = 5000

const SLOT_STEP = 4096
const FILE_SIZE = 2 * SLOT_STEP
/** Longer than the granularity of the kernel's file times. */
const TICK_MS = 12

export type Trust = 'live' | 'durable' | 'none'

export interface FileIdentity {
  bootId: string
  inode: bigint
  birthTime: bigint
}

/** What a stage may know; the file adds the rest. */
export type Marks = Omit<PositionsSlot, 'sequence' | 'pid' | 'bootId' | 'inode' | 'birthTime'>

export interface FoundPositions {
  slot: PositionsSlot
  trust: Trust
  /** Why the trust is not `live`, for the log. */
  reason: string | undefined
}

export class PositionsFile {
  readonly path: string
  private fd = -1
  private identity: FileIdentity | undefined
  private sequence = 0
  /** Kept: ten writes a second of objects and buffers that the young generation does not get rid of are 1.4 MB a minute. */
  private readonly bytes = Buffer.alloc(SLOT_SIZE)
  private slot: PositionsSlot | undefined

  constructor(root: string) {
    this.path = join(root, FOLDERS.own, 'positions')
  }

  /** The newest valid slot, or undefined when there is none (no file, both slots damaged). */
  read(): FoundPositions | undefined {
    let fd: number
    try {
      fd = openSync(this.path, 'r')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
    try {
      const slot = newest(fd)
      return slot === undefined ? undefined : { slot, ...trustOf(slot, fileIdentity(fd)) }
    } finally {
      closeSync(fd)
    }
  }

  /** Opens the file for write(), creates it where it is missing or of another size. Both slots stay until written over. */
  open(): void {
    this.fd = openExisting(this.path) ?? create(this.path)
    this.sequence = newest(this.fd)?.sequence ?? 0
    this.identity = lastingIdentity(this.fd)
    this.slot = undefined
  }

  get isOpen(): boolean {
    return this.fd >= 0
  }

  /** One pwrite into the slot that is not the newest. Survives the process, not yet a power cut. */
  write(marks: Marks): void {
    const { identity } = this
    if (identity === undefined) throw new Error('positions file is not open')
    this.sequence += 1
    this.slot ??= { ...marks, ...identity, sequence: 0, pid: process.pid }
    const slot = Object.assign(this.slot, marks)
    slot.sequence = this.sequence
    writeSync(this.fd, encodeSlot(slot, this.bytes), 0, SLOT_SIZE, (this.sequence % 2) * SLOT_STEP)
  }

  sync(): void {
    fdatasyncSync(this.fd)
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
  }
}

export function trustOf(slot: FileIdentity, now: FileIdentity): { trust: Trust; reason: string | undefined } {
  const isReborn = slot.birthTime !== 0n && slot.birthTime !== now.birthTime
  if (slot.inode !== now.inode || isReborn) {
    return { trust: 'none', reason: 'the positions file was copied or restored' }
  }
  if (slot.bootId === '' || slot.bootId !== now.bootId)
    return { trust: 'durable', reason: 'the machine was started again' }
  return { trust: 'live', reason: undefined }
}

/** Inode numbers are used again after a file is removed, hence the birth time; 0 where it is not known. */
export function fileIdentity(fd: number): FileIdentity {
  const { ino, birthtimeNs } = fstatSync(fd, { bigint: true })
  return { bootId: bootId(), inode: ino, birthTime: birthtimeNs }
}

/**
 * The identity to write down. Where a file system knows no birth time Node gives that of the last change, which moves: a
 * change of its own tells the two apart.
 */
function lastingIdentity(fd: number): FileIdentity {
  const before = fstatSync(fd, { bigint: true })
  if (before.birthtimeNs === before.ctimeNs) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TICK_MS)
    const now = new Date()
    futimesSync(fd, now, now)
  }
  const { birthtimeNs, ctimeNs } = fstatSync(fd, { bigint: true })
  return { ...fileIdentity(fd), birthTime: birthtimeNs === ctimeNs ? 0n : birthtimeNs }
}

export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    // Not Linux: every start counts as after a reboot.
    return ''
  }
}

function newest(fd: number): PositionsSlot | undefined {
  const bytes = Buffer.alloc(SLOT_SIZE)
  let found: PositionsSlot | undefined
  for (const at of [0, SLOT_STEP]) {
    const read = readSync(fd, bytes, 0, SLOT_SIZE, at)
    const slot = read === SLOT_SIZE ? decodeSlot(bytes) : undefined
    if (slot !== undefined && (found === undefined || slot.sequence > found.sequence)) found = slot
  }
  return found
}

function openExisting(path: string): number | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r+')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  if (fstatSync(fd).size === FILE_SIZE) return fd
  closeSync(fd)
  removeQuietly(path)
  return undefined
}

function create(path: string): number {
  const fd = openSync(path, 'wx+', 0o644)
  ftruncateSync(fd, FILE_SIZE)
  // Written once so that its blocks exist: a full disk must not stop the positions from moving.
  writeSync(fd, Buffer.alloc(FILE_SIZE), 0, FILE_SIZE, 0)
  fdatasyncSync(fd)
  syncFolder(dirname(path))
  return fd
}
