/**
 * What a repair replaces, kept so that it can be undone, and the only place that changes the store.
 *
 *   <backup>/manifest.json    what will be done, written before anything is: path, and where its former state goes
 *   <backup>/files/<path>     a file or folder that was replaced or removed: moved here, not copied. The store has no other name of
 *                             it, so that nothing that is done to the store later can change it
 *   <backup>/ranges/<path>@<from>   bytes of the log before they were cut: copied, and whole before the log is touched
 *
 * Killed at any moment: what has been replaced is in the backup, what is not in the backup has not been touched, and
 * undo() gives back the former state from whatever there is. Moving is a rename; to another file system it is a copy that is
 * synced before the original goes.
 */
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ConfigError } from '../../errors.ts'
import { failpoint } from '../../faults.ts'
import { forgetChecksums } from '../../store/checksums/index.ts'
import { errnoOf } from '../../store/metadata/durable-file.ts'
import { syncFolder, writeDurably } from '../../store/metadata/index.ts'

export type StepKind = 'replace' | 'remove' | 'cut'

/** Paths are absolute: the log may lie elsewhere. */
export interface Step {
  kind: StepKind
  path: string
  /** Below the backup. */
  saved: string
  /** It was there before. */
  existed: boolean
  /** Of a cut: bytes [from, to) become zeros, and the file had `size`. */
  from?: number
  to?: number
  size?: number
}

interface Manifest {
  version: 1
  store: string
  /** Where the log ended: a broker that has written since makes it longer. */
  logEnd: number
  steps: Step[]
  /** The repair came to its end; without it the next one goes on with this backup. */
  isDone?: boolean
}

const CHUNK = 1024 * 1024

export class Backup {
  readonly folder: string
  private readonly manifest: Manifest

  /**
   * Goes on with the backup of a repair of this store that was killed: its steps stay, and those of this repair follow, so that
   * undo() still gives back what was there before the first one. Throws ConfigError when there is anything else at `folder`.
   */
  constructor(folder: string, store: string, logEnd: number) {
    this.folder = folder
    this.manifest = unfinished(folder, store, logEnd) ?? { version: 1, store, logEnd, steps: [] }
    const made = mkdirSync(join(folder, 'files'), { recursive: true }) ?? folder
    mkdirSync(join(folder, 'ranges'), { recursive: true })
    syncFolder(folder)
    syncFolder(dirname(made))
  }

  /** The repair has come to its end. */
  finish(): void {
    this.manifest.isDone = true
    this.write()
  }

  /** What comes next is on disk before it is done. */
  announce(steps: Omit<Step, 'existed' | 'saved'>[]): Step[] {
    const announced = steps.map((step, index) => {
      const number = this.manifest.steps.length + index
      const place = step.kind === 'cut' ? 'ranges' : 'files'
      return { ...step, existed: existsSync(step.path), saved: join(place, String(number)) }
    })
    this.manifest.steps.push(...announced)
    this.write()
    return announced
  }

  private write(): void {
    writeDurably(join(this.folder, 'manifest.json'), `${JSON.stringify(this.manifest, undefined, 1)}\n`)
  }

  /** `made` takes the place of the step's path, whose former self is kept. */
  replace(step: Step, made: string): void {
    this.remove(step)
    mkdirSync(dirname(step.path), { recursive: true })
    failpoint('repair-swap')
    move(made, step.path)
    failpoint('repair-step')
  }

  remove(step: Step): void {
    if (!existsSync(step.path)) return
    move(step.path, join(this.folder, step.saved))
    failpoint('repair-step')
  }

  /** Zeros [from, to) of a file, which gets `fullSize` bytes. */
  cut(step: Step, fullSize: number): void {
    const { path, saved, from = 0, to = 0 } = step
    const fd = openSync(path, 'r+')
    try {
      keepRange(fd, from, to, join(this.folder, saved))
      failpoint('repair-step')
      const zeros = Buffer.alloc(Math.min(CHUNK, to - from))
      for (let at = from; at < to; ) at += writeSync(fd, zeros, 0, Math.min(CHUNK, to - at), at)
      if (statSync(path).size < fullSize) ftruncateSync(fd, fullSize)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    failpoint('repair-step')
  }
}

/** Before anything is built for it. Throws as the constructor does. */
export function checkBackup(folder: string, store: string, logEnd: number): void {
  unfinished(folder, store, logEnd)
}

/** Of a backup that was begun; undefined of a folder in which nothing was kept yet. */
function unfinished(folder: string, store: string, logEnd: number): Manifest | undefined {
  if (!existsSync(folder)) return undefined
  const path = join(folder, 'manifest.json')
  if (existsSync(path)) {
    const manifest = manifestOf(folder)
    const isOfThis = manifest.isDone !== true && resolve(manifest.store) === resolve(store)
    if (isOfThis && manifest.logEnd === logEnd && Array.isArray(manifest.steps)) return manifest
  } else if (isBare(folder)) return undefined
  throw new ConfigError('BACKUP_EXISTS', {
    what: 'the backup’s folder exists, and holds something else than a repair of this store that was killed',
    where: folder,
    todo: 'name another one',
  })
}

/** Empty, or left by a kill before the manifest was there. */
function isBare(folder: string): boolean {
  const isEmpty = (path: string) => lstatSync(path).isDirectory() && readdirSync(path).length === 0
  if (!lstatSync(folder).isDirectory()) return false
  return readdirSync(folder).every((name) =>
    name === 'files' || name === 'ranges' ? isEmpty(join(folder, name)) : name.startsWith('manifest.json.'),
  )
}

/** Puts back what a backup holds. The backup stays as it is, so that this can be done again. */
export function undoRepair(folder: string, store: string, logEnd: number): { restored: string[]; removed: string[] } {
  const manifest = manifestOf(folder)
  if (resolve(manifest.store) !== resolve(store))
    throw new ConfigError('OTHER_STORE', {
      what: `this is the backup of ${manifest.store}`,
      where: folder,
      todo: 'give that store, or edit "store" in manifest.json where it was moved',
    })
  if (logEnd > manifest.logEnd)
    throw new ConfigError('STORE_WENT_ON', {
      what: `a broker has written to the store since: its log ends at ${logEnd}, at the repair it ended at ${manifest.logEnd}`,
      where: store,
      todo: 'the former queues and tables do not know of what came since; take what you need from the backup by hand',
    })
  const [restored, removed]: [string[], string[]] = [[], []]
  for (const step of [...manifest.steps].reverse()) {
    const saved = join(folder, step.saved)
    if (step.kind === 'cut') {
      if (!existsSync(saved)) continue
      // Those of before are given back by a step of their own.
      forgetChecksums(store, Number(basename(step.path)))
      restoreRange(step, saved)
      restored.push(step.path)
    } else if (existsSync(saved)) {
      rmSync(step.path, { recursive: true, force: true })
      copyTree(saved, step.path)
      restored.push(step.path)
    } else if (!step.existed && existsSync(step.path)) {
      rmSync(step.path, { recursive: true, force: true })
      syncFolder(dirname(step.path))
      removed.push(step.path)
    }
  }
  return { restored, removed }
}

function manifestOf(folder: string): Manifest {
  try {
    return JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest
  } catch (error) {
    throw new ConfigError('NO_BACKUP', {
      what: 'this folder is no backup of a repair: it has no manifest.json that can be read',
      where: folder,
      todo: 'give the folder that the repair named',
      cause: error,
    })
  }
}

/** Whole under its name, or not there. */
function keepRange(fd: number, from: number, to: number, saved: string): void {
  const temporary = `${saved}.copying`
  const copy = openSync(temporary, 'w')
  try {
    copyBytes(fd, from, copy, 0, to - from)
    fsyncSync(copy)
  } finally {
    closeSync(copy)
  }
  renameSync(temporary, saved)
  syncFolder(dirname(saved))
}

function restoreRange({ path, from = 0, to = 0, size = 0 }: Step, saved: string): void {
  const kept = openSync(saved, 'r')
  const fd = openSync(path, 'r+')
  try {
    copyBytes(kept, 0, fd, from, to - from)
    ftruncateSync(fd, size)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
    closeSync(kept)
  }
}

function copyBytes(fd: number, from: number, into: number, to: number, length: number): void {
  const bytes = Buffer.alloc(Math.min(CHUNK, length))
  for (let done = 0; done < length; ) {
    const read = readSync(fd, bytes, 0, Math.min(bytes.length, length - done), from + done)
    if (read === 0) return
    // A disk that is nearly full takes a part, and refuses the next.
    for (let put = 0; put < read; ) put += writeSync(into, bytes, put, read - put, to + done + put)
    done += read
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error
    copyTree(from, to)
    rmSync(from, { recursive: true })
  }
  syncFolder(dirname(to))
  syncFolder(dirname(from))
}

/** Whole under its name, or not there. */
function copyTree(from: string, to: string): void {
  const temporary = `${to}.copying`
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, temporary, { recursive: true, preserveTimestamps: true })
  syncTree(temporary)
  renameSync(temporary, to)
  syncFolder(dirname(to))
}

/** A file, or a folder with all that is below it. */
export function syncTree(path: string): void {
  const status = lstatSync(path)
  if (status.isDirectory()) for (const name of readdirSync(path)) syncTree(join(path, name))
  else if (!status.isFile()) return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Blocks of a file, or of all files of a folder, in bytes. */
export function bytesOf(path: string): number {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return 0
  if (!status.isDirectory()) return status.blocks * 512
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0)
}
