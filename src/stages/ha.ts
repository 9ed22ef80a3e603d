/**
 * HA: the thread of replication. It listens on the HA port in every role, and on a slave it follows the master. An ASYNC_MASTER
 * starts it when the first slave comes (broker/replication/ha-door.ts).
 *
 *   append (flush) moves ─▶ waker ─▶ sessions send ─▶ reports ─▶ replicated, gate ─▶ dispatch, network
 *   slave:  socket ─▶ log, append moves ─▶ report, flush, dispatch
 *
 * Sleeps in an event loop. The wake word says `asleep` only while there is somebody to send to or to report to, so that a
 * broker without slaves pays one atomic load a batch.
 * Owns:      what ha/master.ts and ha/slave.ts own; the waker that is in the control block.
 * Blocks on: a cold page of the log that a slave is sent; on a slave, the page cache while it writes.
 */
import { isMainThread } from 'node:worker_threads'
import { ControlBlock, GATE } from '../concurrency/control-block.ts'
import { Fence } from '../concurrency/fence.ts'
import { ASLEEP, AWAKE, wake } from '../concurrency/wake.ts'
import { StoreError } from '../errors.ts'
import { HaMaster, HaSlave, LogReceiver } from '../ha/index.ts'
import { haPortError } from '../ha/port-error.ts'
import { SlaveClock } from '../metrics/slave-clock.ts'
import { Waker } from '../native/index.ts'
import type { StageSpawn, ToStage } from './messages.ts'
import { type EventRuntime, type EventStage, runEventStage } from './run-event-stage.ts'
import { gateMoved, wakeDispatch } from './wake-others.ts'

const TICK_MS = 100
/** Lags are shown by administrators, and read by nobody else. */
const SNAPSHOT_TICKS = 10
const FENCE_MS = 2000
const PUMPS_MAX = 8
const WORD = ControlBlock.index('ha')

class HaStage implements EventStage {
  private readonly start: StageSpawn
  private readonly runtime: EventRuntime
  private readonly master: HaMaster
  private readonly slave: HaSlave | undefined
  private readonly waker: Waker
  private readonly fence: Fence
  private timer: NodeJS.Timeout | undefined
  private ticks = 0
  private isChanged = false
  private rebaseTo = -1

  constructor(start: StageSpawn, runtime: EventRuntime) {
    const { settings, stageClock, appendHistory } = start
    const { control, log } = runtime
    this.start = start
    this.runtime = runtime
    this.fence = new Fence(control)
    this.waker = new Waker(() => this.pump())
    control.haWaker = this.waker.handle
    const now = () => performance.now() + control.movedMs()
    const onChanged = () => this.changed()
    this.master = new HaMaster({
      ...{ settings, control, log, stageClock, now, onChanged },
      onMoved: () => gateMoved(control, start.waker),
    })
    if (settings.brokerRole === 'SLAVE') {
      this.slave = new HaSlave({
        ...{ settings, control, log, now, onChanged },
        receiver: new LogReceiver({ settings, control, appendHistory, faults: runtime.faults }),
        clock: slaveClock(start),
        onAppended: () => this.appended(),
        onRebase: (to) => this.rebase(to),
        onVerify: () => runtime.post({ kind: 'haVerify' }),
      })
    }
  }

  async listen(): Promise<void> {
    const { bindAddress, haListenPort } = this.start.settings
    try {
      this.runtime.post({ kind: 'haListening', port: await this.master.listen() })
    } catch (error) {
      throw haPortError(bindAddress, haListenPort, error)
    }
    this.setTimer()
  }

  take(message: ToStage): void {
    if (message.kind === 'haMaster') this.slave?.follow(message.address)
    else if (message.kind === 'haVerified') this.slave?.verified(message.other)
    else if (message.kind === 'haLeave') this.leave()
    else if (message.kind === 'rebased') this.rebased(message.error)
    else if (message.kind === 'settings') Object.assign(this.start.settings, message.values)
    this.pump()
  }

  close(): void {
    this.runtime.control.setWord('ha', AWAKE)
    clearInterval(this.timer)
    this.slave?.close()
    this.master.close()
    this.waker.close()
  }

  /** Whatever others have published; then says that it sleeps, and looks once more. */
  private pump(): void {
    const { words } = this.runtime.control
    for (let i = 0; i < PUMPS_MAX; i += 1) {
      this.slave?.pump()
      if (this.master.hasSlaves) this.master.pump()
      const sleeps = this.master.hasSlaves || (this.slave !== undefined && this.slave.state !== 'idle')
      Atomics.store(words, WORD, sleeps ? ASLEEP : AWAKE)
      if (!this.hasWork()) return
    }
    setImmediate(() => this.pump())
  }

  /** On a slave this thread appends. */
  private appended(): void {
    const { control } = this.runtime
    const { flushDiskType, slaveAckAfter } = this.start.settings
    if (flushDiskType === 'SYNC_FLUSH' || slaveAckAfter === 'flush') wake(control.words, ControlBlock.index('flush'))
    if ((control.word('gate') & GATE.flushed) === 0) wakeDispatch(control)
  }

  /** What a full socket holds up is no work: its drain comes. */
  private hasWork(): boolean {
    return this.slave?.hasWork() === true || this.master.hasWork()
  }

  private tick(): void {
    this.runtime.faults?.step('ha')
    this.slave?.tick()
    this.master.tick()
    this.ticks += 1
    if (this.isChanged || (this.ticks % SNAPSHOT_TICKS === 0 && this.isNeeded())) this.snapshot()
    this.setTimer()
    this.pump()
  }

  private isNeeded(): boolean {
    return this.slave !== undefined || this.master.hasSlaves
  }

  /** Without slaves there is nothing to look at but fault switches. */
  private setTimer(): void {
    const wanted = this.isNeeded() || this.runtime.faults !== undefined
    if (wanted && this.timer === undefined) this.timer = setInterval(() => this.tick(), TICK_MS)
    else if (!wanted && this.timer !== undefined) {
      clearInterval(this.timer)
      this.timer = undefined
    }
  }

  private changed(): void {
    this.isChanged = true
    this.setTimer()
    this.snapshot()
    this.pump()
  }

  private snapshot(): void {
    this.isChanged = false
    const { slave } = this
    const link = slave === undefined ? undefined : { master: slave.master, state: slave.state }
    this.runtime.post({ kind: 'replication', slaves: this.master.slaves, link })
  }

  private leave(): void {
    this.slave?.close()
    this.master.leave()
    this.runtime.post({ kind: 'haLeft' })
  }

  /** Append drains, nothing moves; housekeeping makes the files; then everybody goes on at `to`. */
  private rebase(to: number): void {
    if (this.fence.close(FENCE_MS) === undefined) {
      this.runtime.fail(
        new StoreError('FENCE', { what: 'append and flush did not stand still to begin at another offset' }),
      )
      return
    }
    this.rebaseTo = to
    this.runtime.post({ kind: 'rebase', to })
  }

  private rebased(error: string | undefined): void {
    const to = this.rebaseTo
    if (to < 0) return
    this.rebaseTo = -1
    if (error !== undefined) {
      this.runtime.fail(new StoreError('REBASE', { what: `this store cannot begin at ${to}: ${error}` }))
      return
    }
    this.fence.open(to)
    this.slave?.rebased()
  }
}

function slaveClock({ stageClock, settings }: StageSpawn): SlaveClock {
  const reportsFlushed = settings.slaveAckAfter === 'flush'
  const flushes = reportsFlushed || settings.flushDiskType === 'SYNC_FLUSH'
  return new SlaveClock({ buffer: stageClock, every: settings.stageClockSampling, flushes, reportsFlushed })
}

if (!isMainThread) {
  runEventStage(async (start, runtime) => {
    const stage = new HaStage(start, runtime)
    await stage.listen()
    return stage
  })
}
