/**
 * disableConsumeIfConsumerReadSlowly: a group that is online and has more than consumerFallbehindThreshold bytes of the log
 * between what it consumed last and the log's end gets consumeEnable=false, before it drags the disk away from the others.
 *
 * RocketMQ keeps the distance of every pull; here it is looked up every three minutes for the groups that are online.
 * Blocks on: nothing; units are read by the pool.
 */
import type { ControlBlock } from '../concurrency/control-block.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import type { MessageStore, UnitPlace } from '../store/message-store.ts'
import type { ConsumerManager, SubscriptionGroups } from './groups/index.ts'
import type { ConsumerOffsets } from './offsets/index.ts'

export interface SlowConsumersOptions {
  settings: { readonly disableConsumeIfConsumerReadSlowly: boolean; readonly consumerFallbehindThreshold: number }
  control: Pick<ControlBlock, 'load'>
  store: Pick<MessageStore, 'physicalOffsetsAt' | 'queueMin' | 'queueMax'>
  groups: SubscriptionGroups
  consumers: ConsumerManager
  offsets: ConsumerOffsets
  log: Log
}

export const SLOW_CONSUMERS_CHECK_MS = 180_000

export async function checkSlowConsumers(options: SlowConsumersOptions): Promise<void> {
  const { settings, consumers, groups, log } = options
  if (!settings.disableConsumeIfConsumerReadSlowly) return
  try {
    for (const name of [...consumers.groups()].map((group) => group.name)) {
      if (groups.get(name)?.consumeEnable !== true) continue
      const worst = await furthestBehind(options, name)
      if (worst === undefined || worst.bytes <= settings.consumerFallbehindThreshold) continue
      log.warn(
        `group ${name} is ${worst.bytes} bytes behind on ${worst.topic} queue ${worst.queueId}, more than ` +
          `consumerFallbehindThreshold ${settings.consumerFallbehindThreshold}: it may not consume until an administrator ` +
          'sets consumeEnable again',
        { group: name, ...worst },
      )
      groups.disableConsume(name)
    }
  } catch (error) {
    log.error(`slow consumers could not be looked for: ${describe(error)}`)
  }
}

async function furthestBehind(options: SlowConsumersOptions, group: string) {
  const { offsets, consumers, store, control } = options
  const places: UnitPlace[] = []
  for (const topic of offsets.topicsOf(group)) {
    if (consumers.group(group)?.subscription(topic) === undefined) continue
    for (const [queueId, offset] of offsets.queryAll(group, topic) ?? []) {
      if (offset >= store.queueMax(topic, queueId)) continue
      places.push({ topic, queueId, queueOffset: Math.max(offset, store.queueMin(topic, queueId)) })
    }
  }
  const physicalOffsets = await store.physicalOffsetsAt(places)
  let worst: { topic: string; queueId: number; bytes: number } | undefined
  for (const [i, at] of physicalOffsets.entries()) {
    const bytes = at < 0 ? 0 : control.load('appended') - at
    if (worst === undefined || bytes > worst.bytes)
      worst = { topic: places[i].topic, queueId: places[i].queueId, bytes }
  }
  return worst
}
