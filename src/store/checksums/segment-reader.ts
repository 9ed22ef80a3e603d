/**
 * Reads a sealed segment in blocks without being in anybody's way: what is in memory is read there, what is not goes past the
 * page cache (O_DIRECT), so that pages which consumers read stay.
 *
 *   memory   pages of the block are all resident: a copy, no disk        disk   O_DIRECT, what is really on it
 *
 * Where the file system has no O_DIRECT (tmpfs, macOS) both read through the page cache. Owns: two descriptors and a slot of
 * address space. Blocks on: the disk.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { MapSlot } from '../../native/index.ts'
import { errnoOf } from '../metadata/durable-file.ts'
import { HASHED_BLOCK } from './block-hash.ts'

/** Not among the types of a library without a browser. */
declare const WebAssembly: { Memory: new (size: { initial: number }) => { buffer: ArrayBuffer } }

/** Two blocks at a page's start, as O_DIRECT wants them: a WebAssembly memory is; of a Buffer nobody says where it lies. */
export function alignedBlocks(): Uint8Array {
  const PAGE = 65_536
  return new Uint8Array(new WebAssembly.Memory({ initial: (2 * HASHED_BLOCK) / PAGE }).buffer)
}

export class SegmentReader implements Disposable {
  /** Of the file when it was opened. */
  readonly status: BigIntStats
  private readonly fd: number
  private direct: number
  private readonly slot: MapSlot
  private readonly size: number

  /** Throws the system's error: ENOENT where retention was faster. `slot`: of at least `size` bytes, used while this is open. */
  constructor(path: string, size: number, slot: MapSlot) {
    this.fd = openSync(path, 'r')
    this.direct = openDirect(path)
    this.slot = slot
    try {
      this.status = fstatSync(this.fd, { bigint: true })
      this.size = Math.min(size, Number(this.status.size))
      if (this.size > 0) slot.map(this.fd, 0, this.size, false)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  get isDirect(): boolean {
    return this.direct >= 0
  }

  /** Whether the file is still as it was when it was opened. */
  isUnchanged(): boolean {
    const { mtimeNs, size } = fstatSync(this.fd, { bigint: true })
    return mtimeNs === this.status.mtimeNs && size === this.status.size
  }

  /** From memory where all of it is there, else from the disk. */
  nearest(block: number, into: Uint8Array): number {
    const at = block * HASHED_BLOCK
    if (at >= this.size) return 0
    const isResident = this.slot.resident(at, Math.min(HASHED_BLOCK, this.size - at))
    return isResident ? this.fromMemory(block, into) : this.fromDisk(block, into)
  }

  fromMemory(block: number, into: Uint8Array): number {
    return readBlock(this.fd, block, into)
  }

  fromDisk(block: number, into: Uint8Array): number {
    if (this.direct < 0) return this.fromMemory(block, into)
    try {
      return readBlock(this.direct, block, into)
    } catch (error) {
      // It could be opened so, and wants another alignment than any disk has.
      if (errnoOf(error) !== 'EINVAL') throw error
      closeSync(this.direct)
      this.direct = -1
      return this.fromMemory(block, into)
    }
  }

  [Symbol.dispose](): void {
    this.slot.release()
    closeSync(this.fd)
    if (this.direct >= 0) closeSync(this.direct)
    this.direct = -1
  }
}

function openDirect(path: string): number {
  const { O_DIRECT, O_RDONLY } = constants
  if (O_DIRECT === undefined) return -1
  try {
    return openSync(path, O_RDONLY | O_DIRECT)
  } catch {
    return -1
  }
}

/** As many bytes of the block as the file has. */
export function readBlock(fd: number, block: number, into: Uint8Array): number {
  let done = 0
  while (done < HASHED_BLOCK) {
    const read = readSync(fd, into, done, HASHED_BLOCK - done, block * HASHED_BLOCK + done)
    if (read === 0) break
    done += read
    // An odd end of the file: no read may begin there with O_DIRECT.
    if (done % 512 !== 0) break
  }
  return done
}
