/**
 * A member that stands alone. It answers members (spec/dledger.md §3.2) and DLedger's own clients, as a DLedgerServer of the
 * original does.
 *
 *   start: lock ─▶ recover ─▶ listen ─▶ tick          stop: port closed ─▶ flush ─▶ checkpoint ─▶ files closed
 *
 * Owns:      the folder dledger-<selfId> (locked), and what group-member.ts has.
 * Invariant: an append is answered 200 when a majority holds it for ever, in the sense of flushBeforeAck.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, steadyClock } from '../clock.ts'
import { StoreError } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { lockFile } from '../native/index.ts'
import { ClientRequests } from './client-requests.ts'
import type { Limits, Role, Timers } from './core/index.ts'
import { GroupMember } from './group-member.ts'
import { DLedgerLog, type LogSettings, logSettings } from './log/index.ts'
import type { Peer } from './peers.ts'

export interface MemberOptions {
  /** dLegerGroup. */
  group: string
  /** dLegerSelfId. */
  selfId: string
  /** dLegerPeers. */
  peers: string
  storeBaseDir: string
  /** Acknowledged means synced at a majority (flushDiskType SYNC_FLUSH); else: in its page caches. */
  flushBeforeAck: boolean
  preferredLeaderIds?: readonly string[]
  timers?: Timers
  limits?: Limits
  files?: Partial<LogSettings>
  log?: Log
  /** Goes only forward. */
  clock?: Clock
  onRole?: (role: Role, term: number, leaderId: string | undefined) => void
  onCommit?: (index: number) => void
}

const EXPIRE_MS = 100

export class Member {
  readonly log: DLedgerLog
  /** Resolves with the reason when this member had to give up. */
  readonly failed: Promise<unknown>
  private readonly member: GroupMember
  private readonly clients: ClientRequests
  private readonly lockFd: number
  private timer: NodeJS.Timeout | undefined
  private hasEnded = false

  /** Recovers the files. Throws ConfigError or StoreError. */
  constructor(options: MemberOptions) {
    const { group, selfId, storeBaseDir, log: said = silentLog, clock = steadyClock() } = options
    let fail: (error: unknown) => void = () => {}
    this.failed = new Promise((resolve) => {
      fail = resolve
    })
    const files = logSettings(join(storeBaseDir, `dledger-${selfId}`), options.files)
    this.lockFd = lock(files.ownFolder)
    try {
      this.log = new DLedgerLog(files, said)
      this.member = new GroupMember({
        ...options,
        ...{ log: this.log, said, clock },
        commitIndex: this.log.state.loadCheckpoint()?.committedIndex ?? -1,
        onRole: (role, term, leaderId) => {
          if (role !== 'LEADER') this.clients.abandon()
          options.onRole?.(role, term, leaderId)
        },
        onCommit: (index) => {
          this.clients.committed(index)
          options.onCommit?.(index)
        },
        onClient: (request, reply) => this.clients.handle(request, reply),
        onFailed: (error) => {
          this.leave()
          closeSync(this.lockFd)
          fail(error)
        },
      })
    } catch (error) {
      closeSync(this.lockFd)
      throw error
    }
    const { core, writers, peers } = this.member
    this.clients = new ClientRequests({ group, core, log: this.log, writers, peers, clock })
  }

  get peers(): readonly Peer[] {
    return this.member.peers
  }
  get role(): Role {
    return this.member.core.role
  }
  get term(): number {
    return this.member.core.term
  }
  get leaderId(): string | undefined {
    return this.member.core.leaderId
  }
  get commitIndex(): number {
    return this.member.core.commitIndex
  }

  /** Listens and takes part. Rejects with RemotingError PORT_IN_USE or LISTEN_FAILED. */
  async start(): Promise<void> {
    try {
      await this.member.start()
    } catch (error) {
      this.log.close()
      closeSync(this.lockFd)
      throw error
    }
    this.timer = setInterval(() => this.clients.expire(), EXPIRE_MS)
  }

  async stop(): Promise<void> {
    if (this.hasEnded) return
    this.leave()
    await this.member.end()
    this.log.close()
    await this.member.saveCheckpoint()
    closeSync(this.lockFd)
  }

  /** Files that end at or below `below` may go; how many went. */
  retire(below: number, isOverLimit = false): number {
    return this.member.retire(below, isOverLimit)
  }

  private leave(): void {
    this.hasEnded = true
    clearInterval(this.timer)
    this.clients.close()
  }
}

function lock(folder: string): number {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'lock')
  const fd = openSync(path, 'a')
  if (lockFile(fd, 0, 1)) return fd
  closeSync(fd)
  throw new StoreError('STORE_LOCKED', {
    what: 'another process uses this DLedger store',
    where: path,
    todo: 'stop it, or give this member a folder of its own',
  })
}
