/** Limits of files and maps, memory, clock, and the addon. */
import { freemem, totalmem } from 'node:os'
import { nativeMissing } from '../native/index.ts'
import { bytesText } from '../text.ts'
import { readText } from './disk.ts'
import { type Finding, of } from './finding.ts'

const FILES_GOOD = 65_536
const FILES_LEAST = 4096

export function checkFiles(limits = readText('/proc/self/limits')): Finding {
  const found = of('files')
  const match = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits ?? '')
  if (match === null) return found('note', 'how many files a process may open is not known on this system')
  const [, soft, hard] = match
  const number = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
  const what = `a process may open ${soft} files (hard limit ${hard}): connections, segments, queues`
  const todo = `ulimit -n ${FILES_GOOD} (LimitNOFILE= in a systemd unit)`
  if (number < FILES_LEAST) return found('bad', `${what}; clients are refused beyond it`, todo)
  return number < FILES_GOOD ? found('warn', what, todo) : found('ok', what)
}

const MAPS_GOOD = 65_530

export function checkMaps(text = readText('/proc/sys/vm/max_map_count')): Finding {
  const found = of('maps')
  if (text === undefined) return found('note', 'how many maps a process may have is not known on this system')
  const what = `a process may have ${text.trim()} maps (vm.max_map_count)`
  return Number(text) < MAPS_GOOD
    ? found('warn', `${what}: few for many queues`, `sysctl -w vm.max_map_count=655360`)
    : found('ok', what)
}

const MEMORY_LEAST = 256 * 1024 * 1024
const MEMORY_GOOD = 1024 * 1024 * 1024
/** What cgroups write for "none". */
const LIMIT_MAX = 2 ** 60

export function checkMemory(
  limitText = readText('/sys/fs/cgroup/memory.max') ?? readText('/sys/fs/cgroup/memory/memory.limit_in_bytes'),
  available = availableMemory(),
): Finding {
  const found = of('memory')
  const limit = Number(limitText)
  const isLimited = limitText !== undefined && limit > 0 && limit < LIMIT_MAX
  const room = isLimited ? Math.min(limit, available) : available
  const what = `${bytesText(totalmem())}, ${bytesText(available)} of it available${isLimited ? `; this group of processes may have ${bytesText(limit)}` : ''}`
  if (room < MEMORY_LEAST) return found('bad', `${what}: a broker needs ${bytesText(MEMORY_LEAST)}`, 'give it more')
  return room < MEMORY_GOOD
    ? found('warn', `${what}: little page cache, so that consumers read from the disk`, 'give it 1 GiB and more')
    : found('ok', what)
}

function availableMemory(): number {
  const match = /^MemAvailable:\s+(\d+) kB/m.exec(readText('/proc/meminfo') ?? '')
  return match === null ? freemem() : Number(match[1]) * 1024
}

const MEASURE_MS = 100
const DRIFT_MS_MAX = 20
const BUILT = Date.parse('2024-01-01T00:00:00Z')

/** Whether it is plausible, and whether it goes as fast as the machine's own count. */
export async function checkClock(): Promise<Finding> {
  const found = of('clock')
  const now = Date.now()
  if (now < BUILT)
    return found(
      'bad',
      `it is ${new Date(now).toISOString()} here`,
      'set it: times of messages and retention follow it',
    )
  const [wall, monotonic] = [Date.now(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, MEASURE_MS))
  const drift = Date.now() - wall - (performance.now() - monotonic)
  const what = `it is ${new Date(now).toISOString()} here`
  if (Math.abs(drift) > DRIFT_MS_MAX)
    return found(
      'warn',
      `${what}, and it jumped by ${drift.toFixed(0)} ms while it was watched`,
      'let NTP slew it, not step it',
    )
  const isSynchronized = readText('/run/systemd/timesync/synchronized') !== undefined
  return found(
    'ok',
    isSynchronized ? `${what}, synchronized` : `${what}; whether something keeps it right is not known`,
  )
}

export function checkNative(): Finding {
  const found = of('native addon')
  const missing = nativeMissing()
  if (missing === undefined) return found('ok', `there, for Node ${process.versions.node}`)
  return found('bad', missing.what, missing.todo ?? 'npm rebuild basaltmq')
}
