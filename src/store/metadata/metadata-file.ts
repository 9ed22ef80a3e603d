/**
 * One JSON table and its former version: <file>, <file>.bak, and <file>.tmp while it is written.
 *
 *   write   tmp written and synced; .bak becomes a second name of the present file; tmp renamed over <file>;
 *           folder synced. At every moment <file> is whole, old or new.
 *   read    <file>, or .bak if it is absent, empty or no JSON, which is said in the log. A leftover .tmp is never read.
 *
 * Negative space: an empty or unparsable text is never written, an unparsable file never becomes the .bak (it is kept as
 * <file>.damaged), and a table never replaces one with a newer dataVersion.
 * Format: spec/store-format.md §7; RocketMQ 4.9.8 reads these files and the other way round.
 */
import { copyFileSync, existsSync, linkSync, readFileSync, renameSync } from 'node:fs'
import { describe, StoreError } from '../../errors.ts'
import { failpoint } from '../../faults.ts'
import { type Log, silentLog } from '../../log.ts'
import { errnoOf, removeQuietly, writeDurably } from './durable-file.ts'
import { quoteIntegerKeys } from './integer-keys.ts'

export interface MetadataRead {
  /** Strict JSON (integer keys quoted). */
  text: string
  from: 'file' | 'bak'
}

interface DataVersion {
  counter: number
  timestamp: number
}

export class MetadataFile {
  readonly path: string
  private readonly log: Log
  /** Undefined until read() or write() has looked at the disk. */
  private present: { isSound: boolean; version: DataVersion | undefined } | undefined

  constructor(path: string, log: Log = silentLog) {
    this.path = path
    this.log = log
  }

  /** Undefined when neither the file nor a .bak exists. Throws StoreError METADATA_DAMAGED when none can be read. */
  read(): MetadataRead | undefined {
    const backup = `${this.path}.bak`
    const file = tryRead(this.path)
    this.present = { isSound: file.text !== undefined, version: versionOf(file.text) }
    if (file.text !== undefined) return { text: file.text, from: 'file' }
    const former = tryRead(backup)
    if (former.text !== undefined) {
      this.present.version = versionOf(former.text)
      this.log.warn(`${this.path} ${file.problem}; its former version ${backup} is used instead`, {
        path: this.path,
        problem: file.problem,
      })
      return { text: former.text, from: 'bak' }
    }
    // An empty file without any .bak is what a broker leaves that died while it created its first tables.
    if (isNothing(file.problem) && isNothing(former.problem)) return undefined
    throw new StoreError('METADATA_DAMAGED', {
      what: `${this.path} ${file.problem}, and ${backup} ${former.problem}`,
      where: this.path,
      todo: 'restore one of the two from a backup, or remove both to start with an empty table',
    })
  }

  /**
   * Puts `text` on disk in place of the present one. Throws StoreError METADATA_REFUSED for what must not be written,
   * DISK_FULL or FILE_WRITE otherwise; the present file is kept then. `allowOlder` lets a smaller dataVersion through.
   */
  write(text: string, options: { allowOlder?: boolean } = {}): void {
    const next = parsed(text)
    if (next === undefined) throw refused(this.path, 'the new text is empty or no JSON object')
    if (this.present === undefined) this.inspect()
    const version = versionIn(next)
    const present = this.present
    if (present?.version !== undefined && version !== undefined && !options.allowOlder) {
      if (isOlder(version, present.version)) {
        throw refused(
          this.path,
          `its dataVersion ${said(version)} is older than ${said(present.version)}, which is on disk`,
        )
      }
    }
    writeDurably(this.path, text, {
      beforeRename: () => {
        this.keepFormer(present?.isSound ? 'bak' : 'damaged')
        failpoint('json-rename')
      },
    })
    this.present = { isSound: true, version }
  }

  private inspect(): void {
    const file = tryRead(this.path)
    const newest = file.text ?? tryRead(`${this.path}.bak`).text
    this.present = { isSound: file.text !== undefined, version: versionOf(newest) }
  }

  /** Gives the present file a second name, without a moment in which one of the two names is missing. */
  private keepFormer(as: 'bak' | 'damaged'): void {
    if (!existsSync(this.path)) return
    const link = `${this.path}.${as}.tmp`
    removeQuietly(link)
    try {
      linkSync(this.path, link)
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC') throw error
      // A file system without hard links: the rename below still replaces the name in one step.
      copyFileSync(this.path, link)
    }
    renameSync(link, `${this.path}.${as}`)
    // rename() does nothing when both names are one file already, which a crash before the last rename leaves.
    removeQuietly(link)
  }
}

type Tried = { text: string; problem: undefined } | { text: undefined; problem: string }

const ABSENT = 'is missing'
const EMPTY = 'is empty'

function tryRead(path: string): Tried {
  let raw: string
  try {
    raw = readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { text: undefined, problem: ABSENT }
    return { text: undefined, problem: `cannot be read (${describe(error)})` }
  }
  if (raw.trim() === '') return { text: undefined, problem: EMPTY }
  const text = quoteIntegerKeys(raw)
  return parsed(text) === undefined
    ? { text: undefined, problem: `is no JSON object (${Buffer.byteLength(raw)} bytes)` }
    : { text, problem: undefined }
}

function isNothing(problem: string | undefined): boolean {
  return problem === ABSENT || problem === EMPTY
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(quoteIntegerKeys(text))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function versionOf(text: string | undefined): DataVersion | undefined {
  const table = text === undefined ? undefined : parsed(text)
  return table === undefined ? undefined : versionIn(table)
}

function versionIn(table: Record<string, unknown>): DataVersion | undefined {
  const version = table.dataVersion as Partial<DataVersion> | null | undefined
  if (typeof version?.counter !== 'number' || typeof version.timestamp !== 'number') return undefined
  return { counter: version.counter, timestamp: version.timestamp }
}

/** Both numbers must be smaller: a clock that was set back, or a counter that a new master began, is no proof alone. */
function isOlder(next: DataVersion, present: DataVersion): boolean {
  return next.counter < present.counter && next.timestamp < present.timestamp
}

function said(version: DataVersion): string {
  return `${version.counter}@${version.timestamp}`
}

function refused(path: string, why: string): StoreError {
  return new StoreError('METADATA_REFUSED', {
    what: `${path} is not replaced: ${why}`,
    where: path,
    todo: 'report this with the log: the broker tried to lose metadata',
  })
}
