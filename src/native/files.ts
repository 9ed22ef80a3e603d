/**
 * File calls that node:fs does not have. All are synchronous: they are made by threads that may wait. Failures are
 * Node-style Errors with code, errno and syscall ('ENOSPC', -28, 'fallocate').
 */
import { addon, checked } from './addon.ts'

/** Allocates the blocks of the range, which reads as zeros; the file grows to it unless `keepSize`. ENOSPC: none of it. */
export function fallocate(fd: number, offset: number, length: number, keepSize = false): void {
  checked(addon().allocate(fd, offset, length, keepSize), 'fallocate')
}

/** Gives the blocks of the range back; the file keeps its size and reads as zeros there. */
export function punchHole(fd: number, offset: number, length: number): void {
  checked(addon().punch(fd, offset, length), 'fallocate')
}

/**
 * First offset at or above `offset` that may hold something else than zeros: blocks that were allocated and never written
 * are skipped like holes. The file's size where all the rest is zeros. Moves the descriptor's own position.
 */
export function nextData(fd: number, offset: number): number {
  return checked(addon().nextData(fd, offset), 'lseek')
}

/** Everything written to the file, through any map or descriptor, is on the disk. A failure is final: do not repeat it. */
export function fdatasync(fd: number): void {
  checked(addon().syncData(fd), 'fdatasync')
}

/** The folder's entries are on the disk: call after a file in it was made, renamed or removed. */
export function syncFolder(path: string): void {
  checked(addon().syncFolder(path), 'fsync', path)
}

/**
 * Exclusive lock on a range of bytes; false when somebody else holds one. Held until the descriptor is closed. It
 * conflicts with fcntl locks (a JVM's FileChannel.tryLock) and with other opens of the file in this process (on Linux).
 */
export function lockFile(fd: number, offset: number, length: number): boolean {
  return checked(addon().lockRange(fd, offset, length), 'fcntl') === 1
}

/** A listening socket with SO_REUSEPORT, for `server.listen({ fd })` in several threads. Port 0: any free one. */
export function reusePortSocket(host: string, port: number): number {
  return checked(addon().listenReusePort(host, port, 511), 'bind')
}

/** Bytes of a memory page. */
export function pageSize(): number {
  return addon().pageSize
}
