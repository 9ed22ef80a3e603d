/**
 * Drives the core: one queue of inputs, effects in their order, one timer, term and vote durable before they are spoken of.
 *
 *   input() ─▶ queue ─▶ step ─▶ effects ─┬─ log     LogDriver, which puts its inputs behind what waits
 *                                        ├─ persist the pool, one write at a time; the last of those that wait is enough
 *                                        └─ send, answer, commit, role, alarm ─▶ whoever made the driver
 *
 * Owns:      the core. Invariant: step() is never entered again while effects are carried out.
 * Contract:  core/effects.ts.
 */
import type { Clock } from '../clock.ts'
import type { Core, Effect, Input, MemberRequest, MemberResponse } from './core/index.ts'
import { nextTickAt, step } from './core/index.ts'
import type { StateFiles } from './log/index.ts'
import type { LogDriver } from './log-driver.ts'

export interface DriverOptions {
  core: Core
  state: StateFiles
  clock: Clock
  send: (peer: number, request: MemberRequest, end: (response: MemberResponse | undefined) => void) => void
  committed: (index: number) => void
  role: (effect: Extract<Effect, { kind: 'role' }>) => void
  alarm: (what: string) => void
  fatal: (error: unknown) => void
}

type Persist = Extract<Effect, { kind: 'persist' }>

export class CoreDriver {
  readonly core: Core
  private readonly options: DriverOptions
  private log: LogDriver | undefined
  private queue: Input[] = []
  private isRunning = false
  private isClosed = false
  private readonly answers = new Map<number, (response: MemberResponse) => void>()
  private nextToken = 1
  private timer: NodeJS.Timeout | undefined
  private timerAt = Number.POSITIVE_INFINITY
  private toPersist: Persist | undefined
  private persisting: Promise<void> | undefined

  constructor(options: DriverOptions) {
    this.options = options
    this.core = options.core
  }

  start(log: LogDriver): void {
    this.log = log
    this.input({ kind: 'tick' })
  }

  request(request: MemberRequest, answer: (response: MemberResponse) => void): void {
    const token = this.nextToken++
    this.answers.set(token, answer)
    this.input({ kind: 'request', token, request })
  }

  input(input: Input): void {
    if (this.isClosed) return
    this.queue.push(input)
    if (this.isRunning) return
    this.isRunning = true
    try {
      this.run()
    } catch (error) {
      this.options.fatal(error)
    } finally {
      this.isRunning = false
    }
  }

  /** Nothing is taken or sent any more; resolves when term and vote are not being written. */
  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    await this.persisting
  }

  private run(): void {
    const out: Effect[] = []
    while (this.queue.length > 0 && !this.isClosed) {
      const inputs = this.queue
      this.queue = []
      for (const input of inputs) {
        out.length = 0
        step(this.core, input, this.options.clock.now(), Math.random(), out)
        for (const effect of out) this.carryOut(effect)
      }
    }
    this.planTick()
  }

  private carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send': {
        const { peer, call } = effect
        this.options.send(peer, effect.request, (response) => {
          if (response === undefined) this.input({ kind: 'callFailed', peer, call })
          else this.input({ kind: 'response', peer, call, response })
        })
        return
      }
      case 'answer': {
        const answer = this.answers.get(effect.token)
        this.answers.delete(effect.token)
        answer?.(effect.response)
        return
      }
      case 'persist':
        this.toPersist = effect
        this.persisting ??= this.persist()
        return
      case 'commit':
        this.options.committed(effect.index)
        return
      case 'role':
        this.options.role(effect)
        return
      case 'alarm':
        this.options.alarm(effect.what)
        return
      default:
        this.log!.take(effect)
    }
  }

  private async persist(): Promise<void> {
    try {
      while (this.toPersist !== undefined) {
        const { sequence, term, voteFor } = this.toPersist
        this.toPersist = undefined
        await this.options.state.saveTerm({ term, voteFor })
        this.input({ kind: 'persisted', sequence })
      }
    } catch (error) {
      this.options.fatal(error)
    } finally {
      this.persisting = undefined
    }
  }

  private planTick(): void {
    if (this.isClosed) return
    const at = nextTickAt(this.core)
    if (at >= this.timerAt || at === Number.POSITIVE_INFINITY) return
    clearTimeout(this.timer)
    this.timerAt = at
    this.timer = setTimeout(
      () => {
        this.timerAt = Number.POSITIVE_INFINITY
        this.input({ kind: 'tick' })
      },
      Math.max(1, at - this.options.clock.now()),
    )
  }
}
