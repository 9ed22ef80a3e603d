// @ts-check
/**
 * SYNC_FLUSH, one message in flight: how far is the median from what the machine makes it cost at least?
 *
 *     node bench/sync-floor.mjs [--rounds 5] [--seconds 3] [--set key=value]…
 *
 * Floor: fdatasync after 1.3 KB were stored into a mapped, allocated file (the store's own kind of extent: allocated, not
 * yet written), plus a loopback round trip of the bare Node server, plus two wake-ups of a sleeping thread, all measured
 * in the same run, round by round, on the same disk. The bound is 1.5 times their sum.
 * Writes bench/results/sync-floor-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fdatasyncMedian, twoWakes } from '../dist/bench/floors.js'
import { generate } from './load/rounds.mjs'
import { machine, startServer } from './load/servers.mjs'
import { median, ratioInterval } from './load/stats.mjs'
import { interval, table, writeResult } from './load/table.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
    set: { type: 'string', multiple: true, default: [] },
  },
})
const folder = mkdtempSync(join(values.folder, 'basalt-floor-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const config = { flushDiskType: 'SYNC_FLUSH', ...Object.fromEntries(values.set.map((pair) => pair.split('=', 2))) }
const basalt = await startServer('basalt', { folder: join(folder, 'basalt'), config })
const bare = await startServer('bare', { folder: join(folder, 'bare') })
const load = {
  mode: /** @type {const} */ ('send'),
  topic: 'Floor',
  connections: 1,
  depth: 1,
  warmupMs: 500,
  durationMs: Number(values.seconds) * 1000,
}
const file = join(folder, 'extents')

/** @type {{sync: number, roundTrip: number, wakes: number, floor: number, basalt: number, p99: number}[]} */
const rounds = []
for (let round = 0; round < Number(values.rounds); round++) {
  basalt.process.signal('SIGSTOP')
  const sync = fdatasyncMedian(file)
  const wakes = await twoWakes()
  const roundTrip = (await generate({ ...load, address: bare.address, create: false })).latency.p50
  basalt.process.signal('SIGCONT')
  const { latency } = await generate({ ...load, address: basalt.address })
  rounds.push({ sync, roundTrip, wakes, floor: sync + roundTrip + wakes, basalt: latency.p50, p99: latency.p99 })
  console.error(
    `  round ${round + 1}: fdatasync ${sync.toFixed(0)} + round trip ${roundTrip} + two wakes ${wakes.toFixed(0)} us; basalt p50 ${latency.p50} p99 ${latency.p99} us`,
  )
}
await basalt.process.stop()
await bare.process.kill()
const ratio = ratioInterval(
  rounds.map((one) => one.basalt),
  rounds.map((one) => one.floor),
)
const of = (/** @type {keyof typeof rounds[0]} */ key) => median(rounds.map((one) => one[key])).toFixed(0)
console.log(
  table(
    [
      'us, medians',
      'fdatasync',
      'round trip',
      'two wakes',
      'floor',
      'Basalt p50',
      'Basalt p99',
      'p50 / floor (bound 1.5)',
    ],
    [
      [
        `${rounds.length} rounds`,
        of('sync'),
        of('roundTrip'),
        of('wakes'),
        of('floor'),
        of('basalt'),
        of('p99'),
        interval(ratio),
      ],
    ],
  ),
)
console.log(`written: ${writeResult('sync-floor', { machine: machine(), rounds, ratio })}`)
process.exit(0)
