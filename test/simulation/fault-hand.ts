/** Carries faults out, and mends everything at the end of the bad time. */
import type { Fault, Whom } from './faults.ts'
import type { Member, Surroundings } from './member.ts'
import { CALM, type Network } from './network.ts'
import type { Timeline } from './timeline.ts'

export class FaultHand {
  private readonly members: readonly Member[]
  private readonly network: Network
  private readonly timeline: Timeline
  private readonly world: Surroundings
  /** What ends each fault that lasts: done once, at its time or at the end of all. */
  private isMended = false
  private readonly lasting = new Set<() => void>()

  constructor(members: readonly Member[], network: Network, timeline: Timeline, world: Surroundings) {
    this.members = members
    this.network = network
    this.timeline = timeline
    this.world = world
  }

  mend(): void {
    this.isMended = true
    for (const end of [...this.lasting]) end()
    this.network.weather = CALM
    for (const member of this.members) if (!member.isUp) this.restart(member)
    this.world.trace(() => 'all is mended')
  }

  strike(fault: Fault): void {
    switch (fault.kind) {
      case 'kill':
      case 'powerLoss':
        this.down(this.find(fault.whom), fault.kind === 'powerLoss', fault.ms)
        return
      case 'crashAt': {
        const members =
          fault.point === 'lead' || fault.point === 'persist' || fault.point === 'commit'
            ? this.members
            : [this.find(fault.whom)]
        for (const member of members)
          member.crashAt(fault.point, () => {
            for (const other of members) other.crashAt(fault.point, () => undefined)
            if (this.isMended) return
            this.down(member, fault.isPowerLoss, fault.ms)
          })
        return
      }
      case 'powerLossOfMany':
        for (let i = 0; i < fault.count; i++)
          this.down(this.members[(fault.first + i) % this.members.length]!, true, fault.ms * (0.5 + i / 10))
        return
      case 'pause':
        this.pause(this.find(fault.whom), fault.ms)
        return
      case 'slowDisk': {
        const member = this.find(fault.whom)
        member.diskSlow(fault.factor, fault.syncOnly)
        this.lasts(fault.ms, () => member.diskSlow(1, false))
        return
      }
      case 'fullDisk': {
        const member = this.find(fault.whom)
        member.diskFull(true)
        this.lasts(fault.ms, () => member.diskFull(false))
        return
      }
      case 'clock': {
        const member = this.find(fault.whom)
        member.clock(fault.rate, fault.jump)
        this.lasts(fault.ms, () => member.clock(1, 0))
        return
      }
      case 'weather':
        this.network.weather = fault
        this.lasts(fault.ms, () => {
          if (this.network.weather === fault) this.network.weather = CALM
        })
        return
      case 'transfer':
        this.transfer(fault.peer)
        return
      default:
        this.cut(fault)
    }
  }

  private find(whom: Whom): Member {
    const leader = whom < 0 ? this.members.find((member) => member.isLeader) : undefined
    return leader ?? this.members[whom < 0 ? 0 : whom]!
  }

  private down(member: Member, isPowerLoss: boolean, ms: number): void {
    if (!member.isUp) return
    if (isPowerLoss) member.powerLoss()
    else member.kill()
    this.world.trace(() => `${member.id} is down, with ${member.log.length} entries`)
    this.timeline.after(ms, () => {
      if (!member.isUp) this.restart(member)
    })
  }

  private restart(member: Member): void {
    member.start()
    this.world.trace(() => `started: ${member.describe()}`)
    for (const other of this.members) if (other !== member) other.reached(member.index)
  }

  private pause(member: Member, ms: number): void {
    if (!member.isUp) return
    member.pause()
    this.lasts(ms, () => member.resume())
  }

  private transfer(peer: number): void {
    const leader = this.members.find((member) => member.isLeader)
    if (leader === undefined) return
    const transfereeId = this.members[peer]!.id
    leader.receive(
      {
        kind: 'LEADERSHIP_TRANSFER',
        group: 'g',
        remoteId: leader.id,
        localId: undefined,
        leaderId: undefined,
        term: leader.term,
        transferId: leader.id,
        transfereeId,
        takeLeadershipLedgerIndex: -1,
      },
      (response) => this.world.trace(() => `transfer to ${transfereeId}: ${response.code} t${response.term}`),
    )
  }

  private cut(fault: Fault): void {
    const pairs = pairsOf(fault, this.members.length, (whom) => this.find(whom).index)
    for (const [from, to] of pairs) this.network.cut(from, to, 1)
    this.lasts(fault.ms, () => {
      for (const [from, to] of pairs) this.network.cut(from, to, -1)
    })
  }

  private lasts(ms: number, end: () => void): void {
    const once = () => {
      if (this.lasting.delete(once)) end()
    }
    this.lasting.add(once)
    this.timeline.after(ms, once)
  }
}

function pairsOf(fault: Fault, size: number, find: (whom: Whom) => number): [number, number][] {
  const pairs: [number, number][] = []
  const both = (isCut: (a: number, b: number) => boolean) => {
    for (let a = 0; a < size; a++) for (let b = 0; b < size; b++) if (a !== b && isCut(a, b)) pairs.push([a, b])
  }
  switch (fault.kind) {
    case 'isolate': {
      const lonely = find(fault.whom)
      both((a, b) => a === lonely || b === lonely)
      break
    }
    case 'halves': {
      const side = new Set(fault.order.slice(0, fault.count))
      both((a, b) => side.has(a) !== side.has(b))
      break
    }
    case 'ring': {
      // Each sees its two neighbours only.
      const place = fault.order
      both((a, b) => {
        const distance = Math.abs(place.indexOf(a) - place.indexOf(b))
        return distance !== 1 && distance !== size - 1
      })
      break
    }
    case 'bridge': {
      // Two halves, and one member that both see.
      const [bridge, ...rest] = fault.order
      const left = new Set(rest.slice(0, Math.floor(rest.length / 2)))
      both((a, b) => a !== bridge && b !== bridge && left.has(a) !== left.has(b))
      break
    }
    case 'oneWay': {
      const whom = find(fault.whom)
      const peers = fault.peer < 0 ? Array.from({ length: size }, (_, i) => i) : [fault.peer]
      for (const peer of peers) if (peer !== whom) pairs.push(fault.inward ? [peer, whom] : [whom, peer])
      break
    }
  }
  return pairs
}
