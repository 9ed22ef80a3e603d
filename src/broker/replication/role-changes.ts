/**
 * A broker's part in its DLedger group, changed while it runs: from the DLedger thread's word to all that depends on it.
 *
 *   LEADER and ready   tables of the former leader are left ─▶ brokerId 0, SYNC_MASTER ─▶ topics that its tables lack are
 *                      made ─▶ deliveries, transaction checks ─▶ NameServers are told, at once
 *   all else           deliveries and checks end ─▶ brokerId n + 1, SLAVE ─▶ tables of the leader ─▶ NameServers are told
 *   both               held pulls are answered, so that consumers look anew
 *
 * Owns:      config.brokerRole and config.brokerId in this mode. Called by: broker.ts.
 * Invariant: whoever reads them at one place within a turn of the event loop finds a role whose services are as it says.
 * Rules:     spec/dledger.md §1.3. Differently: a broker registers when its role is known, or after START_MS as a slave, so
 *            that consumers read from a group without a leader; RocketMQ's registers as brokerId −1 after 10 s.
 * Blocks on: nothing.
 */
import type { BrokerConfig } from '../../config/index.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Membership, RoleSaid, StateSaid } from './membership.ts'

export interface RoleChangesOptions {
  readonly config: BrokerConfig
  readonly membership: Membership
  /** Deliveries and transaction checks. */
  readonly own: { lead(handedOver: Promise<void>): void; follow(): void }
  readonly leaderTables: { follow(leaderId: string | undefined): void; lead(): Promise<void> }
  readonly tables: {
    readonly topics: { newVersion(): void }
    readonly groups: { newVersion(): void }
    readonly offsets: { lead(): void; leadNoMore(): void }
  }
  /** Makes topics that have messages and that no table has. True: of some it is not known yet what they have. */
  readonly restoreTopics: () => boolean
  /** Queues that are known by now. */
  readonly queueCount: () => number
  /** All NameServers, at once. */
  readonly register: () => Promise<unknown>
  readonly releasePulls: () => void
  readonly log: Log
}

/** Queues of the former leader's last messages may become known so long after its log has been taken over. */
const LATE_QUEUES_MS = 5000
const LOOK_MS = 20
/** RocketMQ's registers after 10 s where it has no role by then. */
const START_MS = 1000

export class RoleChanges {
  private readonly options: RoleChangesOptions
  private readonly slaveId: number
  private isLeading = false
  private term = -1
  private leaderId: string | undefined
  private hasRegistered = false
  private isStarted = false
  private isOver = false
  private timer: NodeJS.Timeout | undefined
  private lateQueues: NodeJS.Timeout | undefined

  constructor(options: RoleChangesOptions) {
    this.options = options
    this.slaveId = options.config.brokerId
  }

  /** The broker serves. `early`: what the DLedger thread has said by then. */
  start(early: RoleSaid | undefined): void {
    this.isStarted = true
    this.timer = setTimeout(() => this.register(), START_MS)
    if (early !== undefined) this.take(early)
  }

  /** The broker stops: roles change nothing any more. */
  stop(): void {
    this.isOver = true
    clearTimeout(this.timer)
    clearInterval(this.lateQueues)
  }

  take(said: RoleSaid | StateSaid): void {
    const { membership } = this.options
    membership.take(said)
    if (said.kind !== 'dledgerRole' || !this.isStarted || this.isOver) return
    const leads = said.role === 'LEADER' && said.isReady
    // Where it led in another term, somebody else may have led between.
    if (this.isLeading && (!leads || said.term !== this.term)) this.leadNoMore()
    this.term = said.term
    if (leads) {
      if (!this.isLeading) this.lead()
      return
    }
    const { leaderId } = membership
    if (leaderId !== this.leaderId) {
      this.leaderId = leaderId
      this.options.leaderTables.follow(leaderId)
    }
    if (!this.hasRegistered && leaderId !== undefined) this.register()
  }

  private lead(): void {
    const { config, own, leaderTables, tables, releasePulls, log } = this.options
    this.isLeading = true
    this.leaderId = undefined
    const handedOver = leaderTables.lead()
    config.brokerId = 0
    config.brokerRole = 'SYNC_MASTER'
    // NameServers have our topics by this version already, as a slave's.
    tables.topics.newVersion()
    tables.groups.newVersion()
    tables.offsets.lead()
    this.restoreTopics()
    own.lead(handedOver)
    log.info(`this member leads DLedger group ${config.dLegerGroup} in term ${this.term}: it is the master now`)
    releasePulls()
    this.register()
  }

  private leadNoMore(): void {
    const { config, own, tables, releasePulls, log } = this.options
    this.isLeading = false
    clearInterval(this.lateQueues)
    config.brokerId = this.slaveId
    config.brokerRole = 'SLAVE'
    own.follow()
    tables.offsets.leadNoMore()
    log.warn(
      `this member leads DLedger group ${config.dLegerGroup} no more: it is a slave now, brokerId ${this.slaveId}`,
    )
    releasePulls()
    this.register()
  }

  private restoreTopics(): void {
    const { restoreTopics, queueCount, log } = this.options
    const until = performance.now() + LATE_QUEUES_MS
    let known = -1
    let isUndecided = false
    const look = () => {
      const count = queueCount()
      try {
        if (count !== known || isUndecided) isUndecided = restoreTopics()
        known = count
      } catch (error) {
        log.error(`topics without an entry in the tables cannot be looked for: ${describe(error)}`)
      }
      if (performance.now() > until) clearInterval(this.lateQueues)
    }
    look()
    this.lateQueues = setInterval(look, LOOK_MS)
  }

  private register(): void {
    if (this.isOver) return
    clearTimeout(this.timer)
    this.hasRegistered = true
    this.options.register().catch((error: unknown) => {
      this.options.log.error(`the NameServers were not told of the role: ${describe(error)}`)
    })
  }
}
