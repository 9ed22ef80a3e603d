/**
 * Which queues are ours: computed again and again from the routes and the members of the group, and applied to what we have.
 *
 *   subscribed topics ─▶ queues (route) + members (38) ─▶ strategy ─▶ mine
 *                        had, not mine any more ─▶ dropped, progress stored, forgotten (in order: unlocked)
 *                        mine, not had          ─▶ (in order: locked, else not yet) start offset ─▶ pulled from there
 *
 * Owns:      the table of assigned queues.
 * Invariant: a queue is pulled only after it was allocated to us, and its progress is stored before we forget it.
 * Source:    spec/client-behaviour.md §6 "Rebalance".
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AllocateMessageQueueStrategy } from './allocation/index.ts'
import { AssignedQueue, PULL_SILENCE_MS_MAX } from './assigned-queue.ts'
import { compareQueues, compareTexts, type MessageQueue, queueText } from './message-queue.ts'
import type { OffsetStore } from './offsets/index.ts'

/** How long the end of a batch of an ordered queue is waited for. */
const BATCH_END_MS_MAX = 1000

export interface RebalancerOptions {
  readonly group: string
  readonly clientId: string
  /** Not shared: all that there is of a topic is ours. */
  readonly isBroadcast: boolean | (() => boolean)
  readonly isOrdered: boolean
  readonly strategy: AllocateMessageQueueStrategy
  readonly offsets: OffsetStore
  readonly topics: () => Iterable<string>
  /** All readable queues; undefined while the topic has no route. */
  readonly queuesOf: (topic: string) => Promise<readonly MessageQueue[] | undefined>
  /** Client ids; undefined when no broker tells. */
  readonly membersOf: (topic: string) => Promise<readonly string[] | undefined>
  /** Where a queue that is new to us begins; rejects when it cannot be known now. */
  readonly startOffset: (queue: MessageQueue) => Promise<number>
  /** The broker's lock of one queue. */
  readonly lock: (queue: MessageQueue) => Promise<boolean>
  readonly unlock: (queue: MessageQueue) => Promise<void>
  /** A queue is ours from now. */
  readonly added: (assigned: AssignedQueue) => void
  /** The queues of a topic have changed. */
  readonly changed: (topic: string) => Promise<void> | void
  readonly now: () => number
  readonly log: Log
}

export class Rebalancer {
  readonly assigned = new Map<string, AssignedQueue>()
  private readonly options: RebalancerOptions
  private running: Promise<boolean> | undefined
  private again: Promise<boolean> | undefined
  private closed = false

  constructor(options: RebalancerOptions) {
    this.options = options
  }

  /**
   * One round over all topics; false where a topic could not be looked at. A call during a round leads to one more, so that what it
   * was called for is seen.
   */
  rebalance(): Promise<boolean> {
    if (this.running === undefined) return this.begin()
    this.again ??= this.running.then(() => this.begin())
    return this.again
  }

  /** No round begins any more; resolves when the last one has ended. */
  async close(): Promise<void> {
    this.closed = true
    while (this.running !== undefined) await this.running
  }

  of(topic: string): AssignedQueue[] {
    return [...this.assigned.values()].filter(({ queue }) => queue.topic === topic)
  }

  /**
   * The queue is dropped and its progress stored; the next round takes it up anew if it is still ours. False: in order, and a batch
   * of it runs for so long that it has to stay ours for now: who gets it next must not begin before that batch has ended.
   */
  async release(assigned: AssignedQueue): Promise<boolean> {
    const { offsets, isOrdered } = this.options
    if (isOrdered && !(await assigned.atRest(BATCH_END_MS_MAX))) return false
    assigned.drop()
    this.assigned.delete(queueText(assigned.queue))
    await offsets.persist([assigned.queue], true)
    offsets.remove(assigned.queue)
    if (isOrdered && !this.isBroadcast) await this.unlock(assigned)
    return true
  }

  private get isBroadcast(): boolean {
    const { isBroadcast } = this.options
    return typeof isBroadcast === 'function' ? isBroadcast() : isBroadcast
  }

  private begin(): Promise<boolean> {
    this.again = undefined
    const running = this.round().finally(() => {
      if (this.running === running) this.running = undefined
    })
    this.running = running
    return running
  }

  private async round(): Promise<boolean> {
    const topics = new Set(this.options.topics())
    let isWhole = true
    for (const topic of topics) {
      if (this.closed) return false
      try {
        if (!(await this.roundOf(topic))) isWhole = false
      } catch (error) {
        isWhole = false
        this.options.log.warn(`the queues of topic ${topic} cannot be shared now: ${describe(error)}`)
      }
    }
    for (const assigned of [...this.assigned.values()]) {
      if (!topics.has(assigned.queue.topic)) await this.release(assigned)
    }
    return isWhole
  }

  private async roundOf(topic: string): Promise<boolean> {
    const { strategy, group, clientId, log } = this.options
    const all = await this.options.queuesOf(topic)
    if (all === undefined) return false
    if (this.isBroadcast) return await this.apply(topic, all)
    const ids = await this.options.membersOf(topic)
    if (ids === undefined || ids.length === 0) return false
    if (all.length === 0) return await this.apply(topic, [])
    // Once each: a broker of RocketMQ names a client again for each connection that it believes open, and nobody would have that share.
    const members = [...new Set(ids)].sort(compareTexts)
    const queues = [...all].sort(compareQueues)
    const mine = strategy.allocate({ group, clientId, queues, members })
    const isWhole = await this.apply(topic, mine)
    if (!members.includes(clientId)) log.warn('the broker does not list this client yet', { group, topic, clientId })
    return isWhole
  }

  private async apply(topic: string, mine: readonly MessageQueue[]): Promise<boolean> {
    const wanted = new Map(mine.map((queue) => [queueText(queue), queue]))
    let isChanged = false
    let isWhole = true
    const released = this.of(topic).map(async (assigned) => {
      const isSilent = this.options.now() - assigned.process.lastPullAt > PULL_SILENCE_MS_MAX
      if (wanted.has(queueText(assigned.queue)) && !isSilent) return
      if (isSilent) {
        this.options.log.warn('nothing was pulled of a queue for two minutes: it is taken up anew', {
          ...assigned.queue,
        })
      }
      if (await this.release(assigned)) isChanged = true
      else isWhole = false
    })
    await Promise.all(released)
    const added = [...wanted].map(async ([key, queue]) => {
      if (this.assigned.has(key)) return
      if (!this.closed && (await this.add(key, queue))) isChanged = true
      else isWhole = false
    })
    await Promise.all(added)
    if (isChanged) await this.options.changed(topic)
    return isWhole
  }

  private async add(key: string, queue: MessageQueue): Promise<boolean> {
    const { isOrdered, offsets, now, log } = this.options
    const needsLock = isOrdered && !this.isBroadcast
    if (needsLock && !(await this.options.lock(queue))) return false
    const lockedAt = now()
    offsets.remove(queue)
    let start: number
    try {
      start = await this.options.startOffset(queue)
    } catch (error) {
      log.warn(`where a queue begins cannot be known now: ${describe(error)}`, { ...queue })
      return false
    }
    if (this.closed) return false
    const assigned = new AssignedQueue(queue, offsets.slot(queue), start, now())
    if (needsLock) assigned.granted(lockedAt)
    this.assigned.set(key, assigned)
    this.options.added(assigned)
    return true
  }

  private async unlock(assigned: AssignedQueue): Promise<void> {
    try {
      await this.options.unlock(assigned.queue)
    } catch (error) {
      this.options.log.warn(`a lock could not be given back; the broker drops it after a minute: ${describe(error)}`, {
        ...assigned.queue,
      })
    }
  }
}
