/**
 * The requests of ours on one connection that wait for their answers, by opaque.
 *
 * Each side of a connection has its own number space (spec/remoting.md §7). Ours starts at 1: ali-ons takes an opaque of 0
 * for "none". Time runs out by a timer, or by the injected clock where that is moved (expire()).
 */
import { RemotingError } from '../errors.ts'
import type { RemotingCommand } from './command.ts'
import { HEADER_AT } from './frame.ts'
import type { SentAnswer } from './hot/index.ts'
import { requestName } from './request-codes.ts'

let lastOpaque = 0

export function nextOpaque(): number {
  lastOpaque = lastOpaque === 0x7fff_ffff ? 1 : lastOpaque + 1
  return lastOpaque
}

/** Who waits for an answer. One of them is called, once. */
export interface AnswerWaiter {
  answered(answer: RemotingCommand): void
  /** In its place, where the answer is that of a send that was stored. `it` is valid only during the call. */
  sent?(it: SentAnswer): void
  failed(error: unknown): void
}

/** A waiter that is a promise. */
class PromiseWaiter implements AnswerWaiter {
  readonly promise: Promise<RemotingCommand>
  answered!: (answer: RemotingCommand) => void
  failed!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.answered = resolve
      this.failed = reject
    })
  }
}

/** One request; used again for the next that falls into its slot. */
class Entry {
  opaque = 0
  /** Undefined: the slot is free. */
  waiter: AnswerWaiter | undefined = undefined
  code = 0
  timeoutMs = 0
  /** Of the owner's clock. */
  deadline = 0
  /** Of the machine's, which goes on whatever a test does with the other. */
  due = 0
}

/** A timer may be late by as much as it can be early. */
const EARLY_MS = 1
const SLOTS_MIN = 16
/** Beyond half of it in flight, requests are kept the slower way. */
const SLOTS_MAX = 65_536
const NO_SLOTS: (Entry | undefined)[] = []

export class PendingAnswers {
  private readonly address: string
  /**
   * By the low bits of the opaque, which counts up: as a ring. No Map: one whose entries come and go leaves its tables behind,
   * and each of them holds what was in flight until the next full collection (a quarter of a send's CPU).
   */
  private slots = NO_SLOTS
  private taken = 0
  /** Those whose slot a slower request has. */
  private readonly others = new Map<number, Entry>()
  /** One for all: at the earliest time that is over, or at one that has been answered since. */
  private timer: NodeJS.Timeout | undefined
  private timerDue = 0

  constructor(address: string) {
    this.address = address
  }

  get count(): number {
    return this.taken + this.others.size
  }

  add(opaque: number, code: number, timeoutMs: number, now: number): Promise<RemotingCommand> {
    const waiter = new PromiseWaiter()
    this.expect(opaque, code, timeoutMs, now, waiter)
    return waiter.promise
  }

  expect(opaque: number, code: number, timeoutMs: number, now: number, waiter: AnswerWaiter): void {
    const due = performance.now() + timeoutMs
    const entry = this.place(opaque)
    entry.opaque = opaque
    entry.waiter = waiter
    entry.code = code
    entry.timeoutMs = timeoutMs
    entry.deadline = now + timeoutMs
    entry.due = due
    if (this.timer === undefined || due < this.timerDue - EARLY_MS) this.arm(due)
  }

  /** The clock may have been moved: whoever should have been answered by `now` fails. */
  expire(now: number): void {
    for (const entry of this.all()) if (entry.deadline <= now) this.fail(entry.opaque, this.late(entry))
  }

  /** Who waits for that answer, and waits no more; undefined: nobody (any more). */
  take(opaque: number): AnswerWaiter | undefined {
    const { slots } = this
    const entry = slots[opaque & (slots.length - 1)]
    if (entry !== undefined && entry.opaque === opaque && entry.waiter !== undefined) {
      const { waiter } = entry
      entry.waiter = undefined
      this.taken -= 1
      return waiter
    }
    const other = this.others.size === 0 ? undefined : this.others.get(opaque)
    if (other !== undefined) this.others.delete(opaque)
    return other?.waiter
  }

  fail(opaque: number, error: unknown): void {
    this.take(opaque)?.failed(error)
  }

  /** close() follows. */
  stopTimer(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  close(error: RemotingError): void {
    this.stopTimer()
    for (const { opaque } of this.all()) this.fail(opaque, error)
  }

  /** The entry for a new request. */
  private place(opaque: number): Entry {
    if (this.taken * 2 >= this.slots.length && this.slots.length < SLOTS_MAX) this.grow()
    const at = opaque & (this.slots.length - 1)
    let entry = this.slots[at]
    if (entry === undefined) {
      entry = new Entry()
      this.slots[at] = entry
    } else if (entry.waiter !== undefined) {
      entry = new Entry()
      this.others.set(opaque, entry)
      return entry
    }
    this.taken += 1
    return entry
  }

  /** Those of different slots stay so. */
  private grow(): void {
    const length = Math.max(SLOTS_MIN, this.slots.length * 2)
    const slots: (Entry | undefined)[] = new Array(length).fill(undefined)
    for (const entry of this.slots) if (entry?.waiter !== undefined) slots[entry.opaque & (length - 1)] = entry
    this.slots = slots
  }

  /** All that wait, in the order of their requests. */
  private all(): Entry[] {
    const waiting = this.slots.filter((entry): entry is Entry => entry?.waiter !== undefined)
    // Of 31 bits: shifted, the sign of their difference is right over their wrap, too.
    return [...waiting, ...this.others.values()].sort((a, b) => (a.opaque - b.opaque) << 1)
  }

  private arm(due: number): void {
    clearTimeout(this.timer)
    this.timerDue = due
    this.timer = setTimeout(() => this.look(), Math.max(1, due - performance.now()))
  }

  /** Whose time is over fails; the timer goes on to the next. */
  private look(): void {
    this.timer = undefined
    const now = performance.now() + EARLY_MS
    let next = Number.POSITIVE_INFINITY
    for (const entry of this.all()) {
      if (entry.due <= now) this.fail(entry.opaque, this.late(entry))
      else if (entry.due < next) next = entry.due
    }
    if (next < Number.POSITIVE_INFINITY && this.count > 0) this.arm(next)
  }

  private late({ code, timeoutMs }: Entry): RemotingError {
    return new RemotingError('TIMEOUT', {
      what: `no answer to ${requestName(code)} within ${timeoutMs} ms`,
      where: this.address,
      retriable: true,
    })
  }
}

/** Offset of the lowest byte of `flag` in a binary header. */
const BINARY_FLAG_AT = 12
const CODE_KEY = Buffer.from('{"code":')

/**
 * Whether the frame's flag must be looked at before it goes to the handler. Exact for binary headers. In JSON the flag is
 * anywhere: frames that open with the code of a request that is frequent and that nobody answers with are let through.
 */
export function mayBeAnswer(bytes: Uint8Array, start: number, end: number, always: boolean): boolean {
  const at = start + HEADER_AT
  if (bytes[start + 4] === 1) return end - at > BINARY_FLAG_AT && (bytes[at + BINARY_FLAG_AT] & 1) === 1
  if (always || end - at < 12) return true
  for (let i = 0; i < 8; i++) if (bytes[at + i] !== CODE_KEY[i]) return true
  // 310, 320: sends. 361, 11: pulls. 34, 38, 15: heartbeats, consumer lists, offsets.
  const first = bytes[at + 8]
  const second = bytes[at + 9]
  const third = bytes[at + 10]
  if (first === 0x33 && third === 0x30) return second !== 0x31 && second !== 0x32
  if (first === 0x33 && third === 0x31) return second !== 0x36
  if (third !== 0x2c) return true
  if (first === 0x31) return second !== 0x31 && second !== 0x35
  return first !== 0x33 || (second !== 0x34 && second !== 0x38)
}
