/**
 * A small text file that is whole after any crash: written beside, synced, renamed, its folder synced; the former
 * content stays as `<path>.bak`. Owner and mode of the file are kept as far as the system lets us (it may hold secrets), and
 * a symbolic link stays one: what it points at is replaced.
 *
 * Owns: the file, `.bak` and `.tmp`. Changes that come while one is being written share the next write.
 */
import type { Stats } from 'node:fs'
import { copyFile, mkdir, open, readFile, realpath, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

export class DurableFile {
  readonly path: string
  private running: Promise<void> | undefined
  private next: Promise<void> | undefined

  constructor(path: string) {
    this.path = path
  }

  /**
   * The content for which `accept` does not throw: the file's, else its .bak's. Undefined when there is neither.
   * `damaged` tells of what was passed over; a damaged file is kept as `<path>.damaged`.
   */
  async load<T>(accept: (text: string) => T, damaged: (path: string, error: unknown) => void): Promise<T | undefined> {
    for (const path of [this.path, `${this.path}.bak`]) {
      const text = await readIfThere(path)
      if (text === undefined) continue
      try {
        return accept(text)
      } catch (error) {
        damaged(path, error)
        await copyFile(path, `${path}.damaged`)
      }
    }
    return undefined
  }

  /**
   * Resolves when the text that `content` gives at that time, or a later one, is on disk. Rejects with the system's
   * error; the file then has its former content.
   */
  save(content: () => string | Uint8Array): Promise<void> {
    if (this.running === undefined) return this.begin(content)
    this.next ??= this.running.then(
      () => this.begin(content),
      () => this.begin(content),
    )
    return this.next
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running.catch(() => undefined)
  }

  private begin(content: () => string | Uint8Array): Promise<void> {
    this.next = undefined
    const running = this.write(content()).finally(() => {
      if (this.running === running) this.running = undefined
    })
    this.running = running
    return running
  }

  private async write(text: string | Uint8Array): Promise<void> {
    const path = await realpath(this.path).catch(() => this.path)
    const folder = dirname(path)
    await mkdir(folder, { recursive: true })
    const like = await stat(path).catch(() => undefined)
    await writeSynced(`${path}.tmp`, text, like)
    const former = await readFile(path).catch(() => undefined)
    if (former !== undefined) {
      await writeSynced(`${path}.bak.tmp`, former, like)
      await rename(`${path}.bak.tmp`, `${path}.bak`)
    }
    await rename(`${path}.tmp`, path)
    const handle = await open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function writeSynced(path: string, text: string | Uint8Array, like: Stats | undefined): Promise<void> {
  // Never readable to more than the file that it takes the place of, not even while it is written.
  const handle = await open(path, 'w', like === undefined ? 0o644 : like.mode & 0o777)
  try {
    if (like !== undefined) {
      await handle.chmod(like.mode & 0o777)
      // Only root may give files away.
      await handle.chown(like.uid, like.gid).catch(() => {})
    }
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
