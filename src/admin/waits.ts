/**
 * Who waits for whom on one broker: sentences from its runtime table, the reason first.
 *
 * Positions of a healthy broker differ all the time by what is under way: a difference counts only with somebody who waits
 * for it, or when it is large.
 */
import type { RuntimeTable } from './cluster.ts'

const LARGE_BYTES = 1024 * 1024

export function waitsOf(runtime: RuntimeTable): string[] {
  const number = (key: string) => Number(runtime[key] ?? 0)
  const position = (name: string) => number(`basalt_position_${name}`)
  const list: string[] = []
  const stalledMs = number('pageCacheLockTimeMills')
  if (stalledMs > 0 && runtime.basalt_position_appended !== undefined) {
    list.push(`sends wait for append, which has stood still for ${stalledMs} ms: the disk or memory`)
  } else if (stalledMs > 1000) {
    list.push(`sends wait for the put lock, held for ${stalledMs} ms`)
  }
  const sends = number('basalt_pending_sends')
  if (runtime.basalt_position_appended === undefined) return [...list, ...apacheWaits(runtime)]
  const uncommitted = position('appended') - position('committed')
  if (sends > 0 && uncommitted > 0) list.push(`${count(sends, 'send')} for ${slowest(runtime)}`)
  else if (uncommitted > LARGE_BYTES) list.push(`consumers wait for ${slowest(runtime)}`)
  const undispatched = position('committed') - position('dispatched')
  if (undispatched > LARGE_BYTES)
    list.push(`consumers wait for dispatch: ${bytesText(undispatched)} are in no ConsumeQueue yet`)
  for (const [key, value] of Object.entries(runtime)) {
    if (!/^basalt_slave_\d+$/.test(key)) continue
    const [address] = value.split(' ')
    const behind = / behind=(\d+)/.exec(value)?.[1]
    const said = behind === undefined ? 'an unknown number of bytes' : bytesText(Number(behind))
    if (/ inSync=false/.test(value)) list.push(`slave ${address} waits for the log: ${said} behind, not in step`)
  }
  const master = runtime.basalt_master
  if (master !== undefined && !/ live$/.test(master)) list.push(`this slave's link: ${master}`)
  const pulls = number('basalt_held_pulls')
  if (pulls > 0) list.push(`${count(pulls, 'pull')} for new messages`)
  const expiring = number('basalt_unread_expiring')
  if (expiring > 0) list.push(`${expiring} messages expire soon that a group has not consumed`)
  return list
}

/** What keeps `committed` below `appended`: the position that is at it. */
function slowest(runtime: RuntimeTable): string {
  const position = (name: string) => Number(runtime[`basalt_position_${name}`] ?? 0)
  const appended = position('appended')
  const committed = position('committed')
  const unflushed = appended - position('flushed')
  const unreplicated = appended - position('replicated')
  if (position('replicated') <= committed && unreplicated > 0 && runtime.basalt_slave_0 !== undefined) {
    return `a slave: ${bytesText(unreplicated)} are on none`
  }
  return `fdatasync: ${bytesText(unflushed)} are not on disk`
}

function apacheWaits(runtime: RuntimeTable): string[] {
  const number = (key: string) => Number(runtime[key] ?? 0)
  const list: string[] = []
  for (const [kind, what] of [
    ['send', 'send'],
    ['pull', 'pull'],
    ['query', 'query'],
  ]) {
    const size = number(`${kind}ThreadPoolQueueSize`)
    const ms = number(`${kind}ThreadPoolQueueHeadWaitTimeMills`)
    if (size > 0) list.push(`${count(size, what)} for a thread of the ${kind} pool, the first for ${ms} ms`)
  }
  const behind = number('dispatchBehindBytes')
  if (behind > LARGE_BYTES) list.push(`consumers wait for dispatch: ${bytesText(behind)} are in no ConsumeQueue yet`)
  return list
}

function count(n: number, what: string): string {
  const many = what === 'query' ? 'queries' : `${what}s`
  return n === 1 ? `1 ${what} waits` : `${n} ${many} wait`
}

/** Few bytes to the byte: whether one message is missing is seen. */
function bytesText(bytes: number): string {
  if (bytes < 10_240) return `${bytes} bytes`
  const isMany = bytes >= 1024 * 1024
  return `${(bytes / (isMany ? 1024 * 1024 : 1024)).toFixed(1)} ${isMany ? 'MiB' : 'KiB'}`
}
