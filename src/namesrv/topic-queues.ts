/**
 * Which brokers have which topics with which queues, and whose write permission was wiped.
 *
 * Owns:      topicQueueTable, wipedBrokers. Called by: route-tables.ts and, for what administrators do, by processors.
 * Invariant: no topic is here without a broker. That a broker here has an address is route-tables.ts' to keep.
 * Rules:     spec/namesrv.md §3–§5 as RocketMQ 4.9.8 has them; where we differ it is said at the line.
 */
import type { QueueData, RegisteredTopic } from './types.ts'

export const PERM_WRITE = 2
/** Read and write; what 327 sets, so the inherit bit is lost as in RocketMQ 4.9.8. */
const PERM_READ_WRITE = 6

export class TopicQueues {
  readonly table = new Map<string, Map<string, QueueData>>()
  readonly wiped = new Set<string>()

  /** One broker's share of a topic, as the broker says; without the write bit where that was wiped. */
  put(brokerName: string, topic: RegisteredTopic): void {
    const { readQueueNums, writeQueueNums, topicSysFlag } = topic
    const perm = this.wiped.has(brokerName) ? topic.perm & ~PERM_WRITE : topic.perm
    let queues = this.table.get(topic.topic)
    if (queues === undefined) {
      queues = new Map()
      this.table.set(topic.topic, queues)
    }
    queues.set(brokerName, { brokerName, readQueueNums, writeQueueNums, perm, topicSysFlag })
  }

  /** Takes the broker out of every topic but those. */
  keepOnly(brokerName: string, topics: ReadonlySet<string>): string[] {
    const removed: string[] = []
    for (const [topic, queues] of this.table) {
      if (topics.has(topic) || !queues.delete(brokerName)) continue
      removed.push(topic)
      if (queues.size === 0) this.table.delete(topic)
    }
    return removed
  }

  removeBroker(brokerName: string): void {
    this.keepOnly(brokerName, new Set())
  }

  /** 216. Everywhere, or on those brokers. */
  deleteTopic(topic: string, brokerNames?: Iterable<string>): void {
    if (brokerNames === undefined) {
      this.table.delete(topic)
      return
    }
    const queues = this.table.get(topic)
    if (queues === undefined) return
    for (const brokerName of brokerNames) queues.delete(brokerName)
    if (queues.size === 0) this.table.delete(topic)
  }

  /**
   * 205: takes the write permission from every topic of the broker. RocketMQ 4.9.8 forgets this at the broker's next
   * change of a topic; here it holds until `addWritePerm`, through registrations, new topics and reconnects.
   * Returns the count of topics touched.
   */
  wipeWritePerm(brokerName: string): number {
    this.wiped.add(brokerName)
    return this.withoutWrite(brokerName)
  }

  /** 327. */
  addWritePerm(brokerName: string): number {
    this.wiped.delete(brokerName)
    return this.changePerm(brokerName, () => PERM_READ_WRITE)
  }

  /** As long as the broker says nothing else. */
  withoutWrite(brokerName: string): number {
    return this.changePerm(brokerName, (perm) => perm & ~PERM_WRITE)
  }

  private changePerm(brokerName: string, change: (perm: number) => number): number {
    let count = 0
    for (const queues of this.table.values()) {
      const data = queues.get(brokerName)
      if (data === undefined) continue
      queues.set(brokerName, { ...data, perm: change(data.perm) })
      count += 1
    }
    return count
  }
}
