/**
 * Which client of a group may consume a queue in order (41, 42): one at a time, as long as it renews.
 *
 * Invariant: within 60 s of a grant nobody else is granted the same queue of the group, unless its owner unlocks it.
 * Rules:     spec/broker-requests.md §9 (41, 42).
 */
import type { Clock } from '../../clock.ts'

export interface MessageQueue {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
}

/** A lock that was not renewed for longer is free. Clients stop 30 s after their last grant. */
export const LOCK_MS_MAX = 60_000

interface Lock {
  clientId: string
  lastUpdate: number
}

export class QueueLocks {
  private readonly groups = new Map<string, Map<string, Lock>>()
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Those of `queues` that the client holds now, in the order asked for. */
  lock(group: string, queues: readonly MessageQueue[], clientId: string): MessageQueue[] {
    const now = this.clock.now()
    let locks = this.groups.get(group)
    if (locks === undefined) {
      locks = new Map()
      this.groups.set(group, locks)
    }
    const granted: MessageQueue[] = []
    for (const queue of queues) {
      const key = keyOf(queue)
      const lock = locks.get(key)
      if (lock === undefined) locks.set(key, { clientId, lastUpdate: now })
      else if (lock.clientId === clientId || now - lock.lastUpdate > LOCK_MS_MAX) {
        lock.clientId = clientId
        lock.lastUpdate = now
      } else continue
      granted.push(queue)
    }
    return granted
  }

  /** Frees those of `queues` that the client holds. */
  unlock(group: string, queues: readonly MessageQueue[], clientId: string): void {
    const locks = this.groups.get(group)
    if (locks === undefined) return
    for (const queue of queues) {
      const key = keyOf(queue)
      if (locks.get(key)?.clientId === clientId) locks.delete(key)
    }
    if (locks.size === 0) this.groups.delete(group)
  }

  /** The client that holds the queue, or undefined. */
  owner(group: string, queue: MessageQueue): string | undefined {
    const lock = this.groups.get(group)?.get(keyOf(queue))
    return lock === undefined || this.clock.now() - lock.lastUpdate > LOCK_MS_MAX ? undefined : lock.clientId
  }

  /** Forgets expired locks, which are as good as none: the tables do not grow with clients that left. */
  scan(): void {
    const before = this.clock.now() - LOCK_MS_MAX
    for (const [group, locks] of this.groups) {
      for (const [key, lock] of locks) if (lock.lastUpdate < before) locks.delete(key)
      if (locks.size === 0) this.groups.delete(group)
    }
  }
}

function keyOf(queue: MessageQueue): string {
  return `${queue.topic}@${queue.brokerName}@${queue.queueId}`
}
