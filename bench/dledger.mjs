// @ts-check
/**
 * A group of three in DLedger's mode, ours and Apache's: how long from its start to the first acknowledged message, and how long do
 * writes stop when the leader is killed?
 *
 *     npm run bench:dledger -- [--parts start,kill] [--kinds apache,basalt,fast] [--starts 3] [--kills 5] [--fast-kills 50]
 *                              [--flush ASYNC_FLUSH] [--version 4.9.7] [--folder DIR]
 *
 * Kinds:  basalt and apache with the timers of the original, fast: ours with dLedgerFastElection.
 * Setup:  fresh groups, a NameServer of ours, one machine; a small message to each member all the time, 5 ms after its last answer or
 *         refusal, over a connection of its own. "Start" is from the start of the processes, which start at the same moment. "Kill" is
 *         kill -9 of the leader, until a message that was sent afterwards is acknowledged; the dead one then starts again, and all logs
 *         are equal before the next. Throughput and latency: `basaltmq bench modes --against apache --modes async+dledger,sync+dledger`.
 * Writes bench/results/dledger-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { BareClient } from '../dist/bench/bare-client.js'
import { Cluster } from '../dist/bench/cluster.js'
import { availableKinds, machine } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { table, writeResult } from './load/table.mjs'

const TOPIC = 'Failover'
const EVERY_MS = 5
const ANSWER_MS_MAX = 3000
/** Under the load of the probes before each kill. */
const BEFORE_MS = 300

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: 'start,kill' },
    kinds: { type: 'string', default: 'apache,basalt,fast' },
    starts: { type: 'string', default: '3' },
    kills: { type: 'string', default: '5' },
    'fast-kills': { type: 'string', default: '50' },
    flush: { type: 'string', default: 'ASYNC_FLUSH' },
    version: { type: 'string', default: '4.9.7' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const parts = values.parts.split(',')
const flush = values.flush === 'SYNC_FLUSH' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH'
const kinds = /** @type {string[]} */ (availableKinds(values.kinds, values.version))
const folder = mkdtempSync(join(values.folder, 'basalt-dledger-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Sends to all members at once, as long as it is open. */
class Probes {
  /** @param {string[]} addresses */
  constructor(addresses) {
    this.isOpen = true
    this.since = Number.POSITIVE_INFINITY
    /** When the first message that was sent since then was acknowledged. */
    this.firstMs = Number.NaN
    this.tasks = addresses.map((address) => this.keepSending(address))
  }

  /** A message sent from `since` on is acknowledged. @param {number} since */
  async acknowledged(since) {
    this.firstMs = Number.NaN
    this.since = since
    while (Number.isNaN(this.firstMs)) await sleep(1)
  }

  /** @param {string} address */
  async keepSending(address) {
    const client = new BareClient(address)
    while (this.isOpen) {
      const sent = performance.now()
      const code = await client.send(TOPIC, 'writes?', {}, ANSWER_MS_MAX).then(
        (answer) => answer.code,
        () => -1,
      )
      if (code === 0 && sent >= this.since && Number.isNaN(this.firstMs)) this.firstMs = performance.now()
      await sleep(EVERY_MS)
    }
    await client.close()
  }

  async close() {
    this.isOpen = false
    await Promise.all(this.tasks)
  }
}

/** @type {Record<string, number[]>} */
const started = Object.fromEntries(kinds.map((kind) => [kind, []]))
/** @type {Record<string, number[]>} */
const stopped = {}
if (parts.includes('start')) {
  for (let round = 0; round < Number(values.starts); round++) {
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const { cluster, readyMs } = await startGroup(kind)
      await cluster.close()
      started[kind].push(readyMs)
      console.error(`  ${kind}: first leader after ${Math.round(readyMs)} ms`)
    }
  }
}
if (parts.includes('kill')) {
  for (const kind of kinds)
    stopped[kind] = await kills(kind, Number(kind === 'fast' ? values['fast-kills'] : values.kills))
}
const row = (/** @type {string} */ name, /** @type {number[]} */ list) => [
  ...[name, list.length, Math.round(median(list)), Math.round(Math.min(...list)), Math.round(Math.max(...list))],
  ...[list.filter((ms) => ms <= 1000).length, list.filter((ms) => ms > 2000).length],
]
console.log(
  table(
    ['ms', 'times', 'median', 'min', 'max', 'within 1 s', 'over 2 s'],
    [
      ...Object.entries(started)
        .filter(([, list]) => list.length > 0)
        .map(([kind, list]) => row(`start to first leader, ${kind}`, list)),
      ...Object.entries(stopped).map(([kind, list]) => row(`writes stop after a kill, ${kind}`, list)),
    ],
  ),
)
console.log(`written: ${writeResult('dledger', { machine: machine(), options: values, started, stopped })}`)
process.exit(0)

/** @param {string} kind */
async function startGroup(kind) {
  const cluster = await Cluster.start({
    folder: join(folder, kind),
    mode: { flush, replication: 'DLEDGER' },
    system: kind === 'apache' ? 'apache' : 'basalt',
    apacheVersion: values.version,
    config: kind === 'fast' ? { dLedgerFastElection: true } : {},
  })
  return { cluster, readyMs: cluster.readyMs }
}

/** @param {string} kind @param {number} count */
async function kills(kind, count) {
  /** @type {number[]} */
  const times = []
  if (count === 0) return times
  const { cluster } = await startGroup(kind)
  try {
    while (times.length < count) {
      const probes = new Probes(cluster.nodes.map(({ address }) => address))
      await probes.acknowledged(performance.now())
      await sleep(BEFORE_MS)
      const { master } = cluster
      const killed = performance.now()
      await Promise.all([master.kill(), probes.acknowledged(killed)])
      times.push(probes.firstMs - killed)
      console.error(`  ${kind} kill ${times.length}: ${Math.round(times.at(-1) ?? 0)} ms`)
      await probes.close()
      await master.start()
      await cluster.waitInSync()
    }
  } finally {
    await cluster.close()
  }
  return times
}
