/**
 * Who leads, told when it changes: members are asked at their DLedger ports ten times a second, the NameServer for the master
 * that clients find. A member counts as there when it answers, whoever started it.
 */
import { DLedgerMembers, type DLedgerPeer, type MemberSays } from '../../admin/dledger/index.ts'
import { AdminClient, brokersOf } from '../../admin/index.ts'
import type { ClusterPlan } from './plan.ts'

const LOOK_MS = 100
const ANSWER_MS = 500
/** Answers that are late now and then are no news. */
const SILENT_LOOKS = 5
const UNTOLD_LOOKS = 10

interface Known {
  peer: DLedgerPeer
  /** Looks in a row without an answer. */
  silent: number
  isThere: boolean
  /** Looks since it is back that nothing was told of: whom it follows is most of the news, and comes a moment later. */
  untold: number
  says: MemberSays | undefined
}

export class ClusterWatch {
  private readonly plan: ClusterPlan
  private readonly tell: (line: string) => void
  private readonly pidOf: (id: string) => number | undefined
  private readonly ports = new DLedgerMembers(ANSWER_MS)
  private readonly names: AdminClient
  private readonly known: Known[]
  private leader: { id: string; term: number } | undefined
  private master: string | undefined
  /** When the leader was last known to be there, since it went. */
  private lostAt: number | undefined
  private timer: NodeJS.Timeout | undefined
  private isClosed = false

  constructor(plan: ClusterPlan, tell: (line: string) => void, pidOf: (id: string) => number | undefined) {
    this.plan = plan
    this.pidOf = pidOf
    this.tell = tell
    this.names = new AdminClient({ namesrv: [`127.0.0.1:${plan.namesrvPort}`], timeoutMs: ANSWER_MS })
    this.known = plan.members.map(({ id, dledgerPort }) => ({
      peer: { id, address: `127.0.0.1:${dledgerPort}` },
      ...{ silent: 0, isThere: false, untold: 0, says: undefined },
    }))
  }

  begin(): void {
    void this.look()
  }

  /** Its process has ended: that is known before anybody misses its answers. */
  gone(id: string): void {
    const member = this.known.find(({ peer }) => peer.id === id)
    if (member === undefined) return
    member.isThere = false
    member.says = undefined
    if (this.leader?.id === id) this.lose()
    this.tellMajority()
  }

  isThere(id: string): boolean {
    return this.known.some(({ peer, isThere }) => peer.id === id && isThere)
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    await Promise.all([this.ports.close(), this.names.close()])
  }

  private async look(): Promise<void> {
    const ids = this.known.map(({ peer }) => peer.id)
    await Promise.all(
      this.known.map(async (member) => {
        const says = await this.ports.ask(this.plan.group, member.peer, ids).catch(() => undefined)
        if (!this.isClosed) this.heard(member, says)
      }),
    )
    if (!this.isClosed) await this.lookForMaster()
    if (!this.isClosed) this.timer = setTimeout(() => void this.look(), LOOK_MS)
  }

  private heard(member: Known, says: MemberSays | undefined): void {
    const { id } = member.peer
    if (says === undefined) {
      member.silent++
      if (!member.isThere || member.silent < SILENT_LOOKS) return
      member.isThere = false
      member.says = undefined
      this.tell(`${id} does not answer: stopped, or cut off`)
      if (this.leader?.id === id) this.lose()
      this.tellMajority()
      return
    }
    member.silent = 0
    const isBack = !member.isThere
    member.isThere = true
    member.says = says
    if (isBack) member.untold = 1
    const { leaderId } = says
    if (leaderId === id) {
      member.untold = 0
      if (isBack || this.leader === undefined || says.term > this.leader.term) this.leads(id, says.term)
      return
    }
    if (this.leader?.id === id) this.deposed(id, leaderId)
    if (member.untold === 0 || (leaderId === undefined && member.untold++ < UNTOLD_LOOKS)) return
    member.untold = 0
    this.tell(`${id} is there${leaderId === undefined ? '' : `, and follows ${leaderId}`}`)
  }

  private leads(id: string, term: number): void {
    if (this.leader !== undefined && this.leader.id !== id) this.lose()
    this.leader = { id, term }
    this.master = undefined
    const pid = this.pidOf(id)
    this.tell(`${id} LEADS, term ${term}${pid === undefined ? '' : `, pid ${pid}`}`)
  }

  private deposed(id: string, leaderId: string | undefined): void {
    this.tell(`${id} leads no more${leaderId === undefined ? '' : `: it follows ${leaderId}`}`)
    this.lose()
  }

  private lose(): void {
    this.leader = undefined
    this.master = undefined
    this.lostAt ??= performance.now()
  }

  private tellMajority(): void {
    const there = this.known.filter(({ isThere }) => isThere).length
    const needed = Math.floor(this.known.length / 2) + 1
    if (there < needed)
      this.tell(`${there} of ${this.known.length} members are there, ${needed} are needed: nothing is taken`)
  }

  private async lookForMaster(): Promise<void> {
    const { leader, plan } = this
    if (leader === undefined || this.master === leader.id) return
    const port = plan.members.find(({ id }) => id === leader.id)?.port
    const all = await brokersOf(this.names).catch(() => [])
    const isMaster = all.some(({ id, address }) => id === 0 && address.endsWith(`:${port}`))
    if (!isMaster || this.leader !== leader) return
    this.master = leader.id
    const after =
      this.lostAt === undefined
        ? ''
        : `, ${((performance.now() - this.lostAt) / 1000).toFixed(2)} s after the last was gone`
    this.lostAt = undefined
    this.tell(`${leader.id} is the master: clients find it and send to it${after}`)
  }
}
