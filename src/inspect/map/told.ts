/** What a map means, in words: where the space goes, what nobody has read, what is not on disk, what goes next. */

import { KIND_TEXTS } from './kinds.ts'
import { bytes, percent, whole } from './numbers.ts'
import type { StoreMap } from './store-map.ts'

export interface Told {
  title: string
  /** A few letters: the number that counts. */
  value: string
  detail: string
  /** Somebody should do something. */
  isBad: boolean
}

export function told(map: StoreMap): Told[] {
  const list = [spaceTold(map), unreadTold(map), diskTold(map), nextTold(map)]
  if (map.kinds.damaged > 0) {
    list.unshift({
      title: 'damaged',
      value: bytes(map.kinds.damaged),
      detail: 'no records where records must be: "basaltmq inspect verify" says where',
      isBad: true,
    })
  }
  return list
}

function spaceTold({ log, topics, kinds, segments }: StoreMap): Told {
  const used = log.bytes - kinds.free
  const first = topics[0]
  const files = `${whole(segments.length)} ${segments.length === 1 ? 'file' : 'files'}`
  const most = first === undefined ? 'no records' : `${first.topic} has ${percent(first.bytes / Math.max(1, used))}`
  const garbage = kinds.garbage > 0 ? `, ${bytes(kinds.garbage)} are garbage` : ''
  return {
    title: 'space',
    value: bytes(used),
    detail: `${most}${garbage}; ${files}, ${bytes(kinds.free)} free in them`,
    isBad: false,
  }
}

function unreadTold({ kinds, groups }: StoreMap): Told {
  const behind = groups.filter((group) => group.bytes > 0)
  const [first] = behind
  const lines: string[] = []
  if (first !== undefined) {
    const lag = `${first.group} is ${bytes(first.bytes)} (${whole(first.records)} ${first.records === 1 ? 'message' : 'messages'}) behind in ${first.topic}`
    const others = new Set(behind.map(({ group }) => group)).size - 1
    lines.push(others > 0 ? `${lag}, ${whole(others)} other ${others === 1 ? 'group' : 'groups'} less` : lag)
  } else lines.push(groups.length === 0 ? 'no group has offsets' : 'every group has read all of its topics')
  if (kinds.nobody > 0) lines.push(`${bytes(kinds.nobody)} more in topics that no group reads`)
  if (kinds.undispatched > 0) lines.push(`${bytes(kinds.undispatched)} are in no queue yet`)
  return { title: 'unread', value: bytes(kinds.unread), detail: lines.join('; '), isBad: false }
}

function diskTold({ notOnDisk, flushed, log }: StoreMap): Told {
  const title = 'not on disk'
  if (notOnDisk === undefined) return { title, value: 'unknown', detail: flushed.source, isBad: false }
  if (log.end === log.min) return { title, value: 'nothing', detail: 'the log is empty', isBad: false }
  if (notOnDisk === 0) return { title, value: 'nothing', detail: `all is on disk: ${flushed.source}`, isBad: false }
  const isGuess = flushed.source.startsWith('checkpoint')
  const detail = isGuess
    ? `at most: on disk up to ${whole(flushed.offset ?? 0)} at least, says the checkpoint`
    : `a power cut now would take it (${flushed.source})`
  return { title, value: isGuess ? `≤ ${bytes(notOnDisk)}` : bytes(notOnDisk), detail, isBad: !isGuess }
}

function nextTold({ retention, expiredKinds }: StoreMap): Told {
  const title = 'goes next'
  const { expired, nextRoundAt, nextExpiryAt, isSpaceShort, reservedHours, deleteWhen, isDefault, disk } = retention
  const rule = `after ${whole(reservedHours)} h, at ${deleteWhen}:00${isDefault ? ' (the default: -c tells this broker’s)' : ''}`
  const full = disk === undefined ? '' : `, disk ${disk.usedPercent} % full`
  if (expired.segments === 0) {
    const when = nextExpiryAt === undefined ? '' : `: the oldest file stays until ${dayTime(nextExpiryAt)}`
    return { title, value: 'nothing', detail: `${rule}${when}${full}`, isBad: false }
  }
  const size = Object.values(expiredKinds).reduce((sum, each) => sum + each, 0)
  const when = isSpaceShort
    ? 'now: the disk is full'
    : nextRoundAt === undefined
      ? 'when the disk is full'
      : dayTime(nextRoundAt)
  const lost = [
    [expiredKinds.unread, KIND_TEXTS.unread.label],
    [expiredKinds.waiting, KIND_TEXTS.waiting.label],
  ] as const
  const losses = lost.filter(([each]) => each > 0).map(([each, label]) => `${bytes(each)} ${label}`)
  const files = `${whole(expired.segments)} ${expired.segments === 1 ? 'file' : 'files'}`
  const detail = `${files}, ${when}${losses.length === 0 ? ', nothing in them unread' : `, with ${losses.join(' and ')}`}; ${rule}${full}`
  return { title, value: bytes(size), detail, isBad: losses.length > 0 }
}

/** Local time to the minute. */
export function dayTime(ms: number): string {
  const date = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

export function stateText({ inUse, isUnclean }: Pick<StoreMap, 'inUse' | 'isUnclean'>): string {
  if (!inUse.isInUse) return isUnclean ? 'not in use; the last stop was not clean' : 'not in use; stopped cleanly'
  const broker = [inUse.program, inUse.pid === undefined ? undefined : `process ${inUse.pid}`]
    .filter(Boolean)
    .join(', ')
  return `in use${broker === '' ? '' : ` by ${broker}`}`
}

/** The end of a path tells stores apart. */
export function shortPath(path: string): string {
  const parts = path.split('/')
  return path.length <= 32 || parts.length <= 3 ? path : `…/${parts.slice(-2).join('/')}`
}
