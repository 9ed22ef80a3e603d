/**
 * Sends and pulls of one broker: the network thread's hot half.
 *
 *   frames ─▶ SendProcessor ─▶ submit ring          (committed once a turn of the loop)
 *   waker ──▶ pump(): ack ring ─▶ answers · arrival ring ─▶ held pulls · room ─▶ paused sockets
 *
 * Owns:      acks, holds, the two processors. Never blocks.
 */
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'
import { ControlBlock, FLAGS, NETWORK } from '../concurrency/control-block.ts'
import { wake } from '../concurrency/wake.ts'
import type { BrokerConfig } from '../config/index.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { StageClock } from '../metrics/stage-clock.ts'
import { FLAG_ONEWAY, type SerializeType } from '../remoting/command.ts'
import type { Connection } from '../remoting/connection.ts'
import { type PullFields, type SendFields, sendAnswerRoom, writeSendAnswer } from '../remoting/hot/index.ts'
import { ARRIVAL } from '../stages/ring-records.ts'
import { parseDelayLevels } from '../store/dispatch/delay-levels.ts'
import { Acks, type SendOutcome } from './acks.ts'
import { hexOf, refusalCommand, refusePull } from './answers.ts'
import type { Engine } from './engine.ts'
import { type ConsumerFilters, SqlFilters } from './filter/index.ts'
import type { ConsumerManager, SubscriptionGroups } from './groups/index.ts'
import type { ConsumerOffsets } from './offsets/index.ts'
import { DamageLog } from './pull/damage.ts'
import { Holds } from './pull/holds.ts'
import { MessageReader } from './pull/message-reader.ts'
import { admitPull, type PullChecks } from './pull/pull-checks.ts'
import { PullProcessor } from './pull/pull-processor.ts'
import { PULL_CODE, type PullRequest, pullRequestOf } from './pull/pull-request.ts'
import { LiveReadLimits } from './pull/read-limits.ts'
import { TagFilters } from './pull/tag-filter.ts'
import { InternalPut } from './put/internal-put.ts'
import { RefusedRequest } from './router.ts'
import type { Host } from './send/record-encoder.ts'
import { type Refusal, SEND_CODE } from './send/send-checks.ts'
import { SendProcessor } from './send/send-processor.ts'
import type { BrokerStats } from './stats/index.ts'
import { StatsCounters } from './stats-counters.ts'
import type { StoreView } from './store-view.ts'
import type { TopicTable } from './topics/index.ts'
import { tooLateText } from './waiting-line.ts'

export interface MessageServiceOptions {
  config: BrokerConfig
  engine: Engine
  store: StoreView
  topics: TopicTable
  groups: SubscriptionGroups
  consumers: ConsumerManager
  offsets: ConsumerOffsets
  filters: ConsumerFilters
  stats: BrokerStats
  storeHost: Host
  clock: Clock
  /** For the deadlines of sends and held pulls: they do not move when the system's time is set. */
  steady: Clock
  log: Log
  /** The rings have room again. */
  onRoom(): void
}

const PUMPS_MAX = 16
const ROOM_RETRY_MS = 1
/** 32 sends take the network thread about 0.1 ms. */
const UNCOMMITTED_MAX = 32

export class MessageService {
  readonly stageClock: StageClock
  readonly acks: Acks
  readonly holds: Holds
  /** Messages that the broker stores itself. */
  readonly puts: InternalPut
  private readonly options: MessageServiceOptions
  private readonly sends: SendProcessor
  private readonly pulls: PullProcessor
  readonly counters: StatsCounters
  private hostHex: Buffer
  private readonly checks: PullChecks
  private isCommitDue = false
  /** Sends and definitions claimed since the last commit. */
  private uncommitted = 0
  private waitsForRoom = false
  private retry: NodeJS.Timeout | undefined
  private closedBecause: string | undefined
  private stalled: Refusal | undefined
  /** Why there is no room on the disk, while senders are refused for it. */
  private diskProblem: string | undefined
  /** Why ConsumeQueue or index cannot be written, while that is so. */
  private writeProblem: string | undefined
  private readonly commitAtEnd = (): void => {
    this.isCommitDue = false
    if (this.uncommitted > 0) this.commit()
  }

  constructor(options: MessageServiceOptions) {
    const { engine, config, storeHost, store } = options
    const { control, table } = engine
    this.options = options
    this.hostHex = hexOf(storeHost)
    this.stageClock = new StageClock(engine.stageClock, config.stageClockSampling)
    const { stats } = options
    let timed = 0
    // A sample stands for all puts since the one before: there are more of them than one in so many when little is sent.
    this.stageClock.onFinished = (milliseconds) => {
      stats.putTimes.add(milliseconds, Math.max(1, stats.putMessages - timed))
      timed = stats.putMessages
    }
    this.counters = new StatsCounters(options.stats, config)
    this.acks = new Acks({
      ring: engine.acks,
      control,
      clock: options.steady,
      stageClock: this.stageClock,
      answer: (connection, outcome) => this.answer(connection, outcome),
      waitMsMax: config.syncFlushTimeout,
    })
    this.checks = { settings: config, tagFilters: new TagFilters(), sqlFilters: new SqlFilters(), ...options }
    this.holds = new Holds({
      control,
      table,
      maxHeldPulls: config.maxHeldPulls,
      mayMatch: (request, queue, from, to) => this.mayMatch(request, queue, from, to),
      run: (request) => this.pulls.wake(request),
    })
    this.sends = new SendProcessor({
      ...options,
      settings: config,
      control,
      submit: engine.submit,
      acks: this.acks,
      queueIds: engine.queueIds,
      stageClock: this.stageClock,
      delayLevelCount: parseDelayLevels(config.messageDelayLevel).length - 1,
      unavailable: () => this.unavailable(),
      refuse: (connection, fields, refusal) => this.refuseSend(connection, fields, refusal),
      claimed: () => this.scheduleCommit(),
      counted: (topic, queueId, messages, bytes) => this.counters.put(topic, queueId, messages, bytes),
    })
    const nameOf = (queue: number) => engine.queueIds.nameOf(queue)
    this.puts = new InternalPut({
      ...{ settings: config, storeHost, control, submit: engine.submit, acks: this.acks, queueIds: engine.queueIds },
      unavailable: () => this.unavailable(),
      claimed: () => this.scheduleCommit(),
      awaitRoom: () => this.awaitRoom(),
    })
    const damage = new DamageLog({ settings: config, log: options.log, nameOf })
    const limits = new LiveReadLimits(config, store)
    this.pulls = new PullProcessor({
      checks: this.checks,
      settings: config,
      clock: options.steady,
      queueIds: engine.queueIds,
      messages: new MessageReader(control, table, limits, store.tests, damage),
      damage,
      unitsOf: (queue) => store.unitsOf(queue),
      log: store.log,
      readCold: (offsets, sizes) => store.readRecords(offsets, sizes),
      filterCold: (request) => store.filterRecords(request, limits),
      holds: () => this.holds,
      offsets: options.offsets,
      refuse: (request, code, remark) => refusePull(request, code, remark),
      counted: (request, messages, bytes, coldMs) => this.counters.get(request, messages, bytes, coldMs),
      missed: () => {
        options.stats.getMiss += 1
      },
      failed: (request, error) => {
        const code = error instanceof RefusedRequest ? error.responseCode : PULL_CODE.systemError
        refusePull(request, code, describe(error))
      },
    })
  }

  /** The port that is in every record and id, known once it is listened on. */
  setStorePort(port: number): void {
    const { storeHost } = this.options
    storeHost.port = port
    this.hostHex = hexOf(storeHost)
  }

  send(connection: Connection, bytes: Buffer, fields: SendFields): 'taken' | 'later' {
    try {
      const taken = this.sends.take(connection, bytes, fields)
      if (taken === 'later') this.awaitRoom()
      return taken
    } catch (error) {
      assert(!this.sends.isInClaim, `a send broke off inside its claim: ${describe(error)}`)
      throw error
    }
  }

  pull(connection: Connection, bytes: Buffer, fields: PullFields): void {
    const { queueIds } = this.options.engine
    const before = queueIds.count
    this.pulls.take(pullRequestOf(connection, bytes, fields))
    // A held pull may have defined its queue: that claim has to be committed too.
    if (queueIds.count !== before) this.scheduleCommit()
  }

  /** Refuses a send that has waited too long for room, naming who is behind. */
  busy(connection: Connection, fields: SendFields, waitedMs: number, size: number): void {
    const remark = `${tooLateText(waitedMs, size)}; ${this.behind()}`
    this.refuseSend(connection, fields, { code: SEND_CODE.systemBusy, remark })
  }

  /**
   * Append has stood still for so long (0: it has not): beyond osPageCacheBusyTimeOutMills a send is refused at once instead
   * of being put behind those that nobody takes.
   */
  setStalled(ms: number): void {
    const { brokerFastFailureEnable, osPageCacheBusyTimeOutMills } = this.options.config
    this.stalled =
      brokerFastFailureEnable && ms > osPageCacheBusyTimeOutMills
        ? {
            code: SEND_CODE.systemBusy,
            remark: `[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while: append stands still for ${Math.round(ms)}ms; ${this.behind()}`,
          }
        : undefined
  }

  private behind(): string {
    const { control, submit } = this.options.engine
    const unflushed = control.load('appended') - control.load('flushed')
    const undispatched = control.visible() - control.load('dispatched')
    return `append has ${submit.used} bytes to take, flush is ${unflushed} bytes behind, dispatch ${undispatched}`
  }

  /** Whatever the other threads have published since: called by the waker, and now and then by a timer. */
  pump(): void {
    const { control } = this.options.engine
    const word = ControlBlock.index('network')
    for (let i = 0; i < PUMPS_MAX; i += 1) {
      Atomics.store(control.words, word, this.waitsForRoom ? NETWORK.append : NETWORK.gate)
      // After the word, so that what is published from here on wakes this thread again.
      if (this.pumpOnce() === 0) return
    }
    setImmediate(() => this.pump())
  }

  /** Deadlines of held pulls, on the injected clock. */
  tick(): void {
    this.holds.tick(this.options.steady.now())
  }

  closed(connection: Connection): void {
    this.holds.drop(connection)
  }

  /** The topic is deleted: who waits for its messages is told, and its queues end behind what is under way. */
  forget(topic: string, queues: { queue: number; queueId: number }[]): void {
    for (const { queue } of queues) this.holds.release(queue)
    if (queues.length > 0) this.acks.onceBooked(() => this.options.engine.forgetQueues(topic, queues))
  }

  /** Answers the pulls of the group that wait for the queue. */
  release(group: string, topic: string, queueId: number): void {
    const queue = this.options.engine.queueIds.find(topic, queueId)
    if (queue >= 0) this.holds.release(queue, (request) => request.consumerGroup === group)
  }

  /** From now on sends are refused with this reason. */
  refuseSends(reason: string): void {
    this.closedBecause = reason
    this.puts.refuseWaiting()
  }

  setDiskProblem(problem: string | undefined): void {
    this.diskProblem = problem
  }

  setWriteProblem(problem: string | undefined): void {
    this.writeProblem = problem
  }

  /** A stage has failed: everybody who waits is told. */
  fail(): void {
    this.acks.failAll()
    this.holds.releaseAll()
  }

  private pumpOnce(): number {
    const { arrivals } = this.options.engine
    let done = this.acks.pump()
    for (let at = arrivals.next(); at >= 0; at = arrivals.next()) {
      this.holds.arrived(arrivals.view.getInt32(at + ARRIVAL.queue, true))
      done += 1
    }
    if (done > 0) arrivals.release()
    if (this.waitsForRoom && this.hasRoom()) {
      this.waitsForRoom = false
      this.puts.roomAgain()
      this.options.onRoom()
      done += 1
    }
    return done
  }

  /**
   * Half free again: room for the largest claim and the padding before it (a quarter each). Waking for each record would
   * pause and resume sockets without end.
   */
  private hasRoom(): boolean {
    const { submit } = this.options.engine
    return submit.used <= submit.capacity / 2
  }

  private awaitRoom(): void {
    const { control } = this.options.engine
    this.commit()
    this.waitsForRoom = true
    Atomics.store(control.words, ControlBlock.index('network'), NETWORK.append)
    // Append may have made room, and looked for a sleeper, before the word said so; or it is not this ring that is full
    // (definitions, a closed fence), and nobody wakes this thread. Not at once: then it would spin as long as that lasts.
    if (this.hasRoom() && this.retry === undefined) {
      this.retry = setTimeout(() => {
        this.retry = undefined
        this.pump()
      }, ROOM_RETRY_MS)
    }
  }

  /**
   * After all sockets that had something to read, not after each: 64 connections with one send each are one batch for
   * append then. A long batch is published in parts, so that append works while the rest of it is read.
   */
  private scheduleCommit(): void {
    this.uncommitted += 1
    if (this.uncommitted >= UNCOMMITTED_MAX) this.commit()
    if (this.isCommitDue) return
    this.isCommitDue = true
    setImmediate(this.commitAtEnd)
  }

  private commit(): void {
    this.uncommitted = 0
    this.acks.turnEnded()
    const { submit, control } = this.options.engine
    submit.commit()
    wake(control.words, ControlBlock.index('append'))
  }

  /** A flag may be up a moment before its reason has come. */
  private unavailable(): Refusal | undefined {
    if (this.closedBecause !== undefined) return notAvailable(this.closedBecause)
    if (this.stalled !== undefined) return this.stalled
    const { control } = this.options.engine
    const { config } = this.options
    if (control.flags === 0) return config.brokerRole === 'SLAVE' ? notAvailable('the broker is a slave') : undefined
    if (control.hasFlag(FLAGS.flushFailed)) return notAvailable('fdatasync of the CommitLog failed')
    if (control.hasFlag(FLAGS.diskFull)) {
      const { storePathCommitLog: folder, mappedFileSizeCommitLog: bytes } = config
      return notAvailable(this.diskProblem ?? `disk full: ${folder} has too little room for segments of ${bytes} bytes`)
    }
    if (control.hasFlag(FLAGS.dispatchFailed))
      return notAvailable(this.writeProblem ?? `ConsumeQueue or index in ${config.storePathRootDir} cannot be written`)
    return undefined
  }

  private mayMatch(request: PullRequest, queue: number, from: number, to: number): boolean {
    const filter = admitPull(this.checks, request)
    if ('remark' in filter || (filter.all && filter.records === undefined)) return true
    return this.options.store.hasMatch(queue, from, to, filter)
  }

  private answer(connection: Connection, outcome: SendOutcome): void {
    const { region } = this
    const code = ANSWER_CODES[outcome.status]
    if (code === undefined) {
      const remark =
        outcome.status === 'oldEpoch'
          ? 'the role of the broker changed while the message was under way: nothing is stored'
          : outcome.status === 'tooLarge'
            ? 'the message is larger than a CommitLog file: nothing is stored'
            : `the broker failed before it could confirm: ${this.closedBecause ?? 'a stage ended'}`
      connection.send(
        refusalCommand(outcome.opaque, outcome.serialize as SerializeType, SEND_CODE.systemError, remark, region),
      )
      this.options.stats.putFailures += 1
      return
    }
    const room = sendAnswerRoom(outcome.sizes?.length ?? 1, this.hostHex.length, region)
    const at = connection.reserve(room)
    const length = writeSendAnswer(
      connection.out,
      at,
      outcome,
      code,
      this.hostHex,
      outcome.queueId,
      outcome.physicalOffset,
      outcome.queueOffset,
      region,
      outcome.sizes,
    )
    connection.advance(length)
  }

  private get region(): string {
    return this.options.config.regionId
  }

  private refuseSend(connection: Connection, fields: SendFields, refusal: Refusal): void {
    this.options.stats.putFailures += 1
    if ((fields.flag & FLAG_ONEWAY) !== 0) return
    const { opaque, serialize } = fields
    connection.send(refusalCommand(opaque, serialize as SerializeType, refusal.code, refusal.remark, this.region))
  }
}

const ANSWER_CODES: Partial<Record<SendOutcome['status'], number>> = {
  ok: SEND_CODE.success,
  flushTimeout: SEND_CODE.flushDiskTimeout,
}

function notAvailable(why: string): Refusal {
  return { code: SEND_CODE.serviceNotAvailable, remark: `service not available now. ${why}` }
}
