/**
 * Replication as the broker sees it: who follows, whom it follows, and what would be lost now.
 *
 * Owns:      the last word of the HA thread, a slave's connection to its master's tables. Called by: broker.ts, the runtime
 *            table.
 */

import type { ControlBlock } from '../../concurrency/control-block.ts'
import type { BrokerConfig } from '../../config/index.ts'
import type { Log } from '../../log.ts'
import { AppendHistoryReader } from '../../metrics/append-history.ts'
import { RemotingClient, type RemotingCommand } from '../../remoting/index.ts'
import type { ClientTls } from '../../remoting/tls/index.ts'
import type { FromStage } from '../../stages/messages.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import type { RegisterAnswer } from '../registration/index.ts'
import type { Schedule } from '../schedule.ts'
import type { Tables } from '../tables.ts'
import type { Membership } from './membership.ts'
import { otherHistory, type SameHistoryOptions } from './same-history.ts'
import { SETTLE_MS, SYNC_MS, TableCopies } from './table-copies.ts'

type Said = FromStage & { kind: 'replication' }

export interface ReplicationOptions {
  readonly config: BrokerConfig
  readonly control: ControlBlock
  readonly appendHistory: SharedArrayBuffer
  /** Of a slave: where its master's HA port is. */
  readonly followMaster: (address: string) => void
  /** Of a slave: why the master's log is another one than this. */
  readonly verified: (other: string | undefined) => void
  readonly store: SameHistoryOptions['store']
  readonly queues: SameHistoryOptions['queues']
  readonly tables: Pick<Tables, 'topics' | 'groups' | 'offsets'>
  readonly files: MetadataStore
  /** "host:port" of this broker. */
  readonly ownAddress: () => string
  readonly tls: ClientTls | undefined
  readonly log: Log
  /** In a DLedger group, which does without the rest of this. */
  readonly membership?: Membership | undefined
}

/** A master that has not registered by then is told of in the log. */
const MASTER_MS = 2 * SYNC_MS
const NOBODY: Pick<Said, 'slaves' | 'link'> = { slaves: [], link: undefined }
const VERIFY_MS = 3000

export class Replication {
  /** "host:port" of the master's port for requests, as the NameServers say; undefined while they know none. */
  masterAddr: string | undefined
  private readonly options: ReplicationOptions
  private readonly history: AppendHistoryReader
  private haServerAddr: string | undefined
  private said: Said | undefined
  private client: RemotingClient | undefined
  private copies: TableCopies | undefined
  private hasSaidAlone = false
  private isStarted = false
  private hasSeenSlave = false

  constructor(options: ReplicationOptions) {
    this.options = options
    this.history = new AppendHistoryReader(options.appendHistory)
  }

  /** The broker serves: now it may follow. */
  start(schedule: Schedule): void {
    const { config, control, followMaster, tables, files, tls, log, ownAddress } = this.options
    if (!isSlave(config)) return
    const client = new RemotingClient({ log, tls })
    this.client = client
    const safe = () => control.load('flushed')
    const copies = new TableCopies({ config, client, tables, files, safe, ownAddress, log })
    this.copies = copies
    this.isStarted = true
    schedule.add(SYNC_MS, () => this.copyTables())
    schedule.add(SETTLE_MS, () => copies.settle())
    schedule.add(MASTER_MS, () => this.lookForMaster())
    const address = config.haMasterAddress || this.haServerAddr
    if (address !== undefined) followMaster(address)
    this.copyTables()
  }

  async close(): Promise<void> {
    this.isStarted = false
    await this.client?.close()
    await this.copies?.close()
  }

  /** The HA thread is about to connect. */
  private async verify(): Promise<void> {
    const { client, masterAddr, options } = this
    if (client === undefined || masterAddr === undefined) return options.verified(undefined)
    const invoke = (command: RemotingCommand) => client.invoke(masterAddr, command, VERIFY_MS)
    options.verified(await otherHistory({ store: options.store, queues: options.queues, invoke }))
  }

  private lookForMaster(): void {
    const { config, log } = this.options
    if (this.masterAddr !== undefined || this.hasSaidAlone) return
    this.hasSaidAlone = true
    const { haMasterAddress, brokerClusterName, brokerName } = config
    const what =
      haMasterAddress === '' ? 'nothing is copied' : `only the log is copied (from haMasterAddress ${haMasterAddress})`
    log.warn(
      `${what}: no NameServer has said where the master of broker ${brokerName} in cluster ${brokerClusterName} is, of which ` +
        'topics, groups and offsets are copied. Master and slave need the same namesrvAddr, brokerClusterName and brokerName',
    )
  }

  private copyTables(): void {
    const { masterAddr, isStarted } = this
    if (masterAddr !== undefined && isStarted) void this.copies?.copy(masterAddr)
  }

  /** What a NameServer answered to our registration. One that knows no master says nothing about the one we have. */
  answered({ masterAddr, haServerAddr }: Pick<RegisterAnswer, 'masterAddr' | 'haServerAddr'>): void {
    const { config, followMaster } = this.options
    if (!isSlave(config)) return
    this.haServerAddr = haServerAddr ?? this.haServerAddr
    if (masterAddr !== undefined && masterAddr !== this.masterAddr) {
      this.masterAddr = masterAddr
      this.copyTables()
    }
    // Not before what is here can be compared with what the master has.
    if (haServerAddr !== undefined && config.haMasterAddress === '' && this.isStarted) followMaster(haServerAddr)
  }

  take(said: Said | { kind: 'haVerify' }): void {
    if (said.kind === 'haVerify') void this.verify()
    else this.said = said
  }

  /** Rows of the runtime table: "what would I lose now", and on how many machines messages are. */
  rows(): Record<string, string> {
    const { config, control, membership } = this.options
    if (membership !== undefined) return this.groupRows(membership)
    const rows = this.lossRows('unflushed', control.load('flushed'))
    const appended = control.load('appended')
    const { slaves, link } = this.said ?? NOBODY
    if (link !== undefined) rows.basalt_master = `${link.master} ${link.state}`
    if (config.brokerRole === 'SLAVE') return rows
    const known = slaves.filter(({ acknowledged }) => acknowledged >= 0)
    this.hasSeenSlave ||= known.length > 0
    // At the start the position says nothing: nobody has told yet what slaves have.
    const most = this.hasSeenSlave ? control.load('replicated') : 0
    Object.assign(rows, this.lossRows('unreplicated', most))
    const inSync = known.filter(({ isInSync }) => isInSync)
    rows.basalt_stored_on = `${inSync.length + 1} of ${slaves.length + 1}`
    for (const [i, { address, acknowledged, isInSync, behindMs }] of slaves.entries()) {
      const lag = acknowledged < 0 ? 'unknown' : String(Math.max(0, appended - acknowledged))
      rows[`basalt_slave_${i}`] =
        `${address} acknowledged=${acknowledged} behind=${lag} ms=${behindMs} inSync=${isInSync}`
    }
    return rows
  }

  /** What a majority has no crash takes: below it nothing is lost with any one disk. */
  private groupRows(membership: Membership): Record<string, string> {
    const { control } = this.options
    const storedOn = membership.storedOn()
    return {
      ...this.lossRows('unflushed', control.load('flushed')),
      ...this.lossRows('unreplicated', control.load('replicated')),
      ...(storedOn === undefined ? {} : { basalt_stored_on: storedOn }),
      ...membership.rows(),
    }
  }

  /** What is in the log above a position: that much is lost with whatever keeps the position back. */
  private lossRows(kind: 'unflushed' | 'unreplicated', position: number): Record<string, string> {
    const { control } = this.options
    const { messages, ms } = this.history.behind(position, control.now())
    return {
      [`basalt_${kind}_bytes`]: String(Math.max(0, control.load('appended') - position)),
      [`basalt_${kind}_messages`]: String(messages),
      [`basalt_${kind}_ms`]: String(ms),
    }
  }
}

/** A member of a DLedger group has its log and its master from the group: see leader-tables.ts. */
function isSlave({ brokerRole, enableDLegerCommitLog }: BrokerConfig): boolean {
  return brokerRole === 'SLAVE' && !enableDLegerCommitLog
}
