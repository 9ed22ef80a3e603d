/**
 * A member that stands alone: core, log, transport and timers in one event loop. It answers members (spec/dledger.md §3.2) and
 * DLedger's own clients, as a DLedgerServer of the original does.
 *
 *   start: lock ─▶ recover ─▶ listen ─▶ tick          stop: port closed ─▶ flush ─▶ checkpoint ─▶ files closed
 *
 * Owns:      the folder dledger-<selfId> (locked), the port, a connection to each peer.
 * Invariant: an append is answered 200 when a majority holds it for ever, in the sense of flushBeforeAck.
 * Fails:     whole, at once: after a failed sync or write of term and vote it answers nothing more (`failed` tells).
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, steadyClock, systemClock } from '../clock.ts'
import { ConfigError, describe, StoreError } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { lockFile } from '../native/index.ts'
import { parseAddress } from '../remoting/host.ts'
import { ClientRequests } from './client-requests.ts'
import {
  type CoreSettings,
  createCore,
  JVM_TIMERS,
  LIMITS,
  type Limits,
  NO_FLAWS,
  type Role,
  type Timers,
} from './core/index.ts'
import { CoreDriver } from './driver.ts'
import { DLedgerLog, type LogSettings, logSettings } from './log/index.ts'
import { LogDriver } from './log-driver.ts'
import { noopRecord, patchOffset } from './noop.ts'
import { type Peer, parsePeers } from './peers.ts'
import { retainedBelow } from './retention.ts'
import { type AnyRequest, type AnyResponse, MemberServer, PeerLink } from './transport/index.ts'

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

/** Of the original: flushFileInterval and checkPointInterval. */
const FLUSH_MS = 10
const CHECKPOINT_MS = 3000
const EXPIRE_MS = 100

export class Member {
  readonly peers: readonly Peer[]
  readonly log: DLedgerLog
  /** Resolves with the reason when this member had to give up. */
  readonly failed: Promise<unknown>
  private readonly options: MemberOptions
  private readonly said: Log
  private readonly driver: CoreDriver
  private readonly logDriver: LogDriver
  private readonly clients: ClientRequests
  private readonly server: MemberServer
  private readonly links: (PeerLink | undefined)[]
  private readonly lockFd: number
  private timers: NodeJS.Timeout[] = []
  private checkpointed = -1
  private saving: Promise<void> | undefined
  private isClosed = false
  private fail: (error: unknown) => void = () => {}

  /** Recovers the files. Throws ConfigError or StoreError. */
  constructor(options: MemberOptions) {
    const { group, selfId, flushBeforeAck, storeBaseDir, log: said = silentLog, clock = steadyClock() } = options
    this.options = options
    this.said = said
    this.failed = new Promise((resolve) => {
      this.fail = resolve
    })
    this.peers = parsePeers(options.peers)
    const self = this.peers.findIndex((it) => it.id === selfId)
    if (self < 0)
      throw new ConfigError('SELF_NOT_IN_PEERS', {
        what: `dLegerSelfId is "${selfId}", and dLegerPeers has no such member`,
        where: 'dLegerSelfId',
        todo: `set it to one of ${this.peers.map((it) => it.id).join(', ')}`,
      })
    const files = logSettings(join(storeBaseDir, `dledger-${selfId}`), options.files)
    this.lockFd = lock(files.ownFolder)
    try {
      this.log = new DLedgerLog(files, said)
    } catch (error) {
      closeSync(this.lockFd)
      throw error
    }
    const settings: CoreSettings = {
      group,
      peers: this.peers.map((it) => it.id),
      self,
      flushBeforeAck,
      preferredLeaderIds: options.preferredLeaderIds ?? [],
      timers: options.timers ?? JVM_TIMERS,
      limits: options.limits ?? LIMITS,
      flaws: NO_FLAWS,
    }
    const found = {
      ...this.log.state.loadTerm(),
      beginIndex: Math.max(0, this.log.beginIndex),
      endIndex: this.log.endIndex,
      endTerm: this.log.endTerm,
      commitIndex: this.log.state.loadCheckpoint()?.committedIndex ?? -1,
    }
    const core = createCore(settings, found, clock.now())
    const fatal = (error: unknown) => this.giveUp(error)
    this.driver = new CoreDriver({
      core,
      state: this.log.state,
      clock,
      fatal,
      send: (peer, request, end) => this.links[peer]!.call(request, end),
      committed: (index) => {
        this.clients.committed(index)
        options.onCommit?.(index)
      },
      role: ({ role, term, leaderId }) => {
        said.info(`DLedger member ${selfId} is ${role} in term ${term}, leader ${leaderId ?? 'unknown'}`)
        if (role !== 'LEADER') this.clients.abandon()
        options.onRole?.(role, term, leaderId)
      },
      alarm: (what) => said.error(`DLedger member ${selfId}: ${what}`),
    })
    this.logDriver = new LogDriver({
      log: this.log,
      flushBeforeAck,
      flushMs: FLUSH_MS,
      noop: () => noopRecord(systemClock.now()),
      patchNoop: patchOffset,
      input: (input) => this.driver.input(input),
      fatal,
      refused: (failure) => said.warn(`DLedger member ${selfId} refused entries: ${failure.message}`),
    })
    this.clients = new ClientRequests({ group, core, log: this.log, writers: this.logDriver, peers: this.peers, clock })
    this.links = this.peers.map((peer, index) =>
      index === self ? undefined : this.linkTo(peer, index, settings.timers.callMs, clock),
    )
    const { port } = parseAddress(this.peers[self]!.address)
    this.server = new MemberServer({
      group,
      selfId,
      port,
      log: said,
      clock,
      leaderId: () => core.leaderId,
      handle: (request, reply) => this.handle(request, reply),
    })
  }

  get role(): Role {
    return this.driver.core.role
  }
  get term(): number {
    return this.driver.core.term
  }
  get leaderId(): string | undefined {
    return this.driver.core.leaderId
  }
  get commitIndex(): number {
    return this.driver.core.commitIndex
  }

  /** Listens and takes part. Rejects with RemotingError PORT_IN_USE or LISTEN_FAILED. */
  async start(): Promise<void> {
    try {
      await this.server.listen()
    } catch (error) {
      this.log.close()
      closeSync(this.lockFd)
      throw error
    }
    this.timers = [
      setInterval(() => this.clients.expire(), EXPIRE_MS),
      setInterval(() => this.checkpoint(), CHECKPOINT_MS),
    ]
    this.driver.start(this.logDriver)
  }

  async stop(): Promise<void> {
    if (this.isClosed) return
    await this.end()
    this.log.close()
    await this.log.state.saveCheckpoint({ committedIndex: this.commitIndex, endIndex: this.log.endIndex })
    closeSync(this.lockFd)
  }

  /** Files that end at or below `below` may go, as far as retention.ts allows; how many went. */
  retire(below: number, isOverLimit = false): number {
    return this.logDriver.retire(retainedBelow(this.driver.core, this.log, below, isOverLimit))
  }

  private async end(): Promise<void> {
    this.isClosed = true
    for (const timer of this.timers) clearInterval(timer)
    this.clients.close()
    await this.driver.close()
    await this.logDriver.close()
    await this.saving
    await Promise.all([this.server.close(), ...this.links.map((it) => it?.close())])
  }

  /** The disk failed: what was promised from here on could not be kept. */
  private giveUp(error: unknown): void {
    if (this.isClosed) return
    this.said.error(`DLedger member ${this.options.selfId} gives up: ${describe(error)}`)
    this.end().finally(() => {
      closeSync(this.lockFd)
      this.fail(error)
    })
  }

  private handle(request: AnyRequest, reply: (response: AnyResponse) => void): void {
    if (this.isClosed) return
    switch (request.kind) {
      case 'METADATA':
      case 'APPEND':
      case 'GET':
        this.clients.handle(request, reply)
        return
      default:
        this.driver.request(request, reply)
    }
  }

  private linkTo(peer: Peer, index: number, callMs: number, clock: Clock): PeerLink {
    const reached = () => this.driver.input({ kind: 'reached', peer: index })
    return new PeerLink({ ...peer, callMs, clock, log: this.said, reached })
  }

  /** Only what is on disk here: a log that is found shorter has then lost something. */
  private checkpoint(): void {
    const { commitIndex, log } = this.driver.core
    const committedIndex = Math.min(commitIndex, log.flushedIndex)
    if (committedIndex <= this.checkpointed || this.saving !== undefined) return
    this.checkpointed = committedIndex
    this.saving = this.log.state
      .saveCheckpoint({ committedIndex, endIndex: log.appendedIndex })
      .catch((error: unknown) => this.said.warn(`the checkpoint could not be written: ${describe(error)}`))
      .finally(() => {
        this.saving = undefined
      })
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
