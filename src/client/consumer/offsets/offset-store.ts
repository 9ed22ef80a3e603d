/** Where a group's progress is kept: what both kinds of store share. Source: spec/client-behaviour.md §6 "Offsets". */
import { type MessageQueue, queueText } from '../message-queue.ts'

/** The progress of one queue in memory; whoever consumes the queue holds it. */
export interface OffsetSlot {
  readonly queue: MessageQueue
  /** Next offset to consume; -1: not known. */
  offset: number
}

export interface OffsetStore {
  /** Once, before anything else. */
  load(): Promise<void>
  /** The queue's slot in memory; made when it is not there. */
  slot(queue: MessageQueue): OffsetSlot
  /** What is stored, -1 when nothing is; also put into memory. Rejects when the store cannot be asked. */
  fetch(queue: MessageQueue): Promise<number>
  /**
   * Stores what memory knows of these queues. `confirmed`: resolves when it is stored, and not when it is on its way. Of the
   * others a store may forget what it knows. Never rejects: gives the first error there was, after all were tried.
   */
  persist(queues: readonly MessageQueue[], confirmed: boolean): Promise<unknown>
  /** Out of memory. */
  remove(queue: MessageQueue): void
  /** What memory knows of a topic, or of all. */
  known(topic?: string): OffsetSlot[]
}

/** Forward only: consumption that ends late never takes progress back. */
export function advance(slot: OffsetSlot, to: number): void {
  if (to > slot.offset) slot.offset = to
}

/** The part in memory. */
export class OffsetSlots {
  private readonly slots = new Map<string, OffsetSlot>()

  slot(queue: MessageQueue): OffsetSlot {
    const key = queueText(queue)
    const known = this.slots.get(key)
    if (known !== undefined) return known
    const slot = { queue, offset: -1 }
    this.slots.set(key, slot)
    return slot
  }

  remove(queue: MessageQueue): void {
    this.slots.delete(queueText(queue))
  }

  known(topic?: string): OffsetSlot[] {
    return [...this.slots.values()].filter(
      ({ queue, offset }) => offset >= 0 && (topic === undefined || queue.topic === topic),
    )
  }
}
