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

interface Waiter {
  resolve(answer: RemotingCommand): void
  reject(error: unknown): void
  /** Why it fails when its time is over. */
  late(): RemotingError
  /** Of the owner's clock. */
  deadline: number
  timer: NodeJS.Timeout
}

export class PendingAnswers {
  private waiters: Map<number, Waiter> | undefined

  get count(): number {
    return this.waiters?.size ?? 0
  }

  add(opaque: number, code: number, timeoutMs: number, address: string, now: number): Promise<RemotingCommand> {
    this.waiters ??= new Map()
    const waiters = this.waiters
    const late = () =>
      new RemotingError('TIMEOUT', {
        what: `no answer to ${requestName(code)} within ${timeoutMs} ms`,
        where: address,
        retriable: true,
      })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(opaque, late()), timeoutMs)
      waiters.set(opaque, { resolve, reject, late, deadline: now + timeoutMs, timer })
    })
  }

  /** The clock may have been moved: whoever should have been answered by `now` fails. */
  expire(now: number): void {
    if (this.waiters === undefined) return
    for (const [opaque, { deadline, late }] of [...this.waiters]) if (deadline <= now) this.fail(opaque, late())
  }

  /** False when nobody waits for it (any more). */
  answer(command: RemotingCommand): boolean {
    const waiter = this.remove(command.opaque)
    waiter?.resolve(command)
    return waiter !== undefined
  }

  fail(opaque: number, error: unknown): void {
    this.remove(opaque)?.reject(error)
  }

  close(error: RemotingError): void {
    for (const opaque of [...(this.waiters?.keys() ?? [])]) this.fail(opaque, error)
  }

  private remove(opaque: number): Waiter | undefined {
    const waiter = this.waiters?.get(opaque)
    if (waiter === undefined) return undefined
    this.waiters?.delete(opaque)
    clearTimeout(waiter.timer)
    return waiter
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
