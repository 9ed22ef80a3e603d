// @ts-check
/**
 * How long from the start of the process to the first acknowledged message on a store of 2 GiB that kill -9 left?
 *
 *     node bench/restart.mjs [--gib 2] [--rounds 3] [--servers basalt,apache] [--size 1024] [--version 4.9.7]
 *
 * Setup: each broker fills its own store with messages of 1 KiB (256 in flight), is killed under load, started (measured),
 * loaded for a second, killed again, and so on. The page cache stays warm for both.
 * Writes bench/results/restart-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { generate } from './load/rounds.mjs'
import { availableKinds, machine, startServer } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { table, writeResult } from './load/table.mjs'

const RECORD_OVERHEAD = 200
const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    size: { type: 'string', default: '1024' },
    servers: { type: 'string', default: 'basalt,apache' },
    version: { type: 'string', default: '4.9.7' },
    flush: { type: 'string', default: 'ASYNC_FLUSH' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const kinds = availableKinds(values.servers, values.version)
const folder = mkdtempSync(join(values.folder, 'basalt-restart-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const wanted = Math.ceil((Number(values.gib) * 2 ** 30) / (Number(values.size) + RECORD_OVERHEAD))
/** @type {Record<string, number[]>} */
const ready = {}
for (const kind of kinds) {
  ready[kind] = []
  const options = { folder: join(folder, kind), version: values.version, config: { flushDiskType: values.flush } }
  let server = await startServer(kind, options)
  const load = {
    mode: /** @type {const} */ ('send'),
    topic: 'Restart',
    connections: 1,
    depth: 256,
    bodySize: Number(values.size),
    warmupMs: 0,
  }
  let count = 0
  while (count < wanted) count += (await generate({ ...load, address: server.address, durationMs: 5000 })).count
  console.error(`  ${kind}: ${count} messages stored`)
  for (let round = 0; round < Number(values.rounds); round++) {
    const busy = generate({ ...load, address: server.address, durationMs: 1000 }).catch(() => undefined)
    await new Promise((done) => setTimeout(done, 1000))
    await server.process.kill()
    await busy
    server = await startServer(kind, options)
    ready[kind].push(server.readyMs)
    console.error(`  ${kind} round ${round + 1}: ready after ${Math.round(server.readyMs)} ms`)
  }
  await server.process.kill()
  rmSync(options.folder, { recursive: true, force: true })
}
console.log(
  table(
    [`${values.gib} GiB after kill -9`, 'median ms', 'min', 'max'],
    kinds.map((kind) => [
      kind,
      Math.round(median(ready[kind])),
      Math.round(Math.min(...ready[kind])),
      Math.round(Math.max(...ready[kind])),
    ]),
  ),
)
console.log(`written: ${writeResult('restart', { machine: machine(), options: values, ready })}`)
process.exit(0)
