/**
 * Latency fault tolerance: a broker that answered slowly, or not at all, is left alone for a while (sendLatencyFaultEnable).
 *
 * Rules: spec/client-behaviour.md §3.
 */
import type { MessageQueue } from '../route.ts'

/** From which latency on a broker is left alone for how long. */
const LATENCY_MS = [15_000, 3000, 2000, 1000, 550, 100, 50] as const
const LEFT_ALONE_MS = [600_000, 180_000, 120_000, 60_000, 30_000, 0, 0] as const
/** A try that failed counts as one that took so long. */
const FAILED_MS = 30_000

interface FaultItem {
  readonly brokerName: string
  latencyMs: number
  /** Clock time from which it is asked again. */
  startsAt: number
}

export class LatencyFaults {
  private readonly items = new Map<string, FaultItem>()
  private turn = Math.floor(Math.random() * 1000)

  /** How long a try took; `failed`: without a usable answer. */
  took(brokerName: string, latencyMs: number, failed: boolean, now: number): void {
    const counted = failed ? FAILED_MS : latencyMs
    const step = LATENCY_MS.findIndex((limit) => counted >= limit)
    const startsAt = now + (step < 0 ? 0 : LEFT_ALONE_MS[step])
    const item = this.items.get(brokerName)
    if (item === undefined) this.items.set(brokerName, { brokerName, latencyMs, startsAt })
    else {
      item.latencyMs = latencyMs
      item.startsAt = startsAt
    }
  }

  isAvailable(brokerName: string, now: number): boolean {
    return (this.items.get(brokerName)?.startsAt ?? 0) <= now
  }

  /** One of the better half of those that are left alone. */
  pickOneAtLeast(now: number): string | undefined {
    const sorted = [...this.items.values()].sort(
      (a, b) =>
        Number(a.startsAt > now) - Number(b.startsAt > now) || a.latencyMs - b.latencyMs || a.startsAt - b.startsAt,
    )
    if (sorted.length === 0) return undefined
    this.turn += 1
    return sorted[this.turn % Math.max(1, sorted.length >> 1)].brokerName
  }

  forget(brokerName: string): void {
    this.items.delete(brokerName)
  }

  /** The queue for a send by these rules; undefined: choose plainly. `turn`: the topic's counter. */
  choose(queues: readonly MessageQueue[], turn: number, now: number): MessageQueue | undefined {
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[(turn + i) % queues.length]
      if (this.isAvailable(queue.brokerName, now)) return queue
    }
    const name = this.pickOneAtLeast(now)
    if (name === undefined) return undefined
    const ofBroker = queues.filter(({ brokerName }) => brokerName === name)
    if (ofBroker.length > 0) return ofBroker[turn % ofBroker.length]
    this.forget(name)
    return undefined
  }
}
