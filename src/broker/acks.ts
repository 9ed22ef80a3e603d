/**
 * The one place where sends are answered: what is claimed waits here, in log order, until the gate has passed it.
 *
 *   head            booked           tail
 *    │ answered when  │ append has     │ claimed, still in the ring
 *    ▼ committed ≥ end ▼ told its place ▼
 *    [ . . . . . . . . | . . . . . . . ]
 *
 * Append answers in the order of the claims and the gate's positions only grow, so both fronts move over one circular
 * table of columns: nothing is looked up and nothing is allocated for a message.
 */

import type { Clock } from '../clock.ts'
import type { RingConsumer } from '../concurrency/byte-ring.ts'
import { type ControlBlock, GATE } from '../concurrency/control-block.ts'
import type { StageClock } from '../metrics/stage-clock.ts'
import type { Connection } from '../remoting/connection.ts'
import { ACK, ACK_STATUS } from '../stages/ring-records.ts'

const STORE_STATUS = {
  ok: 'ok',
  flushTimeout: 'flushTimeout',
  /** It is stored here, and no slave is there that could have it too. */
  slaveUnavailable: 'slaveUnavailable',
  /** It is stored here, and no slave has said in time that it is there too. */
  slaveTimeout: 'slaveTimeout',
  /** The epoch changed between claim and append: nothing is stored. */
  oldEpoch: 'oldEpoch',
  /** DLedger: appended by a leader that led no more before a majority had it. Whether it stays is the next leader's to say. */
  leaderChanged: 'leaderChanged',
  /** Larger than a CommitLog file: nothing is stored. */
  tooLarge: 'tooLarge',
  /** The disk is full: nothing is stored, or the first messages of a batch. */
  noRoom: 'noRoom',
  /** A stage failed: whether it is stored is unknown. */
  failed: 'failed',
} as const
export type StoreStatus = keyof typeof STORE_STATUS

/** It is in the log, however safe. */
export function isInLog(status: string): boolean {
  return status === 'ok' || status === 'flushTimeout' || status === 'slaveUnavailable' || status === 'slaveTimeout'
}

/** How long a send waits for the disk and for a slave; both waits begin together. Read at each use. */
export interface WaitLimits {
  readonly syncFlushTimeout: number
  readonly slaveTimeout: number
}

/** What an answer needs; one object that is reused for every call of Answer. */
export interface SendOutcome {
  status: StoreStatus
  opaque: number
  serialize: number
  queueId: number
  physicalOffset: number
  queueOffset: number
  storeTimestamp: number
  /** Sizes of the records of a batch, or undefined for a single message. */
  sizes: number[] | undefined
}

export type Answer = (connection: Connection, outcome: SendOutcome) => void

/** Whoever put a message of the broker's own: told in the place of a connection. `outcome` is reused; it may put again. */
export interface Completion {
  stored(outcome: SendOutcome): void
}

export interface PendingSend {
  connection: Connection
  opaque: number
  serialize: number
  queueId: number
  /** False for property WAIT=false: answered when appended. */
  waits: boolean
  isOneway: boolean
  sizes: number[] | undefined
  sample: number
}

const INITIAL_CAPACITY = 4096
const FLAG_WAITS = 1
const FLAG_ONEWAY = 2
const FLAG_DONE = 4
/** The broker's own message: `completions` says who is told. */
const FLAG_OWN = 8

export class Acks {
  /** Sends that wait for the gate or for append. */
  get pending(): number {
    return this.tail - this.head
  }

  private capacity = INITIAL_CAPACITY
  private connections: (Connection | undefined)[] = new Array(INITIAL_CAPACITY).fill(undefined)
  private sizes: (number[] | undefined)[] = new Array(INITIAL_CAPACITY).fill(undefined)
  private completions: (Completion | undefined)[] = new Array(INITIAL_CAPACITY).fill(undefined)
  private opaques = new Int32Array(INITIAL_CAPACITY)
  private queueIds = new Int32Array(INITIAL_CAPACITY)
  private samples = new Int32Array(INITIAL_CAPACITY)
  private serializes = new Uint8Array(INITIAL_CAPACITY)
  private flags = new Uint8Array(INITIAL_CAPACITY)
  private statuses = new Uint8Array(INITIAL_CAPACITY)
  /** Of the claim. */
  private epochs = new Int32Array(INITIAL_CAPACITY)
  private since = new Float64Array(INITIAL_CAPACITY)
  private ends = new Float64Array(INITIAL_CAPACITY)
  private physicalOffsets = new Float64Array(INITIAL_CAPACITY)
  private queueOffsets = new Float64Array(INITIAL_CAPACITY)
  private storeTimestamps = new Float64Array(INITIAL_CAPACITY)
  private head = 0
  private booked = 0
  private tail = 0
  private hasFailed = false
  /** What waits until append has answered all claims up to a place. */
  private readonly barriers: { at: number; run: () => void }[] = []

  private readonly ring: RingConsumer
  private readonly control: ControlBlock
  /** Steady: a system's time that is set makes nobody wait longer, and declares nothing late that is not. */
  private readonly clock: Clock
  private readonly stageClock: StageClock
  private readonly answer: Answer
  private readonly limits: WaitLimits
  /** An epoch takes with it what was appended under it and is not confirmed: DLedger. */
  private readonly epochsEnd: boolean
  /** The time of this turn of the event loop, once it was asked for: a look at the clock costs 1 % of a send. */
  private turnNow = 0
  private isTurnTimed = false
  private readonly outcome: SendOutcome = {
    status: 'ok',
    opaque: 0,
    serialize: 0,
    queueId: 0,
    physicalOffset: 0,
    queueOffset: 0,
    storeTimestamp: 0,
    sizes: undefined,
  }

  constructor(options: {
    ring: RingConsumer
    control: ControlBlock
    clock: Clock
    stageClock: StageClock
    answer: Answer
    limits: WaitLimits
    epochsEnd?: boolean
  }) {
    this.ring = options.ring
    this.control = options.control
    this.clock = options.clock
    this.stageClock = options.stageClock
    this.answer = options.answer
    this.limits = options.limits
    this.epochsEnd = options.epochsEnd ?? false
  }

  /** Remembers a send whose record has been claimed in the submit ring, in the order of the claims. */
  expect(send: PendingSend): void {
    if (this.tail - this.head === this.capacity) this.grow()
    const at = this.tail & (this.capacity - 1)
    this.connections[at] = send.connection
    this.sizes[at] = send.sizes
    this.opaques[at] = send.opaque
    this.queueIds[at] = send.queueId
    this.samples[at] = send.sample
    this.serializes[at] = send.serialize
    this.flags[at] = (send.waits ? FLAG_WAITS : 0) | (send.isOneway ? FLAG_ONEWAY : 0)
    this.epochs[at] = this.control.epoch
    this.since[at] = this.turnTime()
    this.tail += 1
  }

  /** The same for a message of the broker's own; `token` comes back as the outcome's opaque. */
  expectOwn(completion: Completion, token: number, queueId: number, waits: boolean): void {
    if (this.tail - this.head === this.capacity) this.grow()
    const at = this.tail & (this.capacity - 1)
    this.completions[at] = completion
    this.opaques[at] = token
    this.queueIds[at] = queueId
    this.samples[at] = -1
    this.flags[at] = FLAG_OWN | (waits ? FLAG_WAITS : 0)
    this.epochs[at] = this.control.epoch
    this.since[at] = this.turnTime()
    this.tail += 1
  }

  /** A turn of the event loop is over, or so much of it that the time is to be looked at again. */
  turnEnded(): void {
    this.isTurnTimed = false
  }

  /** Takes what append has answered and answers what the gate has passed or time has overtaken. Returns how many. */
  pump(): number {
    this.book()
    if (this.head === this.booked) return 0
    const confirmed = this.control.confirmed()
    // Behind `confirmed`: while the epoch is that of a claim, what was confirmed are the bytes that were appended for it.
    const { epoch } = this.control
    const now = this.clock.now()
    const before = this.head
    while (this.head < this.booked) {
      const at = this.head & (this.capacity - 1)
      if ((this.flags[at] & FLAG_DONE) === 0) {
        const status = this.statusOf(at, confirmed, epoch, now)
        if (status === undefined) break
        this.finish(at, status)
      }
      this.head += 1
    }
    return this.head - before
  }

  private statusOf(at: number, confirmed: number, epoch: number, now: number): StoreStatus | undefined {
    if (this.epochsEnd && this.epochs[at] !== epoch) return 'leaderChanged'
    return this.ends[at] <= confirmed ? 'ok' : this.unconfirmed(at, now)
  }

  /**
   * What a send is told that the gate has not passed: once both waits, for the disk and for a slave, have come to their ends.
   * The slave's end wins, as in RocketMQ. Undefined: it waits on.
   */
  private unconfirmed(at: number, now: number): StoreStatus | undefined {
    const { control, limits } = this
    const waited = now - this.since[at]
    const gate = control.word('gate')
    const isFlushed = (gate & GATE.flushed) === 0 || this.ends[at] <= control.load('flushed')
    if (!isFlushed && waited < limits.syncFlushTimeout) return undefined
    const wantsSlave = (gate & (GATE.replicated | GATE.degraded)) !== 0
    if (!wantsSlave || this.ends[at] <= control.load('replicated')) return isFlushed ? 'ok' : 'flushTimeout'
    if (waited >= limits.slaveTimeout) return 'slaveTimeout'
    return (gate & GATE.degraded) !== 0 ? 'slaveUnavailable' : undefined
  }

  /** Runs once append has answered all that is claimed by now: their records are in the log then, below `appended`. */
  onceBooked(run: () => void): void {
    if (this.booked === this.tail) run()
    else this.barriers.push({ at: this.tail, run })
  }

  /** True while append's answers are waiting to be booked. */
  hasNews(): boolean {
    return this.ring.hasNext()
  }

  /** A stage failed: what the gate has passed is stored, and of the rest nobody knows. Append is not listened to any more. */
  failAll(): void {
    this.pump()
    for (; this.head < this.tail; this.head += 1) {
      const at = this.head & (this.capacity - 1)
      if (this.head >= this.booked) this.statuses[at] = ACK_STATUS.appended
      if ((this.flags[at] & FLAG_DONE) === 0) this.finish(at, 'failed')
    }
    this.booked = this.tail
    this.hasFailed = true
  }

  /**
   * Inside a fence, before it opens at `tail`: what was appended above it is not in the log any more. New records at the
   * same places would otherwise answer for it.
   */
  truncate(tail: number): void {
    this.pump()
    for (let i = this.head; i < this.booked; i += 1) {
      const at = i & (this.capacity - 1)
      if ((this.flags[at] & FLAG_DONE) !== 0 || this.ends[at] <= tail) continue
      this.statuses[at] = ACK_STATUS.oldEpoch
      this.finish(at, 'oldEpoch')
    }
  }

  private turnTime(): number {
    if (!this.isTurnTimed) {
      this.turnNow = this.clock.now()
      this.isTurnTimed = true
    }
    return this.turnNow
  }

  private book(): void {
    const { ring } = this
    let taken = 0
    if (this.hasFailed) return
    for (let from = ring.next(); from >= 0; from = ring.next()) {
      const at = this.booked & (this.capacity - 1)
      this.physicalOffsets[at] = ring.view.getFloat64(from + ACK.physicalOffset, true)
      this.ends[at] = ring.view.getFloat64(from + ACK.end, true)
      this.queueOffsets[at] = ring.view.getFloat64(from + ACK.queueOffset, true)
      this.storeTimestamps[at] = ring.view.getFloat64(from + ACK.storeTimestamp, true)
      this.statuses[at] = ring.view.getInt32(from + ACK.status, true)
      this.booked += 1
      taken += 1
      if ((this.flags[at] & FLAG_WAITS) === 0 || this.statuses[at] !== ACK_STATUS.appended) this.finish(at, 'ok')
    }
    if (taken === 0) return
    ring.release()
    while (this.barriers.length > 0 && this.barriers[0].at <= this.booked) this.barriers.shift()!.run()
  }

  private finish(at: number, status: StoreStatus): void {
    if ((this.flags[at] & FLAG_OWN) !== 0) {
      this.complete(at, status)
      return
    }
    const connection = this.connections[at]
    this.flags[at] |= FLAG_DONE
    this.connections[at] = undefined
    const sample = this.samples[at]
    if (connection !== undefined && (this.flags[at] & FLAG_ONEWAY) === 0 && !connection.closed) {
      this.answer(connection, this.outcomeOf(at, status))
    }
    this.sizes[at] = undefined
    if (sample >= 0) this.stageClock.finish(sample, this.control.word('gate'))
  }

  private complete(at: number, status: StoreStatus): void {
    const completion = this.completions[at]!
    this.flags[at] |= FLAG_DONE
    this.completions[at] = undefined
    // Last: who is told may put the next message, and the table may grow by that.
    completion.stored(this.outcomeOf(at, status))
  }

  private outcomeOf(at: number, status: StoreStatus): SendOutcome {
    const { outcome } = this
    outcome.status = this.statuses[at] === ACK_STATUS.appended ? status : REFUSALS[this.statuses[at]]!
    outcome.opaque = this.opaques[at]
    outcome.serialize = this.serializes[at]
    outcome.queueId = this.queueIds[at]
    outcome.physicalOffset = this.physicalOffsets[at]
    outcome.queueOffset = this.queueOffsets[at]
    outcome.storeTimestamp = this.storeTimestamps[at]
    outcome.sizes = this.sizes[at]
    return outcome
  }

  /**
   * Doubles the table; happens a few times in a broker's life. Bounded by what the submit ring can hold and what append
   * takes within the longest wait for the gate (a sync that hangs: each send is answered when its deadline has passed).
   */
  private grow(): void {
    const from = this.capacity
    const to = from * 2
    const place = <T extends Int32Array | Uint8Array | Float64Array>(old: T, fresh: T): T => {
      for (let i = this.head; i < this.tail; i += 1) fresh[i & (to - 1)] = old[i & (from - 1)]
      return fresh
    }
    const connections: (Connection | undefined)[] = new Array(to).fill(undefined)
    const sizes: (number[] | undefined)[] = new Array(to).fill(undefined)
    const completions: (Completion | undefined)[] = new Array(to).fill(undefined)
    for (let i = this.head; i < this.tail; i += 1) {
      connections[i & (to - 1)] = this.connections[i & (from - 1)]
      sizes[i & (to - 1)] = this.sizes[i & (from - 1)]
      completions[i & (to - 1)] = this.completions[i & (from - 1)]
    }
    this.connections = connections
    this.sizes = sizes
    this.completions = completions
    this.opaques = place(this.opaques, new Int32Array(to))
    this.queueIds = place(this.queueIds, new Int32Array(to))
    this.samples = place(this.samples, new Int32Array(to))
    this.serializes = place(this.serializes, new Uint8Array(to))
    this.flags = place(this.flags, new Uint8Array(to))
    this.statuses = place(this.statuses, new Uint8Array(to))
    this.epochs = place(this.epochs, new Int32Array(to))
    this.since = place(this.since, new Float64Array(to))
    this.ends = place(this.ends, new Float64Array(to))
    this.physicalOffsets = place(this.physicalOffsets, new Float64Array(to))
    this.queueOffsets = place(this.queueOffsets, new Float64Array(to))
    this.storeTimestamps = place(this.storeTimestamps, new Float64Array(to))
    this.capacity = to
  }
}

const REFUSALS: Record<number, StoreStatus> = {
  [ACK_STATUS.oldEpoch]: 'oldEpoch',
  [ACK_STATUS.tooLarge]: 'tooLarge',
  [ACK_STATUS.noRoom]: 'noRoom',
}
