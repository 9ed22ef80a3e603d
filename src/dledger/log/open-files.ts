/**
 * Descriptors of data and index files, by where a file starts: few of many files, the one that was opened first is closed for a new one.
 *
 * Owns:      the descriptors. One that the pool is syncing is closed behind that: its number must not become that of another file.
 * Blocks on: the disk, in fd() and syncNow().
 */
import { closeSync, fdatasync as fdatasyncSoon, openSync } from 'node:fs'
import { fdatasync } from '../../native/index.ts'

const OPEN_MAX = 16

export class OpenFiles {
  private readonly pathOf: (start: number) => string
  private readonly descriptors = new Map<number, number>()
  private syncing = -1
  private closesBehindSync = false

  constructor(pathOf: (start: number) => string) {
    this.pathOf = pathOf
  }

  fd(start: number): number {
    const known = this.descriptors.get(start)
    if (known !== undefined) return known
    if (this.descriptors.size >= OPEN_MAX) this.forget(this.descriptors.keys().next().value!)
    const fd = openSync(this.pathOf(start), 'r+')
    this.descriptors.set(start, fd)
    return fd
  }

  syncNow(start: number): void {
    fdatasync(this.fd(start))
  }

  /** By the pool, one at a time. */
  syncSoon(start: number): Promise<void> {
    const fd = this.fd(start)
    this.syncing = fd
    return new Promise((resolve, reject) => {
      fdatasyncSoon(fd, (error) => {
        this.syncing = -1
        if (this.closesBehindSync) closeSync(fd)
        this.closesBehindSync = false
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  forget(start: number): void {
    const fd = this.descriptors.get(start)
    if (fd === undefined) return
    this.descriptors.delete(start)
    if (fd === this.syncing) this.closesBehindSync = true
    else closeSync(fd)
  }

  close(): void {
    for (const start of [...this.descriptors.keys()]) this.forget(start)
  }
}
