/**
 * The tables of one master, copied here for as long as it is that: what MetadataSync and DelayFollow need, put together.
 *
 * Owns:      delayOffset.json and <store>/basalt/deliveries until close(). Called by: Replication, LeaderTables.
 * Invariant: after close() nothing that the master said before is taken over any more.
 */
import type { BrokerConfig } from '../../config/index.ts'
import type { Log } from '../../log.ts'
import type { RemotingClient } from '../../remoting/index.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import type { Tables } from '../tables.ts'
import { DelayFollow } from './delay-follow.ts'
import { MetadataSync } from './metadata-sync.ts'

export interface TableCopiesOptions {
  readonly config: BrokerConfig
  readonly client: Pick<RemotingClient, 'invoke'>
  readonly tables: Pick<Tables, 'topics' | 'groups' | 'offsets'>
  readonly files: MetadataStore
  /** No crash takes back what is in the log below. */
  readonly safe: () => number
  /** Only a member that leads is believed: others may be behind this one. */
  readonly fromLeader?: boolean
  /** A round has taken over the master's topics. */
  readonly onTopics?: () => void
  readonly ownAddress: () => string
  readonly log: Log
}

/** RocketMQ's slave copies tables so often. */
export const SYNC_MS = 10_000
/** What waits for the log to come as far is looked at so often. */
export const SETTLE_MS = 1000

export class TableCopies {
  private readonly sync: MetadataSync
  private readonly delays: DelayFollow
  private readonly own: () => string
  private isClosed = false

  constructor(options: TableCopiesOptions) {
    const { config, client, tables, files, safe, ownAddress, log, fromLeader = false, onTopics } = options
    this.own = ownAddress
    this.delays = new DelayFollow({ files, storePathRootDir: config.storePathRootDir, log, safe })
    this.sync = new MetadataSync({
      ...{ client, ...tables, delays: this.delays, log, fromLeader },
      ...(onTopics === undefined ? {} : { onTopics }),
      ownHost: () => ownAddress().replace(/:\d+$/, ''),
      isOver: () => this.isClosed,
    })
  }

  /** One round, or one behind it that is under way. False: something could not be asked for. Never rejects. */
  async copy(master: string): Promise<boolean> {
    return this.isClosed || master === this.own() || this.sync.run(master)
  }

  settle(): void {
    void this.delays.settle().catch(() => {})
  }

  /** Settled when no file of it is being written. */
  close(): Promise<void> {
    this.isClosed = true
    return this.delays.close()
  }
}
