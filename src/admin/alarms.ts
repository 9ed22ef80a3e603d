/** What is wrong with groups now, by thresholds: what a watcher tells. */
import type { AdminClient } from './admin-client.ts'
import { eachOf, mastersOf, type Where } from './cluster.ts'
import { groupProgress, isSystemGroup, onlineGroup, placedGroups, type QueueProgress } from './groups.ts'
import { compareText } from './json.ts'

export interface Thresholds {
  /** Messages of all its queues together. */
  lag: number
  /** How old what it reads may be, in milliseconds. */
  ageMs: number
}

export interface Alarm {
  group: string
  kind: 'lag' | 'age' | 'nobody consumes' | 'offset beyond end'
  lag: number
  /** Milliseconds; of "age". */
  ageMs?: number
  /** "topic broker/queue"; of "offset beyond end". */
  queue?: string
}

export async function alarmsOf(
  admin: AdminClient,
  where: Where,
  thresholds: Thresholds,
  now: number,
  isMeant: (group: string) => boolean,
): Promise<Alarm[]> {
  const addresses = (await mastersOf(admin, where)).map(({ address }) => address)
  const placed = await placedGroups(admin, where)
  const groups = [...new Set(placed.map(({ config }) => config.groupName))].filter(
    (group) => !isSystemGroup(group) && isMeant(group),
  )
  const lists = await eachOf(groups, async (group) => {
    const [progress, online] = await Promise.all([
      groupProgress(admin, addresses, group),
      onlineGroup(admin, addresses, group),
    ])
    return alarmsIn(group, progress.queues, online !== undefined, thresholds, now)
  })
  return lists.flat().sort((a, b) => compareText(a.group, b.group) || compareText(a.kind, b.kind))
}

export function alarmsIn(
  group: string,
  queues: readonly QueueProgress[],
  isOnline: boolean,
  thresholds: Thresholds,
  now: number,
): Alarm[] {
  const behind = queues.filter(({ brokerOffset, consumerOffset }) => brokerOffset > consumerOffset)
  const lag = behind.reduce((sum, { brokerOffset, consumerOffset }) => sum + brokerOffset - consumerOffset, 0)
  const alarms: Alarm[] = []
  if (lag > thresholds.lag) alarms.push({ group, kind: 'lag', lag })
  if (lag > 0 && !isOnline) alarms.push({ group, kind: 'nobody consumes', lag })
  const oldest = Math.min(...behind.map(({ lastTimestamp }) => lastTimestamp).filter((at) => at > 0))
  const ageMs = now - oldest
  if (Number.isFinite(ageMs) && ageMs > thresholds.ageMs) alarms.push({ group, kind: 'age', lag, ageMs })
  for (const { topic, brokerName, queueId, brokerOffset, consumerOffset } of queues) {
    if (consumerOffset <= brokerOffset) continue
    alarms.push({ group, kind: 'offset beyond end', lag, queue: `${topic} ${brokerName}/${queueId}` })
  }
  return alarms
}
