/**
 * All producers that are online: whom to ask about a transaction (39), to whom a reply goes (326).
 *
 * Owns:      the members of every producer group. Called by: heartbeat processors, closed connections, the scan.
 * Invariant: a group is in the table exactly while it has a member.
 * Rules:     spec/broker-requests.md §9, §10 (39), §6 (326).
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { type GroupMember, type Peer, SILENCE_MS_MAX } from './peer.ts'

export class ProducerManager<P extends Peer = Peer> {
  private readonly table = new Map<string, Map<number, GroupMember & { readonly peer: P }>>()
  /** Client id → its connection, the last that claimed it. */
  private readonly clients = new Map<string, P>()
  private readonly clock: Clock
  private readonly log: Log
  private turn = 0

  constructor(options: { clock: Clock; log: Log }) {
    this.clock = options.clock
    this.log = options.log
  }

  group(name: string): readonly GroupMember[] | undefined {
    const members = this.table.get(name)
    return members === undefined ? undefined : [...members.values()]
  }

  /** Every group with its members (328). */
  groups(): [string, readonly GroupMember[]][] {
    return [...this.table].map(([name, members]) => [name, [...members.values()]])
  }

  heartbeat(peer: P, name: string, client: { clientId: string; language: string; version: number }): void {
    let members = this.table.get(name)
    if (members === undefined) {
      members = new Map()
      this.table.set(name, members)
    }
    const lastUpdate = this.clock.now()
    const known = members.get(peer.id)
    this.clients.set(client.clientId, peer)
    if (known !== undefined) {
      Object.assign(known, {
        clientId: client.clientId,
        language: client.language,
        version: client.version,
        lastUpdate,
      })
      return
    }
    const { clientId, language, version } = client
    members.set(peer.id, { peer, clientId, language, version, lastUpdate })
    this.log.info(`producer ${clientId} joined group ${name}`, { group: name, clientId, remote: peer.remoteAddress })
  }

  /** 35: this connection leaves the group. */
  unregister(peer: P, name: string): void {
    this.leave(peer.id, name, 'unregistered')
  }

  closed(peer: P, reason = 'connection closed'): void {
    for (const name of [...this.table.keys()]) this.leave(peer.id, name, reason)
  }

  scan(): void {
    const before = this.clock.now() - SILENCE_MS_MAX
    for (const [name, members] of [...this.table]) {
      for (const member of [...members.values()]) {
        if (member.lastUpdate >= before) continue
        this.leave(member.peer.id, name, 'no heartbeat')
        member.peer.close(`producer ${member.clientId} of group ${name} sent no heartbeat for 120 s`)
      }
    }
  }

  /** The connection of a producer by its client id: where a reply goes. */
  connection(clientId: string): P | undefined {
    const peer = this.clients.get(clientId)
    return peer === undefined || peer.closed ? undefined : peer
  }

  /** Some live connection of the group, each time another one: whom a transaction check asks. */
  pick(name: string): P | undefined {
    const members = this.table.get(name)
    if (members === undefined) return undefined
    const all = [...members.values()]
    for (let tried = 0; tried < all.length; tried++) {
      this.turn = (this.turn + 1) % 0x4000_0000
      const { peer } = all[this.turn % all.length]
      if (!peer.closed) return peer
    }
    return undefined
  }

  private leave(peerId: number, name: string, reason: string): void {
    const members = this.table.get(name)
    const member = members?.get(peerId)
    if (members === undefined || member === undefined) return
    members.delete(peerId)
    if (members.size === 0) this.table.delete(name)
    const { clientId, peer } = member
    this.log.info(`producer ${clientId} left group ${name}: ${reason}`, {
      group: name,
      clientId,
      remote: peer.remoteAddress,
    })
    if (this.clients.get(clientId) === peer && !this.isMember(peerId)) this.clients.delete(clientId)
  }

  private isMember(peerId: number): boolean {
    for (const members of this.table.values()) if (members.has(peerId)) return true
    return false
  }
}
