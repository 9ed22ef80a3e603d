/**
 * Switches that make things go wrong on purpose, for tests (basaltmq/testing) and measurements (basaltmq bench). A broker that was
 * not started with them carries none: every use is `faults?.…`.
 *
 * Switches: by whoever starts the broker in its process, or the command by the environment BASALT_FAULTS="slowSync=5".
 *
 * Failpoints: the environment BASALT_FAILPOINT="name" or "name:n" kills the process with SIGKILL at the n-th pass of the
 * point, in whatever thread that is.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from './errors.ts'

export const FAULT_WORDS = {
  /** 1: fdatasync waits until it is 0 again. */
  holdSync: 0,
  /** n > 0: the next n fdatasync calls fail with EIO. */
  failSync: 1,
  /** 1: allocation answers ENOSPC. */
  diskFull: 2,
  /** 1: the append thread takes nothing from its rings. */
  holdAppend: 3,
  /** Milliseconds that each fdatasync takes at least. */
  slowSync: 4,
  /** Bit of THREADS: that thread throws at its next step. */
  killThread: 5,
} as const
export type FaultName = keyof typeof FAULT_WORDS

export const THREADS = { append: 1, flush: 2, dispatch: 4, housekeeping: 8, ha: 16, dledger: 32 } as const
export type ThreadName = keyof typeof THREADS

export class FaultSwitches {
  readonly buffer: SharedArrayBuffer
  private readonly words: Int32Array

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(64)) {
    this.buffer = buffer
    this.words = new Int32Array(buffer)
  }

  get(name: FaultName): number {
    return Atomics.load(this.words, FAULT_WORDS[name])
  }

  set(name: FaultName, value: number): void {
    Atomics.store(this.words, FAULT_WORDS[name], value)
    Atomics.notify(this.words, FAULT_WORDS[name])
  }

  /** Whether this thread is told to die. */
  wants(thread: ThreadName): boolean {
    return (this.get('killThread') & THREADS[thread]) !== 0
  }

  /** Called by a stage at each step. */
  step(thread: ThreadName): void {
    if (!this.wants(thread)) return
    this.set('killThread', 0)
    throw new Error(`fault: ${thread} thread was told to die`)
  }

  /** Called instead of trusting the disk, before each fdatasync of the CommitLog. Throws EIO when told to. */
  beforeSync(): void {
    while (this.get('holdSync') !== 0) Atomics.wait(this.words, FAULT_WORDS.holdSync, 1, 1000)
    const slow = this.get('slowSync')
    if (slow > 0) Atomics.wait(this.words, FAULT_WORDS.slowSync, slow, slow)
    this.failIfTold()
  }

  /** The same for a thread that must not wait. */
  async beforeSyncSoon(): Promise<void> {
    while (this.get('holdSync') !== 0) await sleep(5)
    const slow = this.get('slowSync')
    if (slow > 0) await sleep(slow)
    this.failIfTold()
  }

  private failIfTold(): void {
    if (this.get('failSync') === 0) return
    Atomics.sub(this.words, FAULT_WORDS.failSync, 1)
    throw Object.assign(new Error('EIO: i/o error, fdatasync (fault)'), { code: 'EIO' })
  }
}

const INT_MAX = 0x7fff_ffff

/** Of the text of BASALT_FAULTS, "name=value,name=value"; undefined without one. Throws ConfigError. */
export function faultsOf(text: string | undefined): FaultSwitches | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const faults = new FaultSwitches()
  for (const pair of text.split(',')) {
    const [name, value] = pair.trim().split('=', 2)
    const isName = (word: string): word is FaultName => Object.hasOwn(FAULT_WORDS, word)
    if (!isName(name) || !/^\d+$/.test(value ?? '') || Number(value) > INT_MAX) {
      throw new ConfigError('FAULTS', {
        what: `${JSON.stringify(pair)} is no fault`,
        where: 'environment BASALT_FAULTS',
        todo: `write name=number of ${Object.keys(FAULT_WORDS).join(', ')}, or unset it`,
      })
    }
    faults.set(name, Number(value))
  }
  return faults
}

const [armed = '', passes = '1'] = (process.env.BASALT_FAILPOINT ?? '').split(':')
let passesLeft = Number(passes)

export const FAILPOINTS = [
  'after-append',
  'before-flush',
  'after-flush',
  'mid-dispatch',
  'segment-roll',
  'index-roll',
  'checkpoint',
  'json-rename',
] as const
/** Of `inspect repair --apply`. */
export const REPAIR_FAILPOINTS = ['repair-built', 'repair-swap', 'repair-step'] as const
/** Between the messages of one transaction. */
export const TRANSACTION_FAILPOINTS = [
  'transaction-committed',
  'transaction-noted',
  'half-copied',
  'half-asked',
  'transaction-offsets',
] as const
export type Failpoint =
  | (typeof FAILPOINTS)[number]
  | (typeof REPAIR_FAILPOINTS)[number]
  | (typeof TRANSACTION_FAILPOINTS)[number]

/** Ends the process at once when this point is armed. */
export function failpoint(name: Failpoint): void {
  if (armed !== name) return
  passesLeft -= 1
  if (passesLeft <= 0) process.kill(process.pid, 'SIGKILL')
}
