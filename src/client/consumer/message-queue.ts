/**
 * Java's order and text of queues, on which every member of a group has to agree.
 *
 * Source: MessageQueue of Apache RocketMQ 4.9 (compareTo, toString).
 */
import type { MessageQueue } from '../route.ts'

export type { MessageQueue }

/** As Java prints it; consistent hashing hashes this text. Also our key in tables: it is unique, because no name holds a blank or a bracket. */
export function queueText({ topic, brokerName, queueId }: MessageQueue): string {
  return `MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`
}

/** Order of String.compareTo: by UTF-16 code units, as JavaScript compares. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** By topic, broker's name, queue id. */
export function compareQueues(a: MessageQueue, b: MessageQueue): number {
  return compareTexts(a.topic, b.topic) || compareTexts(a.brokerName, b.brokerName) || a.queueId - b.queueId
}

export function isSameQueue(a: MessageQueue, b: MessageQueue): boolean {
  return a.queueId === b.queueId && a.brokerName === b.brokerName && a.topic === b.topic
}
