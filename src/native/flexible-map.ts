/**
 * Read-only maps of whole files for callers that do not care when they end: the inspector, offline scans, recovery checks.
 *
 * Three ways behind one face, best first: mmap-io (optional package; unmaps when the garbage collector comes), a slot of
 * the addon (released by close()), a copy read with pread. The store's own maps are MapSlots, never these.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { NativeError } from '../errors.ts'
import { nativeMissing } from './addon.ts'
import { MapSlot } from './map-slot.ts'

export type MapBackend = 'mmap-io' | 'addon' | 'copy'

export interface MappedFile {
  readonly backend: MapBackend
  /** The range asked for. A file that is truncated while mapped kills the reader; a copy does not notice. */
  readonly bytes: Buffer
  /** Whether all of it is in memory. */
  resident(): boolean
  /** Gives memory back now where the way can; `bytes` must not be used afterwards. */
  close(): void
}

export interface MapRange {
  /** Start in the file, a multiple of the page size; 0 by default. */
  offset?: number
  /** Bytes; by default up to the end of the file, and never beyond it. */
  length?: number
  /** A way by name; without it the first that works here. */
  backend?: MapBackend
}

/** What of mmap-io is used. */
interface MmapIo {
  map(size: number, protection: number, flags: number, fd: number, offset: number): Buffer
  incore(buffer: Buffer): [notResident: number, resident: number]
  readonly PROT_READ: number
  readonly MAP_SHARED: number
}

let mmapIo: MmapIo | null | undefined

/** The optional package, or null where it is not installed, not built, or does not load in this thread. */
function loadMmapIo(): MmapIo | null {
  if (mmapIo !== undefined) return mmapIo
  try {
    mmapIo = createRequire(import.meta.url)('mmap-io') as MmapIo
  } catch {
    mmapIo = null
  }
  return mmapIo
}

/** The ways that work in this thread, best first. */
export function mapBackends(): MapBackend[] {
  const backends: MapBackend[] = ['copy']
  if (nativeMissing() === undefined) backends.unshift('addon')
  if (loadMmapIo() !== null) backends.unshift('mmap-io')
  return backends
}

export function mapFile(path: string, range: MapRange = {}): MappedFile {
  const backends = mapBackends()
  const backend = range.backend ?? backends[0]
  if (!backends.includes(backend)) {
    throw new NativeError('NO_SUCH_MAP', {
      what: `files cannot be mapped by "${backend}" here`,
      todo: backend === 'mmap-io' ? 'npm install mmap-io (Node 24: with CXXFLAGS=-std=c++20)' : 'npm run install',
    })
  }
  const fd = openSync(path, constants.O_RDONLY)
  try {
    const offset = range.offset ?? 0
    const length = Math.min(range.length ?? Number.MAX_SAFE_INTEGER, Math.max(0, fstatSync(fd).size - offset))
    if (length === 0) return { backend: 'copy', bytes: Buffer.alloc(0), resident: () => true, close() {} }
    return WAYS[backend](fd, offset, length)
  } finally {
    closeSync(fd)
  }
}

const WAYS: Record<MapBackend, (fd: number, offset: number, length: number) => MappedFile> = {
  'mmap-io': (fd, offset, length) => {
    const mmap = loadMmapIo()!
    const bytes = mmap.map(length, mmap.PROT_READ, mmap.MAP_SHARED, fd, offset)
    return { backend: 'mmap-io', bytes, resident: () => mmap.incore(bytes)[0] === 0, close() {} }
  },
  addon: (fd, offset, length) => {
    const slot = new MapSlot(length)
    slot.map(fd, offset, length, false)
    return { backend: 'addon', bytes: slot.bytes, resident: () => slot.resident(0, length), close: () => slot.close() }
  },
  copy: (fd, offset, length) => {
    const bytes = Buffer.allocUnsafeSlow(length)
    let done = 0
    while (done < length) {
      const count = readSync(fd, bytes, done, length - done, offset + done)
      if (count === 0) break
      done += count
    }
    return { backend: 'copy', bytes: bytes.subarray(0, done), resident: () => true, close() {} }
  },
}
