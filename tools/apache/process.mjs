// @ts-check
/**
 * A server process that we started: its log, its end, and how long it took until it was ready. Java or Node alike.
 *
 * Owns:      one child process, by its pid. It dies with us: an exit hook kills what still runs.
 */
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** @type {Set<ServerProcess>} */
const running = new Set()
process.on('exit', () => {
  for (const one of running) one.signal('SIGKILL')
})
for (const [signal, status] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])) {
  // Only where nobody else handles it: a test runner has its own idea of Ctrl-C.
  process.once(signal, () => process.listenerCount(signal) === 0 && process.exit(status))
}

export class ServerProcess {
  /**
   * @param {{name: string, command: string, args: string[], cwd: string, log: string, env?: Record<string, string>}} options
   *   log: the file that takes stdout and stderr
   */
  constructor(options) {
    this.name = options.name
    this.log = options.log
    /** @type {number | null} */
    this.status = null
    this.ended = false
    this.startedAt = performance.now()
    const out = openSync(options.log, 'a')
    this.logStart = fstatSync(out).size
    this.child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', out, out],
    })
    closeSync(out)
    this.pid = this.child.pid ?? -1
    running.add(this)
    /** @type {Promise<number | null>} */
    this.exit = new Promise((done) => {
      const finish = (/** @type {number | null} */ status) => {
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
  output() {
    return readFileSync(this.log).subarray(this.logStart).toString()
  }

  /** The last part of it, for messages. */
  tail(lines = 15) {
    try {
      return this.output().trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return ''
    }
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    if (!this.ended && this.pid > 0) {
      try {
        process.kill(this.pid, signal)
      } catch {
        // It ended in between.
      }
    }
  }

  /** Asks for a clean stop, and kills after `timeoutMs`. Returns true when it went by itself. */
  async stop(timeoutMs = 30_000) {
    this.signal('SIGTERM')
    const timer = new AbortController()
    const late = sleep(timeoutMs, 'late', { signal: timer.signal }).catch(() => 'in time')
    const clean = (await Promise.race([this.exit.then(() => 'ended'), late])) === 'ended'
    timer.abort()
    if (!clean) await this.kill()
    return clean
  }

  /** kill -9, and waits until the process is gone. */
  async kill() {
    this.signal('SIGCONT')
    this.signal('SIGKILL')
    await this.exit
  }

  /** Waits until the log says `text`; throws with the log's tail when the process ends or time runs out. */
  async says(/** @type {string} */ text, timeoutMs = 60_000) {
    await until(() => this.output().includes(text), timeoutMs, this)
  }

  /** Waits until something accepts on the port. */
  async listening(/** @type {number} */ port, timeoutMs = 60_000) {
    await until(() => accepts(port), timeoutMs, this)
  }
}

/**
 * Polls until `test` holds, every `everyMs`.
 * @param {() => Promise<boolean> | boolean} test
 * @param {number} timeoutMs
 * @param {ServerProcess} [server] whose end makes waiting pointless
 */
export async function until(test, timeoutMs, server, everyMs = 10) {
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

/**
 * Does 127.0.0.1:port accept a connection?
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export function accepts(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

const PORT_MIN = 12_000
const PORT_COUNT = 18_000
/** Test runners that share the machine look in ranges of their own: what one has found, and not taken yet, no other finds. */
const WORKERS_MAX = 6
const worker = Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS_MAX

/**
 * A free port p of which p - 2 and p + 1 are free as well: a broker listens on all three (main, VIP, HA).
 * Taken below the range that the kernel gives to outgoing connections, so that none of those sits on it.
 * @returns {Promise<number>}
 */
export async function freeBrokerPort() {
  for (let tries = 0; tries < 200; tries++) {
    const port = PORT_MIN + Math.floor(((worker + Math.random()) * PORT_COUNT) / WORKERS_MAX)
    if ((await isFree(port)) && (await isFree(port - 2)) && (await isFree(port + 1))) return port
  }
  throw new Error('no free port was found')
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export function isFree(port) {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })
}
