/**
 * A broker as a member of its DLedger group, put together: what it knows (membership.ts), what changes with its role
 * (role-changes.ts), and the tables that it has from the leader (leader-tables.ts).
 *
 *   new ─▶ take() … ─▶ serve() once the broker can ─▶ start() ─▶ take() … ─▶ stop() ─▶ close()
 *
 * Called by: broker.ts. Blocks on: nothing.
 */
import type { BrokerConfig } from '../../config/index.ts'
import type { Schedule } from '../schedule.ts'
import { LeaderTables, type LeaderTablesOptions } from './leader-tables.ts'
import { Membership, type RoleSaid, type StateSaid } from './membership.ts'
import { RoleChanges, type RoleChangesOptions } from './role-changes.ts'

type Roles = Pick<RoleChangesOptions, 'own' | 'register' | 'releasePulls' | 'queueCount' | 'log'>
export interface ServeOptions extends Omit<LeaderTablesOptions, 'tables'>, Roles {
  readonly tables: LeaderTablesOptions['tables'] & RoleChangesOptions['tables']
  /** Makes topics that have messages and that no table has; those whose messages end below `since` are none. True: see role-changes.ts. */
  readonly restoreTopics: (since: number) => boolean
}

export class GroupMember {
  readonly membership: Membership
  private early: RoleSaid | undefined
  private roles: RoleChanges | undefined
  private leaderTables: LeaderTables | undefined

  constructor(config: BrokerConfig) {
    this.membership = new Membership(config)
  }

  take(said: RoleSaid | StateSaid): void {
    if (this.roles !== undefined) this.roles.take(said)
    else this.membership.take(said)
    if (said.kind === 'dledgerRole') this.early = said
  }

  /** The broker serves: from now on roles change it. */
  serve(options: ServeOptions, schedule: Schedule): void {
    const { membership } = this
    const leaderTables = new LeaderTables(options)
    this.leaderTables = leaderTables
    leaderTables.start(schedule)
    this.roles = new RoleChanges({
      ...{ ...options, membership, leaderTables },
      restoreTopics: () => options.restoreTopics(leaderTables.copiedAt),
    })
    this.roles.start(this.early)
  }

  stop(): void {
    this.roles?.stop()
  }

  async close(): Promise<void> {
    this.stop()
    await this.leaderTables?.close()
  }
}
