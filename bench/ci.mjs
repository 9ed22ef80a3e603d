/**
 * What did this build cost in speed, roughly? A bench that ends within 45 s, for every run of CI:
 *
 *     npm run bench:ci
 *
 * Broker at 64 in flight and at 64 connections beside the bare server, the engine at 64 in flight in both flush modes, and
 * three micro rows. One short round of each: the CPU columns may be compared from run to run, rates on a busy machine not.
 * Ends with status 1 when a send failed, else 0, whatever the figures are.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe as describeEngine, HEAD as ENGINE_HEAD, measureEngine } from './engine.mjs'
import { CELLS, measureCell } from './load/rounds.mjs'
import { machine } from './load/servers.mjs'
import { DESCRIPTION, describeCell, table, writeResult } from './load/table.mjs'
import { describe as describeRows, measureRows } from './micro/run.mjs'

const BROKER_CELLS = ['64', '64x1']
const MICRO_ROWS = ['codecs scanSend JSON', 'copy copyWithCrc 1024', 'append pwrite, batches of 32']
const SECONDS = 1.5
const MICRO_MS = 100

const began = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'basalt-ci-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const about = machine()
console.log(`node ${process.version}, ${about.cores} cores (${about.cpu}), one round of ${SECONDS} s, 1024 bytes`)

const broker = {}
const rows = []
for (const cell of CELLS.filter((one) => BROKER_CELLS.includes(one.name))) {
  const measured = await measureCell(cell, plan(), () => {})
  broker[cell.name] = measured
  rows.push(...describeCell(cell.name, measured))
}
console.log(`\n${table(DESCRIPTION, rows)}`)

execFileSync('sync')
const engine = []
for (const flush of ['async', 'sync']) {
  engine.push(await measureEngine({ folder, flush, tail: 'pwrite', depth: 64, seconds: SECONDS }))
}
console.log(
  `\n${table(
    ENGINE_HEAD,
    engine.map((one) => describeEngine([one])),
  )}`,
)

const micro = await measureRows(MICRO_ROWS, MICRO_MS)
console.log(`\n${describeRows(micro)}`)

const file = writeResult('ci', { machine: about, broker, engine, micro })
console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s; written: ${file}`)
const failed = Object.values(broker)
  .flatMap((kinds) => Object.values(kinds).flat())
  .filter((one) => one.failed > 0)
for (const one of failed) console.error(`sends failed: ${one.firstFailure}`)
process.exit(failed.length > 0 ? 1 : 0)

function plan() {
  return {
    flush: 'ASYNC_FLUSH',
    rounds: 1,
    seconds: SECONDS,
    warmupSeconds: 1,
    bodySize: 1024,
    queues: 4,
    folder,
    version: '',
    kinds: ['basalt', 'bare'],
    config: {},
  }
}
