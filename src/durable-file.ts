/**
 * A small text file that is whole after any crash: written beside, synced, renamed, its folder synced; the former
 * content stays as `<path>.bak`.
 *
 * Owns: the file, `.bak` and `.tmp`. Changes that come while one is being written share the next write.
 */
import { copyFile, mkdir, open, readFile, rename } from 'node:fs/promises'
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
  save(content: () => string): Promise<void> {
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

  private begin(content: () => string): Promise<void> {
    this.next = undefined
    const running = this.write(content()).finally(() => {
      if (this.running === running) this.running = undefined
    })
    this.running = running
    return running
  }

  private async write(text: string): Promise<void> {
    const folder = dirname(this.path)
    await mkdir(folder, { recursive: true })
    await writeSynced(`${this.path}.tmp`, text)
    const former = await readIfThere(this.path)
    if (former !== undefined) {
      await writeSynced(`${this.path}.bak.tmp`, former)
      await rename(`${this.path}.bak.tmp`, `${this.path}.bak`)
    }
    await rename(`${this.path}.tmp`, this.path)
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

async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w')
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
