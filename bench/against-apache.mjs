// @ts-check
/**
 * How far ahead of Apache RocketMQ is Basalt on this machine, and where does it lose?
 *
 *     npm run bench:apache -- [--rounds 3] [--seconds 3] [--cells 1,64,256,64x1,drain,pull32,push,start,idle] [--flush async,sync]
 *                             [--servers apache,basalt,bare] [--version 4.9.7] [--folder DIR] [--before DIR]
 *
 * --before DIR: another build of ours takes Apache's place (what did a change cost?).
 *
 * Setup: the same generator process and the same frames for all; 1 KiB, 4 queues, loopback, one machine shared by server
 * and generator; alternating rounds on fresh stores, JVM warmed up for 6 s; the servers that wait are stopped (SIGSTOP).
 * Prints medians over the rounds and Basalt/Apache ratios with 90 % confidence intervals (bootstrap); ten rounds for a
 * claim. Writes bench/results/against-apache-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { processStats } from './load/proc.mjs'
import { CELLS, measureCell } from './load/rounds.mjs'
import { availableKinds, machine, startServer } from './load/servers.mjs'
import { median, ratioInterval } from './load/stats.mjs'
import { DESCRIPTION, describeCell, interval, table, writeResult } from './load/table.mjs'

const IDLE_MS = 10_000
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    warmup: { type: 'string', default: '6' },
    cells: { type: 'string', default: '1,64,256,64x1,drain,pull32,push,start,idle' },
    flush: { type: 'string', default: 'async,sync' },
    servers: { type: 'string', default: 'apache,basalt,bare' },
    version: { type: 'string', default: '4.9.7' },
    size: { type: 'string', default: '1024' },
    folder: { type: 'string', default: tmpdir() },
    before: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const wanted = values.cells.split(',')
/** Whom we are compared with. */
const other = values.before === undefined ? 'apache' : 'before'
const kinds = availableKinds(values.servers.replace('apache', other), values.version)
const folder = mkdtempSync(join(values.folder, 'basalt-bench-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const say = (/** @type {string} */ text) => console.error(`  ${text}`)

/** @type {any} */
const result = {
  machine: machine(),
  versions: { apache: values.version },
  rounds,
  seconds: Number(values.seconds),
  size: Number(values.size),
  cells: {},
  start: {},
  idle: {},
}
console.log(
  `node ${process.version}, ${result.machine.cores} cores (${result.machine.cpu}), ${rounds} rounds of ${values.seconds} s, ${values.size} bytes, 4 queues`,
)

for (const flush of values.flush.split(',')) {
  const plan = {
    flush: flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
    rounds,
    seconds: Number(values.seconds),
    warmupSeconds: Number(values.warmup),
    bodySize: Number(values.size),
    queues: 4,
    folder,
    kinds,
    version: values.version,
    ...(values.before === undefined ? {} : { before: resolve(values.before) }),
  }
  const rows = []
  for (const cell of CELLS.filter(
    (one) => wanted.includes(one.name) && (one.drain === undefined || flush === 'async'),
  )) {
    const measured = await measureCell(cell, plan, say)
    result.cells[`${plan.flush}/${cell.name}`] = measured
    rows.push(...describeCell(cell.name, measured))
  }
  if (rows.length > 0) {
    console.log(`\n${plan.flush}`)
    console.log(table(DESCRIPTION, rows))
    const ratios = Object.entries(result.cells)
      .filter(([key]) => key.startsWith(plan.flush))
      .flatMap(([key, measured]) => compare(key, measured))
    if (ratios.length > 0)
      console.log(
        `\n${table([`Basalt / ${other}`, 'msgs/s', 'p50', 'p99', 'CPU a message', 'msgs/s against bare'], ratios)}`,
      )
  }
}
if (wanted.includes('start') || wanted.includes('idle')) await startAndIdle()
console.log(`\nwritten: ${writeResult('against-apache', result)}`)
process.exit(0)

/** @param {string} key @param {Record<string, any[]>} measured */
function compare(key, measured) {
  const { [other]: theirs, basalt, bare } = measured
  if (theirs === undefined || basalt === undefined) return []
  const ratio = (/** @type {any[]} */ others, /** @type {(one: any) => number} */ pick) =>
    interval(ratioInterval(basalt.map(pick), others.map(pick)))
  const latency = (/** @type {string} */ name) =>
    theirs[0].latency === undefined ? '-' : ratio(theirs, (one) => one.latency[name])
  return [
    [
      key.split('/')[1],
      ratio(theirs, (one) => one.rate),
      latency('p50'),
      latency('p99'),
      ratio(theirs, (one) => one.serverCpuUs),
      bare === undefined ? '-' : ratio(bare, (one) => one.rate),
    ],
  ]
}

/** Start to the first acknowledged message on an empty store, then private memory and CPU while nothing happens. */
async function startAndIdle() {
  const rows = []
  for (const kind of kinds.filter((one) => one !== 'bare')) {
    result.start[kind] = []
    result.idle[kind] = []
  }
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds.filter((one) => one !== 'bare')) {
      const server = await startServer(kind, {
        folder: join(folder, `${kind}-start`),
        version: values.version,
        before: values.before,
      })
      result.start[kind].push(server.readyMs)
      if (wanted.includes('idle') && round < 3) {
        await new Promise((done) => setTimeout(done, IDLE_MS / 2))
        const before = processStats(server.pid)
        await new Promise((done) => setTimeout(done, IDLE_MS / 2))
        const after = processStats(server.pid)
        result.idle[kind].push({
          rssAnonMiB: after.rssAnonMiB,
          rssMiB: after.rssMiB,
          threads: after.threads,
          cpuPercent: ((after.cpuMs - before.cpuMs) / (IDLE_MS / 2)) * 100,
        })
      }
      await server.process.kill()
      rmSync(server.folder, { recursive: true, force: true })
      say(`start ${kind}: ${Math.round(server.readyMs)} ms`)
    }
  }
  for (const [kind, list] of Object.entries(result.start)) {
    const idle = result.idle[kind]
    const of = (/** @type {string} */ key) =>
      idle.length === 0 ? '-' : median(idle.map((/** @type {any} */ one) => one[key])).toFixed(1)
    rows.push([
      kind,
      Math.round(median(list)),
      Math.round(Math.min(...list)),
      Math.round(Math.max(...list)),
      of('rssAnonMiB'),
      of('rssMiB'),
      of('cpuPercent'),
      of('threads'),
    ])
  }
  console.log(
    `\n${table(['start to first ack', 'median ms', 'min', 'max', 'idle RssAnon MiB', 'idle RSS MiB', 'idle CPU %', 'threads'], rows)}`,
  )
}
