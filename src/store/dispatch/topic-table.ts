/**
 * From the topic bytes of a record to its queues without making a string: open addressing over a hash of the bytes, and
 * the topic that came last in front of it.
 */
import { javaHash, javaHashOfString } from '../commitlog/java-hash.ts'
import { SCHEDULE_TOPIC } from './delay-levels.ts'

const TOPIC_LENGTH_MAX = 255
/** Queue ids below this are found by index, others through a map. */
const DENSE_QUEUES = 1024

/** One topic and what its caller keeps for each of its queues. */
export class TopicEntry<Q> {
  readonly bytes: Uint8Array
  readonly name: string
  readonly hash: number
  /** Java hash of `topic#`, from which key hashes go on. */
  readonly keyPrefix: number
  readonly isSchedule: boolean
  /** False for a name that must not become a folder: it is damage, or somebody's attempt. */
  readonly isUsable: boolean
  private readonly dense: (Q | undefined)[] = []
  private sparse: Map<number, Q> | undefined

  constructor(bytes: Uint8Array, hash: number) {
    this.bytes = bytes
    this.name = Buffer.from(bytes).toString('utf8')
    this.hash = hash
    this.keyPrefix = javaHashOfString('#', javaHash(this.name))
    this.isSchedule = this.name === SCHEDULE_TOPIC
    this.isUsable = isFolderName(this.name)
  }

  get(queueId: number): Q | undefined {
    return queueId < DENSE_QUEUES ? this.dense[queueId] : this.sparse?.get(queueId)
  }

  /** queueId is not negative. */
  set(queueId: number, queue: Q | undefined): void {
    if (queueId < DENSE_QUEUES) {
      while (this.dense.length <= queueId) this.dense.push(undefined)
      this.dense[queueId] = queue
    } else if (queue === undefined) {
      this.sparse?.delete(queueId)
    } else {
      this.sparse ??= new Map()
      this.sparse.set(queueId, queue)
    }
  }

  *queues(): Generator<Q> {
    for (const queue of this.dense) if (queue !== undefined) yield queue
    if (this.sparse !== undefined) yield* this.sparse.values()
  }
}

function isFolderName(name: string): boolean {
  if (name.length === 0 || name === '.' || name === '..' || name.length > TOPIC_LENGTH_MAX) return false
  return !/[/\\\0]/.test(name)
}

export class TopicTable<Q> {
  private slots: (TopicEntry<Q> | undefined)[] = new Array(256).fill(undefined)
  private count = 0
  private last: TopicEntry<Q> | undefined

  /** Entry of the topic in bytes[start, start + length), made when it is new. */
  find(bytes: Uint8Array, start: number, length: number): TopicEntry<Q> {
    const { last } = this
    if (last !== undefined && isSame(last.bytes, bytes, start, length)) return last
    let hash = 0
    for (let at = start; at < start + length; at += 1) hash = (Math.imul(hash, 31) + bytes[at]) | 0
    const mask = this.slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot]
      if (entry === undefined) return this.add(slot, hash, bytes.slice(start, start + length))
      if (entry.hash !== hash || !isSame(entry.bytes, bytes, start, length)) continue
      this.last = entry
      return entry
    }
  }

  named(topic: string): TopicEntry<Q> {
    const bytes = Buffer.from(topic, 'utf8')
    return this.find(bytes, 0, bytes.length)
  }

  *entries(): Generator<TopicEntry<Q>> {
    for (const entry of this.slots) if (entry !== undefined) yield entry
  }

  private add(slot: number, hash: number, bytes: Uint8Array): TopicEntry<Q> {
    const entry = new TopicEntry<Q>(new Uint8Array(bytes), hash)
    this.slots[slot] = entry
    this.last = entry
    this.count += 1
    if (this.count * 2 > this.slots.length) this.grow()
    return entry
  }

  private grow(): void {
    const entries = [...this.entries()]
    this.slots = new Array(this.slots.length * 2).fill(undefined)
    const mask = this.slots.length - 1
    for (const entry of entries) {
      let slot = entry.hash & mask
      while (this.slots[slot] !== undefined) slot = (slot + 1) & mask
      this.slots[slot] = entry
    }
  }
}

function isSame(topic: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (topic.length !== length) return false
  for (let index = 0; index < length; index += 1) if (topic[index] !== bytes[start + index]) return false
  return true
}
