/**
 * Topics that a group may not read, by request 353 of RocketMQ 5: `forbiddenTable` of subscriptionGroup.json, which a 4.9
 * broker passes over. Bits are those of a permission; only "read" is ever set.
 */
import { entriesOf, integerOf } from '../metadata.ts'
import { PERM } from '../topics/topic-config.ts'

export class ForbiddenTopics {
  private readonly groups = new Map<string, Map<string, number>>()

  load(value: unknown): void {
    for (const [group, topics] of entriesOf(value)) {
      for (const [topic, bits] of entriesOf(topics)) {
        const known = integerOf(bits) ?? 0
        if (known !== 0) this.topicsOf(group).set(topic, known)
      }
    }
  }

  clear(): void {
    this.groups.clear()
  }

  /** Asked at every pull. */
  has(group: string, topic: string): boolean {
    if (this.groups.size === 0) return false
    return ((this.groups.get(group)?.get(topic) ?? 0) & PERM.read) !== 0
  }

  /** True when that changes something. */
  set(group: string, topic: string, isForbidden: boolean): boolean {
    if (this.has(group, topic) === isForbidden) return false
    const topics = this.topicsOf(group)
    const bits = topics.get(topic) ?? 0
    const wanted = isForbidden ? bits | PERM.read : bits & ~PERM.read
    if (wanted !== 0) topics.set(topic, wanted)
    else topics.delete(topic)
    if (topics.size === 0) this.groups.delete(group)
    return true
  }

  removeGroup(group: string): boolean {
    return this.groups.delete(group)
  }

  /** Undefined when nothing is forbidden. */
  toJSON(): Record<string, Record<string, number>> | undefined {
    if (this.groups.size === 0) return undefined
    return Object.fromEntries([...this.groups].map(([group, topics]) => [group, Object.fromEntries(topics)]))
  }

  private topicsOf(group: string): Map<string, number> {
    let topics = this.groups.get(group)
    if (topics === undefined) {
      topics = new Map()
      this.groups.set(group, topics)
    }
    return topics
  }
}
