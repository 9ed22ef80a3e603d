/**
 * Question: what does the line of stages do without sockets, and where does the flush mode put the wait?
 *
 *     claim and encode ─▶ submit ring ─▶ append ─▶ (flush) ─▶ ack ring, waker ─▶ answer ─▶ the next claim
 *
 *     npm run bench:engine -- [--depths 1,64,256] [--flush async,sync] [--rounds 3] [--seconds 2] [--tail pwrite,map]
 *
 * Setup: the broker's own engine in this process, all threads running (dispatch builds queues and index meanwhile), records of
 * 1 KiB in 4 queues, closed loop, a store of small segments in --folder. Latency is from the claim to the answer. CPU is that
 * of the whole process, load included, a message. Prints medians over the rounds, and beside them what one fdatasync of the
 * same folder takes after 1 KiB was written. Runs against the built package. Writes bench/results/engine-*.json.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Acks } from '../dist/broker/acks.js'
import { Engine } from '../dist/broker/engine.js'
import { ControlBlock, NETWORK } from '../dist/concurrency/control-block.js'
import { wake } from '../dist/concurrency/wake.js'
import { resolveConfig } from '../dist/config/index.js'
import { silentLog } from '../dist/log.js'
import { StageClock } from '../dist/metrics/stage-clock.js'
import { fallocate, fdatasync } from '../dist/native/index.js'
import { Histogram } from './load/histogram.mjs'
import { machine } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { ms, table, thousands, writeResult } from './load/table.mjs'
import { Claimer } from './micro/records.mjs'

const QUEUES = 4
const SEGMENT = 128 * 1024 * 1024
const DEADLINE_MS = 60_000
/** As the broker does: then the event loop has its turn. */
const PUMPS_MAX = 16
const SYNCS = 200

/** One engine, loaded with `depth` messages in flight for `seconds`, after half a second of warming up. */
export async function measureEngine({ folder, flush, tail, depth, seconds }) {
  const root = mkdtempSync(join(folder, 'basalt-engine-'))
  const overrides = {
    storePathRootDir: root,
    flushDiskType: flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
    tailWriter: tail,
    mappedFileSizeCommitLog: SEGMENT,
  }
  const { config } = resolveConfig({ role: 'broker', overrides, env: {} })
  let line
  const failed = deferred()
  const engine = await Engine.start({
    settings: config,
    faults: undefined,
    log: silentLog,
    onWake: () => line?.pump(),
    onFailure: (failure) => failed.reject(new Error(`${failure.stage}: ${failure.message}`)),
    onMessage() {},
  })
  try {
    line = new Line(engine, depth)
    line.start()
    await Promise.race([new Promise((done) => setTimeout(done, 500)), failed.promise])
    line.histogram.reset()
    const cpu = process.cpuUsage()
    const began = performance.now()
    await new Promise((done) => setTimeout(done, seconds * 1000))
    const took = (performance.now() - began) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const { count, ...latency } = line.histogram.summary()
    await line.stop()
    return { flush, tail, depth, rate: Math.round(count / took), cpuUs: (user + system) / count, latency }
  } finally {
    await engine.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

/** The network thread's part, without a network: keeps `depth` messages under way. */
class Line {
  histogram = new Histogram()

  constructor(engine, depth) {
    this.engine = engine
    this.depth = depth
    this.queues = Array.from({ length: QUEUES }, (_, queueId) => engine.queueIds.ensure('BenchTopic', queueId))
    this.claimer = new Claimer(engine.submit)
    this.since = new Float64Array(depth)
    this.isStopping = false
    this.now = 0
    this.next = 0
    this.ready = []
    const connection = { closed: false }
    this.pending = {
      connection,
      opaque: 0,
      serialize: 0,
      queueId: 0,
      waits: true,
      isOneway: false,
      sizes: undefined,
      sample: -1,
    }
    this.acks = new Acks({
      ring: engine.acks,
      control: engine.control,
      clock: engine.control,
      limits: { syncFlushTimeout: DEADLINE_MS, slaveTimeout: DEADLINE_MS },
      stageClock: new StageClock(engine.stageClock, 0),
      answer: (_, outcome) => {
        if (outcome.status !== 'ok') throw new Error(`a send was answered ${outcome.status}`)
        this.histogram.record((this.now - this.since[outcome.opaque]) * 1000)
        this.ready.push(outcome.opaque)
      },
    })
  }

  start() {
    for (let slot = 0; slot < this.depth; slot++) this.ready.push(slot)
    this.send()
    this.pump()
  }

  /** Resolves when nothing is in flight. */
  async stop() {
    this.isStopping = true
    while (this.acks.pending > 0) await new Promise((done) => setTimeout(done, 1))
  }

  pump() {
    const { words } = this.engine.control
    for (let i = 0; i < PUMPS_MAX; i++) {
      Atomics.store(words, ControlBlock.index('network'), NETWORK.gate)
      this.now = performance.now()
      if (this.acks.pump() === 0) return
      this.send()
    }
    setImmediate(() => this.pump())
  }

  send() {
    if (this.isStopping || this.ready.length === 0) return
    const { submit, control } = this.engine
    const began = performance.now()
    while (this.ready.length > 0) {
      const queueId = this.next % QUEUES
      if (!this.claimer.claim(this.queues[queueId], queueId, control.epoch)) throw new Error('the submit ring is full')
      const slot = this.ready.pop()
      this.next += 1
      this.since[slot] = began
      this.pending.opaque = slot
      this.pending.queueId = queueId
      this.acks.expect(this.pending)
    }
    this.acks.turnEnded()
    submit.commit()
    wake(control.words, ControlBlock.index('append'))
  }
}

/** Microseconds of fdatasync after 1 KiB was written into blocks that the file has already. */
function measureSync(folder) {
  const path = join(mkdtempSync(join(folder, 'basalt-sync-')), 'file')
  const histogram = new Histogram()
  const fd = openSync(path, 'w+')
  const kilobyte = Buffer.alloc(1024, 's')
  fallocate(fd, 0, SYNCS * kilobyte.length)
  // As a segment is made: blocks and size are on the disk before it is used.
  fsyncSync(fd)
  for (let i = 0; i < SYNCS; i++) {
    writeSync(fd, kilobyte, 0, kilobyte.length, i * kilobyte.length)
    const began = performance.now()
    fdatasync(fd)
    histogram.record((performance.now() - began) * 1000)
  }
  closeSync(fd)
  rmSync(join(path, '..'), { recursive: true })
  return histogram.summary()
}

function deferred() {
  let reject
  const promise = new Promise((_, fail) => {
    reject = fail
  })
  return { promise, reject }
}

export const HEAD = ['flush', 'tail', 'in flight', 'msgs/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'CPU us/msg']

/** Medians over the rounds of one cell. */
export function describe(rounds) {
  const [{ flush, tail, depth }] = rounds
  const of = (pick) => median(rounds.map(pick))
  const latency = ['p50', 'p99', 'p999', 'max'].map((key) => ms(of((one) => one.latency[key])))
  return [flush, tail, depth, thousands(of((one) => one.rate)), ...latency, of((one) => one.cpuUs).toFixed(1)]
}

async function main() {
  const { values } = parseArgs({
    options: {
      depths: { type: 'string', default: '1,64,256' },
      flush: { type: 'string', default: 'async,sync' },
      tail: { type: 'string', default: 'pwrite' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '2' },
      folder: { type: 'string', default: tmpdir() },
    },
  })
  const { folder } = values
  const about = machine()
  console.log(
    `node ${process.version}, ${about.cores} cores (${about.cpu}), ${values.rounds} rounds of ${values.seconds} s, 1024 bytes`,
  )
  const cells = values.flush
    .split(',')
    .flatMap((flush) =>
      values.tail
        .split(',')
        .flatMap((tail) => values.depths.split(',').map((depth) => ({ flush, tail, depth: Number(depth) }))),
    )
  const measured = cells.map(() => [])
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [index, cell] of cells.entries()) {
      const result = await measureEngine({ ...cell, folder, seconds: Number(values.seconds) })
      measured[index].push(result)
      console.error(
        `  round ${round + 1} ${cell.flush} ${cell.tail} ${cell.depth}: ${result.rate}/s, ${result.cpuUs.toFixed(1)} us`,
      )
    }
  }
  const sync = measureSync(folder)
  console.log(`\n${table(HEAD, measured.map(describe))}`)
  console.log(`one fdatasync after 1 KiB: p50 ${ms(sync.p50)}, p99 ${ms(sync.p99)}, max ${ms(sync.max)} ms`)
  console.log(`\nwritten: ${writeResult('engine', { machine: about, options: values, sync, cells: measured })}`)
  process.exit(0)
}

if (process.argv[1]?.endsWith('engine.mjs')) await main()
