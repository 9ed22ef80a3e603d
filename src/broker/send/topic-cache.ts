/**
 * Topics by the bytes that a frame carries, so that a send costs no string and no map of strings. Emptied whenever a
 * topic changes; bounded, because the bytes come from outside.
 */
import type { TopicConfig } from '../topics/topic-config.ts'

export interface SendTarget {
  config: TopicConfig
  name: string
  bytes: Buffer
  /** Integers of its queues by queueId, -1 until the first send. */
  queues: Int32Array
}

const ENTRY_COUNT_MAX = 4096

export class TopicCache {
  private readonly entries = new Map<number, SendTarget[]>()
  private count = 0
  private last: SendTarget | undefined

  find(bytes: Buffer, start: number, end: number): SendTarget | undefined {
    if (this.last !== undefined && equals(this.last.bytes, bytes, start, end)) return this.last
    const bucket = this.entries.get(hash(bytes, start, end))
    if (bucket === undefined) return undefined
    for (const target of bucket) {
      if (!equals(target.bytes, bytes, start, end)) continue
      this.last = target
      return target
    }
    return undefined
  }

  add(target: SendTarget): void {
    if (this.count >= ENTRY_COUNT_MAX) this.clear()
    const key = hash(target.bytes, 0, target.bytes.length)
    const bucket = this.entries.get(key)
    if (bucket === undefined) this.entries.set(key, [target])
    else bucket.push(target)
    this.count += 1
  }

  clear(): void {
    this.entries.clear()
    this.last = undefined
    this.count = 0
  }
}

function hash(bytes: Buffer, start: number, end: number): number {
  let value = 17
  for (let i = start; i < end; i += 1) value = (Math.imul(value, 31) + bytes[i]) | 0
  return value
}

function equals(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false
  for (let i = 0; i < name.length; i += 1) if (name[i] !== bytes[start + i]) return false
  return true
}
