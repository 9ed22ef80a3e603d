/**
 * Which queue a send goes to: in turns, not to the broker that has just failed, not to one that cannot be connected while
 * another can (spec/client-behaviour.md §3). Ordered sends: by the hash of their key, as Java's SelectMessageQueueByHash.
 */
import { javaHash } from '../../store/commitlog/java-hash.ts'
import { ClientError } from '../errors.ts'
import type { Message } from '../message/message.ts'
import type { MessageQueue } from '../route.ts'
import { LatencyFaults } from './latency-faults.ts'
import type { MessageQueueSelector } from './send-options.ts'

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

/** Throws ClientError BAD_LISTENER. */
export function checkSelector(selector: unknown): void {
  if (typeof selector === 'function') return
  throw new ClientError('BAD_LISTENER', { what: `the selector is ${typeof selector}`, hint: 'give a function' })
}

/** What the user's selector picks. Throws ClientError BAD_LISTENER where that is no queue. */
export function pick(queues: MessageQueue[], message: Message, selector: MessageQueueSelector): MessageQueue {
  const queue = selector(queues, message)
  if (typeof queue?.brokerName === 'string' && typeof queue.queueId === 'number') return queue
  throw new ClientError('BAD_LISTENER', {
    what: `the selector for topic ${message.topic} gave no queue`,
    hint: 'give one of the queues that it was given',
  })
}
