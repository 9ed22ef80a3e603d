/**
 * The requests of ours on one connection that wait for their answers, by opaque.
 *
 * Each side of a connection has its own number space (spec/remoting.md §7). Ours starts at 1: ali-ons takes an opaque of 0
 * for "none". Time runs out by a timer, or by the injected clock where that is moved (expire()).
 */
import { RemotingError } from '../errors.ts'
import type { RemotingCommand } from './command.ts'
import { HEADER_AT } from './frame.ts'
import { requestName } from './request-codes.ts'

let lastOpaque = 0

export function nextOpaque(): number {
  lastOpaque = lastOpaque === 0x7fff_ffff ? 1 : lastOpaque + 1
  return lastOpaque
}

/** Who waits for an answer. One of the two is called, once. */
export interface AnswerWaiter {
  answered(answer: RemotingCommand): void
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

interface Entry {
  readonly waiter: AnswerWaiter
  readonly code: number
  readonly timeoutMs: number
  /** Of the owner's clock. */
  readonly deadline: number
  /** Of the machine's, which goes on whatever a test does with the other. */
  readonly due: number
}

/** A timer may be late by as much as it can be early. */
const EARLY_MS = 1

export class PendingAnswers {
  private readonly address: string
  private entries: Map<number, Entry> | undefined
  /** One for all: at the earliest time that is over, or at one that has been answered since. */
  private timer: NodeJS.Timeout | undefined
  private timerDue = 0

  constructor(address: string) {
    this.address = address
  }

  get count(): number {
    return this.entries?.size ?? 0
  }

  add(opaque: number, code: number, timeoutMs: number, now: number): Promise<RemotingCommand> {
    const waiter = new PromiseWaiter()
    this.expect(opaque, code, timeoutMs, now, waiter)
    return waiter.promise
  }

  expect(opaque: number, code: number, timeoutMs: number, now: number, waiter: AnswerWaiter): void {
    this.entries ??= new Map()
    const due = performance.now() + timeoutMs
    this.entries.set(opaque, { waiter, code, timeoutMs, deadline: now + timeoutMs, due })
    if (this.timer === undefined || due < this.timerDue - EARLY_MS) this.arm(due)
  }

  /** The clock may have been moved: whoever should have been answered by `now` fails. */
  expire(now: number): void {
    if (this.entries === undefined) return
    for (const [opaque, entry] of [...this.entries]) if (entry.deadline <= now) this.fail(opaque, this.late(entry))
  }

  /** False when nobody waits for it (any more). */
  answer(command: RemotingCommand): boolean {
    const waiter = this.remove(command.opaque)
    waiter?.answered(command)
    return waiter !== undefined
  }

  fail(opaque: number, error: unknown): void {
    this.remove(opaque)?.failed(error)
  }

  /** close() follows. */
  stopTimer(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  close(error: RemotingError): void {
    this.stopTimer()
    for (const opaque of [...(this.entries?.keys() ?? [])]) this.fail(opaque, error)
  }

  private remove(opaque: number): AnswerWaiter | undefined {
    const entry = this.entries?.get(opaque)
    if (entry === undefined) return undefined
    this.entries?.delete(opaque)
    return entry.waiter
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
    for (const [opaque, entry] of [...(this.entries ?? [])]) {
      if (entry.due <= now) this.fail(opaque, this.late(entry))
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
