/**
 * Housekeeping: everything that touches the disk and that nobody waits for.
 *
 *   each pass   metadata writes that wait · the next segments (`allocated`) · a slice of settling (`settled`) · a slice of
 *               retention (`retained`)
 *   10 a second the positions file          1 a second   how full the disk is, whether all files are there
 *
 * Owns:      allocated, settled, retained; <root>/basalt, checkpoint, config/*.json.
 * Blocks on: the disk, one file at a time: the next segment never waits for more than one sync of something else. The
 *            flush thread has its own descriptors and is not waited for.
 * Parts:     store/metadata, store/checkpoint, store/retention.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { ControlBlock } from '../concurrency/control-block.ts'
import { describe } from '../errors.ts'
import { THREADS } from '../faults.ts'
import { Settler } from '../store/checkpoint/settler.ts'
import { beginAt } from '../store/commitlog/begin-at.ts'
import { PersistQueue } from '../store/metadata/persist-queue.ts'
import { DiskState } from '../store/retention/disk-state.ts'
import { DiskWatch } from '../store/retention/disk-watch.ts'
import { FileWatch } from '../store/retention/file-watch.ts'
import { Retention, removeUnusedSegments } from '../store/retention/retention.ts'
import { RetentionClock } from '../store/retention/retention-clock.ts'
import { SegmentSupply } from '../store/retention/segment-supply.ts'
import { FOLDERS } from '../store/settings.ts'
import type { StageStart, ToStage } from './messages.ts'
import { runStage, type Stage, type StageRuntime } from './run-stage.ts'

const POSITIONS_INTERVAL_MS = 100
/** A positions file that does not change is written so often, for those who ask whether the broker lives. */
const POSITIONS_IDLE_MS = 5000
/** Longest slice of settling before the next segment, a metadata write or the positions have their turn. */
const SLICE_MS = 20

export class HousekeepingStage implements Stage {
  readonly idleMs = POSITIONS_INTERVAL_MS
  private readonly start: StageStart
  private readonly runtime: StageRuntime
  private readonly persist: PersistQueue
  /** DLedger's log makes its files itself. */
  private readonly supply: SegmentSupply | undefined
  private readonly watch: DiskWatch
  private readonly files: FileWatch
  private readonly settler: Settler
  private readonly retention: Retention
  private positionsAt = 0
  private positionsWritten = Number.NEGATIVE_INFINITY
  private fingerprint = Number.NaN

  constructor(start: StageStart, runtime: StageRuntime) {
    this.start = start
    this.runtime = runtime
    const { settings, knownQueues } = start
    const { control, queues, faults, log } = runtime
    const root = settings.storePathRootDir
    const ownFolder = join(root, FOLDERS.own)
    const configFolder = join(root, FOLDERS.config)
    mkdirSync(ownFolder, { recursive: true })
    mkdirSync(configFolder, { recursive: true })
    const now = performance.now()
    const disk = new DiskState(control, (problem) => runtime.post({ kind: 'disk', problem }))
    this.persist = new PersistQueue({
      folder: configFolder,
      log,
      answer: (ticket, error) => runtime.post({ kind: 'persisted', ticket, error }),
    })
    this.supply = settings.enableDLegerCommitLog
      ? undefined
      : new SegmentSupply({ settings, control, disk, faults, log, ownFolder })
    this.watch = new DiskWatch({ settings, control, disk, log })
    this.files = new FileWatch({ settings, control, disk, log })
    this.settler = new Settler({ settings, control, queues, log, takeDefinitions: () => this.takeMessages() }, now)
    for (const known of knownQueues) this.settler.define(known.queue, known.topic, known.queueId, known.nextOffset)
    this.retention = new Retention(
      {
        settings,
        control,
        clock: new RetentionClock(timeSources(control)),
        log,
        expiring: (below) => runtime.post({ kind: 'expiring', below }),
        retired: (below) => runtime.post({ kind: 'retired', below }),
        ...(settings.enableDLegerCommitLog
          ? { retire: (below, isOverLimit) => runtime.post({ kind: 'retire', below, isOverLimit }) }
          : {}),
      },
      now,
    )
  }

  hasWork(): boolean {
    const now = performance.now()
    return (
      !this.persist.isEmpty || this.supply?.isDue(now) === true || this.settler.isDue(now) || this.retention.isDue(now)
    )
  }

  step(): number {
    for (let message = this.runtime.receive(); message !== undefined; message = this.runtime.receive())
      this.take(message)
    const now = performance.now()
    let done = this.supply?.step(now) ?? 0
    done += this.persist.step()
    this.watch.step(now)
    this.files.step(now)
    this.refreshPositions(now)
    done += this.settler.step(now, SLICE_MS)
    done += this.retention.step(now)
    return done
  }

  /** After append, flush and dispatch have ended: what they left is settled, and unused segments go. */
  close(): void {
    while (!this.persist.isEmpty) this.persist.step()
    this.files.close()
    const { control } = this.runtime
    const appended = control.load('appended')
    const isDrained = control.load('flushed') === appended && control.load('dispatched') === appended
    if (this.supply !== undefined && isDrained && (control.word('stop') & THREADS.append) !== 0) this.giveBack(appended)
    this.settler.close()
  }

  private takeMessages(): void {
    for (let message = this.runtime.receive(); message !== undefined; message = this.runtime.receive())
      this.take(message)
  }

  private take(message: ToStage): void {
    if (message.kind === 'persist') this.persist.add(message.file, message.text, message.ticket)
    // All parts of this stage read the one object, at each use.
    else if (message.kind === 'settings') Object.assign(this.start.settings, message.values)
    else if (message.kind === 'clean') this.retention.cleanNow()
    else if (message.kind === 'defined') this.settler.define(message.queue, message.topic, message.queueId, 0)
    else if (message.kind === 'rebase') this.rebase(message.to)
    else if (message.kind === 'forget') this.settler.forget(message.queue)
  }

  private rebase(to: number): void {
    try {
      this.files.forget()
      beginAt(this.start.settings, this.runtime.control, to)
      this.runtime.post({ kind: 'rebased', error: undefined })
    } catch (error) {
      this.runtime.post({ kind: 'rebased', error: describe(error) })
    }
  }

  private refreshPositions(now: number): void {
    if (now < this.positionsAt) return
    this.positionsAt = now + POSITIONS_INTERVAL_MS
    const { control } = this.runtime
    // A sum that only grows while any of them moves: positions never move back without a fence.
    const fingerprint =
      control.load('appended') +
      control.load('flushed') +
      control.load('replicated') +
      control.load('dispatched') +
      control.load('settled') +
      control.load('retained') +
      control.load('allocated')
    if (fingerprint === this.fingerprint && now - this.positionsWritten < POSITIONS_IDLE_MS) return
    this.fingerprint = fingerprint
    this.positionsWritten = now
    this.settler.refreshPositions()
  }

  private giveBack(appended: number): void {
    const { settings } = this.start
    const { control } = this.runtime
    const removed = removeUnusedSegments(settings, appended)
    const allocated = control.writer('allocated')
    allocated.reset(Math.max(allocated.load() - removed * settings.mappedFileSizeCommitLog, appended))
  }
}

/** The injected clock is the system's plus what a test moved it by: only the former can be wrong. */
function timeSources(control: ControlBlock) {
  return { wall: () => Date.now(), steady: () => performance.now(), moved: () => control.movedMs() }
}

if (!isMainThread) runStage((start, runtime) => new HousekeepingStage(start, runtime))
