/**
 * Members with different timers do not make one group: a leader of the JVM says that it lives each 2 s, and a follower with
 * dLedgerFastElection has elected another by then.
 *
 * What members of ours say to each other carries which timers they have, under a key that DLedger's own readers pass over. Whoever
 * says nothing is a member of the JVM.
 * Fails: a member with fast timers gives up, with one error that names the other; one without says it once, and goes on.
 */
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Peer } from './peers.ts'
import type { TimersMark } from './wire/index.ts'

export interface TimersCheckOptions {
  mark: TimersMark
  selfId: string
  peers: readonly Peer[]
  said: Log
  refuse(error: ConfigError): void
}

export class TimersCheck {
  private readonly options: TimersCheckOptions
  private readonly told = new Set<string>()

  constructor(options: TimersCheckOptions) {
    this.options = options
  }

  /** What a message of that member said; undefined: nothing. */
  heard(id: string | undefined, mark: string | undefined): void {
    const { options } = this
    if (mark === options.mark || id === undefined || this.told.has(id)) return
    const peer = options.peers.find((it) => it.id === id)
    if (peer === undefined || id === options.selfId || (options.mark === 'jvm' && mark === undefined)) return
    this.told.add(id)
    if (options.mark === 'fast') options.refuse(refusal(peer, mark))
    else
      options.said.error(
        `DLedger member ${id} (${peer.address}) has dLedgerFastElection=true, this member has not: it gives up. Set it to the same at all members`,
      )
  }
}

function refusal({ id, address }: Peer, mark: string | undefined): ConfigError {
  if (mark === undefined)
    return new ConfigError('FAST_ELECTION_WITH_JVM', {
      what: `dLedgerFastElection=true, but DLedger member ${id} (${address}) is no Basalt broker: its heartbeats come each 2 s, and elections here begin after 0.15 to 0.3 s without one`,
      where: 'dLedgerFastElection',
      todo: 'set dLedgerFastElection=false at all Basalt members of this group; true is for groups of Basalt brokers alone',
    })
  return new ConfigError('FAST_ELECTION_MIXED', {
    what: `dLedgerFastElection=true, but DLedger member ${id} (${address}) has false: its heartbeats come each 2 s, and elections here begin after 0.15 to 0.3 s without one`,
    where: 'dLedgerFastElection',
    todo: 'set dLedgerFastElection to the same at all members of this group, and start all of them anew',
  })
}
