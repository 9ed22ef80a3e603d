/**
 * The control block: every number that threads share, each alone on its cache line.
 *
 *   line 0–7    positions, one 64-bit word each (bytes of the CommitLog)
 *   line 8–15   words, one 32-bit word each (wake words, epoch, gate, flags)
 *   line 16     clock offset, 64-bit
 *   line 21–27  a position and words of replication, one of flush, DLedger's wake word, wakers of HA and append
 *
 * A position has one writing thread and any number of readers. Reads and writes are Atomics on a BigInt64Array: never
 * torn, and published with everything that was written before. Each stage reads them once a batch, so that the price of
 * the BigInt (bench/micro "position") is paid per batch and not per message.
 *
 * Source: shared design "One line of stages, one number each"; the invariants are asserted by checkInvariants().
 */
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'

const LINE = 64
const WORDS64 = LINE / 8
const WORDS32 = LINE / 4

export const POSITIONS = {
  /** End of the last whole record in the log. Writer: append. */
  appended: 0,
  /** All below is on disk: fdatasync returned 0. Writer: flush. */
  flushed: 1,
  /** All below is held by enough replicas. Writer: HA or DLedger. */
  replicated: 2,
  /** All below is in ConsumeQueue and IndexFile. Writer: dispatch. */
  dispatched: 3,
  /** All above still exists. Writer: housekeeping (retention). */
  retained: 4,
  /** End of the last segment whose blocks are allocated. Writer: housekeeping. */
  allocated: 5,
  /** All below is in ConsumeQueue and IndexFile, and those files are on disk. Writer: housekeeping. */
  settled: 6,
  /** SLAVE: all bytes below are in the log, the last record may lack its end. Writer: HA, as of `appended` there. */
  received: 7,
  /** Consumers were let see what is below while the gate had no slave; it does not hide it again. Writer: HA. */
  released: 21,
} as const
export type PositionName = keyof typeof POSITIONS

export const WORDS = {
  /** Wake words, see wake.ts. */
  append: 8,
  flush: 9,
  housekeeping: 10,
  dispatch: 11,
  ha: 12,
  /** NETWORK: by whom the network thread wants to be woken. */
  network: 13,
  epoch: 14,
  gate: 15,
  /** Bits of FLAGS. */
  flags: 17,
  /** Bits of faults.ts THREADS: those stages drain and end. */
  stop: 18,
  fence: 19,
  /** Number of queues on which a pull waits; dispatch does not linger while it is above 0. */
  heldPulls: 20,
  /** Odd while the flush thread waits for an fdatasync of the CommitLog; it counts them. Writer: flush. */
  syncing: 24,
  /** Wake word of the DLedger thread, which stands in the places of append, flush and HA. */
  dledger: 26,
} as const
export type WordName = keyof typeof WORDS

const CLOCK_LINE = 16
/** 64 bits, written once by the HA thread before it first sleeps. */
const HA_WAKER_LINE = 25
/** The same for the thread that appends, where that lives in an event loop. */
const APPEND_WAKER_LINE = 27
const LINES = 28
/** Indexes of the words that are read for each message: a table that is asked by name costs 20 ns. */
const EPOCH = WORDS.epoch * WORDS32
const FENCE_STATE = WORDS.fence * WORDS32
const FLAG_BITS = WORDS.flags * WORDS32
/** Behind the offset, on its line: not 0 once the clock was moved. */
const CLOCK_MOVED = CLOCK_LINE * WORDS32 + 2

/**
 * What the gate names: committed is the smallest of appended and the positions whose bit is set. Written at the start, then by
 * HA alone, which puts `degraded` in the place of `replicated` while no slave is in sync.
 */
export const GATE = {
  flushed: 1,
  replicated: 2,
  /** consumers may run ahead: readUnCommitted */ openRead: 4,
  /** Senders were promised a slave and none is there: they are told so, and consumers do not wait. */ degraded: 8,
} as const

/** Who wakes the network thread: nobody, the last stage of its gate, or append too (a ring was full). */
export const NETWORK = { awake: 0, gate: 1, append: 2 } as const

/** States that several threads must see. */
export const FLAGS = {
  /** No room for the next segment; senders are refused until it is gone. */
  diskFull: 1,
  /** fdatasync failed: nothing is accepted any more, the broker ends. */
  flushFailed: 2,
  /** ConsumeQueue or IndexFile cannot be written. */
  dispatchFailed: 4,
} as const

export interface PositionReader {
  load(): number
}

export interface PositionWriter extends PositionReader {
  /** Positions only grow; a smaller value is a broken invariant. */
  advance(to: number): void
  /** Sets the start value, or moves the tail inside a fence. Never while other stages run freely. */
  reset(to: number): void
}

export class ControlBlock implements Clock {
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array
  private readonly positions: BigInt64Array

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.words = new Int32Array(buffer)
    this.positions = new BigInt64Array(buffer)
  }

  static create(): ControlBlock {
    return new ControlBlock(new SharedArrayBuffer(LINES * LINE))
  }

  static attach(buffer: SharedArrayBuffer): ControlBlock {
    assert(buffer.byteLength === LINES * LINE, 'control block has another layout')
    return new ControlBlock(buffer)
  }

  load(name: PositionName): number {
    return Number(Atomics.load(this.positions, POSITIONS[name] * WORDS64))
  }

  reader(name: PositionName): PositionReader {
    return { load: () => this.load(name) }
  }

  /** Given to one thread only: the position's writer. */
  writer(name: PositionName): PositionWriter {
    const { positions } = this
    const word = POSITIONS[name] * WORDS64
    return {
      load: () => Number(Atomics.load(positions, word)),
      advance(to) {
        assert(to >= Number(Atomics.load(positions, word)), 'a position moved back')
        Atomics.store(positions, word, BigInt(to))
      },
      reset(to) {
        Atomics.store(positions, word, BigInt(to))
      },
    }
  }

  /** Index of a 32-bit word in `words`, for Atomics.wait and notify. */
  static index(name: WordName): number {
    return WORDS[name] * WORDS32
  }

  word(name: WordName): number {
    return Atomics.load(this.words, ControlBlock.index(name))
  }

  setWord(name: WordName, value: number): void {
    Atomics.store(this.words, ControlBlock.index(name), value)
  }

  raiseFlag(flag: number): void {
    Atomics.or(this.words, ControlBlock.index('flags'), flag)
  }

  lowerFlag(flag: number): void {
    Atomics.and(this.words, ControlBlock.index('flags'), ~flag)
  }

  hasFlag(flag: number): boolean {
    return (this.flags & flag) !== 0
  }

  /** All bits of FLAGS. */
  get flags(): number {
    return Atomics.load(this.words, FLAG_BITS)
  }

  get epoch(): number {
    return Atomics.load(this.words, EPOCH)
  }

  /** A value of FENCE (fence.ts). */
  get fence(): number {
    return Atomics.load(this.words, FENCE_STATE)
  }

  /** What is safe to show: the smallest of appended and the positions that the gate names. */
  committed(): number {
    return this.smallest(this.word('gate'))
  }

  /** What senders were promised, whether or not a slave is there: below it they are answered OK. */
  confirmed(): number {
    const gate = this.word('gate')
    let position = this.load('appended')
    if ((gate & GATE.flushed) !== 0) position = Math.min(position, this.load('flushed'))
    if ((gate & (GATE.replicated | GATE.degraded)) !== 0) position = Math.min(position, this.load('replicated'))
    return position
  }

  /** What consumers and dispatch may see: `committed`, or appended with readUnCommitted. */
  visible(): number {
    const gate = this.word('gate')
    return this.smallest((gate & GATE.openRead) === 0 ? gate : 0)
  }

  private smallest(gate: number): number {
    let position = this.load('appended')
    if ((gate & GATE.flushed) !== 0) position = Math.min(position, this.load('flushed'))
    if ((gate & GATE.replicated) !== 0) {
      position = Math.min(position, Math.max(this.load('replicated'), this.load('released')))
    }
    return position
  }

  /** Handle of the HA thread's waker (native), 0 while it has none. */
  get haWaker(): bigint {
    return Atomics.load(this.positions, HA_WAKER_LINE * WORDS64)
  }

  set haWaker(handle: bigint) {
    Atomics.store(this.positions, HA_WAKER_LINE * WORDS64, handle)
  }

  /** Handle of the waker of the thread that appends; 0: it sleeps on its word. */
  get appendWaker(): bigint {
    return Atomics.load(this.positions, APPEND_WAKER_LINE * WORDS64)
  }

  set appendWaker(handle: bigint) {
    Atomics.store(this.positions, APPEND_WAKER_LINE * WORDS64, handle)
  }

  /** Milliseconds of the injected clock: the system's plus what tests moved it by. */
  now(): number {
    const now = Date.now()
    return Atomics.load(this.words, CLOCK_MOVED) === 0 ? now : now + this.clockOffset()
  }

  /** Milliseconds that tests have moved the clock by. */
  movedMs(): number {
    return Atomics.load(this.words, CLOCK_MOVED) === 0 ? 0 : this.clockOffset()
  }

  /** Moves the clock that all threads of this broker see; wakes nobody. */
  moveClock(milliseconds: number): void {
    Atomics.add(this.positions, CLOCK_LINE * WORDS64, BigInt(Math.trunc(milliseconds)))
    Atomics.store(this.words, CLOCK_MOVED, 1)
  }

  private clockOffset(): number {
    return Number(Atomics.load(this.positions, CLOCK_LINE * WORDS64))
  }

  /**
   * The invariants that hold at every sample. Positions are read in the order in which a moving writer cannot break
   * the comparison: the smaller side first.
   */
  brokenInvariant(): string | undefined {
    const retained = this.load('retained')
    const settled = this.load('settled')
    const dispatched = this.load('dispatched')
    const flushed = this.load('flushed')
    const replicated = this.load('replicated')
    const visible = this.visible()
    const appended = this.load('appended')
    if (retained > dispatched) return `retained ${retained} > dispatched ${dispatched}`
    if (settled > dispatched) return `settled ${settled} > dispatched ${dispatched}`
    if (dispatched > visible) return `dispatched ${dispatched} > committed ${visible}`
    if (flushed > appended) return `flushed ${flushed} > appended ${appended}`
    if (replicated > appended) return `replicated ${replicated} > appended ${appended}`
    return undefined
  }
}
