/**
 * A disk that is read and never written: what recovery would do to files is kept in memory, and read back from there, so that
 * a start can be rehearsed with its own code.
 *
 *   read    the file as it is, and over it what was "written" since       list, stat   with files that were made, without those removed
 *   open    for writing: asks whether it could, and opens for reading     sync         nothing to do
 *
 * Owns: descriptors of the files that it reads. Never opens anything for writing.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { nextData } from '../../native/index.ts'
import type { StoreDisk } from '../disk.ts'
import { DryFile } from './dry-file.ts'

/** What a start would do to one file. Ranges hold other bytes afterwards. */
export interface DryChange {
  path: string
  kind: 'made' | 'removed' | 'changed'
  size: number
  /** Its size before; undefined for one that is made. */
  formerSize: number | undefined
  ranges: { from: number; to: number }[]
}

interface Handle {
  file: DryFile
  fd: number
  /** Where the next write without a position goes. */
  at: number
}

export class DryDisk implements StoreDisk {
  private readonly files = new Map<string, DryFile>()
  private readonly removed = new Set<string>()
  private readonly handles = new Map<number, Handle>()
  private lastHandle = 0
  /** Files whose bytes are written again as they are, and how many. */
  readonly rewritten: { path: string; from: number; to: number }[] = []

  open(path: string, flags: 'r' | 'r+' | 'w' | 'wx'): number {
    const exists = this.stat(path) !== undefined
    if (flags === 'wx' && exists) throw failure('EEXIST', 'open', path)
    if ((flags === 'r' || flags === 'r+') && !exists) throw failure('ENOENT', 'open', path)
    if (flags !== 'r') this.checkWritable(path, exists)
    const isFresh = flags === 'w' || flags === 'wx'
    const file = isFresh ? DryFile.made(flags === 'wx') : (this.files.get(path) ?? DryFile.of(path))
    if (isFresh) this.put(path, file)
    else if (flags === 'r+') this.files.set(path, file)
    this.lastHandle += 1
    const fd = file.base === undefined ? -1 : openSync(file.base, 'r')
    this.handles.set(this.lastHandle, { file, fd, at: 0 })
    return this.lastHandle
  }

  close(handle: number): void {
    const { fd } = this.handleOf(handle)
    this.handles.delete(handle)
    if (fd >= 0) closeSync(fd)
  }

  read(handle: number, bytes: Uint8Array, at: number, length: number, position: number): number {
    const { file, fd } = this.handleOf(handle)
    if (file.isUntouched) return readSync(fd, bytes, at, length, position)
    return file.read(fd, bytes.subarray(at, at + length), position)
  }

  write(handle: number, bytes: Uint8Array, at: number, length: number, position?: number): number {
    const own = this.handleOf(handle)
    const to = position ?? own.at
    own.file.write(own.fd, bytes.subarray(at, at + length), to)
    own.at = to + length
    return length
  }

  truncate(handle: number, length: number): void {
    this.handleOf(handle).file.resize(length)
  }

  statOf(handle: number): { size: number; blocks: number } {
    const { file } = this.handleOf(handle)
    return { size: file.size, blocks: Math.ceil(Math.max(file.baseBytes, file.writtenTo) / 512) }
  }

  stat(path: string): { size: number; isFile: boolean } | undefined {
    const known = this.files.get(path)
    if (known !== undefined) return { size: known.size, isFile: true }
    if (this.removed.has(path)) return undefined
    const status = statSync(path, { throwIfNoEntry: false })
    return status === undefined ? undefined : { size: status.size, isFile: status.isFile() }
  }

  list(folder: string): string[] {
    const made = [...this.files].filter(([path, { base }]) => base !== path && dirname(path) === folder)
    let names: string[] = []
    try {
      names = readdirSync(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || made.length === 0) throw error
    }
    const gone = new Set([...this.removed].filter((path) => dirname(path) === folder).map((path) => basename(path)))
    return [...new Set([...names.filter((name) => !gone.has(name)), ...made.map(([path]) => basename(path))])]
  }

  makeFolder(path: string): void {
    let above = path
    while (statSync(above, { throwIfNoEntry: false }) === undefined) above = dirname(above)
    if (!statSync(above).isDirectory()) throw failure('EEXIST', 'mkdir', above)
    if (above !== path) accessSync(above, constants.W_OK)
  }

  unlink(path: string): void {
    if (this.stat(path) === undefined) throw failure('ENOENT', 'unlink', path)
    if (existsSync(dirname(path))) accessSync(dirname(path), constants.W_OK)
    this.files.delete(path)
    this.removed.add(path)
  }

  remove(path: string): void {
    if (this.stat(path) !== undefined) this.unlink(path)
  }

  rename(from: string, to: string): void {
    const file = this.files.get(from) ?? DryFile.of(from)
    this.unlink(from)
    this.put(to, file)
  }

  sync(): void {}

  syncFolder(): void {}

  nextData(handle: number, offset: number): number {
    const { file, fd } = this.handleOf(handle)
    if (file.isUntouched) return nextData(fd, offset)
    const inBase = fd >= 0 && offset < file.baseSize ? nextData(fd, offset) : file.size
    const next = Math.min(file.nextWritten(offset), inBase >= file.baseSize ? file.size : inBase)
    return Math.min(next, file.size)
  }

  allocate(handle: number, offset: number, length: number): void {
    const { file } = this.handleOf(handle)
    if (offset + length > file.size) file.resize(offset + length)
    file.allocatedTo = Math.max(file.allocatedTo, offset + length)
  }

  punch(handle: number, offset: number, length: number): void {
    const { file, fd } = this.handleOf(handle)
    file.zero(fd, offset, offset + length)
  }

  rewrite(path: string, from: number, to: number): void {
    this.checkWritable(path, true)
    if (to > from) this.rewritten.push({ path, from, to })
  }

  /** Whether the file on the disk has `size` bytes, and its first `used` ones are as they would be. */
  isMappable(path: string, used: number, size: number): boolean {
    const file = this.files.get(path)
    if (file === undefined) return statSync(path).size >= size
    return file.base === path && file.baseSize >= size && !file.isTouchedBelow(used)
  }

  /** Blocks that the disk would have to give, in bytes. */
  get bytesNeeded(): number {
    let needed = 0
    for (const { allocatedTo, baseBytes } of this.files.values()) needed += Math.max(0, allocatedTo - baseBytes)
    return needed
  }

  changes(): DryChange[] {
    const changes: DryChange[] = []
    for (const path of this.removed) {
      const size = statSync(path, { throwIfNoEntry: false })?.size
      if (size !== undefined && !this.files.has(path))
        changes.push({ path, kind: 'removed', size: 0, formerSize: size, ranges: [] })
    }
    for (const [path, file] of this.files) {
      if (file.base !== path) {
        changes.push({ path, kind: 'made', size: file.size, formerSize: undefined, ranges: [] })
        continue
      }
      const ranges = file.differences()
      if (ranges.length > 0 || file.size !== file.baseSize)
        changes.push({ path, kind: 'changed', size: file.size, formerSize: file.baseSize, ranges })
    }
    return changes.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  private put(path: string, file: DryFile): void {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) this.removed.add(path)
    this.files.set(path, file)
  }

  /** Throws what opening it for writing would. */
  private checkWritable(path: string, exists: boolean): void {
    if (exists && existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK)
    else if (!exists && existsSync(dirname(path))) accessSync(dirname(path), constants.W_OK)
  }

  private handleOf(handle: number): Handle {
    const own = this.handles.get(handle)
    if (own === undefined) throw failure('EBADF', 'descriptor', String(handle))
    return own
  }
}

function failure(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}
