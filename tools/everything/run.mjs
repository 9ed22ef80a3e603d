// @ts-check
/**
 * Everything at once, for some minutes: Java producers and consumers of every kind of message, rebalances, topics that come, go
 * and change their queues, and a kill -9 every now and then. Then quiet, and the verdict.
 *
 *   ├── load, kills, topics, churn ──────────────┤── no kills: all is sent, consumed, decided ──┤── read the store, judge
 */
import { appendFileSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCalls } from '../../bench/load/connection.mjs'
import { runJava } from '../apache/java.mjs'
import { judge } from './judge.mjs'
import { readSeen, readSent } from './ledger.mjs'
import { startServer } from './server.mjs'
import { lagOf, readStored } from './stored.mjs'

const TOPICS = [
  ...[
    'EvNormal',
    'EvBatch',
    'EvOrdered',
    'EvDelayed',
    'EvTransaction',
    'EvRetry',
    'EvFilter',
    'EvBroadcast',
    'EvResized',
  ],
  'EvAsked',
]
/** @type {readonly (readonly [group: string, topic: string])[]} */
const READERS = [
  ['G-normal', 'EvNormal'],
  ['G-batch', 'EvBatch'],
  ['G-ordered', 'EvOrdered'],
  ['G-delayed', 'EvDelayed'],
  ['G-transaction', 'EvTransaction'],
  ['G-retry', 'EvRetry'],
  ['G-tag', 'EvFilter'],
  ['G-sql', 'EvFilter'],
  ['G-resized', 'EvResized'],
]
const RESIZED = 'EvResized'
const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC'
const TRANSACTION_GROUP = 'CID_RMQ_SYS_TRANS'
const FEW = { read: 4, write: 4 }
const MANY = { read: 8, write: 8 }
/** Queues are given up in two steps: first nobody writes to them, then, once all is consumed, nobody reads them. */
const DRAINING = { read: 8, write: 4 }
const MADE_MAX = 3
const DOWN_MS_MAX = 2500
/** Nothing has come for so long: nothing will. Longer than the longest delay and than two rounds of checks. */
const QUIET_MS = 13_000
const SETTLE_MS_MAX = 180_000

/**
 * @typedef {object} Options
 * @property {string} folder
 * @property {'SYNC_FLUSH' | 'ASYNC_FLUSH'} flushDiskType
 * @property {string} client version of the Java client
 * @property {number} seconds of load
 * @property {number} killEverySeconds
 * @property {number} [pace] percent of the usual rate
 * @property {string} [delays] level:ms, by commas
 * @property {number} [quietMs]
 * @property {(line: string) => void} [say]
 */

/** @param {Options} options */
export async function everything(options) {
  const { folder, client, flushDiskType, say = () => {} } = options
  mkdirSync(folder, { recursive: true })
  const files = { sent: join(folder, 'sent'), seen: join(folder, 'seen'), commands: join(folder, 'commands') }
  const tell = (/** @type {string} */ command) => appendFileSync(files.commands, `${command}\n`)
  const server = await startServer({ folder: join(folder, 'broker'), flushDiskType })
  /** @type {import('../apache/java.mjs').JavaProgram[]} */
  const programs = []
  const start = (/** @type {string} */ main, /** @type {string} */ ledger, /** @type {string[]} */ more) => {
    const args = [`namesrv=${server.namesrv}`, `ledger=${ledger}`, `commands=${files.commands}`, ...more]
    const program = runJava({ version: client, main, args, folder: join(folder, main) })
    programs.push(program)
    return program
  }
  try {
    for (const topic of TOPICS) await server.setQueues(topic, FEW)
    const receiver = start('EverythingReceive', files.seen, ['churn=2000'])
    await receiver.until('READY')
    const delays = options.delays ?? '1:1000,2:2000,5:3000,7:5000,9:8000,10:10000'
    const sender = start('EverythingSend', files.sent, [`delays=${delays}`, `pace=${options.pace ?? 100}`])
    const chaos = new Chaos(server, sender, tell, say)
    await chaos.run(options.seconds, options.killEverySeconds)
    tell('stop')
    tell('calm')
    await sender.until('STOPPED', 1, SETTLE_MS_MAX)
    say('all is sent; waiting until all is consumed')
    await consumed(server.address, [...chaos.there])
    await quiet(files.seen, options.quietMs ?? QUIET_MS)
    const halvesLeft = await halvesOf(server.address)
    // Queues above the number of readable ones can only be read while they are.
    await server.setQueues(RESIZED, MANY)
    const { stored, topics, problems } = await readStored(server.address)
    tell('end')
    for (const program of programs) {
      const { status } = await program.ended
      if (status !== 0) problems.push(`${program.name} ended with ${status}: ${program.stderr.slice(-1000)}`)
    }
    problems.push(...server.unasked)
    const stop = await server.stop()
    if (stop !== undefined) problems.push(stop)
    const sent = await readSent(files.sent)
    const { seen, rebalances } = await readSeen(files.seen)
    const { outages } = server
    const verdict = judge({ sent, seen, stored, outages, deleted: chaos.deleted, topics, halvesLeft })
    problems.push(...verdict.problems)
    const counts = { ...chaos.counts, rebalances, kills: outages.length, stored: stored.length }
    return { ...verdict, problems, sent, counts, outages }
  } finally {
    await server.kill()
    for (const program of programs) if (!program.finished) await program.kill()
  }
}

/** What goes on beside the load. */
class Chaos {
  /**
   * @param {import('./server.mjs').Server} server
   * @param {import('../apache/java.mjs').JavaProgram} sender
   * @param {(command: string) => void} tell
   * @param {(line: string) => void} say
   */
  constructor(server, sender, tell, say) {
    this.server = server
    this.sender = sender
    this.tell = tell
    this.say = say
    /** @type {Set<string>} */
    this.deleted = new Set()
    /** @type {string[]} topics that came and have not gone */
    this.there = []
    this.counts = { topicsMade: 0, topicsDeleted: 0, resizes: 0 }
    this.isOver = false
  }

  /** @param {number} seconds @param {number} killEverySeconds */
  async run(seconds, killEverySeconds) {
    const end = performance.now() + seconds * 1000
    const work = Promise.all([this.#topics(), this.#resizes()])
    // Whoever fails is heard at the end of the loop, not as an unhandled rejection before it.
    work.catch(() => {})
    for (let next = performance.now() + killEverySeconds * 1000; performance.now() < end; await sleep(50)) {
      if (this.sender.finished) throw new Error(`${this.sender.name} has ended: ${this.sender.stderr.slice(-2000)}`)
      if (performance.now() < next) continue
      next += killEverySeconds * 1000
      await this.server.killAndStart(Math.random() * DOWN_MS_MAX)
      const { from, to } = this.server.outages[this.server.outages.length - 1]
      this.say(`kill ${this.server.outages.length}: down for ${to - from} ms`)
    }
    this.isOver = true
    await work
  }

  /** A new topic every few seconds; the oldest goes when there are too many, and its name comes again now and then. */
  async #topics() {
    const { there } = this
    for (let next = 1; !this.isOver; next += 1) {
      const topic = `EvMade-${next}`
      await this.server.setQueues(topic, { read: 2, write: 2 })
      this.counts.topicsMade += 1
      this.tell(`use ${topic}`)
      there.push(topic)
      await this.#wait(8000)
      if (there.length <= MADE_MAX) continue
      const oldest = /** @type {string} */ (there.shift())
      this.tell(`forget ${oldest}`)
      await this.sender.until('FORGOT', this.counts.topicsDeleted + 1)
      this.deleted.add(oldest)
      await this.server.deleteTopic(oldest)
      this.counts.topicsDeleted += 1
    }
  }

  async #resizes() {
    while (!this.isOver) {
      await this.#wait(5000)
      await this.#resize(MANY)
      await this.#wait(8000)
      await this.#resize(DRAINING)
      // Producers and consumers look for routes each second.
      await this.#wait(4000)
      while (!this.isOver && !(await this.#isDrained())) await this.#wait(500)
      if (!this.isOver) await this.#resize(FEW)
    }
  }

  /** @param {{read: number, write: number}} queues */
  async #resize(queues) {
    await this.server.setQueues(RESIZED, queues)
    this.counts.resizes += 1
  }

  async #isDrained() {
    try {
      const calls = await openCalls(this.server.address)
      try {
        for (let queueId = FEW.read; queueId < MANY.read; queueId += 1)
          if ((await lagOf(calls, { group: 'G-resized', topic: RESIZED, queueId })) !== 0) return false
        return true
      } finally {
        calls.close()
      }
    } catch {
      return false
    }
  }

  /** @param {number} ms */
  async #wait(ms) {
    for (const end = performance.now() + ms; performance.now() < end && !this.isOver; ) await sleep(50)
  }
}

/**
 * Until every group has consumed what is stored for it. A client may find out only after 30 s that nobody will answer its pull.
 * @param {string} address
 * @param {readonly string[]} made
 */
async function consumed(address, made) {
  const all = [...READERS, ...made.map((topic) => /** @type {const} */ (['G-made', topic]))]
  const calls = await openCalls(address)
  try {
    for (const end = performance.now() + SETTLE_MS_MAX; performance.now() < end; await sleep(500)) {
      let left = 0
      for (const [group, topic] of all)
        for (let queueId = 0; queueId < MANY.read; queueId += 1) left += await lagOf(calls, { group, topic, queueId })
      if (left === 0) return
    }
  } finally {
    calls.close()
  }
}

/** Until a file has not grown for a while. @param {string} path @param {number} quietMs */
async function quiet(path, quietMs) {
  const end = performance.now() + SETTLE_MS_MAX
  let size = -1
  for (
    let since = performance.now();
    performance.now() - since < quietMs && performance.now() < end;
    await sleep(200)
  ) {
    const now = statSync(path).size
    if (now !== size) since = performance.now()
    size = now
  }
}

/** Half messages that nobody has decided, once there are none or it has taken too long. @param {string} address */
async function halvesOf(address) {
  const calls = await openCalls(address)
  try {
    let left = Number.NaN
    for (const end = performance.now() + SETTLE_MS_MAX / 3; left !== 0 && performance.now() < end; await sleep(500))
      left = await lagOf(calls, { group: TRANSACTION_GROUP, topic: HALF, queueId: 0 })
    return left
  } finally {
    calls.close()
  }
}
