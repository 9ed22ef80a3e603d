/**
 * Fewer queues for a topic, without losing what is in those that go.
 *
 *   1. write queues to N     producers learn of it with their next route (30 s at most); the others are only read
 *   2. wait                  until nothing comes to them any more, and every group has consumed them
 *   3. read queues to N      consumers leave them with the next route and rebalance
 *
 * The state is the topic's own configuration: whoever is interrupted gives the command again and it goes on.
 */
import type { AdminClient } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { type BrokerAddress, eachOf } from './cluster.ts'
import type { Waiter } from './drain.ts'
import { committedOffset, maxOffset, minOffset, placed } from './offsets.ts'
import { groupsOfTopic, type PlacedTopic, placedTopics, putTopic } from './topics.ts'

export interface ShrinkOptions {
  queues: number
  everyMs: number
  quietMs: number
  ignored: readonly string[]
  cluster?: string | undefined
  broker?: string | undefined
}

/** One queue that goes, and who has not consumed it. */
export interface LeavingQueue {
  broker: BrokerAddress
  queueId: number
  min: number
  max: number
  waitsFor: { group: string; lag: number }[]
}

export interface ShrinkState {
  leaving: LeavingQueue[]
  groups: string[]
  quietMs: number
  isDrained: boolean
}

/** The brokers on which the topic has more queues than that. */
export async function planShrink(admin: AdminClient, topic: string, options: ShrinkOptions): Promise<PlacedTopic[]> {
  const all = await placedTopics(admin, { cluster: options.cluster, broker: options.broker }, topic)
  if (all.length === 0) {
    throw new AdminError('NO_TOPIC', { what: `no broker has topic ${topic}`, todo: 'see "basaltmq admin topic list"' })
  }
  return all.filter(({ readQueues, writeQueues }) => Math.max(readQueues, writeQueues) > options.queues)
}

export async function shrinkWrites(admin: AdminClient, plan: readonly PlacedTopic[], queues: number): Promise<void> {
  await eachOf(plan, async (config) => {
    if (config.writeQueues > queues) await putTopic(admin, config.broker.address, { ...config, writeQueues: queues })
  })
}

export async function shrinkReads(admin: AdminClient, plan: readonly PlacedTopic[], queues: number): Promise<void> {
  await eachOf(plan, async (config) => {
    const writeQueues = Math.min(config.writeQueues, queues)
    await putTopic(admin, config.broker.address, { ...config, writeQueues, readQueues: queues })
  })
}

/** Yields how far it is, until the queues that go are quiet and consumed. */
export async function* watchShrink(
  admin: AdminClient,
  topic: string,
  plan: readonly PlacedTopic[],
  waiter: Waiter,
  options: ShrinkOptions,
): AsyncGenerator<ShrinkState> {
  let total = -1
  let since = waiter.now()
  for (;;) {
    const { leaving, groups } = await lookAtLeaving(admin, topic, plan, options)
    const sum = leaving.reduce((count, { max }) => count + max, 0)
    if (sum !== total) since = waiter.now()
    total = sum
    const quietMs = waiter.now() - since
    const isConsumed = leaving.every(({ waitsFor }) => waitsFor.length === 0)
    const isDrained = isConsumed && quietMs >= options.quietMs
    yield { leaving, groups, quietMs, isDrained }
    if (isDrained) return
    await waiter.sleep(options.everyMs)
  }
}

/** Also what a dry run shows. */
export async function lookAtLeaving(
  admin: AdminClient,
  topic: string,
  plan: readonly PlacedTopic[],
  options: Pick<ShrinkOptions, 'queues' | 'ignored'>,
): Promise<{ leaving: LeavingQueue[]; groups: string[] }> {
  const addresses = plan.map(({ broker }) => broker.address)
  const groups = (await groupsOfTopic(admin, addresses, topic)).filter((group) => !options.ignored.includes(group))
  const queues = plan.flatMap(({ broker, readQueues, writeQueues }) => {
    const count = Math.max(readQueues, writeQueues)
    return Array.from({ length: Math.max(0, count - options.queues) }, (_, i) => ({
      broker,
      queueId: options.queues + i,
    }))
  })
  const leaving = await eachOf(queues, async ({ broker, queueId }) => {
    const queue = placed(topic, broker, queueId)
    const [min, max] = await Promise.all([minOffset(admin, queue), maxOffset(admin, queue)])
    const waitsFor: { group: string; lag: number }[] = []
    // A queue that nothing is in waits for nobody, whatever offsets groups have of it.
    for (const group of max > min ? groups : []) {
      const lag = max - Math.max(min, await committedOffset(admin, queue, group))
      if (lag > 0) waitsFor.push({ group, lag })
    }
    return { broker, queueId, min, max, waitsFor }
  })
  return { leaving, groups }
}

/** Messages that no group will ever read, because none has the topic. */
export function unreadBy(groups: readonly string[], leaving: readonly LeavingQueue[]): number {
  return groups.length > 0 ? 0 : leaving.reduce((sum, { min, max }) => sum + max - min, 0)
}
