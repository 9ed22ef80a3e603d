// @ts-check
/**
 * Does a broker keep its memory over ten minutes at a steady rate, with small segments that come and go?
 *
 *     node bench/steady.mjs [--minutes 10] [--rate 20000] [--server basalt|apache] [--set key=value]…
 *
 * Setup: open loop over four connections, 1 KiB, 4 queues, 16 MiB segments. Every ten seconds RssAnon, threads and CPU are
 * taken; the figure is the slope of RssAnon after the third minute (least squares, MB a minute), to be below 1.
 * Writes bench/results/steady-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { processStats } from './load/proc.mjs'
import { generate } from './load/rounds.mjs'
import { machine, startServer } from './load/servers.mjs'
import { writeResult } from './load/table.mjs'

const SAMPLE_MS = 10_000
const SETTLED_MINUTES = 3
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '20000' },
    server: { type: 'string', default: 'basalt' },
    folder: { type: 'string', default: tmpdir() },
    set: { type: 'string', multiple: true, default: [] },
  },
})
const minutes = Number(values.minutes)
const folder = mkdtempSync(join(values.folder, 'basalt-steady-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const server = await startServer(/** @type {'basalt' | 'apache'} */ (values.server), {
  folder,
  config: {
    mappedFileSizeCommitLog: 16 << 20,
    mappedFileSizeConsumeQueue: 600_000,
    ...Object.fromEntries(values.set.map((pair) => pair.split('=', 2))),
  },
})
const samples = [{ minute: 0, ...processStats(server.pid) }]
const began = performance.now()
const timer = setInterval(() => {
  if (server.process.ended) return
  const one = { minute: (performance.now() - began) / 60_000, ...processStats(server.pid) }
  samples.push(one)
  console.error(
    `  ${one.minute.toFixed(1)} min  RssAnon ${one.rssAnonMiB.toFixed(1)} MiB  CPU ${(one.cpuMs / 1000).toFixed(1)} s  threads ${one.threads}`,
  )
}, SAMPLE_MS)
const load = await generate({
  mode: 'open',
  address: server.address,
  pid: server.pid,
  topic: 'Steady',
  connections: 4,
  queues: 4,
  rate: Number(values.rate),
  warmupMs: 1000,
  durationMs: minutes * 60_000 - 1000,
})
clearInterval(timer)
const settled = samples.filter((one) => one.minute >= Math.min(SETTLED_MINUTES, minutes / 2))
const slope = leastSquares(
  settled.map((one) => one.minute),
  settled.map((one) => one.rssAnonMiB * 1.048576),
)
console.log(
  `${values.server}: ${load.rate} msgs/s over ${minutes} min, p50 ${load.latency.p50} p99 ${load.latency.p99} max ${load.latency.max} us, ` +
    `failed ${load.failed}; RssAnon ${settled[0]?.rssAnonMiB.toFixed(1)} -> ${samples.at(-1)?.rssAnonMiB.toFixed(1)} MiB, ${slope.toFixed(2)} MB a minute`,
)
console.log(
  `written: ${writeResult('steady', { machine: machine(), options: values, load, slopeMbPerMinute: slope, samples })}`,
)
await server.process.stop()
process.exit(0)

/** @param {number[]} x @param {number[]} y */
function leastSquares(x, y) {
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, one) => sum + one, 0) / list.length
  const mx = mean(x)
  const my = mean(y)
  const over = x.reduce((sum, one, index) => sum + (one - mx) * (y[index] - my), 0)
  const under = x.reduce((sum, one) => sum + (one - mx) ** 2, 0)
  return under === 0 ? 0 : over / under
}
