/**
 * How long does one small thing take? The pieces of the hot path, alone, beside the ways that were not taken.
 *
 *     npm run bench:micro -- [word]… [--time 250]      only groups and rows that contain a word; --time: ms a row
 *
 * Setup: tinybench; each call does many operations, so that its timer does not count. Prints the median and the 99th
 * percentile over the calls, divided by the operations, in nanoseconds. Runs against the built package (npm run build).
 * Writes bench/results/micro-*.json. A busy machine shows in p99 first: compare medians, of rows in one run.
 */
import { parseArgs } from 'node:util'
import { Bench } from 'tinybench'
import { machine } from '../load/servers.mjs'
import { table, writeResult } from '../load/table.mjs'
import { append } from './append.mjs'
import { codecs } from './codecs.mjs'
import { copy, crc } from './copy.mjs'
import { dispatch } from './dispatch.mjs'
import { position } from './position.mjs'
import { pullAnswer } from './pull-answer.mjs'
import { ringHop } from './ring-hop.mjs'
import { sql } from './sql.mjs'

/**
 * A group makes its rows and cleans up behind them: {name, unit, make(): {rows, close()}}. A row is {name, ops, run}; run()
 * does `ops` operations and may return {overriddenDuration} in ms where only a part of them counts.
 */
const GROUPS = [codecs, ringHop, position, append, copy, crc, dispatch, pullAnswer, sql]
export const HEAD = ['group', 'row', 'unit', 'ns', 'p99 ns', 'M/s', 'calls']

/** Measures the rows that contain one of the words, in their order. */
export async function measureRows(words, timeMs, say = () => {}) {
  const results = []
  for (const group of GROUPS) {
    const { rows, close } = await group.make()
    try {
      for (const row of rows) {
        if (words.length > 0 && !words.some((word) => `${group.name} ${row.name}`.includes(word))) continue
        const result = await measure(group, row, timeMs)
        results.push(result)
        say(result)
      }
    } finally {
      await close()
    }
  }
  return results
}

async function measure(group, { name, ops, run }, time) {
  const bench = new Bench({ time, warmupTime: time / 4, iterations: 10, warmupIterations: 5, throws: true })
  bench.add(name, run)
  await bench.run()
  const { latency } = bench.tasks[0].result
  const ns = (ms) => (ms * 1e6) / ops
  return {
    group: group.name,
    row: name,
    unit: group.unit,
    ns: ns(latency.p50),
    p99: ns(latency.p99),
    calls: latency.samplesCount,
    ops,
  }
}

export function describe(results) {
  const digits = (value) => (value < 100 ? value.toFixed(1) : value.toFixed(0))
  return table(
    HEAD,
    results.map((r) => [r.group, r.row, r.unit, digits(r.ns), digits(r.p99), (1000 / r.ns).toFixed(2), r.calls]),
  )
}

if (process.argv[1]?.endsWith('run.mjs')) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { time: { type: 'string', default: '250' } },
  })
  const about = machine()
  console.log(`node ${process.version}, ${about.cores} cores (${about.cpu}), ${values.time} ms a row`)
  const results = await measureRows(positionals, Number(values.time), (r) =>
    console.error(`  ${r.group} ${r.row}: ${r.ns.toFixed(1)} ns`),
  )
  console.log(`\n${describe(results)}`)
  console.log(`\nwritten: ${writeResult('micro', { machine: about, options: values, results })}`)
  process.exit(0)
}
