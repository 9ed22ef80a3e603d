/**
 * Java's bodies read member by member: a member that is missing or of another kind is its empty value, since releases
 * differ in what they send. Maps may have any key (fastjson's brace form) or text.
 */
import { type JsonMap, type JsonObject, type JsonValue, parse } from '../remoting/fastjson.ts'

export type Json = JsonValue | undefined

/** An empty object where there is no body. */
export function bodyOf(answer: { body: Uint8Array | undefined }): Json {
  return answer.body === undefined || answer.body.length === 0 ? {} : parse(answer.body)
}

export function member(of: Json, name: string): Json {
  if (typeof of !== 'object' || of === null || Array.isArray(of)) return undefined
  return of instanceof Map ? of.get(name) : of[name]
}

export function listOf(value: Json): JsonValue[] {
  return Array.isArray(value) ? value : []
}

/** Pairs of an object or a map, keys as they are. */
export function pairsOf(value: Json): [JsonValue, JsonValue][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return value instanceof Map ? [...(value as JsonMap)] : Object.entries(value as JsonObject)
}

export function textOf(value: Json): string {
  return value === undefined || value === null || typeof value === 'object' ? '' : String(value)
}

export function textAt(of: Json, name: string): string {
  return textOf(member(of, name))
}

export function numberOf(value: Json, fallback = 0): number {
  if (value === undefined || value === null || value === '' || typeof value === 'object') return fallback
  const number = Number(value)
  return Number.isNaN(number) ? fallback : number
}

export function numberAt(of: Json, name: string, fallback = 0): number {
  return numberOf(member(of, name), fallback)
}

export function boolAt(of: Json, name: string, fallback = false): boolean {
  const value = member(of, name)
  return typeof value === 'boolean' ? value : fallback
}

/** One queue of a topic at one broker. */
export interface MessageQueue {
  /** Name of the topic. */
  topic: string
  /** Name of the broker. */
  brokerName: string
  /** From 0 up. */
  queueId: number
}

/** The offset tables of Java: `{"brokerName":"b","queueId":0,"topic":"T"}` as keys. */
export function queuesOf<T>(table: Json, read: (value: JsonValue) => T): (MessageQueue & T)[] {
  return pairsOf(table)
    .map(([key, value]) => {
      const queue = typeof key === 'string' ? parse(key) : key
      return {
        topic: textAt(queue, 'topic'),
        brokerName: textAt(queue, 'brokerName'),
        queueId: numberAt(queue, 'queueId'),
        ...read(value),
      }
    })
    .sort(byQueue)
}

export function byQueue(a: MessageQueue, b: MessageQueue): number {
  return compareText(a.topic, b.topic) || compareText(a.brokerName, b.brokerName) || a.queueId - b.queueId
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
