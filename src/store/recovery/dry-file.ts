/**
 * One file of a rehearsed start: the bytes on the disk, and over them ranges of zeros and pages that were "written". A page goes
 * before a range of zeros, which goes before the disk.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { nextData } from '../../native/index.ts'
import { isZero } from './mend-segments.ts'

const PAGE = 4096
const CHUNK = 1024 * 1024

export class DryFile {
  /** The file below; undefined for one that is made. */
  readonly base: string | undefined
  /** Of it so much is still to be seen; and what its blocks take. */
  baseSize: number
  readonly baseBytes: number
  size: number
  allocatedTo = 0
  writtenTo = 0
  private writtenFrom = Number.POSITIVE_INFINITY
  private readonly pages = new Map<number, Buffer>()
  private readonly zeros: { from: number; to: number }[] = []

  /** False: it has a size only. */
  private readonly keepsContent: boolean

  private constructor(base: string | undefined, size: number, baseBytes: number, keepsContent = true) {
    this.keepsContent = keepsContent
    this.base = base
    this.baseSize = size
    this.size = size
    this.baseBytes = baseBytes
  }

  static made(keepsContent: boolean): DryFile {
    return new DryFile(undefined, 0, 0, keepsContent)
  }

  static of(path: string): DryFile {
    const { size, blocks } = statSync(path)
    return new DryFile(path, size, blocks * 512)
  }

  get isUntouched(): boolean {
    return this.base !== undefined && this.size === this.baseSize && this.pages.size === 0 && this.zeros.length === 0
  }

  resize(size: number): void {
    this.baseSize = Math.min(this.baseSize, size)
    this.size = size
  }

  /** Fills `bytes` from `position` on; returns how many there are. */
  read(fd: number, bytes: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(bytes.length, this.size - position))
    let done = 0
    const inBase = Math.min(length, this.baseSize - position)
    while (fd >= 0 && done < inBase) {
      const read = readSync(fd, bytes, done, inBase - done, position + done)
      if (read === 0) break
      done += read
    }
    bytes.fill(0, done, length)
    const end = position + length
    for (const { from, to } of this.zeros)
      if (from < end && to > position) bytes.fill(0, Math.max(from, position) - position, Math.min(to, end) - position)
    if (this.pages.size === 0) return length
    for (let start = position - (position % PAGE); start < end; start += PAGE) {
      const page = this.pages.get(start)
      if (page === undefined) continue
      const from = Math.max(start, position)
      bytes.set(page.subarray(from - start, Math.min(start + PAGE, end) - start), from - position)
    }
    return length
  }

  write(fd: number, bytes: Uint8Array, position: number): void {
    const end = position + bytes.length
    this.size = Math.max(this.size, end)
    this.writtenTo = Math.max(this.writtenTo, end)
    this.writtenFrom = Math.min(this.writtenFrom, position)
    if (!this.keepsContent) return
    for (let at = position; at < end; ) {
      const start = at - (at % PAGE)
      const to = Math.min(end, start + PAGE)
      const piece = bytes.subarray(at - position, to - position)
      if (piece.length === PAGE && isZero(Buffer.from(piece.buffer, piece.byteOffset, PAGE))) this.zero(fd, at, to)
      else this.pageAt(fd, start).set(piece, at - start)
      at = to
    }
  }

  zero(fd: number, from: number, to: number): void {
    this.writtenFrom = Math.min(this.writtenFrom, from)
    const [first, last] = [Math.ceil(from / PAGE) * PAGE, Math.floor(to / PAGE) * PAGE]
    if (first >= last) {
      for (let at = from; at < to; ) {
        const start = at - (at % PAGE)
        const end = Math.min(to, start + PAGE)
        this.pageAt(fd, start).fill(0, at - start, end - start)
        at = end
      }
      return
    }
    if (from < first) this.pageAt(fd, first - PAGE).fill(0, from - first + PAGE)
    if (to > last) this.pageAt(fd, last).fill(0, 0, to - last)
    for (const start of [...this.pages.keys()]) if (start >= first && start < last) this.pages.delete(start)
    const previous = this.zeros.at(-1)
    if (previous?.to === first) previous.to = last
    else this.zeros.push({ from: first, to: last })
  }

  /** First byte at or above `offset` that was written to, but for zeros. */
  nextWritten(offset: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const start of this.pages.keys()) if (start + PAGE > offset) next = Math.min(next, Math.max(start, offset))
    return next
  }

  isTouchedBelow(length: number): boolean {
    return this.writtenFrom < length
  }

  /** Ranges that hold other bytes than on the disk. */
  differences(): { from: number; to: number }[] {
    if (this.base === undefined) return []
    const found: { from: number; to: number }[] = []
    const fd = openSync(this.base, 'r')
    try {
      for (const { from, to } of this.zeros) this.compare(fd, from, to, found)
      const then = Buffer.alloc(PAGE)
      for (const [start, page] of this.pages) {
        const length = Math.min(PAGE, this.baseSize - start)
        if (length <= 0) continue
        readSync(fd, then, 0, length, start)
        difference(then, page, length, start, found)
      }
    } finally {
      closeSync(fd)
    }
    return merged(found)
  }

  /** A range of zeros. Holes are as zero as what is written over them; pages in it are compared by themselves. */
  private compare(fd: number, from: number, to: number, found: { from: number; to: number }[]): void {
    const end = Math.min(to, this.baseSize)
    const [now, then] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)]
    for (let at = Math.min(end, dataFrom(fd, from)); at < end; ) {
      const length = Math.min(CHUNK, end - at)
      readSync(fd, then, 0, length, at)
      this.read(fd, now.subarray(0, length), at)
      difference(then, now, length, at, found)
      at = Math.min(end, dataFrom(fd, at + length))
    }
  }

  private pageAt(fd: number, start: number): Buffer {
    let page = this.pages.get(start)
    if (page === undefined) {
      page = Buffer.alloc(PAGE)
      this.read(fd, page, start)
      this.pages.set(start, page)
    }
    return page
  }
}

/** From the first to the last byte that differs. */
function difference(
  then: Buffer,
  now: Buffer,
  length: number,
  at: number,
  found: { from: number; to: number }[],
): void {
  if (now.compare(then, 0, length, 0, length) === 0) return
  let first = 0
  while (now[first] === then[first]) first += 1
  let last = length
  while (now[last - 1] === then[last - 1]) last -= 1
  found.push({ from: at + first, to: at + last })
}

function dataFrom(fd: number, at: number): number {
  try {
    return nextData(fd, at)
  } catch {
    return at
  }
}

function merged(ranges: { from: number; to: number }[]): { from: number; to: number }[] {
  const result: { from: number; to: number }[] = []
  for (const range of ranges.sort((a, b) => a.from - b.from)) {
    const last = result.at(-1)
    if (last !== undefined && range.from <= last.to) last.to = Math.max(last.to, range.to)
    else result.push({ ...range })
  }
  return result
}
