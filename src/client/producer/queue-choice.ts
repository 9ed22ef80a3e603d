/**
 * Which queue a send goes to: in turns, not to the broker that has just failed, not to one that cannot be connected while
 * another can (spec/client-behaviour.md §3). Ordered sends: by the hash of their key, as Java's SelectMessageQueueByHash.
 */
import { javaHash } from '../../store/commitlog/java-hash.ts'
import type { MessageQueue } from '../route.ts'
import { LatencyFaults } from './latency-faults.ts'

export class QueueChoice {
  readonly faults: LatencyFaults | undefined
  private readonly isReachable: (brokerName: string) => boolean
  private readonly turns = new Map<string, { next: number }>()

  constructor(sendLatencyFaultEnable: boolean, isReachable: (brokerName: string) => boolean) {
    this.faults = sendLatencyFaultEnable ? new LatencyFaults() : undefined
    this.isReachable = isReachable
  }

  /** Of at least one queue. `failed`: the broker of the last try. */
  next(topic: string, queues: readonly MessageQueue[], failed: string | undefined, now: number): MessageQueue {
    let turn = this.turns.get(topic)
    if (turn === undefined) {
      turn = { next: Math.floor(Math.random() * queues.length) }
      this.turns.set(topic, turn)
    }
    const start = turn.next
    turn.next = start === 0x3fff_ffff ? 0 : start + 1
    const chosen = this.faults?.choose(queues, start, now)
    if (chosen !== undefined) return chosen
    let other: MessageQueue | undefined
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[(start + i) % queues.length]
      if (queue.brokerName === failed) continue
      if (this.isReachable(queue.brokerName)) return queue
      other ??= queue
    }
    return other ?? queues[start % queues.length]
  }
}

/** The same key goes to the same queue, whether Java or this client sends. */
export function queueByHash(queues: readonly MessageQueue[], shardingKey: string): MessageQueue {
  return queues[Math.abs(javaHash(shardingKey) % queues.length)]
}
