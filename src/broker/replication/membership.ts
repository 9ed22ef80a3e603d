/**
 * What this broker is in its DLedger group, by the last word of the DLedger thread: for answers to clients, and for operators.
 *
 * Owns:    nothing that others write. Called by: broker.ts, whoever refuses a send, the runtime table.
 */
import type { BrokerConfig } from '../../config/index.ts'
import type { FromStage } from '../../stages/messages.ts'

export type RoleSaid = FromStage & { kind: 'dledgerRole' }
export type StateSaid = FromStage & { kind: 'dledgerState' }

export class Membership {
  private readonly config: Pick<BrokerConfig, 'dLegerGroup' | 'dLegerSelfId' | 'slaveTimeout'>
  private said: Omit<RoleSaid, 'kind'> = { role: 'CANDIDATE', term: -1, leaderId: undefined, isReady: false }
  private state: StateSaid['state'] | undefined

  constructor(config: Pick<BrokerConfig, 'dLegerGroup' | 'dLegerSelfId' | 'slaveTimeout'>) {
    this.config = config
  }

  take(said: RoleSaid | StateSaid): void {
    if (said.kind === 'dledgerRole') this.said = said
    else this.state = said.state
  }

  get selfId(): string {
    return this.config.dLegerSelfId
  }

  /** The leader, where it is another member. */
  get leaderId(): string | undefined {
    const { role, leaderId } = this.said
    return role === 'LEADER' || leaderId === this.selfId ? undefined : leaderId
  }

  /** Why a send is not taken here. */
  whyNoSends(): string {
    const { role, isReady } = this.said
    const who = `this is member ${this.selfId} of DLedger group ${this.config.dLegerGroup}`
    if (role === 'LEADER' && !isReady)
      return `${who}, its new leader, which takes messages once all before is committed`
    return `${who}, a slave; ${this.leaderText()}`
  }

  /** What became of a send that was under way when the leader changed. */
  changedText(isAppended: boolean): string {
    const { dLegerGroup } = this.config
    const what = isAppended
      ? `the leader of DLedger group ${dLegerGroup} changed before a majority had confirmed the message, which may be stored or not`
      : `the leader of DLedger group ${dLegerGroup} changed while the message was under way: nothing is stored`
    return `${what}; ${this.leaderText()}`
  }

  noMajorityText(): string {
    const { dLegerGroup, slaveTimeout } = this.config
    return `no majority of DLedger group ${dLegerGroup} has confirmed the message within ${slaveTimeout} ms: it may be stored later, or not`
  }

  /** Rows of the runtime table. */
  rows(): Record<string, string> {
    const { role, term, leaderId, isReady } = this.said
    const { state } = this
    const rows: Record<string, string> = {
      basalt_dledger_group: this.config.dLegerGroup,
      basalt_dledger_self: this.selfId,
      basalt_dledger_role: role === 'LEADER' && !isReady ? 'LEADER (not ready)' : role,
      basalt_dledger_term: String(term),
      basalt_dledger_leader: leaderId ?? '',
    }
    if (state === undefined) return rows
    rows.basalt_dledger_begin_index = String(state.beginIndex)
    rows.basalt_dledger_end_index = String(state.endIndex)
    rows.basalt_dledger_committed_index = String(state.committedIndex)
    for (const { id, address, matchIndex } of state.peers) {
      const isBehind = matchIndex !== undefined && role === 'LEADER'
      const behind = isBehind ? ` behind=${Math.max(0, state.endIndex - matchIndex)}` : ''
      rows[`basalt_dledger_peer_${id}`] = `${address} match=${matchIndex ?? 'unknown'}${behind}`
    }
    return rows
  }

  /** Members that have all of the leader's log, it included, of how many; undefined where only the leader knows. */
  storedOn(): string | undefined {
    const { state } = this
    if (state === undefined || this.said.role !== 'LEADER') return undefined
    const { peers: others } = state
    const whole = others.filter(({ matchIndex }) => matchIndex !== undefined && matchIndex >= state.committedIndex)
    return `${whole.length + 1} of ${others.length + 1}`
  }

  private leaderText(): string {
    const { leaderId } = this
    if (leaderId === undefined) return 'no leader is known at the moment, an election may be under way'
    return `${leaderId} leads: ask the NameServer for the route`
  }
}
