/**
 * The files in index/: named by their local time of creation, yyyyMMddHHmmssSSS, so that the names sort by age.
 * Names that are no number are none of ours and stay where they are, as in RocketMQ 4.9.8.
 */
import { join } from 'node:path'
import { namesIn } from '../consumequeue/queue-files.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'
import { HEADER, type IndexHeader, readHeader } from './layout.ts'

export interface IndexFile {
  name: string
  path: string
  size: number
}

export function indexFolder(settings: Pick<StoreSettings, 'storePathRootDir'>): string {
  return join(settings.storePathRootDir, FOLDERS.index)
}

/** Oldest first. */
export function listIndexFiles(folder: string, disk: StoreDisk = realDisk): IndexFile[] {
  const files: IndexFile[] = []
  for (const name of namesIn(folder, disk)) {
    if (!/^\d{1,18}$/.test(name)) continue
    const path = join(folder, name)
    const stat = disk.stat(path)
    if (stat?.isFile) files.push({ name, path, size: stat.size })
  }
  return files.sort((a, b) => Number(BigInt(a.name) - BigInt(b.name)))
}

/** Name of a file made now, and behind the newest whatever the clock says. */
export function nextIndexName(now: number, newest: string | undefined): string {
  const time = new Date(now)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${String(time.getFullYear()).padStart(4, '0')}${two(time.getMonth() + 1)}${two(time.getDate())}`
  const clock = `${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`
  const name = `${day}${clock}${String(time.getMilliseconds()).padStart(3, '0')}`
  if (newest === undefined || BigInt(name) > BigInt(newest)) return name
  return String(BigInt(newest) + 1n)
}

/** Header of a file; undefined when the file is gone or too short to have one. */
export function readIndexHeader(path: string, disk: StoreDisk = realDisk): IndexHeader | undefined {
  const bytes = Buffer.alloc(HEADER.size)
  let fd: number
  try {
    fd = disk.open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    if (disk.read(fd, bytes, 0, HEADER.size, 0) < HEADER.size) return undefined
  } finally {
    disk.close(fd)
  }
  return readHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
}
