/**
 * Sends and pulls of one broker: the network thread's hot half.
 *
 *   frames ─▶ SendProcessor ─▶ submit ring          (committed once a turn of the loop)
 *   waker ──▶ pump(): ack ring ─▶ answers · arrival ring ─▶ held pulls · room ─▶ paused sockets
 *
 * Owns:      acks, holds, the two processors. Never blocks.
 * Parts:     submissions.ts (commits, room), store-availability.ts (why nothing can be stored), send/send-answers.ts.
 */
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'
import { ControlBlock } from '../concurrency/control-block.ts'
import type { BrokerConfig } from '../config/index.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { StageClock } from '../metrics/stage-clock.ts'
import type { Connection } from '../remoting/connection.ts'
import type { PullFields, SendFields } from '../remoting/hot/index.ts'
import { ARRIVAL } from '../stages/ring-records.ts'
import { parseDelayLevels } from '../store/dispatch/delay-levels.ts'
import { Acks } from './acks.ts'
import type { Engine } from './engine.ts'
import { type ConsumerFilters, SqlFilters } from './filter/index.ts'
import type { ConsumerManager, SubscriptionGroups } from './groups/index.ts'
import type { ConsumerOffsets } from './offsets/index.ts'
import { DamageLog } from './pull/damage.ts'
import { Holds } from './pull/holds.ts'
import { MessageReader } from './pull/message-reader.ts'
import { OffsetMoved } from './pull/offset-moved.ts'
import { admitPull, type PullChecks } from './pull/pull-checks.ts'
import { PullProcessor } from './pull/pull-processor.ts'
import { PULL_CODE, type PullRequest, pullRequestOf, refusePull } from './pull/pull-request.ts'
import { LiveReadLimits } from './pull/read-limits.ts'
import { TagFilters } from './pull/tag-filter.ts'
import { InternalPut } from './put/internal-put.ts'
import type { Membership } from './replication/index.ts'
import { RefusedRequest } from './router.ts'
import type { Host } from './send/record-encoder.ts'
import { SendAnswers } from './send/send-answers.ts'
import { SEND_CODE } from './send/send-checks.ts'
import { SendProcessor } from './send/send-processor.ts'
import { StallWatch } from './stall-watch.ts'
import type { BrokerStats } from './stats/index.ts'
import { StatsCounters } from './stats-counters.ts'
import { StoreAvailability } from './store-availability.ts'
import type { StoreView } from './store-view.ts'
import { Submissions } from './submissions.ts'
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
  /** In a DLedger group. */
  membership: Membership | undefined
  /** The rings have room again. */
  onRoom(): void
}

const PUMPS_MAX = 16

export class MessageService {
  readonly stageClock: StageClock
  readonly acks: Acks
  readonly holds: Holds
  /** Messages that the broker stores itself. */
  readonly puts: InternalPut
  readonly stalls: StallWatch
  private readonly options: MessageServiceOptions
  private readonly sends: SendProcessor
  private readonly pulls: PullProcessor
  readonly counters: StatsCounters
  /** Why nothing can be stored now. */
  readonly availability: StoreAvailability
  private readonly answers: SendAnswers
  private readonly submissions: Submissions
  private readonly checks: PullChecks

  constructor(options: MessageServiceOptions) {
    const { engine, config, storeHost, store, stats, clock } = options
    const { control, table, submit } = engine
    this.options = options
    this.stalls = new StallWatch({ control, settings: config, waiting: () => submit.used, log: options.log })
    const { membership } = options
    this.availability = new StoreAvailability({ settings: config, control, stalls: this.stalls, membership })
    this.submissions = new Submissions({
      control,
      submit,
      pump: () => this.pump(),
      committed: () => this.acks.turnEnded(),
    })
    this.answers = new SendAnswers({
      ...{ settings: config, stats, storeHost, membership },
      failure: () => this.availability.reason,
    })
    this.stageClock = new StageClock(engine.stageClock, config.stageClockSampling)
    let timed = 0
    // A sample stands for all puts since the one before: there are more of them than one in so many when little is sent.
    this.stageClock.onFinished = (milliseconds) => {
      stats.putTimes.add(milliseconds, Math.max(1, stats.putMessages - timed))
      timed = stats.putMessages
    }
    this.counters = new StatsCounters(stats, config)
    this.acks = new Acks({
      ring: engine.acks,
      control,
      clock: options.steady,
      stageClock: this.stageClock,
      answer: (connection, outcome) => this.answers.answer(connection, outcome),
      limits: config,
      epochsEnd: config.enableDLegerCommitLog,
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
      submit,
      acks: this.acks,
      queueIds: engine.queueIds,
      stageClock: this.stageClock,
      delayLevelCount: parseDelayLevels(config.messageDelayLevel).length - 1,
      unavailable: () => this.availability.problem(),
      refuse: (connection, fields, refusal) => this.answers.refuseSend(connection, fields, refusal),
      claimed: () => this.submissions.claimed(),
      counted: (topic, queueId, messages, bytes) => this.counters.put(topic, queueId, messages, bytes),
    })
    const nameOf = (queue: number) => engine.queueIds.nameOf(queue)
    this.puts = new InternalPut({
      ...{ settings: config, storeHost, control, submit, acks: this.acks, queueIds: engine.queueIds },
      unavailable: () => this.availability.problem(),
      claimed: () => this.submissions.claimed(),
      awaitRoom: () => this.submissions.awaitRoom(),
    })
    const damage = new DamageLog({ settings: config, log: options.log, nameOf })
    const offsetMoved = new OffsetMoved({ settings: config, puts: this.puts, storeHost, clock, log: options.log })
    const limits = new LiveReadLimits(config, store)
    this.pulls = new PullProcessor({
      checks: this.checks,
      settings: config,
      clock: options.steady,
      queueIds: engine.queueIds,
      messages: new MessageReader(control, table, limits, store.tests, damage, () => leavesOffsets(config)),
      damage,
      unitsOf: (queue) => store.unitsOf(queue),
      log: store.log,
      readCold: (offsets, sizes) => store.readRecords(offsets, sizes),
      filterCold: (request) => store.filterRecords(request, limits),
      holds: () => this.holds,
      offsets: options.offsets,
      refuse: (request, code, remark) => refusePull(request, code, remark),
      moved: (request, offsetNew, status) => offsetMoved.tell(request, offsetNew, status),
      counted: (request, messages, bytes, coldMs) => this.counters.get(request, messages, bytes, coldMs),
      missed: () => {
        stats.getMiss += 1
      },
      failed: (request, error) => {
        const code = error instanceof RefusedRequest ? error.responseCode : PULL_CODE.systemError
        refusePull(request, code, describe(error))
      },
    })
  }

  /** The port that is in every record and id, known once it is listened on. */
  setStorePort(port: number): void {
    this.options.storeHost.port = port
    this.answers.hostChanged()
  }

  send(connection: Connection, bytes: Buffer, fields: SendFields): 'taken' | 'later' {
    try {
      const taken = this.sends.take(connection, bytes, fields)
      if (taken === 'later') this.submissions.awaitRoom()
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
    if (queueIds.count !== before) this.submissions.claimed()
  }

  /** Refuses a send that has waited too long for room, naming who is behind. */
  busy(connection: Connection, fields: SendFields, waitedMs: number, size: number): void {
    const remark = `${tooLateText(waitedMs, size)}; ${this.stalls.behind()}`
    this.answers.refuseSend(connection, fields, { code: SEND_CODE.systemBusy, remark })
  }

  /** Whatever the other threads have published since: called by the waker, and now and then by a timer. */
  pump(): void {
    const { control } = this.options.engine
    const word = ControlBlock.index('network')
    for (let i = 0; i < PUMPS_MAX; i += 1) {
      Atomics.store(control.words, word, this.submissions.wakeWord)
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
    this.availability.refuse(reason)
    this.puts.refuseWaiting()
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
    if (this.submissions.roomAgain()) {
      this.puts.roomAgain()
      this.options.onRoom()
      done += 1
    }
    return done
  }

  private mayMatch(request: PullRequest, queue: number, from: number, to: number): boolean {
    const filter = admitPull(this.checks, request)
    if ('remark' in filter || (filter.all && filter.records === undefined)) return true
    return this.options.store.hasMatch(queue, from, to, filter)
  }
}

/** What a slave's queues say of an offset is not the last word, unless it is told so. */
function leavesOffsets({ brokerRole, offsetCheckInSlave }: BrokerConfig): boolean {
  return brokerRole === 'SLAVE' && !offsetCheckInSlave
}
