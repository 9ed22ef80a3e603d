/**
 * The tables of a DLedger group's leader, which are not in its log, copied here while another member leads: topics, offsets,
 * delay progress, groups.
 *
 *   follow(n1) ─▶ where is its broker? (leader-address.ts; again until a NameServer knows) ─▶ copied at once, then each 10 s, and
 *                 soon after the log has brought a queue that is new: consumers ask here for its topic
 *   lead(), follow(n2) ─▶ nothing that n1 said before is taken over any more
 *
 * Owns:      the copies of the leader that is followed. Called by: RoleChanges, the schedule.
 * Blocks on: nothing.
 */
import type { Clock } from '../../clock.ts'
import { RemotingClient } from '../../remoting/index.ts'
import type { ClientTls } from '../../remoting/tls/index.ts'
import type { Schedule } from '../schedule.ts'
import { findLeader } from './leader-address.ts'
import { SETTLE_MS, SYNC_MS, TableCopies, type TableCopiesOptions } from './table-copies.ts'

export interface LeaderTablesOptions extends Omit<TableCopiesOptions, 'client' | 'fromLeader' | 'onTopics'> {
  /** Does not move when the system's time is set. */
  readonly clock: Clock
  readonly namesrvs: () => readonly string[]
  /** No leader's change takes back what is in the log below. */
  readonly committed: () => number
  /** Queues that the log has brought by now. */
  readonly queueCount: () => number
  readonly tls: ClientTls | undefined
}

const LOOK_MS = 100
/** Between two copies for new queues. */
const NEWS_MS = 500
const SEARCH_MS_MIN = 100
const SEARCH_MS_MAX = 5000
/** A leader that no NameServer knows by then is told of in the log. */
const PATIENCE_MS = 20_000

export class LeaderTables {
  /** "host:port" of the leader's broker, where it is another one and a NameServer knows it. */
  leaderAddr: string | undefined
  /** What was committed when a leader's topics were asked for last: a topic that is not among them and ends below is deleted. */
  copiedAt: number
  private readonly options: LeaderTablesOptions
  private readonly client: RemotingClient
  private copies: TableCopies | undefined
  private leaderId: string | undefined
  private isSearching = false
  private searchAt = 0
  private searchMs = SEARCH_MS_MIN
  private tellAt = 0
  private queueCount = 0
  private copiedMs = 0
  private isClosed = false

  constructor(options: LeaderTablesOptions) {
    this.options = options
    this.client = new RemotingClient({ log: options.log, tls: options.tls })
    this.copiedAt = options.committed()
  }

  start(schedule: Schedule): void {
    schedule.add(LOOK_MS, () => {
      this.search()
      this.followNews()
    })
    schedule.add(SYNC_MS, () => this.copy())
    schedule.add(SETTLE_MS, () => this.copies?.settle())
  }

  /** Undefined: nobody is known to lead. */
  follow(leaderId: string | undefined): void {
    void this.end()
    if (leaderId === undefined || this.isClosed) return
    this.leaderId = leaderId
    this.copiedAt = Math.min(this.copiedAt, this.options.committed())
    let began = 0
    const copies: TableCopies = new TableCopies({
      ...this.options,
      client: {
        invoke: (address, command, timeoutMs) => {
          began = this.options.committed()
          return this.client.invoke(address, command, timeoutMs)
        },
      },
      fromLeader: true,
      onTopics: () => {
        this.copiedAt = began
      },
    })
    this.copies = copies
    this.searchAgain()
    this.search()
  }

  /** This one leads. Settled when the files that it copied into are its own. */
  lead(): Promise<void> {
    return this.end()
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.end()
    await this.client.close()
  }

  private async end(): Promise<void> {
    const { copies } = this
    this.copies = undefined
    this.leaderId = undefined
    this.leaderAddr = undefined
    await copies?.close()
  }

  private searchAgain(): void {
    this.leaderAddr = undefined
    this.searchMs = SEARCH_MS_MIN
    this.searchAt = 0
    this.tellAt = this.options.clock.now() + PATIENCE_MS
  }

  private search(): void {
    const { leaderId, options } = this
    const { clock, config, ownAddress, namesrvs } = options
    const now = clock.now()
    if (leaderId === undefined || this.leaderAddr !== undefined || this.isSearching || now < this.searchAt) return
    this.isSearching = true
    this.searchAt = now + this.searchMs
    this.searchMs = Math.min(this.searchMs * 2, SEARCH_MS_MAX)
    const { brokerName } = config
    const asked = { client: this.client, namesrvs: namesrvs(), brokerName, leaderId, ownAddress: ownAddress() }
    void findLeader(asked).then((address) => {
      this.isSearching = false
      if (this.leaderId !== leaderId) return
      if (address === undefined) {
        this.tellOfSearch()
        return
      }
      this.leaderAddr = address
      options.log.info(`${leaderId} leads: its topics, offsets and groups are copied from ${address}`)
      this.copy()
    })
  }

  private followNews(): void {
    const { clock, queueCount } = this.options
    if (queueCount() !== this.queueCount && clock.now() - this.copiedMs >= NEWS_MS) this.copy()
  }

  private copy(): void {
    const { copies, leaderAddr, options } = this
    if (copies === undefined || leaderAddr === undefined) return
    this.queueCount = options.queueCount()
    this.copiedMs = options.clock.now()
    void copies.copy(leaderAddr).then((isWhole) => {
      // It may have another address now, or not be the leader that this member knows.
      if (!isWhole && this.copies === copies && this.leaderAddr === leaderAddr) this.lookElsewhere()
    })
  }

  private tellOfSearch(): void {
    const { clock, config, namesrvs, log } = this.options
    if (clock.now() < this.tellAt) return
    this.tellAt = Number.POSITIVE_INFINITY
    const named = namesrvs().join(';')
    log.warn(
      `topics, groups and offsets are not copied: no NameServer (${named}) knows the broker of ${this.leaderId}, which leads. All ` +
        `members need the same namesrvAddr and the brokerName ${config.brokerName}`,
    )
  }

  private lookElsewhere(): void {
    this.leaderAddr = undefined
    this.searchAt = this.options.clock.now() + this.searchMs
  }
}
