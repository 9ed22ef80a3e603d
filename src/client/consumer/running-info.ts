/** What a consumer tells of itself to mqadmin's consumerStatus (307): Java's ConsumerRunningInfo, spec/broker-requests.md §14. */
import type { Writable } from '../../remoting/fastjson.ts'
import { subscriptionJson } from '../heartbeat.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import { queueKey } from './server-requests.ts'
import type { ConsumerStats } from './stats.ts'
import type { SubscriptionData } from './subscription.ts'

export interface RunningState {
  readonly nameservers: readonly string[]
  readonly consumeThreadMax: number
  readonly isOrdered: boolean
  readonly isPush: boolean
  readonly startedAt: number
  readonly subscriptions: readonly SubscriptionData[]
  readonly assigned: readonly AssignedQueue[]
  readonly stats: ConsumerStats
}

const MIB = 1024 * 1024
/** Java's name of the release whose protocol we speak (OWN_VERSION). */
const CLIENT_VERSION = 'V4_9_8'

export function runningInfo(state: RunningState, jstack: boolean): Writable {
  const topics = state.subscriptions.map(({ topic }) => topic)
  return {
    ...(jstack && { jstack: jstackText() }),
    mqTable: new Map(state.assigned.map((assigned) => [queueKey(assigned.queue), queueInfo(assigned)])),
    properties: {
      PROP_NAMESERVER_ADDR: state.nameservers.join(';'),
      PROP_THREADPOOL_CORE_SIZE: String(state.consumeThreadMax),
      PROP_CONSUMEORDERLY: String(state.isOrdered),
      PROP_CONSUME_TYPE: state.isPush ? 'CONSUME_PASSIVELY' : 'CONSUME_ACTIVELY',
      PROP_CLIENT_VERSION: CLIENT_VERSION,
      PROP_CONSUMER_START_TIMESTAMP: String(state.startedAt),
    },
    statusTable: Object.fromEntries(topics.map((topic) => [topic, { ...state.stats.status(topic) }])),
    subscriptionSet: state.subscriptions.map(subscriptionJson),
  }
}

function queueInfo({ slot, process, locked, lockedAt, tryUnlockTimes }: AssignedQueue): Writable {
  return {
    cachedMsgCount: process.count,
    cachedMsgMaxOffset: process.maxOffset,
    cachedMsgMinOffset: process.minOffset,
    cachedMsgSizeInMiB: Math.floor(process.size / MIB),
    commitOffset: slot.offset,
    // Java's spelling.
    droped: process.dropped,
    lastConsumeTimestamp: process.lastConsumedAt,
    lastLockTimestamp: lockedAt,
    lastPullTimestamp: process.lastPullAt,
    locked,
    transactionMsgCount: 0,
    transactionMsgMaxOffset: 0,
    transactionMsgMinOffset: 0,
    tryUnlockTimes,
  }
}

/** There is one thread that consumes: what it does at the moment is to write this. */
function jstackText(): string {
  const { rss, heapUsed } = process.memoryUsage()
  return `Node.js ${process.version}, pid ${process.pid}, up ${Math.round(process.uptime())} s, heap ${heapUsed}, rss ${rss}\n\n`
}
