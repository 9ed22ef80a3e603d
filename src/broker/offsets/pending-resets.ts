/**
 * Offsets that an administrator set on the broker (222) and that the consumer has not heard of: its next pull of the queue is
 * answered 21 with them, and until then its commits, which still come from the old place, count for nothing.
 *
 * In memory, as in RocketMQ 5: after a restart the stored offset alone says where a consumer begins.
 */
import { NO_OFFSET } from './no-offset.ts'

export class PendingResets {
  /** group → topic → queue → offset. */
  private readonly groups = new Map<string, Map<string, Map<number, number>>>()

  set(group: string, topic: string, queueId: number, offset: number): void {
    let topics = this.groups.get(group)
    if (topics === undefined) {
      topics = new Map()
      this.groups.set(group, topics)
    }
    const queues = topics.get(topic)
    if (queues === undefined) topics.set(topic, new Map([[queueId, offset]]))
    else queues.set(queueId, offset)
  }

  /** Asked at every commit: nothing but one look while no reset is pending. */
  has(group: string, topic: string, queueId: number): boolean {
    if (this.groups.size === 0) return false
    return this.groups.get(group)?.get(topic)?.has(queueId) ?? false
  }

  /** The offset, which is pending no more; NO_OFFSET where none is. */
  take(group: string, topic: string, queueId: number): number {
    if (this.groups.size === 0) return NO_OFFSET
    const topics = this.groups.get(group)
    const queues = topics?.get(topic)
    const offset = queues?.get(queueId)
    if (topics === undefined || queues === undefined || offset === undefined) return NO_OFFSET
    queues.delete(queueId)
    if (queues.size === 0) topics.delete(topic)
    if (topics.size === 0) this.groups.delete(group)
    return offset
  }

  removeGroup(group: string): void {
    this.groups.delete(group)
  }

  removeTopic(topic: string): void {
    for (const [group, topics] of this.groups) {
      topics.delete(topic)
      if (topics.size === 0) this.groups.delete(group)
    }
  }
}
