/**
 * All consumer groups that are online, and the word to their members when one changes (40).
 *
 * Owns:      the members of every group. Called by: heartbeat processors, closed connections, the scan.
 * Invariant: a group is in the table exactly while it has a member; `of` lists the groups of each connection.
 * Blocks on: nothing.
 * Rules:     spec/broker-requests.md §9. A removal by the scan tells nobody, as in RocketMQ 4.9.8; the closing of the
 *            connection that follows does.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { request } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { type ConsumeMode, ConsumerGroup } from './consumer-group.ts'
import { type GroupMember, type Peer, SILENCE_MS_MAX } from './peer.ts'
import type { Subscription } from './subscription.ts'

export interface ConsumerHeartbeat {
  readonly group: string
  readonly clientId: string
  readonly language: string
  readonly version: number
  readonly mode: ConsumeMode
  /** Undefined: the ones of the last heartbeat stay (5.x, withoutSub). */
  readonly subscriptions: readonly Subscription[] | undefined
  /** The group's own switch for 40; the broker's is in the settings. */
  readonly notify: boolean
  /** Of heartbeat V2 (5.x); 0 or nothing in others. */
  readonly fingerprint?: number
}

/** Told what groups want, with each heartbeat, and when their last member is gone. */
export interface SubscriptionListener {
  subscribed(group: string, subscriptions: Iterable<Subscription>): void
  gone(group: string): void
}

export class ConsumerManager {
  private readonly table = new Map<string, ConsumerGroup>()
  /** Connection id → names of the groups that it is in. */
  private readonly of = new Map<number, Set<string>>()
  private readonly settings: { readonly notifyConsumerIdsChangedEnable: boolean }
  private readonly clock: Clock
  private readonly log: Log
  private readonly filters: SubscriptionListener | undefined

  constructor(options: {
    settings: { readonly notifyConsumerIdsChangedEnable: boolean }
    clock: Clock
    log: Log
    filters?: SubscriptionListener
  }) {
    this.settings = options.settings
    this.clock = options.clock
    this.log = options.log
    this.filters = options.filters
  }

  /** The group while it is online. */
  group(name: string): ConsumerGroup | undefined {
    return this.table.get(name)
  }

  groups(): IterableIterator<ConsumerGroup> {
    return this.table.values()
  }

  member(group: string, clientId: string): GroupMember | undefined {
    return this.table.get(group)?.member(clientId)
  }

  /** Names of online groups that subscribe to the topic. */
  groupsOf(topic: string): string[] {
    const names: string[] = []
    for (const group of this.table.values()) if (group.subscription(topic) !== undefined) names.push(group.name)
    return names
  }

  /** True when members or topics changed; all members were told then. */
  heartbeat(peer: Peer, beat: ConsumerHeartbeat): boolean {
    const { group: name } = beat
    const group = this.table.get(name) ?? this.open(name, beat.mode)
    group.mode = beat.mode
    const isNew = group.join(peer, beat, this.clock.now())
    if (isNew) {
      this.groupsAt(peer.id).add(name)
      this.log.info(`consumer ${beat.clientId} joined group ${name}`, {
        group: name,
        clientId: beat.clientId,
        remote: peer.remoteAddress,
        members: group.members.size,
      })
    }
    group.fingerprint = beat.fingerprint ?? 0
    const hasNewTopics = beat.subscriptions !== undefined && group.subscribe(beat.subscriptions)
    this.filters?.subscribed(name, group.subscribed())
    if (beat.subscriptions !== undefined) this.compare(group, peer, beat.subscriptions)
    const hasChanged = isNew || hasNewTopics
    if (hasChanged && beat.notify) this.notify(group)
    return hasChanged
  }

  /** 35: this connection leaves the group. */
  unregister(peer: Peer, name: string, notify: boolean): void {
    if (this.leave(peer.id, name, 'unregistered') && notify) this.notifyByName(name)
  }

  /** The connection is gone: it leaves all groups at once. */
  closed(peer: Peer, reason = 'connection closed'): void {
    const names = this.of.get(peer.id)
    if (names === undefined) return
    for (const name of [...names]) if (this.leave(peer.id, name, reason)) this.notifyByName(name)
    this.of.delete(peer.id)
  }

  /** Removes and closes members whose last heartbeat is too old. */
  scan(): void {
    const before = this.clock.now() - SILENCE_MS_MAX
    for (const group of [...this.table.values()]) {
      for (const member of [...group.members.values()]) {
        if (member.lastUpdate >= before) continue
        this.leave(member.peer.id, group.name, 'no heartbeat')
        member.peer.close(`consumer ${member.clientId} of group ${group.name} sent no heartbeat for 120 s`)
      }
    }
  }

  /**
   * RocketMQ's rule is one subscription a group; where its members do not keep it, the last heartbeat wins and messages of the
   * others are not delivered. Said once while it lasts.
   */
  private compare(group: ConsumerGroup, peer: Peer, subscriptions: readonly Subscription[]): void {
    const other = group.differing(peer, subscriptions)
    if (other !== undefined && !group.isSaidToDiffer) {
      const [one, two] = [group.members.get(peer.id)!, other]
      this.log.warn(
        `clients ${one.clientId} and ${two.clientId} of group ${group.name} subscribe differently: the group gets now what ` +
          'one and now what the other wants; give every member of a group the same topics and expressions',
        { group: group.name, one: one.subscribed, other: two.subscribed, remote: peer.remoteAddress },
      )
    }
    group.isSaidToDiffer = other !== undefined
  }

  private open(name: string, mode: ConsumeMode): ConsumerGroup {
    const group = new ConsumerGroup(name, mode)
    this.table.set(name, group)
    return group
  }

  private groupsAt(peerId: number): Set<string> {
    let names = this.of.get(peerId)
    if (names === undefined) {
      names = new Set()
      this.of.set(peerId, names)
    }
    return names
  }

  private leave(peerId: number, name: string, reason: string): boolean {
    const group = this.table.get(name)
    const member = group?.members.get(peerId)
    if (group === undefined || member === undefined) return false
    group.members.delete(peerId)
    this.of.get(peerId)?.delete(name)
    if (group.isEmpty) {
      this.table.delete(name)
      this.filters?.gone(name)
    }
    this.log.info(`consumer ${member.clientId} left group ${name}: ${reason}`, {
      group: name,
      clientId: member.clientId,
      remote: member.peer.remoteAddress,
      members: group.members.size,
    })
    return true
  }

  private notifyByName(name: string): void {
    const group = this.table.get(name)
    if (group !== undefined) this.notify(group)
  }

  private notify(group: ConsumerGroup): void {
    if (!this.settings.notifyConsumerIdsChangedEnable) return
    for (const { peer } of group.members.values()) {
      if (!peer.closed) peer.oneway(request(REQUEST.NOTIFY_CONSUMER_IDS_CHANGED, { consumerGroup: group.name }))
    }
  }
}
