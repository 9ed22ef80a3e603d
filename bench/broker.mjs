// @ts-check
/**
 * What does one broker do under raw load: rate, percentiles, CPU a message, private memory, beside the bare server?
 *
 *     npm run bench:broker -- [--cells 1,64,256,64x1,drain,open] [--flush async,sync] [--rounds 3] [--seconds 3]
 *                             [--servers basalt,bare] [--rate 20000] [--size 1024] [--set key=value]…
 *
 * Setup: as bench/against-apache.mjs, without Apache. `open` sends at a fixed rate over four connections and counts the
 * time from when a message was due. Prints medians over the rounds. Writes bench/results/broker-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CELLS, measureCell } from './load/rounds.mjs'
import { machine } from './load/servers.mjs'
import { DESCRIPTION, describeCell, table, writeResult } from './load/table.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    warmup: { type: 'string', default: '2' },
    cells: { type: 'string', default: '1,64,256,64x1,drain,open' },
    flush: { type: 'string', default: 'async,sync' },
    servers: { type: 'string', default: 'basalt,bare' },
    rate: { type: 'string', default: '20000' },
    size: { type: 'string', default: '1024' },
    folder: { type: 'string', default: tmpdir() },
    set: { type: 'string', multiple: true, default: [] },
  },
})
const folder = mkdtempSync(join(values.folder, 'basalt-bench-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const cells = [...CELLS, { name: 'open', connections: 4, depth: 0, rate: Number(values.rate) }].filter((cell) =>
  values.cells.split(',').includes(cell.name),
)
/** @type {any} */
const result = { machine: machine(), options: values, cells: {} }
console.log(
  `node ${process.version}, ${result.machine.cores} cores (${result.machine.cpu}), ${values.rounds} rounds of ${values.seconds} s, ${values.size} bytes, 4 queues`,
)

for (const flush of values.flush.split(',')) {
  const plan = {
    flush: flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    warmupSeconds: Number(values.warmup),
    bodySize: Number(values.size),
    queues: 4,
    folder,
    version: '4.9.7',
    kinds: /** @type {('apache' | 'basalt' | 'bare')[]} */ (values.servers.split(',')),
    config: Object.fromEntries(values.set.map((pair) => pair.split('=', 2))),
  }
  const rows = []
  for (const cell of cells.filter((one) => one.drain === undefined || flush === 'async')) {
    const measured = await measureCell(cell, plan, (text) => console.error(`  ${text}`))
    result.cells[`${plan.flush}/${cell.name}`] = measured
    rows.push(...describeCell(cell.name, measured))
  }
  console.log(`\n${plan.flush}\n${table(DESCRIPTION, rows)}`)
}
console.log(`\nwritten: ${writeResult('broker', result)}`)
process.exit(0)
