/**
 * The next data file, made before it is needed and beside the event loop: zeros, all blocks, synced, in the own folder.
 *
 *   prepare() ─▶ blocks, a part a turn ─▶ fsync by the pool ─▶ ready ─▶ take(path): renamed to its place
 *
 * Until it is taken it has no place in the log: nothing in data/ is unused, whatever happens (a member of the JVM, or a
 * recovery, need not make sense of it). What a crash leaves here is removed at the next start.
 *
 * Owns:      spare-*.new in the own folder. A full disk is no error here: the file is made when it is needed then, or refused.
 * Blocks on: nothing for long; take() on a rename.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fallocate } from '../../native/index.ts'

/** Blocks that are asked for in one turn. On a tmpfs it is work. */
const PART = 32 * 1024 * 1024
const ZEROS = Buffer.alloc(1024 * 1024)

let built = 0

export class SpareFile {
  private readonly folder: string
  private readonly size: number
  private state: 'none' | 'making' | 'ready' | 'failed' = 'none'
  private path = ''
  private isClosed = false

  constructor(folder: string, size: number) {
    this.folder = folder
    this.size = size
  }

  /** Begins to make one, unless there is one or the last attempt failed. */
  prepare(): void {
    if (this.state !== 'none' || this.isClosed) return
    this.state = 'making'
    mkdirSync(this.folder, { recursive: true })
    this.path = join(this.folder, `spare-${process.pid}-${built++}.new`)
    this.make(this.path).then(
      () => {
        if (this.isClosed) rmSync(this.path, { force: true })
        else this.state = 'ready'
      },
      () => {
        rmSync(this.path, { force: true })
        this.state = 'failed'
      },
    )
  }

  /** Moves it to `path`; the caller syncs the folder. False: there is none, the caller makes the file itself. */
  take(path: string): boolean {
    if (this.state !== 'ready') {
      // What is under way will do for the file after this one.
      if (this.state === 'failed') this.state = 'none'
      return false
    }
    this.state = 'none'
    try {
      renameSync(this.path, path)
      return true
    } catch {
      // Another file system: never again.
      rmSync(this.path, { force: true })
      this.isClosed = true
      return false
    }
  }

  close(): void {
    this.isClosed = true
    if (this.state === 'ready') rmSync(this.path, { force: true })
  }

  private async make(path: string): Promise<void> {
    const handle = await open(path, 'wx', 0o644)
    try {
      for (let at = 0; at < this.size && !this.isClosed; at += PART) {
        await allocate(handle, at, Math.min(PART, this.size - at))
        await turn()
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

async function allocate(handle: FileHandle, from: number, length: number): Promise<void> {
  try {
    fallocate(handle.fd, from, length)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    for (let done = 0; done < length; ) {
      const part = Math.min(ZEROS.length, length - done)
      done += (await handle.write(ZEROS, 0, part, from + done)).bytesWritten
    }
  }
}
