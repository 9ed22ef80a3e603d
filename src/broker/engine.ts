/**
 * The store of a running broker, from the network thread's side: opened, recovered, its threads started, and stopped in
 * the order in which messages pass.
 *
 *   start   folder locked ─▶ log recovered ─▶ doubtful range written again ─▶ queues recovered ─▶ caught up
 *                          └▶ threads load their code meanwhile ────────────────────────────────▶ begin
 *   stop    append drains ─▶ flush ─▶ tables written ─▶ dispatch ─▶ housekeeping settles ─▶ abort removed ─▶ lock released
 *
 * Owns:      the shared memory, the supervisor, the network thread's ends of all rings.
 */
import { assert } from '../assert.ts'
import { createRing, RingConsumer, RingProducer, ringCapacityFor } from '../concurrency/byte-ring.ts'
import { ControlBlock, FLAGS, GATE } from '../concurrency/control-block.ts'
import { QueueTable } from '../concurrency/queue-table.ts'
import { wakeUrgently } from '../concurrency/wake.ts'
import type { RecoveredDLedgerLog, recoverDLedgerLog } from '../dledger/index.ts'
import { StoreError } from '../errors.ts'
import type { FaultSwitches } from '../faults.ts'
import type { Log } from '../log.ts'
import { createAppendHistory } from '../metrics/append-history.ts'
import { createStageClock } from '../metrics/stage-clock.ts'
import { Waker } from '../native/index.ts'
import type { FromStage, KnownQueue, StageName } from '../stages/messages.ts'
import { SUBMIT } from '../stages/ring-records.ts'
import { type StageFailure, Supervisor } from '../stages/supervisor.ts'
import { wakeAppend } from '../stages/wake-others.ts'
import { LogReader } from '../store/commitlog/log-reader.ts'
import { realDisk } from '../store/disk.ts'
import type { TopicFilter } from '../store/dispatch/index.ts'
import { StagedMetadataStore } from '../store/metadata/index.ts'
import { type RecoveredStore, type RecoveryGround, recoverStore } from '../store/recovery/recover-store.ts'
import type { StoreSettings } from '../store/settings.ts'
import { abandonStoreFolder, closeStoreFolder, openStoreFolder, type StoreFolder } from '../store/store-folder.ts'
import { QueueIds } from './queue-ids.ts'
import { HaDoor } from './replication/ha-door.ts'

export interface EngineOptions {
  settings: StoreSettings
  faults: FaultSwitches | undefined
  log: Log
  /** Something happened in a ring or position: the network thread looks. */
  onWake(): void
  onFailure(failure: StageFailure): void
  onMessage(stage: StageName, message: FromStage): void
}

const ACK_RING_BYTES = 1024 * 1024
const ARRIVAL_RING_BYTES = 256 * 1024
const DEFINITION_RING_BYTES = 256 * 1024
/** In the order in which they stop. HA goes before them without its thread: see leaveReplication(). */
const STAGES: StageName[] = ['append', 'flush', 'dispatch', 'housekeeping', 'ha']
const DLEDGER_STAGES: StageName[] = ['dledger', 'dispatch', 'housekeeping']
const LEAVE_MS_MAX = 1000
/** Largest topic and properties, and the record's fixed parts, beside the body. */
const RECORD_OVERHEAD = 65_536
const CATCH_UP_POLL_MS = 2
const DISCOVERY_RETRY_MS = 10

export class Engine {
  readonly control: ControlBlock
  readonly table: QueueTable
  readonly submit: RingProducer
  readonly acks: RingConsumer
  readonly arrivals: RingConsumer
  readonly metadata: StagedMetadataStore
  readonly stageClock: SharedArrayBuffer
  readonly appendHistory = createAppendHistory()
  readonly settings: StoreSettings
  private readonly folder: StoreFolder
  private readonly definitions: SharedArrayBuffer
  private found: { recovered: RecoveredStore; queueIds: QueueIds } | undefined
  private readonly supervisor: Supervisor
  private readonly waker: Waker
  private failure: StageFailure | undefined
  /** Port for slaves. */
  haPort = 0
  private hasLeft: () => void = () => {}
  /** The HA thread runs: from the start, or since a slave has come to an ASYNC_MASTER. */
  private isReplicating: boolean
  private door: HaDoor | undefined
  private dledger: RecoveredDLedgerLog | undefined
  /** Queues of deleted topics that dispatch has not removed. */
  private readonly forgetting = new Map<string, number>()

  /** Throws StoreError; nothing stays locked or running then. */
  static async start(options: EngineOptions): Promise<Engine> {
    const folder = openStoreFolder(options.settings)
    let engine: Engine | undefined
    try {
      engine = new Engine(options, folder)
      const { stages } = engine
      engine.supervisor.start(stages)
      engine.recover(options.log, options.settings.enableDLegerCommitLog ? await dledgerLog() : undefined)
      await engine.supervisor.begin(engine.recovered.queues, stages, engine.dledger?.found)
      await engine.caughtUp()
      if (!stages.includes('ha') && !options.settings.enableDLegerCommitLog) await engine.openDoor()
      return engine
    } catch (error) {
      if (engine?.found !== undefined) await engine.abandon()
      else {
        await engine?.supervisor.terminate()
        engine?.waker.close()
        abandonStoreFolder(folder)
      }
      throw error
    }
  }

  private constructor(options: EngineOptions, folder: StoreFolder) {
    const { settings, log } = options
    this.settings = settings
    this.isReplicating = settings.brokerRole !== 'ASYNC_MASTER' && !settings.enableDLegerCommitLog
    this.folder = folder
    this.control = ControlBlock.create()
    this.table = QueueTable.create()
    const submit = createRing(
      ringCapacityFor(settings.maxMessageSize + RECORD_OVERHEAD + SUBMIT.records, settings.submitRingSize),
    )
    const acks = createRing(ACK_RING_BYTES)
    const arrivals = createRing(ARRIVAL_RING_BYTES)
    const definitions = createRing(DEFINITION_RING_BYTES)
    this.definitions = definitions
    this.stageClock = createStageClock()
    this.submit = new RingProducer(submit)
    this.acks = new RingConsumer(acks)
    this.arrivals = new RingConsumer(arrivals)
    this.waker = new Waker(options.onWake)
    this.metadata = new StagedMetadataStore({
      folder: folder.configFolder,
      log,
      post: (request) => this.supervisor.post('housekeeping', request),
    })
    this.supervisor = new Supervisor({
      control: this.control,
      log,
      start: {
        control: this.control.buffer,
        queues: this.table.buffer,
        submit,
        acks,
        definitions,
        arrivals,
        stageClock: this.stageClock,
        appendHistory: this.appendHistory,
        faults: options.faults?.buffer,
        settings,
        waker: this.waker.handle,
      },
      onFailure: (failure) => {
        this.failure = failure
        options.onFailure(failure)
      },
      onMessage: (stage, message) => {
        if (message.kind === 'persisted') this.metadata.persisted(message.ticket, message.error)
        else if (message.kind === 'discovered') this.discovered(message.topic, message.queueId, message.maxOffset)
        else if (message.kind === 'forgotten') this.forgotten(message)
        else if (message.kind === 'haListening') this.haPort = message.port
        else if (message.kind === 'haLeft') this.hasLeft()
        else if (message.kind === 'retire') this.supervisor.post('dledger', message)
        else if (message.kind === 'rebase') this.supervisor.post('housekeeping', message)
        else if (message.kind === 'rebased') this.supervisor.post('ha', message)
        else options.onMessage(stage, message)
      },
    })
  }

  get recovered(): RecoveredStore {
    return this.store.recovered
  }

  get queueIds(): QueueIds {
    return this.store.queueIds
  }

  private get stages(): StageName[] {
    if (this.settings.enableDLegerCommitLog) return DLEDGER_STAGES
    return STAGES.filter((stage) => stage !== 'ha' || this.isReplicating)
  }

  private get store() {
    assert(this.found !== undefined, 'the store is recovered before it is used')
    return this.found
  }

  private recover(log: Log, recoverEntries: typeof recoverDLedgerLog | undefined): void {
    const { settings, folder } = this
    const ground: RecoveryGround = { disk: realDisk, source: () => new LogReader(settings) }
    if (recoverEntries !== undefined) {
      ground.log = (marks, isClean) => {
        this.dledger = recoverEntries(settings, marks, isClean, log)
        return this.dledger
      }
    }
    const recovered = recoverStore(settings, folder, log, ground)
    setPositions(this.control, recovered, this.settings)
    for (const { queue, nextOffset, minOffset } of recovered.queues) {
      this.table.setMax(queue, nextOffset)
      this.table.setMin(queue, minOffset)
    }
    const queueIds = new QueueIds({
      control: this.control,
      table: this.table,
      submit: this.submit,
      definitions: new RingProducer(this.definitions),
      known: recovered.queues,
      onDefined: (queue, { topic, queueId }) =>
        this.supervisor.post('housekeeping', { kind: 'defined', queue, topic, queueId }),
    })
    this.found = { recovered, queueIds }
  }

  /** Moves the clock of all threads and lets each look at it. */
  moveClock(milliseconds: number): void {
    this.control.moveClock(milliseconds)
    for (const stage of this.stages) wakeUrgently(this.control.words, ControlBlock.index(stage))
  }

  /** For the threads that read keys which may change while the broker runs. */
  changeSettings(values: Partial<StoreSettings>): void {
    for (const stage of ['housekeeping', 'flush', 'ha', 'dledger'] as const)
      this.supervisor.post(stage, { kind: 'settings', values })
  }

  /** Where the master's HA port is, on a slave. */
  followMaster(address: string): void {
    this.supervisor.post('ha', { kind: 'haMaster', address })
  }

  /** Deletes expired segments now. */
  clean(): void {
    this.supervisor.post('housekeeping', { kind: 'clean' })
  }

  /** SQL92 filters whose bits dispatch keeps from now on; it answers with filtersTaken. */
  setFilters(version: number, filters: TopicFilter[]): void {
    this.supervisor.post('dispatch', { kind: 'filters', version, filters })
  }

  /**
   * The topic is deleted: its queues' files go too, once its last records are dispatched. Called when append has taken all
   * that was claimed for these queues; a topic of the same name has to wait until they are gone.
   */
  forgetQueues(topic: string, queues: { queue: number; queueId: number }[]): void {
    const below = this.control.load('appended')
    // Queues that an administrator had removed may still be on their way when their topic is deleted.
    this.forgetting.set(topic, (this.forgetting.get(topic) ?? 0) + queues.length)
    for (const { queue, queueId } of queues) {
      this.supervisor.post('dispatch', { kind: 'forget', queue, topic, queueId, below })
    }
  }

  private forgotten({ queue, topic, queueId }: FromStage & { kind: 'forgotten' }): void {
    this.supervisor.post('housekeeping', { kind: 'forget', queue, topic, queueId, below: 0 })
    const left = this.forgetting.get(topic)! - 1
    this.forgetting.set(topic, left)
    if (left > 0) return
    this.forgetting.delete(topic)
    this.queueIds.left(topic)
  }

  /** Dispatch met a queue of no integer: it gets one. Both rings may be full for a moment. */
  private discovered(topic: string, queueId: number, nextOffset: number): void {
    if (this.queueIds.ensure(topic, queueId, nextOffset) < 0) {
      setTimeout(() => this.discovered(topic, queueId, nextOffset), DISCOVERY_RETRY_MS).unref()
      return
    }
    this.submit.commit()
    wakeAppend(this.control)
  }

  /**
   * Drains and stops all threads; the store is clean afterwards unless a stage failed. `flushed` is called, and waited for, when
   * all of the log is on disk: what it writes of consumers' and deliveries' progress is ahead of no power cut.
   */
  async stop(flushed?: () => Promise<void>): Promise<void> {
    await this.leaveReplication()
    for (const stage of this.settings.enableDLegerCommitLog ? DLEDGER_STAGES : STAGES) {
      await this.supervisor.stop(stage)
      const isFlushed = stage === 'flush' || stage === 'dledger'
      if (isFlushed && this.failure === undefined) await flushed?.()
    }
    const { control } = this
    const end = control.visible()
    const isFlushed = control.load('flushed') === control.load('appended')
    const isWhole = isFlushed && (['dispatched', 'settled'] as const).every((name) => control.load(name) === end)
    this.metadata.abandon('the broker has stopped')
    await this.close(isWhole && !this.control.hasFlag(FLAGS.flushFailed) && !this.control.hasFlag(FLAGS.dispatchFailed))
  }

  verified(other: string | undefined): void {
    this.supervisor.post('ha', { kind: 'haVerified', other })
  }

  private async openDoor(): Promise<void> {
    const { bindAddress, haListenPort } = this.settings
    this.door = await HaDoor.open(bindAddress, haListenPort, () => this.startReplication())
    this.haPort = this.door.port
    // The thread takes over the same port.
    this.settings.haListenPort = this.haPort
  }

  private startReplication(): void {
    this.isReplicating = true
    this.supervisor.start(['ha'])
    // A failure is told to whoever owns the supervisor.
    this.supervisor.begin([], ['ha']).catch(() => {})
  }

  /** Nothing comes from a master any more, and dispatch waits for no slave. */
  private async leaveReplication(): Promise<void> {
    this.door?.close()
    if (!this.isReplicating) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.hasLeft = resolve
      timer = setTimeout(resolve, LEAVE_MS_MAX)
      this.supervisor.post('ha', { kind: 'haLeave' })
    })
    clearTimeout(timer)
  }

  /** After a failure: lets the flush thread sync what is appended if it still can, then ends all threads. */
  async abandon(): Promise<void> {
    if (!this.control.hasFlag(FLAGS.flushFailed)) {
      await Promise.race([this.supervisor.stop('flush'), new Promise((resolve) => setTimeout(resolve, 1000).unref())])
    }
    this.door?.close()
    await this.supervisor.terminate()
    this.metadata.abandon('the broker has failed')
    await this.close(false)
  }

  private async close(isClean: boolean): Promise<void> {
    this.waker.close()
    closeStoreFolder(this.folder, isClean)
  }

  /** Until everything recovered is in its ConsumeQueue: clients must not see queues that still grow into the past. */
  private async caughtUp(): Promise<void> {
    while (this.control.load('dispatched') < this.control.visible()) {
      if (this.failure !== undefined) {
        const { stage, code, message } = this.failure
        throw new StoreError(code, { what: `the ${stage} thread failed: ${message}`, where: this.folder.root })
      }
      if (this.control.hasFlag(FLAGS.dispatchFailed)) {
        throw new StoreError('DISPATCH_FAILED', { what: 'ConsumeQueues cannot be written', where: this.folder.root })
      }
      await new Promise((resolve) => setTimeout(resolve, CATCH_UP_POLL_MS))
    }
  }
}

function setPositions(control: ControlBlock, recovered: RecoveredStore, settings: StoreSettings): void {
  control.writer('retained').reset(recovered.min)
  control.writer('settled').reset(recovered.settled)
  control.writer('dispatched').reset(recovered.dispatchFrom)
  control.writer('flushed').reset(recovered.end)
  // What slaves have they will say themselves; what a DLedger group has committed it does not take back.
  control.writer('replicated').reset(settings.enableDLegerCommitLog ? recovered.committed : recovered.min)
  control.writer('appended').reset(recovered.end)
  control.writer('allocated').reset(recovered.allocated)
  control.setWord('gate', gateOf(settings))
  control.writer('received').reset(recovered.end)
}

function gateOf({ flushDiskType, brokerRole, readUnCommitted, enableDLegerCommitLog }: StoreSettings): number {
  // A member counts for the majority what it has, or with SYNC_FLUSH what it has on disk.
  if (enableDLegerCommitLog) return GATE.replicated
  const flushed = flushDiskType === 'SYNC_FLUSH' ? GATE.flushed : 0
  // No slave is there yet: HA changes that.
  const replicated = brokerRole === 'SYNC_MASTER' ? GATE.degraded : 0
  return flushed | replicated | (readUnCommitted ? GATE.openRead : 0)
}

/** Loaded where it is used only: a start is short. */
async function dledgerLog(): Promise<typeof recoverDLedgerLog> {
  return (await import('../dledger/index.ts')).recoverDLedgerLog
}

export type { KnownQueue }
