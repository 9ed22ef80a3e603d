/**
 * One consumer group that is online: who is in it, and what it subscribes to.
 * Rules: spec/broker-requests.md §9, "update" and "changed".
 */
import type { GroupMember, Peer } from './peer.ts'
import type { Subscription } from './subscription.ts'

export type ConsumeType = 'CONSUME_ACTIVELY' | 'CONSUME_PASSIVELY' | 'CONSUME_POP'
export type MessageModel = 'BROADCASTING' | 'CLUSTERING'

/** How a group consumes; each heartbeat replaces it. */
export interface ConsumeMode {
  readonly consumeType: ConsumeType
  readonly messageModel: MessageModel
  /** CONSUME_FROM_LAST_OFFSET and so on; the broker only repeats it. */
  readonly consumeFromWhere: string
}

export class ConsumerGroup {
  readonly name: string
  mode: ConsumeMode
  /** By connection id. */
  readonly members = new Map<number, GroupMember>()
  /** Of the last heartbeat; undefined before the first. */
  fingerprint: number | undefined
  /** A pull knew a later subscription than the group's: whoever sends heartbeats without subscriptions is to send them. */
  isOutdated = false
  isSaidToDiffer = false
  private readonly subscriptions = new Map<string, Subscription>()

  constructor(name: string, mode: ConsumeMode) {
    this.name = name
    this.mode = mode
  }

  get messageModel(): MessageModel {
    return this.mode.messageModel
  }

  get hasSubscriptions(): boolean {
    return this.subscriptions.size > 0
  }

  get isEmpty(): boolean {
    return this.members.size === 0
  }

  subscription(topic: string): Subscription | undefined {
    return this.subscriptions.get(topic)
  }

  subscribed(): IterableIterator<Subscription> {
    return this.subscriptions.values()
  }

  /** True when the member is new to the group. A peer that comes back under another clientId keeps its place. */
  join(peer: Peer, client: { clientId: string; language: string; version: number }, now: number): boolean {
    const known = this.members.get(peer.id)
    if (known === undefined) {
      const { clientId, language, version } = client
      this.members.set(peer.id, { peer, clientId, language, version, lastUpdate: now, subscribed: undefined })
      return true
    }
    known.clientId = client.clientId
    known.language = client.language
    known.version = client.version
    known.lastUpdate = now
    return false
  }

  /** True when a topic came or went. A known topic changes only to a larger subVersion. */
  subscribe(subscriptions: readonly Subscription[]): boolean {
    let hasChanged = false
    this.isOutdated = false
    const wanted = new Set<string>()
    for (const subscription of subscriptions) {
      wanted.add(subscription.topic)
      const known = this.subscriptions.get(subscription.topic)
      if (known === undefined) hasChanged = true
      if (known === undefined || subscription.subVersion > known.subVersion) {
        this.subscriptions.set(subscription.topic, subscription)
      }
    }
    for (const topic of this.subscriptions.keys()) {
      if (wanted.has(topic)) continue
      this.subscriptions.delete(topic)
      hasChanged = true
    }
    return hasChanged
  }

  /** Another member whose last whole heartbeat says something else than this one's; undefined where all agree. */
  differing(peer: Peer, subscriptions: readonly Subscription[]): GroupMember | undefined {
    const own = this.members.get(peer.id)
    if (own === undefined) return undefined
    const text = subscriptions
      .map(({ topic, subString, expressionType }) => `${topic} ${expressionType} ${subString}`)
      .sort()
      .join('; ')
    own.subscribed = text
    for (const member of this.members.values()) {
      if (member.subscribed !== undefined && member.subscribed !== text) return member
    }
    return undefined
  }

  /** The member behind a client id, the one heard of last where several connections claim it. */
  member(clientId: string): GroupMember | undefined {
    let found: GroupMember | undefined
    for (const member of this.members.values()) {
      if (member.clientId !== clientId) continue
      if (found === undefined || member.lastUpdate >= found.lastUpdate) found = member
    }
    return found
  }
}
