/**
 * A slot: reserved address space into which one file at a time is mapped, wrapped once in an external ArrayBuffer that is
 * never detached (detaching slows the typed-array loops of the whole isolate by up to 1.65).
 *
 *   slot   |<---------------------------- size ----------------------------->|
 *   map    | pages of the file, MAP_SHARED   | anonymous read-only zero pages |
 *   free   | anonymous read-only zero pages                                  |
 *
 * Release overlays zero pages at once, whatever still holds a view: a late reader sees zeros, a late writer crashes the
 * process (only the thread that maps writes). The address space goes back when the ArrayBuffer is collected. A slot
 * belongs to the thread that made it; each thread maps the same file into slots of its own.
 */
import { fstatSync } from 'node:fs'
import { NativeError } from '../errors.ts'
import { type Addon, addon, checked, systemError } from './addon.ts'

export type Advice = 'willneed' | 'dontneed' | 'sequential' | 'random' | 'populate-write' | 'populate-read'

const EINVAL = -22

export class MapSlot {
  /** The whole slot. Zeros where nothing is mapped. */
  readonly bytes: Buffer
  readonly view: DataView
  readonly size: number
  private readonly memory: ArrayBuffer
  private readonly native: Addon
  private mappedLength = 0
  private closed = false

  /** `size` in bytes: the longest map that it can take. Costs no memory until a file is mapped. */
  constructor(size: number) {
    this.native = addon()
    const memory = this.native.reserve(size)
    if (typeof memory === 'number') throw systemError(memory, 'mmap')
    this.memory = memory
    this.size = size
    this.bytes = Buffer.from(memory)
    this.view = new DataView(memory)
  }

  /** Bytes mapped at the slot's start, 0 when free. */
  get mapped(): number {
    return this.mappedLength
  }

  /**
   * Maps `length` bytes of the file (fileOffset: a multiple of the page size) in place of what was there. The file must be
   * that long: a read behind its end would be a SIGBUS. A store into a map that is not writable kills the process.
   */
  map(fd: number, fileOffset: number, length: number, writable: boolean): void {
    if (this.closed) throw new NativeError('SLOT_CLOSED', { what: 'a map into a slot that was closed' })
    const { size } = fstatSync(fd)
    if (size < fileOffset + length) {
      throw new NativeError('MAP_BEYOND_END', {
        what: `a map of bytes ${fileOffset} to ${fileOffset + length} of a file of ${size} bytes`,
        todo: 'the file is shorter than its layout says: check the store',
      })
    }
    if (length < this.mappedLength) this.release()
    const result = this.native.mapFile(this.memory, fd, fileOffset, length, writable)
    this.mappedLength = result < 0 ? 0 : length
    checked(result, 'mmap')
  }

  /** Gives the file's pages back at once; the slot reads as zeros and can be mapped again. */
  release(): void {
    if (this.mappedLength === 0) return
    checked(this.native.overlay(this.memory), 'mmap')
    this.mappedLength = 0
  }

  /** Whether a read of the range would find all its pages in memory (mincore). */
  resident(offset: number, length: number): boolean {
    return checked(this.native.resident(this.memory, offset, length), 'mincore') === 1
  }

  /** madvise for the pages of the range. On kernels before 5.14 populate means willneed. */
  advise(offset: number, length: number, advice: Advice): void {
    const result = this.native.advise(this.memory, offset, length, this.adviceNumber(advice))
    const isPopulate = advice === 'populate-read' || advice === 'populate-write'
    if (result === EINVAL && isPopulate) this.advise(offset, length, 'willneed')
    else checked(result, 'madvise')
  }

  /** Writes the dirty pages of the range to the disk and waits (msync). */
  sync(offset: number, length: number): void {
    checked(this.native.syncMap(this.memory, offset, length), 'msync')
  }

  /** Keeps the pages of the range in memory (mlock; ENOMEM beyond RLIMIT_MEMLOCK). */
  lock(offset: number, length: number): void {
    checked(this.native.lockMemory(this.memory, offset, length), 'mlock')
  }

  unlock(offset: number, length: number): void {
    checked(this.native.unlockMemory(this.memory, offset, length), 'munlock')
  }

  /** Releases for good. `bytes` stays readable (zeros). */
  close(): void {
    this.release()
    this.closed = true
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private adviceNumber(advice: Advice): number {
    const { native } = this
    switch (advice) {
      case 'willneed':
        return native.MADV_WILLNEED
      case 'dontneed':
        return native.MADV_DONTNEED
      case 'sequential':
        return native.MADV_SEQUENTIAL
      case 'random':
        return native.MADV_RANDOM
      case 'populate-read':
        return native.MADV_POPULATE_READ ?? native.MADV_WILLNEED
      case 'populate-write':
        return native.MADV_POPULATE_WRITE ?? native.MADV_WILLNEED
      default:
        return advice satisfies never
    }
  }
}
