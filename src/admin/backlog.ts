/** What a broker still owes: lag of its groups, delayed messages that are not due. */
import type { AdminClient } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { eachOf, type RuntimeTable } from './cluster.ts'
import { type GroupProgress, groupProgress, isSystemGroup, placedGroups } from './groups.ts'

export interface GroupLag extends GroupProgress {
  group: string
}

/** Groups that have offsets on the broker, the farthest behind first. A group that goes meanwhile is left out. */
export async function lagOfGroups(admin: AdminClient, address: string): Promise<GroupLag[]> {
  const groups = await placedGroups(admin, { broker: address })
  const names = groups.map(({ config }) => config.groupName).filter((group) => !isSystemGroup(group))
  const lags = await eachOf(names, async (group): Promise<GroupLag | undefined> => {
    try {
      return { group, ...(await groupProgress(admin, [address], group)) }
    } catch (error) {
      if (error instanceof AdminError && error.answerCode !== undefined) return undefined
      throw error
    }
  })
  return lags
    .filter((lag) => lag !== undefined)
    .filter(({ queues }) => queues.length > 0)
    .sort((a, b) => b.lag - a.lag || (a.group < b.group ? -1 : 1))
}

/** Delayed messages that wait in the broker: scheduleMessageOffset_<level> is "delivered,stored". */
export function delayedOf(runtime: RuntimeTable): number {
  let sum = 0
  for (const [key, value] of Object.entries(runtime)) {
    if (!key.startsWith('scheduleMessageOffset_')) continue
    const [delivered, stored] = value.split(',').map(Number)
    if (stored > delivered) sum += stored - delivered
  }
  return sum
}

/** The first of "10s 1m 10m" rates. */
export function rateOf(runtime: RuntimeTable, key: string): number {
  return Number((runtime[key] ?? '').trim().split(/\s+/)[0]) || 0
}
