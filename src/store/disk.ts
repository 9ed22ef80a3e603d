/**
 * What recovery does to files, behind one face: the real disk at a start, and a disk that only remembers what would have been
 * written when somebody asks what a start would do (dry-disk.ts). The code that decides is the same; it does not know which of
 * the two it has.
 *
 * All calls are synchronous and throw as node:fs does.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { fallocate, fdatasync, nextData, punchHole, syncFolder } from '../native/index.ts'

export interface StoreDisk {
  /** `w` and `wx` are for files that nobody reads again before the broker runs. */
  open(path: string, flags: 'r' | 'r+' | 'w' | 'wx'): number
  close(fd: number): void
  read(fd: number, bytes: Uint8Array, at: number, length: number, position: number): number
  /** Without a position: behind what this descriptor wrote before. */
  write(fd: number, bytes: Uint8Array, at: number, length: number, position?: number): number
  truncate(fd: number, length: number): void
  /** `blocks`: of 512 bytes. */
  statOf(fd: number): { size: number; blocks: number }
  stat(path: string): { size: number; isFile: boolean } | undefined
  /** Throws ENOENT. */
  list(folder: string): string[]
  makeFolder(path: string): void
  unlink(path: string): void
  /** Whether or not it is there. */
  remove(path: string): void
  /** Throws EXDEV between file systems. */
  rename(from: string, to: string): void
  sync(fd: number): void
  syncFolder(path: string): void
  nextData(fd: number, offset: number): number
  allocate(fd: number, offset: number, length: number): void
  punch(fd: number, offset: number, length: number): void
  /** Writes the bytes of [from, to) again as they are, and syncs. */
  rewrite(path: string, from: number, to: number): void
}

const CHUNK = 1024 * 1024

export const realDisk: StoreDisk = {
  open: (path, flags) => openSync(path, flags, 0o644),
  close: closeSync,
  read: readSync,
  write: (fd, bytes, at, length, position) => writeSync(fd, bytes, at, length, position),
  truncate: ftruncateSync,
  statOf: (fd) => fstatSync(fd),
  stat(path) {
    const status = statSync(path, { throwIfNoEntry: false })
    return status === undefined ? undefined : { size: status.size, isFile: status.isFile() }
  },
  list: (folder) => readdirSync(folder),
  makeFolder: (path) => void mkdirSync(path, { recursive: true }),
  unlink: unlinkSync,
  remove: (path) => rmSync(path, { force: true }),
  rename: renameSync,
  sync: fdatasync,
  syncFolder,
  nextData,
  allocate: (fd, offset, length) => fallocate(fd, offset, length),
  punch: punchHole,
  rewrite(path, from, to) {
    const bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK, to - from))
    const fd = openSync(path, 'r+')
    try {
      for (let at = from; at < to; ) {
        const read = readSync(fd, bytes, 0, Math.min(bytes.length, to - at), at)
        if (read === 0) break
        for (let done = 0; done < read; ) done += writeSync(fd, bytes, done, read - done, at + done)
        at += read
      }
      fdatasync(fd)
    } finally {
      closeSync(fd)
    }
  },
}
