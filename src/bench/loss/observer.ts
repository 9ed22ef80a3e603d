/**
 * Power cuts, judged by an observer that is no part of the broker (native-bindings/observer.c): what a store is after one.
 *
 *   const observer = Observer.create(folder)            // undefined where there is no C compiler
 *   observer.adopt(store)                               // all of it is on disk
 *   … startBrokerProcess({ folder: store, env: observer.env(store) }), load, kill -9
 *   observer.rebuild(store, target, { random })         // from the image alone; torn if `tearing` says so
 */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeSlot, encodeSlot, fileIdentity, SLOT_SIZE } from '../../store/checkpoint/index.ts'

/** From src/bench/loss and from dist/bench/loss. */
const SOURCE = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'native-bindings', 'observer.c')
const SECTOR = 512
const SLOTS = [0, 4096]

export type Random = () => number

export interface Tearing {
  random: Random
  /** Share of the unsynced sectors that reached the disk all the same. */
  sectors: number
  /** Share of the folders whose unsynced changes did. */
  folders: number
}

interface Entry {
  isFolder: boolean
  key: string
  name: string
}

export class Observer {
  private readonly library: string
  private readonly image: string

  private constructor(library: string, image: string) {
    this.library = library
    this.image = image
  }

  /** Compiles the shim into `folder` and makes an empty image there. Undefined without a compiler: the caller says what that leaves out. */
  static create(folder: string): Observer | undefined {
    const library = join(folder, 'observer.so')
    const result = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl', '-lpthread'], {
      encoding: 'utf8',
    })
    if (result.error !== undefined) {
      return undefined
    }
    if (result.status !== 0) throw new Error(`the observer does not compile: ${result.stderr}`)
    const image = join(folder, 'image')
    const observer = new Observer(library, image)
    observer.clear()
    return observer
  }

  /** For a store of its own, as another machine has; its image is in `folder`. */
  another(folder: string): Observer {
    mkdirSync(folder, { recursive: true })
    const observer = new Observer(this.library, join(folder, 'image'))
    observer.clear()
    return observer
  }

  env(store: string, delayUs = 0): Record<string, string> {
    return {
      LD_PRELOAD: this.library,
      BASALT_OBSERVER_STORE: store,
      BASALT_OBSERVER_IMAGE: this.image,
      BASALT_OBSERVER_DELAY_US: String(delayUs),
    }
  }

  /** Forgets everything, and takes the whole of `store` for durable. */
  adopt(store: string): void {
    this.clear()
    this.adoptFolder(store)
  }

  /** The next sync of a file below a folder named so fails with EIO, and what it was to write never reaches the disk. */
  failNextSync(folder: string): void {
    writeFileSync(join(this.image, 'eio'), folder)
  }

  /** Makes `target` what `store` is after a power cut. */
  rebuild(store: string, target: string, tearing?: Tearing): void {
    const present = new Map<string, string>()
    mapKeys(store, present)
    mkdirSync(target, { recursive: true })
    this.rebuildFolder(keyOf(store), target, present, tearing)
    wakeOnOtherBoot(target, tearing?.random ?? (() => 0))
  }

  private clear(): void {
    rmSync(this.image, { recursive: true, force: true })
    for (const part of ['files', 'folders', 'lost']) mkdirSync(join(this.image, part), { recursive: true })
  }

  private adoptFolder(folder: string): void {
    const entries = entriesOf(folder)
    const lines = entries.map(({ isFolder, key, name }) => `${isFolder ? 'd' : 'f'} ${key} ${name}\n`)
    writeFileSync(join(this.image, 'folders', keyOf(folder)), lines.join(''))
    for (const { isFolder, key, name } of entries) {
      const path = join(folder, name)
      if (isFolder) this.adoptFolder(path)
      else writeFileSync(join(this.image, 'files', key), readFileSync(path))
    }
  }

  private rebuildFolder(key: string, target: string, present: Map<string, string>, tearing?: Tearing): void {
    const now = present.get(key)
    const isNew = tearing !== undefined && now !== undefined && tearing.random() < tearing.folders
    const entries = isNew ? entriesOf(now) : this.entriesIn(key)
    for (const { isFolder, key: child, name } of entries) {
      const path = join(target, name)
      if (isFolder) {
        mkdirSync(path)
        this.rebuildFolder(child, path, present, tearing)
      } else {
        this.rebuildFile(child, path, present.get(child), tearing)
      }
    }
  }

  private rebuildFile(key: string, path: string, now: string | undefined, tearing?: Tearing): void {
    const known = join(this.image, 'files', key)
    writeFileSync(path, existsSync(known) ? readFileSync(known) : '')
    if (now !== undefined && tearing !== undefined) tear(path, now, tearing)
  }

  private entriesIn(key: string): Entry[] {
    const path = join(this.image, 'folders', key)
    if (!existsSync(path)) return []
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => {
      const [kind, child, ...name] = line.split(' ')
      return { isFolder: kind === 'd', key: child, name: name.join(' ') }
    })
  }
}

/** A stream of numbers in [0, 1) that a seed repeats (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Of the sectors in which `now` differs from what was synced, some reached the disk as well; the size may have, too. */
function tear(path: string, now: string, { random, sectors }: Tearing): void {
  const synced = readFileSync(path)
  const latest = readFileSync(now)
  const length = random() < 0.5 ? latest.length : synced.length
  const torn = Buffer.alloc(length)
  synced.copy(torn)
  for (let at = 0; at < length; at += SECTOR) {
    if (at >= latest.length) break
    const end = Math.min(at + SECTOR, length, latest.length)
    if (latest.compare(torn, at, end, at, end) !== 0 && random() < sectors) latest.copy(torn, at, at, end)
  }
  writeFileSync(path, torn)
}

/**
 * A rebuilt store lies in new files, as a restored backup does. After a power cut the files are the old ones and the boot is
 * another: half of the time the positions are made to say so.
 */
function wakeOnOtherBoot(store: string, random: Random): void {
  const path = join(store, 'basalt', 'positions')
  if (!existsSync(path) || random() >= 0.5) return
  const fd = openSync(path, 'r+')
  try {
    const { inode, birthTime } = fileIdentity(fd)
    for (const at of SLOTS) {
      const bytes = Buffer.alloc(SLOT_SIZE)
      const isWhole = readSync(fd, bytes, 0, SLOT_SIZE, at) === SLOT_SIZE
      const slot = isWhole ? decodeSlot(bytes) : undefined
      if (slot === undefined) continue
      const bootId = '00000000-0000-0000-0000-000000000000'
      writeSync(fd, encodeSlot({ ...slot, inode, birthTime, bootId }), 0, SLOT_SIZE, at)
    }
  } finally {
    closeSync(fd)
  }
}

function mapKeys(folder: string, into: Map<string, string>): void {
  into.set(keyOf(folder), folder)
  for (const { isFolder, key, name } of entriesOf(folder)) {
    const path = join(folder, name)
    if (isFolder) mapKeys(path, into)
    else into.set(key, path)
  }
}

function entriesOf(folder: string): Entry[] {
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.map((entry) => ({
    isFolder: entry.isDirectory(),
    key: keyOf(join(folder, entry.name)),
    name: entry.name,
  }))
}

/** As the shim names it. */
function keyOf(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true })
  return `${ino}-${birthtimeNs}`
}
