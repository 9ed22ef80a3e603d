/**
 * Bytes of a log by physical offset, whatever sizes its files have. What the disk does not give (EIO) counts as zeros: it
 * differs from what another replica has.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { errnoOf } from '../../store/metadata/durable-file.ts'

/** A file of the log, and how many bytes of it count. */
export interface LogFile {
  start: number
  size: number
  path: string
}

const PAGE = 4096

export class LogBytes implements Disposable {
  private readonly files: readonly LogFile[]
  private open: LogFile | undefined
  private fd = -1

  constructor(files: readonly LogFile[]) {
    this.files = files
  }

  /** False where a file is gone (retention) or shorter than it was. */
  read(into: Buffer, from: number, to: number): boolean {
    for (let at = from; at < to; ) {
      const file = this.fileAt(at)
      if (file === undefined) return false
      const end = Math.min(to, file.start + file.size)
      if (!this.fill(into, at - from, end - at, at - file.start)) return false
      at = end
    }
    return true
  }

  [Symbol.dispose](): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
    this.open = undefined
  }

  private fileAt(at: number): LogFile | undefined {
    const { open } = this
    if (open !== undefined && at >= open.start && at < open.start + open.size) return open
    this[Symbol.dispose]()
    const file = this.files.find(({ start, size }) => at >= start && at < start + size)
    if (file === undefined) return undefined
    try {
      this.fd = openSync(file.path, 'r')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
    this.open = file
    return file
  }

  private fill(into: Buffer, index: number, length: number, position: number): boolean {
    for (let done = 0; done < length; ) {
      let read: number
      try {
        read = readSync(this.fd, into, index + done, length - done, position + done)
      } catch (error) {
        if (errnoOf(error) !== 'EIO') throw error
        read = this.page(
          into,
          index + done,
          Math.min(length - done, PAGE - ((position + done) % PAGE)),
          position + done,
        )
      }
      if (read === 0) return false
      done += read
    }
    return true
  }

  /** One page by itself; zeros where even that fails. */
  private page(into: Buffer, index: number, length: number, position: number): number {
    try {
      return readSync(this.fd, into, index, length, position)
    } catch {
      into.fill(0, index, index + length)
      return length
    }
  }
}
