// @ts-check
/**
 * Alternating rounds of one cell (a kind of load) over several servers. While one is measured the others are stopped by
 * SIGSTOP, and what they left in the page cache was synced before: rounds do not disturb each other. Memory for the page
 * cache is touched before each round: on a virtual machine that gives free memory back, whoever fills pages pays 10 µs a
 * page for the hypervisor (measured: 7 instead of 4 µs CPU a message), and a broker that has run for a day does not.
 */
import { execFile, execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startServer } from './servers.mjs'

const GENERATOR = join(dirname(fileURLToPath(import.meta.url)), 'generator.mjs')
/** More than any round fills: 1 GiB each, freed when the process ends. */
const TOUCH = ['-e', 'globalThis.kept = [0, 1, 2].map(() => Buffer.alloc(2 ** 30, 1))']
const run = promisify(execFile)

/**
 * @typedef {import('./servers.mjs').Server} Server
 * @typedef {{name: string, connections: number, depth: number, drain?: number, pull?: number, push?: number, rate?: number}} Cell
 *   drain: size of the backlog; pull: of it so many, one pull of 32 after the other; push: sends a second to held pulls; rate: open loop
 * @typedef {{flush: string, rounds: number, seconds: number, warmupSeconds: number, bodySize: number, queues: number, folder: string,
 *   kinds: import('./servers.mjs').Kind[], version: string, before?: string, config?: Record<string, string | number | boolean>}} Plan
 */

export const CELLS = /** @type {Cell[]} */ ([
  { name: '1', connections: 1, depth: 1 },
  { name: '64', connections: 1, depth: 64 },
  { name: '256', connections: 1, depth: 256 },
  { name: '64x1', connections: 64, depth: 1 },
  { name: 'drain', connections: 1, depth: 256, drain: 200_000 },
  { name: 'pull32', connections: 1, depth: 1, drain: 200_000, pull: 32_000 },
  { name: 'push', connections: 1, depth: 1, push: 1000 },
])

/** One run of the generator in its own process. @param {import('./generator.mjs').LoadOptions} options */
export async function generate(options) {
  const { stdout } = await run(process.execPath, [GENERATOR, JSON.stringify(options)], { maxBuffer: 1 << 24 })
  return JSON.parse(stdout)
}

/**
 * All rounds of one cell, on fresh servers.
 * @param {Cell} cell
 * @param {Plan} plan
 * @param {(text: string) => void} say
 * @returns {Promise<Record<string, any[]>>} by kind of server, one result a round
 */
export async function measureCell(cell, plan, say) {
  const kinds = plan.kinds.filter(
    (kind) => kind !== 'bare' || (cell.drain === undefined && cell.push === undefined && plan.flush === 'ASYNC_FLUSH'),
  )
  /** @type {Record<string, any[]>} */
  const results = Object.fromEntries(kinds.map((kind) => [kind, []]))
  /** @type {Server[]} */
  const servers = []
  try {
    for (const kind of kinds) {
      const config = { flushDiskType: plan.flush, ...plan.config }
      const options = { folder: join(plan.folder, kind), version: plan.version, before: plan.before, config }
      const server = await startServer(kind, options)
      servers.push(server)
      await prepare(server, cell, plan)
      server.process.signal('SIGSTOP')
    }
    for (let round = 0; round < plan.rounds; round++) {
      // Every second round the other way about: neither always comes first.
      for (const server of round % 2 === 0 ? servers : servers.slice().reverse()) {
        execFileSync('sync')
        execFileSync(process.execPath, TOUCH)
        server.process.signal('SIGCONT')
        const result = await generate(loadOf(server, cell, plan))
        server.process.signal('SIGSTOP')
        results[server.kind].push(result)
        say(
          `${plan.flush} ${cell.name} round ${round + 1} ${server.kind}: ${result.rate}/s p50 ${result.latency?.p50 ?? '-'} p99 ${result.latency?.p99 ?? '-'} us, server ${result.serverCpuUs} us, generator ${result.generatorCpuUs} us${result.failed > 0 ? ` FAILED ${result.failed}: ${result.firstFailure}` : ''}`,
        )
      }
    }
  } finally {
    for (const server of servers) {
      await server.process.kill()
      rmSync(server.folder, { recursive: true, force: true })
    }
  }
  return results
}

/** Warms the server up with the cell's own load (a JVM needs seconds), and lays the backlog for a drain. */
async function prepare(/** @type {Server} */ server, /** @type {Cell} */ cell, /** @type {Plan} */ plan) {
  const base = { address: server.address, queues: plan.queues, bodySize: plan.bodySize }
  const warmupMs = server.kind === 'apache' ? plan.warmupSeconds * 1000 : Math.min(plan.warmupSeconds, 2) * 1000
  const topic = cell.drain === undefined ? 'BenchWarm' : 'BenchDrain'
  const create = server.kind !== 'bare'
  let there = 0
  do {
    // At one in flight a JVM would be cold for a minute: it is warmed with the deeper load.
    const one = await generate({
      ...base,
      mode: 'send',
      topic,
      create,
      connections: 1,
      depth: 64,
      warmupMs: 0,
      durationMs: warmupMs,
    })
    there += one.count
  } while (cell.drain !== undefined && there < cell.drain)
  if (cell.drain !== undefined) {
    await generate({ ...base, mode: 'drain', topic, count: cell.drain })
  } else if (cell.push !== undefined) {
    await generate({ ...base, mode: 'push', topic, rate: 4 * cell.push, durationMs: warmupMs })
  } else {
    await generate({
      ...base,
      mode: 'send',
      topic,
      create,
      connections: cell.connections,
      depth: Math.max(1, cell.depth),
      warmupMs: 0,
      durationMs: 1000,
    })
  }
}

/** @returns {import('./generator.mjs').LoadOptions} */
function loadOf(/** @type {Server} */ server, /** @type {Cell} */ cell, /** @type {Plan} */ plan) {
  const base = {
    address: server.address,
    pid: server.pid,
    queues: plan.queues,
    bodySize: plan.bodySize,
    create: server.kind !== 'bare',
  }
  if (cell.pull !== undefined) return { ...base, mode: 'drain', topic: 'BenchDrain', queues: 1, count: cell.pull }
  if (cell.drain !== undefined) return { ...base, mode: 'drain', topic: 'BenchDrain', count: cell.drain }
  if (cell.push !== undefined) {
    return { ...base, mode: 'push', topic: 'Bench', rate: cell.push, warmupMs: 500, durationMs: plan.seconds * 1000 }
  }
  return {
    ...base,
    mode: cell.rate === undefined ? 'send' : 'open',
    topic: 'Bench',
    connections: cell.connections,
    depth: cell.depth,
    ...(cell.rate === undefined ? {} : { rate: cell.rate }),
    warmupMs: 500,
    durationMs: plan.seconds * 1000,
  }
}
