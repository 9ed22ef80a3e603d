/**
 * A server process that we started: its log, its end, and how long it took until it was ready. Java or Node alike.
 *
 * Owns:      one child process, by its pid. It dies with us: an exit hook kills what still runs.
 * Blocks on: nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { accepts } from './ports.ts'

export interface ServerProcessOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** The file that takes stdout and stderr. */
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  /** Out of reach of a Ctrl-C at the terminal: whoever started it stops it. */
  readonly ownGroup?: boolean
}

const running = new Set<ServerProcess>()
let isHooked = false

/** Ctrl-C ends us where nobody else handles it (a test runner has its own idea of it), and the exit hook ends them. */
function hookExit(): void {
  if (isHooked) return
  isHooked = true
  process.on('exit', () => {
    for (const one of running) one.signal('SIGKILL')
  })
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      if (process.listenerCount(signal) === 0) process.exit(status)
    })
  }
}

export class ServerProcess {
  readonly name: string
  /** The file that takes what it prints. */
  readonly log: string
  readonly startedAt = performance.now()
  readonly pid: number
  /** Of its end: null when a signal ended it, or when it could not be started. */
  readonly exit: Promise<number | null>
  readonly child: ChildProcess
  status: number | null = null
  ended = false
  private readonly logStart: number

  constructor(options: ServerProcessOptions) {
    hookExit()
    this.name = options.name
    this.log = options.log
    const out = openSync(options.log, 'a')
    this.logStart = fstatSync(out).size
    this.child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', out, out],
      detached: options.ownGroup === true,
    })
    closeSync(out)
    this.pid = this.child.pid ?? -1
    running.add(this)
    this.exit = new Promise((done) => {
      const finish = (status: number | null) => {
        this.ended = true
        this.status = status
        running.delete(this)
        done(status)
      }
      this.child.once('exit', finish)
      this.child.once('error', () => finish(null))
    })
  }

  /** What this run has written so far (a restart in the same folder appends to the same file). */
  output(): string {
    return readFileSync(this.log).subarray(this.logStart).toString()
  }

  /** The last part of it, for messages. */
  tail(lines = 15): string {
    try {
      return this.output().trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return ''
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.ended || this.pid <= 0) return
    try {
      process.kill(this.pid, signal)
    } catch {
      // It ended in between.
    }
  }

  /** Asks for a clean stop, and kills after `timeoutMs`. Returns true when it went by itself. */
  async stop(timeoutMs = 30_000): Promise<boolean> {
    this.signal('SIGTERM')
    const timer = new AbortController()
    const late = sleep(timeoutMs, 'late', { signal: timer.signal }).catch(() => 'in time')
    const clean = (await Promise.race([this.exit.then(() => 'ended'), late])) === 'ended'
    timer.abort()
    if (!clean) await this.kill()
    return clean
  }

  /** kill -9, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGCONT')
    this.signal('SIGKILL')
    await this.exit
  }

  /** Waits until the log says `text`; throws with the log's tail when the process ends or time runs out. */
  async says(text: string, timeoutMs = 60_000): Promise<void> {
    await until(() => this.output().includes(text), timeoutMs, this)
  }

  /** Waits until something accepts on the port. */
  async listening(port: number, timeoutMs = 60_000): Promise<void> {
    await until(() => accepts(port), timeoutMs, this)
  }
}

/** Polls until `test` holds, every `everyMs`. `server`: whose end makes waiting pointless. */
export async function until(
  test: () => Promise<boolean> | boolean,
  timeoutMs: number,
  server?: ServerProcess,
  everyMs = 10,
): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await test())) {
    if (server?.ended) throw new Error(`${server.name} ended with status ${server.status}:\n${server.tail()}`)
    if (performance.now() > end) {
      throw new Error(
        `${server?.name ?? 'what was waited for'} was not ready in ${timeoutMs} ms\n${server?.tail() ?? ''}`,
      )
    }
    await sleep(everyMs)
  }
}
