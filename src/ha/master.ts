/**
 * The master's side of replication: listens on the HA port, one session a slave, and says how safe the log is.
 *
 *   reports ─▶ largest acknowledged ─▶ `replicated` ─▶ dispatch, network
 *           └▶ who keeps up (in-sync.ts) ─▶ gate: replicated, or degraded while nobody does (SYNC_MASTER)
 *
 * Owns:      `replicated`, `released`, the gate word after the start; the sessions. On the HA thread.
 * Invariant: `replicated` is never above what a slave has acknowledged of what it was sent. Members come and go by this thread
 *            alone.
 * Blocks on: nothing but a session's cold page.
 * Rules:     spec/ha.md §3, §5; what is done otherwise: §9.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { type ControlBlock, GATE } from '../concurrency/control-block.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { HaClock } from '../metrics/follower-clocks.ts'
import { LogReader } from '../store/commitlog/log-reader.ts'
import type { StoreSettings } from '../store/settings.ts'
import { Session } from './session.ts'
import type { LogRange, Refusal } from './slave-reports.ts'

export interface SlaveState {
  readonly address: string
  /** End of its log as it reports it, -1 before its first report. */
  readonly acknowledged: number
  readonly isInSync: boolean
  readonly behindMs: number
}

export interface MasterOptions {
  readonly settings: StoreSettings
  readonly control: ControlBlock
  readonly log: Log
  readonly stageClock: SharedArrayBuffer
  /** Monotonic, with what tests moved the clock by. */
  readonly now: () => number
  /** Gate or `replicated` moved. */
  readonly onMoved: () => void
  /** Slaves came, went, caught up, fell behind. */
  readonly onChanged: () => void
}

/** Slots for the maps of segments: slaves that catch up in different files each need one. */
const SLOTS = 8
/** A refused slave that comes back at once finds its connection silent for so long: RocketMQ's comes 700 times a second. */
const REFUSED_HOLD_MS = 1000
const CONNECTIONS_MAX = 64
const SAID_AGAIN_MS = 60_000

export class HaMaster {
  private readonly options: MasterOptions
  private readonly server: Server
  private readonly reader: LogReader
  private readonly clock: HaClock
  private readonly sessions = new Set<Session>()
  /** When a refusal was logged last, by slave and reason. */
  private readonly said = new Map<string, number>()
  private readonly isSync: boolean
  private inSyncCount = 0
  private isLeaving = false

  constructor(options: MasterOptions) {
    this.options = options
    this.isSync = options.settings.brokerRole === 'SYNC_MASTER'
    this.reader = new LogReader(options.settings, SLOTS)
    this.clock = new HaClock(options.stageClock)
    this.server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => this.accept(socket))
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    const { bindAddress, haListenPort } = this.options.settings
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(haListenPort, bindAddress, () => {
        this.server.off('error', reject)
        this.server.on('error', (error) => this.options.log.warn(`the port for slaves: ${describe(error)}`))
        const address = this.server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : haListenPort)
      })
    })
  }

  /** True while somebody has to be told of what is appended. */
  get hasSlaves(): boolean {
    return this.sessions.size > 0
  }

  get slaves(): SlaveState[] {
    const now = this.options.now()
    return [...this.sessions].map((session) => ({
      address: session.remote,
      acknowledged: session.acknowledged,
      isInSync: session.inSync.isInSync,
      behindMs: Math.round(session.inSync.behindMs(now)),
    }))
  }

  /** Something was appended (or flushed, where only that is sent). */
  pump(): void {
    for (const session of this.sessions) session.pump()
    this.judge()
  }

  /** True while there is something to send that could be sent now. */
  hasWork(): boolean {
    const limit = this.sendable()
    for (const session of this.sessions) if (session.canSend(limit)) return true
    return false
  }

  /** Every 100 ms while there are slaves. */
  tick(): void {
    const now = this.options.now()
    this.reader.dropBelow(this.options.control.load('retained'))
    for (const session of this.sessions) {
      if (session.tick(now)) continue
      const ms = this.options.settings.haHousekeepingInterval
      this.options.log.warn(`slave ${session.remote} has said nothing for ${ms} ms: its connection is closed`)
      session.close()
    }
    this.pump()
  }

  /** Before the stop: nobody waits for a slave any more. */
  leave(): void {
    this.isLeaving = true
    this.inSyncCount = 0
    this.refreshGate()
  }

  close(): void {
    this.server.close()
    for (const session of this.sessions) session.close()
    this.reader.close()
  }

  private accept(socket: Socket): void {
    const { settings, now, log } = this.options
    socket.on('error', () => {})
    if (this.sessions.size >= CONNECTIONS_MAX || this.isLeaving) {
      socket.destroy()
      return
    }
    const session = new Session({
      socket,
      reader: this.reader,
      clock: this.clock,
      settings,
      now,
      log: () => this.range(),
      sendable: () => this.sendable(),
      onReport: (from) => this.reported(from),
      onRefused: (from, refusal) => this.refused(from, refusal, socket),
    })
    this.sessions.add(session)
    socket.on('close', () => {
      this.sessions.delete(session)
      if (session.hasBegun) this.clock.leave()
      if (session.hasBegun && !session.isRefused) log.info(`slave ${session.remote} is gone`, this.counts())
      this.judge()
      this.options.onChanged()
    })
    this.options.onChanged()
  }

  private range(): LogRange {
    const { control, settings } = this.options
    return {
      retained: control.load('retained'),
      appended: control.load('appended'),
      segmentSize: settings.mappedFileSizeCommitLog,
    }
  }

  private sendable(): number {
    const { control, settings } = this.options
    const appended = control.load('appended')
    return settings.haTransferUnflushed ? appended : Math.min(appended, control.load('flushed'))
  }

  private reported(session: Session): void {
    const { control, log } = this.options
    if (!this.known.has(session)) {
      this.known.add(session)
      const { acknowledged, sent } = session
      log.info(`slave ${session.remote} has the log up to ${acknowledged} and is sent what is above ${sent}`, {
        behind: control.load('appended') - acknowledged,
      })
    }
    const replicated = control.writer('replicated')
    if (session.acknowledged > replicated.load()) {
      session.stampReport()
      replicated.advance(session.acknowledged)
      if (this.isSync) this.options.onMoved()
    }
    this.judge()
  }

  private readonly known = new WeakSet<Session>()

  private refused(session: Session, { code, text }: Refusal, socket: Socket): void {
    const { log, now } = this.options
    const key = `${socket.remoteAddress} ${code}`
    const last = this.said.get(key)
    if (last === undefined || now() - last > SAID_AGAIN_MS) {
      if (this.said.size > CONNECTIONS_MAX) this.said.clear()
      this.said.set(key, now())
      log.error(`slave ${session.remote} is refused: ${text}`, { code })
    }
    session.inSync.isInSync = false
    socket.pause()
    setTimeout(() => socket.destroy(), REFUSED_HOLD_MS).unref()
    this.judge()
  }

  /** Who keeps up, and what follows from it. */
  private judge(): void {
    const { control, now, settings } = this.options
    const appended = control.load('appended')
    let count = 0
    let hasChanged = false
    for (const session of this.sessions) {
      if (!session.hasBegun || session.isRefused) continue
      const before = session.inSync.isInSync
      const isInSync = session.inSync.look(session.acknowledged, appended, now())
      if (isInSync) count += 1
      if (before === isInSync) continue
      hasChanged = true
      const behind = appended - session.acknowledged
      if (isInSync)
        this.options.log.info(`slave ${session.remote} has caught up`, { acknowledged: session.acknowledged })
      else {
        this.options.log.warn(`slave ${session.remote} does not keep up: it is ${behind} bytes behind`, {
          slaveTimeout: settings.slaveTimeout,
        })
      }
    }
    if (this.isLeaving) count = 0
    const before = this.inSyncCount
    this.inSyncCount = count
    if (count > 0 !== before > 0) this.refreshGate()
    if (hasChanged) this.options.onChanged()
  }

  private refreshGate(): void {
    if (!this.isSync) return
    const { control, log } = this.options
    const gate = control.word('gate')
    const isEngaged = (gate & GATE.replicated) !== 0
    if (this.inSyncCount > 0 === isEngaged) return
    const others = gate & ~(GATE.replicated | GATE.degraded)
    if (isEngaged) {
      control.setWord('gate', others | GATE.degraded)
      const why = this.isLeaving ? 'the broker is stopping' : 'no slave keeps up'
      log.warn(
        `${why}: messages are stored on 1 of ${this.sessions.size + 1} and answered SLAVE_NOT_AVAILABLE`,
        this.counts(),
      )
    } else {
      // What was shown meanwhile stays shown. Once before, so that nothing shown is hidden; once after, for what came between.
      const released = control.writer('released')
      released.reset(control.load('appended'))
      control.setWord('gate', others | GATE.replicated)
      released.reset(control.load('appended'))
      log.info(`messages are stored on ${this.inSyncCount + 1} of ${this.sessions.size + 1} again`, this.counts())
    }
    this.options.onMoved()
  }

  private counts(): Record<string, unknown> {
    return { slaves: this.sessions.size, inSync: this.inSyncCount }
  }
}
