/**
 * DLedger: the thread of a broker that is a member of a group. It stands in the places of append, flush and HA.
 *
 *   submit ring ─▶ entries ─▶ log, appended ─▶ pushed to the others ─▶ a majority has them ─▶ replicated ─▶ dispatch, network
 *   of a leader ─▶ log, appended ─▶ acknowledged · what it says is committed ─▶ replicated
 *
 * One thread appends, whoever leads: a truncation meets no writer. Taking part is one thing, being the master another: messages are
 * taken once the no-op of the own term is committed and dispatched, under a new epoch; the epoch rises again when that is over, in
 * front of anything that another leader puts into the log.
 * Owns:      what dledger/group-member.ts owns, the log; appended, flushed, replicated, retained; the submit ring's end.
 * Blocks on: reads and writes of the page cache; the sync of a truncation.
 */
import { isMainThread } from 'node:worker_threads'
import { steadyClock } from '../clock.ts'
import { ControlBlock, FLAGS, type PositionWriter } from '../concurrency/control-block.ts'
import { ASLEEP, AWAKE } from '../concurrency/wake.ts'
import {
  answerClient,
  brokerLogSettings,
  DLedgerLog,
  FAST_TIMERS,
  GroupMember,
  JVM_TIMERS,
  type LogWatch,
  type Role,
  removeParted,
} from '../dledger/index.ts'
import { ConfigError, describe, StoreError } from '../errors.ts'
import { AppendHistory } from '../metrics/append-history.ts'
import { FlushClock, HaClock, type SessionClock } from '../metrics/follower-clocks.ts'
import { Waker } from '../native/index.ts'
import { segmentStart } from '../store/commitlog/index.ts'
import { DLedgerAppend } from './dledger-append.ts'
import type { StageSpawn, ToStage } from './messages.ts'
import { type Begin, type EventRuntime, type EventStage, runEventStage } from './run-event-stage.ts'
import { gateMoved, wakeNetworkIfWanted } from './wake-others.ts'

const TICK_MS = 100
const STATE_TICKS = 10
/** Dispatch and the network thread wake nobody here when they are done: that is rare, and looking is cheap. */
const LOOK_MS = 1
const ROOM_RETRY_MS = 1000
const HAND_OVER_MS = 1000
const DRAINS_MAX = 8
const WORD = ControlBlock.index('append')
const EPOCH = ControlBlock.index('epoch')

class DLedgerStage implements EventStage, LogWatch {
  private readonly start: StageSpawn
  private readonly runtime: EventRuntime
  private readonly log: DLedgerLog
  private readonly member: GroupMember
  private readonly append: DLedgerAppend
  private readonly waker: Waker
  private readonly history: AppendHistory
  private readonly flushClock: FlushClock
  /** The way to a majority: sent to the first member, and back when it is committed. */
  private readonly wayClock: HaClock
  private session: SessionClock | undefined
  private readonly positions: Record<'appended' | 'flushed' | 'replicated' | 'retained', PositionWriter>
  private readonly timer: NodeJS.Timeout
  private ticks = 0
  private look: NodeJS.Timeout | undefined
  /** Entries that the history has. */
  private counted: number
  /** The gate is open: what has to be committed and dispatched before messages are taken. */
  private opened: { index: number; pos: number } | undefined
  /** Messages are taken. */
  private isReady = false

  constructor(start: StageSpawn, runtime: EventRuntime, { knownQueues, dledger: found }: Begin) {
    const { settings } = start
    const { control, log: said } = runtime
    this.start = start
    this.runtime = runtime
    const writer = control.writer.bind(control)
    this.positions = {
      ...{ appended: writer('appended'), flushed: writer('flushed') },
      ...{ replicated: writer('replicated'), retained: writer('retained') },
    }
    this.history = new AppendHistory(start.appendHistory)
    this.flushClock = new FlushClock(start.stageClock, false)
    this.wayClock = new HaClock(start.stageClock)
    this.log = new DLedgerLog(brokerLogSettings(settings), said, found)
    this.counted = this.log.endIndex
    this.history.begin(this.positions.appended.load(), control.now())
    this.append = new DLedgerAppend({ ...start, knownQueues }, runtime, (failure) => this.noRoom(failure))
    const { dLegerGroup: group, dLegerSelfId: selfId, dLegerPeers: peers, dLedgerFastElection: isFast } = settings
    this.member = new GroupMember({
      ...{ group, selfId, peers, said, log: this.log, watch: this },
      host: settings.bindAddress,
      clock: steadyClock(() => control.movedMs()),
      flushBeforeAck: settings.flushDiskType === 'SYNC_FLUSH',
      preferredLeaderIds: settings.preferredLeaderId
        .split(';')
        .map((it) => it.trim())
        .filter((it) => it !== ''),
      timers: isFast ? FAST_TIMERS : JVM_TIMERS,
      // Whatever was dispatched here had been committed.
      commitIndex: Math.max(
        this.log.state.loadCheckpoint()?.committedIndex ?? -1,
        this.log.lastEndingBy(this.positions.replicated.load()),
      ),
      onRole: (role, term, leaderId) => this.roleChanged(role, term, leaderId),
      onCommit: (index) => this.committed(index),
      onClient: (request, reply) => {
        const { core, peers } = this.member
        reply(answerClient(request, { core, log: this.log, peers, group }))
      },
      onFailed: (error) => this.failed(error),
    })
    this.waker = new Waker(() => this.pump())
    control.appendWaker = this.waker.handle
    this.timer = setInterval(() => this.tick(), TICK_MS)
  }

  async join(): Promise<void> {
    await this.member.start()
    this.pump()
  }

  take(message: ToStage): void {
    if (message.kind === 'settings') Object.assign(this.start.settings, message.values)
    else if (message.kind === 'retire') this.member.retire(message.below, message.isOverLimit)
    this.pump()
  }

  /** The network has claimed its last: that is in the log, synced, and what is committed of it is known to the next start. */
  async close(): Promise<void> {
    const { log, member, append, positions, runtime } = this
    while (append.drain(member.writers) > 0);
    await member.handOver(HAND_OVER_MS)
    clearInterval(this.timer)
    clearTimeout(this.look)
    await member.end()
    log.close()
    positions.flushed.reset(positions.appended.load())
    await member.saveCheckpoint()
    runtime.control.setWord('append', AWAKE)
    this.waker.close()
  }

  // LogWatch

  appended(endPos: number): void {
    const { log, history, runtime, positions } = this
    const { endIndex } = log
    history.add(Math.max(0, endIndex - this.counted), endPos, runtime.control.now())
    this.counted = endIndex
    positions.appended.reset(endPos)
  }

  flushed(pos: number): void {
    this.flushClock.passed(pos)
    this.positions.flushed.reset(pos)
  }

  truncating(keepsBelow: number): void {
    const { appended, flushed, replicated } = this.positions
    const end = Math.max(keepsBelow, replicated.load())
    if (flushed.load() > end) flushed.reset(end)
    appended.reset(end)
    this.counted = this.log.endIndex
    this.history.begin(end, this.runtime.control.now())
  }

  began(beginPos: number): void {
    const { retained } = this.positions
    if (beginPos > retained.load()) retained.advance(beginPos)
    this.removeParted(beginPos)
    this.runtime.post({ kind: 'retired', below: retained.load() })
  }

  private removeParted(beginPos: number): void {
    const { start, runtime } = this
    const { settings } = start
    try {
      removeParted(settings, segmentStart(beginPos, settings.mappedFileSizeCommitLog), runtime.log)
    } catch (error) {
      // The next start does it.
      runtime.log.error(`the CommitLog of the time before DLedger was not removed: ${describe(error)}`)
    }
  }

  gateOpened(): void {
    this.opened = { index: this.log.endIndex, pos: this.log.endPos }
    this.openIfCaughtUp()
  }

  sent(endPos: number): void {
    if (this.session !== undefined) this.wayClock.sent(this.session, endPos)
  }

  beforeSync(): Promise<void> | undefined {
    return this.runtime.faults?.beforeSyncSoon()
  }

  private pump(): void {
    const { append, runtime, member } = this
    for (let i = 0; i < DRAINS_MAX; i += 1) {
      if (!this.isHeld() && append.drain(member.writers) > 0) {
        if (wakeNetworkIfWanted(runtime.control, this.start.waker, append.hasRefused)) append.hasRefused = false
      }
      Atomics.store(runtime.control.words, WORD, ASLEEP)
      if (append.isStalled) this.lookSoon()
      if (this.isHeld() || !append.hasWork()) return
    }
    setImmediate(() => this.pump())
  }

  private isHeld(): boolean {
    return this.runtime.faults !== undefined && this.runtime.faults.get('holdAppend') !== 0
  }

  private committed(index: number): void {
    const { log, positions, runtime, start } = this
    const pos = log.endOf(index)
    if (pos > positions.replicated.load()) {
      if (this.session !== undefined) this.wayClock.confirmed(this.session, pos)
      positions.replicated.advance(pos)
    }
    gateMoved(runtime.control, start.waker)
    this.openIfCaughtUp()
  }

  private roleChanged(role: Role, term: number, leaderId: string | undefined): void {
    if (role !== 'LEADER') {
      this.opened = undefined
      if (this.isReady) this.endEpoch()
    }
    this.tell(role, term, leaderId)
  }

  /** Everything that was appended under the epoch and is not committed is in doubt from here on: its senders are told so. */
  private endEpoch(): void {
    const { control } = this.runtime
    this.isReady = false
    this.wayClock.leave()
    this.session = undefined
    this.append.close()
    Atomics.add(control.words, EPOCH, 1)
    gateMoved(control, this.start.waker)
  }

  private openIfCaughtUp(): void {
    const { opened, member, runtime } = this
    if (opened === undefined || this.isReady || member.core.commitIndex < opened.index) return
    if (runtime.control.load('dispatched') < opened.pos) {
      this.lookSoon()
      return
    }
    Atomics.add(runtime.control.words, EPOCH, 1)
    this.isReady = true
    this.session = this.wayClock.join()
    this.append.open()
    this.tell(member.core.role, member.core.term, member.core.leaderId)
  }

  private tell(role: Role, term: number, leaderId: string | undefined): void {
    this.runtime.post({ kind: 'dledgerRole', role, term, leaderId, isReady: this.isReady })
    this.tellState()
  }

  private tellState(): void {
    const { core, peers } = this.member
    const { dLegerSelfId: selfId } = this.start.settings
    this.runtime.post({
      kind: 'dledgerState',
      state: {
        ...{ beginIndex: this.log.beginIndex, endIndex: this.log.endIndex, committedIndex: core.commitIndex },
        peers: peers
          .filter(({ id }) => id !== selfId)
          .map(({ id, address }) => ({ id, address, matchIndex: this.matchOf(id) })),
      },
    })
  }

  private matchOf(id: string): number | undefined {
    const { core, peers } = this.member
    return core.leading?.peers[peers.findIndex((it) => it.id === id)]?.matchIndex
  }

  private lookSoon(): void {
    this.look ??= setTimeout(() => {
      this.look = undefined
      this.openIfCaughtUp()
      this.pump()
    }, LOOK_MS)
  }

  private tick(): void {
    try {
      this.runtime.faults?.step('dledger')
    } catch (error) {
      this.runtime.fail(error)
    }
    this.ticks += 1
    if (this.ticks % STATE_TICKS === 0) this.tellState()
    this.pump()
  }

  private noRoom(failure: StoreError): void {
    const { control, post } = this.runtime
    control.raiseFlag(FLAGS.diskFull)
    post({ kind: 'disk', problem: failure.message })
    setTimeout(() => {
      control.lowerFlag(FLAGS.diskFull)
      post({ kind: 'disk', problem: undefined })
    }, ROOM_RETRY_MS).unref()
  }

  private failed(error: unknown): void {
    const { runtime, start } = this
    if (error instanceof ConfigError) {
      runtime.fail(error)
      return
    }
    runtime.control.raiseFlag(FLAGS.flushFailed)
    gateMoved(runtime.control, start.waker)
    runtime.fail(
      new StoreError('DLEDGER_FAILED', {
        what: `the DLedger log or its term cannot be written: ${describe(error)}; nothing of it can be promised any more`,
        where: start.settings.storePathCommitLog,
        todo: 'check the disk and the kernel’s log; the group goes on without this member, and the next start recovers it',
        cause: error,
      }),
    )
  }
}

if (!isMainThread) {
  runEventStage(async (start, runtime, begin) => {
    const stage = new DLedgerStage(start, runtime, begin)
    await stage.join()
    return stage
  })
}
