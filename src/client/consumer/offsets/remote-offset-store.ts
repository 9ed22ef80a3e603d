/**
 * Progress of a group that shares its queues: kept by the queue's master, so that whoever gets the queue next goes on there.
 *
 * A commit that does not arrive is sent again with the next round, 5 s later: until then it is in memory, and pulls carry it too.
 */
import type { MessageQueue } from '../message-queue.ts'
import { type OffsetSlot, OffsetSlots, type OffsetStore } from './offset-store.ts'

/** The two requests it needs; 14 and 15. */
export interface OffsetCalls {
  /** Undefined: the broker has none (code 22). Rejects with anything else. */
  queryConsumerOffset(queue: MessageQueue): Promise<number | undefined>
  /** Not confirmed: one-way, as every 5 s. */
  updateConsumerOffset(queue: MessageQueue, offset: number, confirmed: boolean): Promise<void>
}

export class RemoteOffsetStore implements OffsetStore {
  private readonly slots = new OffsetSlots()
  private readonly calls: OffsetCalls
  private readonly failed: (queue: MessageQueue, error: unknown) => void
  /** By topic and broker. */
  private readonly firstCommits = new Map<string, Promise<void>>()

  constructor(calls: OffsetCalls, failed: (queue: MessageQueue, error: unknown) => void) {
    this.calls = calls
    this.failed = failed
  }

  async load(): Promise<void> {}

  slot(queue: MessageQueue): OffsetSlot {
    return this.slots.slot(queue)
  }

  async fetch(queue: MessageQueue): Promise<number> {
    const stored = await this.calls.queryConsumerOffset(queue)
    if (stored === undefined) return -1
    this.slots.slot(queue).offset = stored
    return stored
  }

  async persist(queues: readonly MessageQueue[], confirmed: boolean): Promise<unknown> {
    let first: unknown
    const known = queues.map((queue) => this.slots.slot(queue)).filter(({ offset }) => offset >= 0)
    await Promise.all(
      known.map(({ queue, offset }) =>
        this.commit(queue, offset, confirmed).catch((error: unknown) => {
          first ??= error
          this.failed(queue, error)
        }),
      ),
    )
    return first
  }

  /**
   * Of two commits that come at once, a broker of Apache's that has none of the group and topic yet may keep only one, and says that
   * it has both: the first goes alone.
   */
  private async commit(queue: MessageQueue, offset: number, confirmed: boolean): Promise<void> {
    const key = `${queue.topic}@${queue.brokerName}`
    const first = this.firstCommits.get(key)
    if (first !== undefined) {
      await first.catch(() => {})
      return this.calls.updateConsumerOffset(queue, offset, confirmed)
    }
    const alone = this.calls.updateConsumerOffset(queue, offset, true)
    this.firstCommits.set(key, alone)
    try {
      await alone
    } catch (error) {
      this.firstCommits.delete(key)
      throw error
    }
  }

  remove(queue: MessageQueue): void {
    this.slots.remove(queue)
  }

  known(topic?: string): OffsetSlot[] {
    return this.slots.known(topic)
  }
}
