/**
 * Queues that administrators have removed: what retention leaves behind.
 *
 * RocketMQ's 306 destroys every queue whose messages are all gone, also one that goes on: it begins at 0 again, and a group
 * whose offset is larger skips what comes. Here a queue that can be written or read keeps its newest file and its numbers
 * (retention removes the files before it); what goes is a queue above the topic's queue numbers, as shrinking from 16 to 8
 * leaves them, and the offsets that groups have of it.
 *
 * Owns:      nothing; asks the engine. Blocks on: nothing.
 * Invariant: a queue is removed only when nothing is under way to it: all that was claimed before is dispatched, and the
 *            topic's numbers, which forbid further claims, have not changed meanwhile.
 */
import { StoreError } from '../errors.ts'
import type { Acks } from './acks.ts'
import type { Engine } from './engine.ts'
import type { ConsumerOffsets } from './offsets/index.ts'
import type { Cleaning } from './processors/index.ts'
import type { TopicConfig, TopicTable } from './topics/index.ts'

export interface QueueCleaningOptions {
  engine: Pick<Engine, 'queueIds' | 'table' | 'control' | 'clean'>
  acks: Pick<Acks, 'onceBooked'>
  topics: TopicTable
  offsets: ConsumerOffsets
  /** Who waits for the queues is told, and they end behind what is under way. */
  forget(topic: string, queues: { queue: number; queueId: number }[]): void
}

interface Candidate {
  readonly topic: string
  readonly queueId: number
  readonly queue: number
  readonly config: TopicConfig
}

const POLL_MS = 5
const WAIT_MS_MAX = 10_000

export class QueueCleaning implements Cleaning {
  private readonly options: QueueCleaningOptions

  constructor(options: QueueCleaningOptions) {
    this.options = options
  }

  async expiredQueues(): Promise<readonly string[]> {
    const { engine, topics, offsets, forget } = this.options
    const found = this.candidates()
    if (found.length === 0) return []
    await this.settled()
    const removed: string[] = []
    for (const { topic, queueId, queue, config } of found) {
      if (topics.get(topic) !== config || engine.queueIds.find(topic, queueId) !== queue || !this.isExpired(queue)) {
        continue
      }
      engine.queueIds.leaveQueue(topic, queueId)
      forget(topic, [{ queue, queueId }])
      offsets.removeQueue(topic, queueId)
      removed.push(`${topic}/${queueId}`)
    }
    await offsets.flush()
    return removed
  }

  unusedTopics(): readonly string[] {
    const { engine, topics, offsets, forget } = this.options
    const unused = new Set<string>()
    for (const [, { topic }] of engine.queueIds.all()) {
      // RocketMQ's own topics come into being by their first message: without one they are not unused.
      if (topics.get(topic) === undefined && !topics.isSystem(topic)) unused.add(topic)
    }
    for (const topic of unused) {
      forget(topic, engine.queueIds.leave(topic))
      offsets.removeTopic(topic)
    }
    return [...unused]
  }

  expiredLog(): void {
    this.options.engine.clean()
  }

  private candidates(): Candidate[] {
    const { engine, topics } = this.options
    const found: Candidate[] = []
    for (const [queue, { topic, queueId }] of engine.queueIds.all()) {
      const config = topics.get(topic)
      if (config === undefined || topics.isSystem(topic)) continue
      if (queueId < Math.max(config.readQueueNums, config.writeQueueNums)) continue
      if (this.isExpired(queue)) found.push({ topic, queueId, queue, config })
    }
    return found
  }

  /** Nothing was ever written, or every message is gone with its segment. */
  private isExpired(queue: number): boolean {
    const { table } = this.options.engine
    return table.min(queue) >= table.max(queue)
  }

  /** Until all that is claimed by now is in its queue. */
  private async settled(): Promise<void> {
    const { acks, engine } = this.options
    await new Promise<void>((fulfil) => acks.onceBooked(fulfil))
    const end = engine.control.load('appended')
    const until = performance.now() + WAIT_MS_MAX
    while (engine.control.load('dispatched') < end) {
      if (performance.now() > until) {
        throw new StoreError('DISPATCH_BEHIND', {
          what: `dispatch is ${end - engine.control.load('dispatched')} bytes behind: no queue is removed meanwhile`,
          todo: 'try again when dispatchBehindBytes is small',
          retriable: true,
        })
      }
      await new Promise((fulfil) => setTimeout(fulfil, POLL_MS))
    }
  }
}
