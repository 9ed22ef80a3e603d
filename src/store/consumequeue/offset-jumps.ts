/**
 * Queue offsets along the log: one after the other, unless records are missing or a record's own number is damaged. No
 * checksum covers that number, and a queue that believed a wrong one would go on at it, out of its consumers' sight.
 *
 *   7 8 9 |12 13 …   two follow each other: the jump is real, 10 and 11 are lost
 *   7 8 9 |12 10 …   the queue goes on where it was: the record of 12 is damaged, and its number counts for nothing
 *
 * Called by: recover-queues.ts, for each record at or above its queue's next offset, in the order of the log.
 */
import { GAP_UNITS_MAX } from './unit.ts'

interface Following {
  topic: string
  queueId: number
  /** Queue offset of the next record. */
  nextOffset: number
  /** Smallest one whose record exists; not below nextOffset where none does. */
  readonly minOffset: number
}

export class OffsetJumps {
  /** What would be the next offset of a queue if the last jump was real. */
  private readonly open = new Map<Following, number>()

  follow(queue: Following, queueOffset: number): void {
    if (queueOffset !== queue.nextOffset && this.open.get(queue) !== queueOffset) {
      this.open.set(queue, queueOffset + 1)
      return
    }
    queue.nextOffset = queueOffset + 1
    if (this.open.size > 0) this.open.delete(queue)
  }

  /** At the end of the log: a jump of a queue's last record counts if it is one that a queue can make. Returns the others. */
  settle(): { topic: string; queueId: number; next: number; to: number }[] {
    const refused = []
    for (const [queue, next] of this.open) {
      const { topic, queueId, nextOffset, minOffset } = queue
      if (minOffset >= nextOffset || next - nextOffset <= GAP_UNITS_MAX) queue.nextOffset = next
      else refused.push({ topic, queueId, next: nextOffset, to: next - 1 })
    }
    this.open.clear()
    return refused
  }
}
