/**
 * A member of a group, without what it stores for whom: core, log driver, port, a link to each peer, checkpoint, in one event loop.
 *
 *   start: listen ─▶ tick          end: port closed ─▶ flush          whoever owns the log closes it afterwards
 *
 * Used by:   member.ts (alone, for DLedger's own clients), stages/dledger.ts (the broker's log).
 * Fails:     whole, at once: after a failed sync or write of term and vote it says nothing more to anybody.
 */
import { type Clock, systemClock } from '../clock.ts'
import { ConfigError, describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { parseAddress } from '../remoting/host.ts'
import {
  type Core,
  type CoreSettings,
  createCore,
  JVM_TIMERS,
  LIMITS,
  type Limits,
  type MemberRequest,
  type MemberResponse,
  NO_FLAWS,
  type Role,
  type Timers,
} from './core/index.ts'
import { CoreDriver } from './driver.ts'
import type { DLedgerLog } from './log/index.ts'
import { LogDriver, type LogWatch } from './log-driver.ts'
import { noopRecord, patchOffset } from './noop.ts'
import { type Peer, parsePeers } from './peers.ts'
import { retainedBelow } from './retention.ts'
import { TimersCheck } from './timers-check.ts'
import { type AnyRequest, type AnyResponse, type CallEnd, MemberServer, PeerLink } from './transport/index.ts'
import { type ClientRequest, type TimersMark, WireBatch } from './wire/index.ts'

export interface GroupMemberOptions {
  /** dLegerGroup, dLegerSelfId, dLegerPeers. */
  group: string
  selfId: string
  peers: string
  /** Recovered. */
  log: DLedgerLog
  /** Known to be committed, −1: nothing is. */
  commitIndex: number
  /** Acknowledged means synced at a majority (flushDiskType SYNC_FLUSH); else: in its page caches. */
  flushBeforeAck: boolean
  preferredLeaderIds?: readonly string[] | undefined
  timers?: Timers | undefined
  limits?: Limits | undefined
  host?: string | undefined
  /** Goes only forward. */
  clock: Clock
  said: Log
  watch?: LogWatch | undefined
  onRole(role: Role, term: number, leaderId: string | undefined): void
  onCommit(index: number): void
  /** Requests of DLedger's clients. Throws what the asker is told. */
  onClient(request: ClientRequest, reply: (response: AnyResponse) => void): void
  /**
   * Once, when this member has ended by itself: the disk failed, and what was promised from here on could not be kept; or its
   * timers are not those of the group (ConfigError).
   */
  onFailed(error: unknown): void
}

/** Of the original: flushFileInterval and checkPointInterval. */
const FLUSH_MS = 10
const CHECKPOINT_MS = 3000
/** The same alarm is not said more often. */
const ALARM_MS = 60_000

export class GroupMember {
  readonly peers: readonly Peer[]
  readonly core: Core
  readonly writers: LogDriver
  private readonly options: GroupMemberOptions
  private readonly driver: CoreDriver
  private readonly server: MemberServer
  private readonly links: (PeerLink | undefined)[]
  private readonly check: TimersCheck
  private timer: NodeJS.Timeout | undefined
  private checkpointed = -1
  private saving: Promise<void> | undefined
  private ending: Promise<void> | undefined
  private alarmed: { what: string; at: number } | undefined

  /** Throws ConfigError BAD_PEERS, SELF_NOT_IN_PEERS. */
  constructor(options: GroupMemberOptions) {
    const { group, selfId, flushBeforeAck, log, said, clock, commitIndex } = options
    this.options = options
    this.peers = parsePeers(options.peers)
    const self = selfIndex(this.peers, selfId)
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
      ...log.state.loadTerm(),
      beginIndex: Math.max(0, log.beginIndex),
      endIndex: log.endIndex,
      endTerm: log.endTerm,
      commitIndex,
    }
    this.core = createCore(settings, found, clock.now())
    const fatal = (error: unknown) => this.giveUp(error)
    const mark = settings.timers.heartbeatMs < JVM_TIMERS.heartbeatMs ? 'fast' : 'jvm'
    this.check = new TimersCheck({ mark, selfId, peers: this.peers, said, refuse: fatal })
    this.driver = new CoreDriver({
      core: this.core,
      state: log.state,
      clock,
      fatal,
      send: (peer, request, end) => this.send(peer, request, end),
      committed: (index) => options.onCommit(index),
      role: ({ role, term, leaderId }) => {
        said.info(`DLedger member ${selfId} is ${role} in term ${term}, leader ${leaderId ?? 'unknown'}`)
        options.onRole(role, term, leaderId)
      },
      alarm: (what) => this.alarm(what),
    })
    this.writers = new LogDriver({
      log,
      flushBeforeAck,
      flushMs: FLUSH_MS,
      noop: () => noopRecord(systemClock.now()),
      patchNoop: patchOffset,
      input: (input) => this.driver.input(input),
      fatal,
      refused: (failure) => said.warn(`DLedger member ${selfId} refused entries: ${failure.message}`),
      watch: options.watch,
    })
    this.links = this.peers.map((peer, index) =>
      index === self ? undefined : this.linkTo(peer, index, settings.timers.callMs, mark),
    )
    const { host } = options
    const { port } = parseAddress(this.peers[self]!.address)
    this.server = new MemberServer({
      ...{ group, selfId, host, port, log: said, clock },
      leaderId: () => this.core.leaderId,
      timers: mark,
      handle: (request, reply) => this.handle(request, reply),
    })
  }

  /** Listens and takes part. Rejects with RemotingError PORT_IN_USE or LISTEN_FAILED. */
  async start(): Promise<void> {
    await this.server.listen()
    this.timer = setInterval(() => this.checkpoint(), CHECKPOINT_MS)
    this.driver.start(this.writers)
  }

  /** Files that end at or below `below` may go, as far as retention.ts allows; how many went. */
  retire(below: number, isOverLimit = false): number {
    return this.writers.retire(retainedBelow(this.core, this.options.log, below, isOverLimit))
  }

  /** In front of a clean stop: whoever is least behind leads on, so that nobody waits for an election. Resolves whatever comes of it. */
  async handOver(timeoutMs: number): Promise<void> {
    const { core, options } = this
    const { group, selfId } = options
    const heir = this.leastBehind()
    if (core.role !== 'LEADER' || heir === undefined) return
    const answered = new Promise<unknown>((resolve) => {
      const base = { group, remoteId: selfId, localId: selfId, leaderId: selfId, term: core.term }
      const whom = { transferId: selfId, transfereeId: heir, takeLeadershipLedgerIndex: -1 }
      this.driver.request({ kind: 'LEADERSHIP_TRANSFER', ...base, ...whom }, resolve)
    })
    let timer: NodeJS.Timeout | undefined
    await Promise.race([answered, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))])
    clearTimeout(timer)
  }

  /** Takes part no more; nothing is being written when it resolves. */
  end(): Promise<void> {
    this.ending ??= this.leave()
    return this.ending
  }

  /** Behind end(), and behind the last sync. */
  saveCheckpoint(): Promise<void> {
    const { log } = this.options
    return log.state.saveCheckpoint({ committedIndex: this.core.commitIndex, endIndex: log.endIndex })
  }

  private send(peer: number, request: MemberRequest, end: CallEnd): void {
    this.links[peer]!.call(request, end)
    if (request.kind !== 'PUSH' || request.type !== 'APPEND' || !(request.entries instanceof WireBatch)) return
    const last = request.entries.entries.at(-1)
    if (last !== undefined) this.options.watch?.sent?.(last.pos + last.size)
  }

  /** Of those that follow: the one with the most entries. */
  private leastBehind(): string | undefined {
    const followers = (this.core.leading?.peers ?? [])
      .map(({ follows, matchIndex }, i) => ({ id: this.peers[i]!.id, follows, matchIndex }))
      .filter(({ id, follows }) => follows && id !== this.options.selfId)
    return followers.sort((a, b) => b.matchIndex - a.matchIndex)[0]?.id
  }

  private async leave(): Promise<void> {
    clearInterval(this.timer)
    await this.driver.close()
    await this.writers.close()
    await this.saving
    await Promise.all([this.server.close(), ...this.links.map((it) => it?.close())])
  }

  private giveUp(error: unknown): void {
    if (this.ending !== undefined) return
    const { said, selfId, onFailed } = this.options
    said.error(`DLedger member ${selfId} gives up: ${describe(error)}`)
    this.end().finally(() => onFailed(error))
  }

  private handle(request: AnyRequest, reply: (response: AnyResponse) => void): void {
    if (this.ending !== undefined) return
    switch (request.kind) {
      case 'METADATA':
      case 'APPEND':
      case 'GET':
        this.options.onClient(request, reply)
        return
      default:
        this.driver.request(request, reply)
        // Behind the answer: the other one is told, too.
        if (request.kind !== 'LEADERSHIP_TRANSFER') this.check.heard(request.localId, request.timers)
    }
  }

  /** A leader that is refused tries again and again. */
  private alarm(what: string): void {
    const { said, selfId, clock } = this.options
    const now = clock.now()
    if (what === this.alarmed?.what && now - this.alarmed.at < ALARM_MS) return
    this.alarmed = { what, at: now }
    said.error(`DLedger member ${selfId}: ${what}`)
  }

  private linkTo(peer: Peer, index: number, callMs: number, timers: TimersMark): PeerLink {
    const { said, clock } = this.options
    const reached = () => this.driver.input({ kind: 'reached', peer: index })
    const heard = (response: MemberResponse) => this.check.heard(peer.id, response.timers)
    return new PeerLink({ ...peer, callMs, clock, log: said, reached, timers, heard })
  }

  /** Only what is on disk here: a log that is found shorter has then lost something. */
  private checkpoint(): void {
    const { said, log } = this.options
    const { commitIndex, log: end } = this.core
    const committedIndex = Math.min(commitIndex, end.flushedIndex)
    if (committedIndex <= this.checkpointed || this.saving !== undefined) return
    this.checkpointed = committedIndex
    this.saving = log.state
      .saveCheckpoint({ committedIndex, endIndex: end.appendedIndex })
      .catch((error: unknown) => said.warn(`the checkpoint could not be written: ${describe(error)}`))
      .finally(() => {
        this.saving = undefined
      })
  }
}

function selfIndex(peers: readonly Peer[], selfId: string): number {
  const self = peers.findIndex((it) => it.id === selfId)
  if (self >= 0) return self
  throw new ConfigError('SELF_NOT_IN_PEERS', {
    what: `dLegerSelfId is "${selfId}", and dLegerPeers has no such member`,
    where: 'dLegerSelfId',
    todo: `set it to one of ${peers.map((it) => it.id).join(', ')}`,
  })
}
