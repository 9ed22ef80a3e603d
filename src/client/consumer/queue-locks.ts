/**
 * The brokers' locks on queues of ordered consumption: asked for by queue, renewed all together every 20 s.
 *
 * A lock is believed for 30 s after it was granted, and the broker keeps it for 60: so nobody else has it while we believe.
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import type { ConsumerCalls } from './consumer-calls.ts'
import type { MessageQueue } from './message-queue.ts'

export const LOCK_RENEWAL_MS = 20_000

export class QueueLocks {
  private readonly calls: Pick<ConsumerCalls, 'lock' | 'unlock'>
  private readonly now: () => number
  private readonly log: Log

  constructor(calls: Pick<ConsumerCalls, 'lock' | 'unlock'>, now: () => number, log: Log) {
    this.calls = calls
    this.now = now
    this.log = log
  }

  /** Rejects when the broker cannot be asked. */
  async lock(queue: MessageQueue): Promise<boolean> {
    return (await this.calls.lock([queue])).length === 1
  }

  /** The lock of a queue that is ours already, and was lost or ran out. */
  async lockAgain(assigned: AssignedQueue): Promise<boolean> {
    const askedAt = this.now()
    const isGranted = await this.lock(assigned.queue)
    if (isGranted) assigned.granted(askedAt)
    else assigned.locked = false
    return isGranted
  }

  /** A broker that does not answer changes nothing: what it granted runs out by itself. */
  async renew(all: Iterable<AssignedQueue>): Promise<void> {
    await Promise.all(
      byBroker(all).map(async (list) => {
        const askedAt = this.now()
        try {
          const granted = new Set(await this.calls.lock(list.map(({ queue }) => queue)))
          for (const assigned of list) {
            if (granted.has(assigned.queue)) assigned.granted(askedAt)
            else {
              if (assigned.locked) this.log.warn('the lock of a queue is not ours any more', { ...assigned.queue })
              assigned.locked = false
            }
          }
        } catch (error) {
          this.log.warn(`locks could not be renewed: ${describe(error)}`, { broker: list[0].queue.brokerName })
        }
      }),
    )
  }

  async unlock(queue: MessageQueue): Promise<void> {
    await this.calls.unlock([queue])
  }

  async unlockAll(all: Iterable<AssignedQueue>): Promise<void> {
    await Promise.all(
      byBroker(all).map((list) =>
        this.calls.unlock(list.map(({ queue }) => queue)).catch((error: unknown) => {
          const { brokerName } = list[0].queue
          this.log.warn(`locks could not be given back: ${describe(error)}`, { broker: brokerName })
        }),
      ),
    )
  }
}

function byBroker(all: Iterable<AssignedQueue>): AssignedQueue[][] {
  const groups = new Map<string, AssignedQueue[]>()
  for (const assigned of all) {
    const { brokerName } = assigned.queue
    const group = groups.get(brokerName)
    if (group === undefined) groups.set(brokerName, [assigned])
    else group.push(assigned)
  }
  return [...groups.values()]
}
