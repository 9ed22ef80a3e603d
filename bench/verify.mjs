// @ts-check
/**
 * How long does `basaltmq inspect verify` take for a GiB of 1 KiB records, and how much memory?
 *
 *     node bench/verify.mjs [--gib 1] [--rounds 5] [--size 1024] [--folder DIR] [--keep]
 *
 * Setup: a broker of ours, with RocketMQ's sizes of files, takes the messages into 4 queues and stops cleanly; the log is then in
 * the page cache. Each round is a process, measured from its start to its end; its peak is ru_maxrss of all its threads. One
 * round is not counted. Writes bench/results/verify-*.json, and fails beyond 3 s or 300 MB (of one GiB).
 * --folder: where the store is made, and found again after --keep.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generate } from './load/rounds.mjs'
import { machine, startServer } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { table, writeResult } from './load/table.mjs'

const GOAL = { ms: 3000, mb: 300 }
const COMMAND = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'bin', 'basaltmq.js')
/** The command itself, with its peak behind what it prints. */
const WITH_PEAK = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS))
await import(process.argv[1])`
const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    size: { type: 'string', default: '1024' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'basalt-verify-'))
if (!values.keep) process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const store = join(folder, 'store')
if (!existsSync(store)) await fill()

const argv = ['--input-type=module', '-e', WITH_PEAK, COMMAND, 'inspect', 'verify', store, '--json']
const rounds = Array.from({ length: Number(values.rounds) + 1 }, verify).slice(1)
const times = rounds.map(({ ms }) => ms)
const peaks = rounds.map(({ mb }) => mb)
console.log(
  table(
    [`verify, ${values.gib} GiB of ${values.size} B`, 'median', 'min', 'max'],
    [
      ['ms', ...[median(times), Math.min(...times), Math.max(...times)].map(Math.round)],
      ['peak MB', ...[median(peaks), Math.min(...peaks), Math.max(...peaks)].map(Math.round)],
    ],
  ),
)
const { recordCount, bytes, threads } = rounds[0].said
console.log(`${recordCount} records, ${bytes} bytes of log, queues and index, ${threads} threads`)
console.log(`written: ${writeResult('verify', { machine: machine(), options: values, rounds })}`)
process.exit(Math.max(...times) > GOAL.ms || Math.max(...peaks) > GOAL.mb ? 1 : 0)

function verify() {
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  const ms = performance.now() - began
  const peak = /peak (\d+)/.exec(stderr)
  if (status !== 0 || peak === null) throw new Error(`verify ended with ${status}: ${stdout}${stderr}`)
  const said = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  return { ms, mb: Number(peak[1]) / 1024, said }
}

async function fill() {
  // Apache's sizes are the defaults; segments are sealed as they come, so that verify compares side checksums too.
  const server = await startServer('basalt', { folder })
  const load = /** @type {const} */ ({ mode: 'send', topic: 'Verify', connections: 1, depth: 256, warmupMs: 0 })
  const size = Number(values.size)
  const wanted = Math.ceil((Number(values.gib) * 2 ** 30) / size)
  for (let count = 0; count < wanted; ) {
    const left = wanted - count
    const durationMs = Math.max(100, Math.min(2000, left / 200))
    count += (await generate({ ...load, address: server.address, bodySize: size, durationMs })).count
  }
  if (!(await server.process.stop())) throw new Error('the broker was not stopped cleanly')
}
