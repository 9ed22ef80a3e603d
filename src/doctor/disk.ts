/** The disk under a store: its file system, its room, how fast it syncs, and what is in the store now. */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  rmSync,
  type StatsFs,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { BrokerConfig } from '../config/index.ts'
import { describe } from '../errors.ts'
import { mountOf } from '../native/mounts.ts'
import { isRunning } from '../store/checkpoint/is-running.ts'
import { PositionsFile } from '../store/checkpoint/positions-file.ts'
import { bytesText } from '../text.ts'
import { type Finding, of } from './finding.ts'

/** The path, or the nearest one above it that is there. */
export function existing(folder: string): string {
  let at = folder
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

const VOLATILE = new Set(['tmpfs', 'ramfs'])
const REMOTE = new Set(['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'fuse.sshfs', 'ceph', 'glusterfs'])
const GOOD = new Set(['ext4', 'xfs', 'btrfs', 'zfs'])

export function checkFileSystem(folder: string, mountinfo?: string): Finding {
  const found = of('file system')
  const mount = mountOf(existing(folder), mountinfo)
  if (mount === undefined) return found('note', `the file system of ${folder} is not known on this system`)
  const what = `${folder} is on ${mount.type} (mounted at ${mount.point})`
  if (VOLATILE.has(mount.type))
    return found(
      'bad',
      `${what}: memory, which is empty after a restart of the machine`,
      'set storePathRootDir to a disk',
    )
  if (REMOTE.has(mount.type))
    return found(
      'warn',
      `${what}: a disk of another machine; locks and syncs depend on it`,
      'use a local disk, and a slave for safety',
    )
  if (mount.type === 'overlay')
    return found('warn', `${what}: a container's own layer, gone with the container`, 'mount a volume there')
  return GOOD.has(mount.type)
    ? found('ok', what)
    : found('note', `${what}: not one that Basalt is tested on (${[...GOOD].join(', ')})`)
}

type Space = Pick<StatsFs, 'blocks' | 'bsize' | 'bavail' | 'bfree'>

export function checkSpace(
  config: BrokerConfig,
  space: Space = statfsSync(existing(config.storePathCommitLog)),
): Finding {
  const found = of('free space')
  const { blocks, bsize, bavail, bfree } = space
  if (blocks === 0) {
    return found(
      'bad',
      `the file system of ${config.storePathCommitLog} has no room at all`,
      'set storePathRootDir to a disk',
    )
  }
  const free = bavail * bsize
  const used = ((blocks - bfree) / (blocks - bfree + bavail)) * 100
  const what = `${bytesText(free)} free for ${config.storePathCommitLog}, ${used.toFixed(0)} % in use`
  // The segment that is written and the next one, the first files of queues and index.
  const index = 40 + config.maxHashSlotNum * 4 + config.maxIndexNum * 20
  const needed = 2 * config.mappedFileSizeCommitLog + index + 10 * config.mappedFileSizeConsumeQueue
  if (free < needed && !existsSync(config.storePathCommitLog)) {
    return found(
      'bad',
      `${what}; the first files need ${bytesText(needed)}`,
      'make room, or set a smaller mappedFileSizeCommitLog',
    )
  }
  if (used >= config.diskSpaceWarningLevelRatio) {
    return found(
      'bad',
      `${what}: above diskSpaceWarningLevelRatio (${config.diskSpaceWarningLevelRatio} %) sends are refused`,
      'make room',
    )
  }
  if (used >= config.diskMaxUsedSpaceRatio) {
    return found(
      'warn',
      `${what}: above diskMaxUsedSpaceRatio (${config.diskMaxUsedSpaceRatio} %) old messages go at any hour`,
      'make room, or lower fileReservedTime',
    )
  }
  return found('ok', what)
}

/** What a disk's syncs say of it. `times`: milliseconds of each, sorted. */
export function verdictOnSync(folder: string, times: readonly number[], isSync: boolean): Finding {
  const found = of('fdatasync')
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))]
  const [p50, p99] = [at(0.5), at(0.99)]
  const what = `${times.length} of 4 KiB in ${folder}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
  if (p50 < TOO_FAST_MS)
    return found('warn', `${what}: no disk is that fast`, 'see that its cache survives a power cut')
  if (p50 > SLOW_MS)
    return found(
      isSync ? 'warn' : 'note',
      `${what}: slow${isSync ? ', and every sender waits for it' : ''}`,
      'use a faster disk',
    )
  return found('ok', what)
}

const SYNCS_MAX = 100
const SYNC_MS_MAX = 500
const SYNC_BYTES = 4096
const SLOW_MS = 20
/** Below it no disk was reached: a cache without battery, or a virtual machine that lies. */
const TOO_FAST_MS = 0.03

export function checkSync(config: BrokerConfig): Finding {
  const found = of('fdatasync')
  const folder = existing(config.storePathCommitLog)
  if (!statSync(folder).isDirectory()) {
    return found('bad', `${folder} is a file: no store can be below it`, 'set storePathRootDir to a folder')
  }
  const path = join(folder, `.basaltmq-doctor-${process.pid}`)
  let times: number[]
  try {
    times = measureSync(path)
  } catch (error) {
    return found(
      'bad',
      `nothing can be written in ${folder}: ${(error as NodeJS.ErrnoException).code ?? describe(error)}`,
      'give the user of the broker the right to write there',
    )
  } finally {
    rmSync(path, { force: true })
  }
  return verdictOnSync(folder, times, config.flushDiskType === 'SYNC_FLUSH')
}

/** Milliseconds of each, sorted. */
function measureSync(path: string): number[] {
  const fd = openSync(path, 'wx')
  try {
    const bytes = Buffer.alloc(SYNC_BYTES, 1)
    const times: number[] = []
    const began = performance.now()
    while (times.length < SYNCS_MAX && performance.now() - began < SYNC_MS_MAX) {
      writeSync(fd, bytes)
      const before = performance.now()
      fdatasyncSync(fd)
      times.push(performance.now() - before)
    }
    return times.sort((a, b) => a - b)
  } finally {
    closeSync(fd)
  }
}

const AHEAD_MS = 1000

/** What is in the folder, and whether the clock is behind what was written there. */
export function checkStore({ storePathRootDir: root }: BrokerConfig, now: number): Finding {
  const found = of('store')
  if (existsSync(root) && !statSync(root).isDirectory()) {
    return found('bad', `${root} is a file`, 'set storePathRootDir to a folder')
  }
  if (!existsSync(join(root, 'commitlog'))) return found('ok', `${root} holds no store yet: one is made`)
  const positions = new PositionsFile(root).read()
  const wasClean = !existsSync(join(root, 'abort'))
  if (positions === undefined) {
    return found(
      'note',
      `${root} holds a store of Apache's, ${wasClean ? 'stopped cleanly' : 'not stopped cleanly: it is recovered'}`,
    )
  }
  const { slot, trust } = positions
  if (slot.writtenAt > now + AHEAD_MS) {
    return found(
      'bad',
      `the clock is ${Math.round((slot.writtenAt - now) / 1000)} s behind what was last written in ${root}`,
      'set the clock before the broker is started: times of messages would go back',
    )
  }
  if (trust === 'live' && !slot.isClean && isRunning(slot.pid)) {
    return found('note', `${root} is in use by process ${slot.pid}: another broker is refused there`)
  }
  return found(
    wasClean ? 'ok' : 'note',
    `${root} holds ${bytesText(slot.appended - slot.retained)}, ${wasClean ? 'stopped cleanly' : 'not stopped cleanly: it is recovered at the start'}`,
  )
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
