// @ts-check
/**
 * The load generator, in a process of its own:
 *
 *     node bench/load/generator.mjs '{"mode":"send","address":"127.0.0.1:10911","pid":4711,"topic":"Bench","connections":1,
 *       "depth":64,"bodySize":1024,"queues":4,"warmupMs":1000,"durationMs":3000}'
 *
 * Modes:  send (closed loop), open (with "rate", messages a second), drain (with "count" or all that is there), push (sends at
 *         "rate" to held pulls; the latency is that of the message until it has come back).
 * Prints: one line of JSON: rate, latency in µs (p50, p99, p999, max), generator CPU µs a message and, where `pid` is
 *         given, the server's CPU µs a message, RssAnon and threads at the end; where `slavePids` are given, their CPU; with "raw"
 *         (send and open) the answers by code and the whole histogram.
 */

import { createTopic, drain, maxOffsets } from './drain.mjs'
import { processStats } from './proc.mjs'
import { push } from './push.mjs'
import { startSending } from './send.mjs'

/**
 * @typedef {{mode: 'send' | 'open' | 'drain' | 'push', address: string, pid?: number, topic: string, connections?: number, depth?: number,
 *   bodySize?: number, queues?: number, rate?: number, warmupMs?: number, durationMs?: number, count?: number, from?: number[],
 *   create?: boolean, slavePids?: number[], raw?: boolean}} LoadOptions
 *   create: make the topic first (default true)
 */

/** @param {LoadOptions} options */
export async function runLoad(options) {
  const queues = options.queues ?? 4
  if (options.create !== false && options.mode !== 'drain') await createTopic(options.address, options.topic, queues)
  const server = () => (options.pid === undefined ? undefined : processStats(options.pid))
  if (options.mode === 'drain') {
    const from = options.from ?? new Array(queues).fill(0)
    const there = (await maxOffsets(options.address, options.topic, queues)).reduce(
      (sum, max, queue) => sum + max - from[queue],
      0,
    )
    const before = server()
    const own = process.cpuUsage()
    const result = await drain({
      address: options.address,
      topic: options.topic,
      queues,
      from,
      count: options.count ?? there,
    })
    return report(result.count, result.seconds, process.cpuUsage(own), before, server(), {
      latency: result.latency,
      mibPerSecond: result.bytes / result.seconds / 2 ** 20,
    })
  }
  if (options.mode === 'push') {
    /** @type {ReturnType<typeof server>} */
    let before
    let own = process.cpuUsage()
    const result = await push({ rate: 1000, warmupMs: 0, durationMs: 3000, bodySize: 1024, ...options, queues }, () => {
      before = server()
      own = process.cpuUsage()
    })
    return report(result.count, result.seconds, process.cpuUsage(own), before, server(), {
      latency: result.latency,
      failed: result.lost,
    })
  }
  const load = await startSending({
    address: options.address,
    topic: options.topic,
    connections: options.connections ?? 1,
    depth: options.depth ?? 1,
    bodySize: options.bodySize ?? 1024,
    queues,
    ...(options.mode === 'open' ? { rate: options.rate ?? 1000 } : {}),
  })
  await new Promise((done) => setTimeout(done, options.warmupMs ?? 1000))
  const slaveCpu = () => (options.slavePids ?? []).reduce((sum, pid) => sum + processStats(pid).cpuMs, 0)
  const before = server()
  const slaveBefore = slaveCpu()
  const own = process.cpuUsage()
  const began = load.begin()
  await new Promise((done) => setTimeout(done, options.durationMs ?? 3000))
  const seconds = (load.end() - began) / 1000
  const used = process.cpuUsage(own)
  const after = server()
  const slaveUsed = slaveCpu() - slaveBefore
  const rest = await load.stop()
  const { ok, counted, failed, codes, histogram, firstFailure } = load.meter
  const answers = { ...(counted > 0 ? { 0: counted } : {}), ...Object.fromEntries(codes) }
  return report(ok, seconds, used, before, after, {
    latency: histogram.summary(),
    failed,
    ...rest,
    ...(options.slavePids === undefined ? {} : { slaveCpuUs: round((slaveUsed * 1000) / Math.max(1, ok)) }),
    ...(options.raw === true ? { answers, histogram: histogram.raw() } : {}),
    ...(firstFailure === undefined ? {} : { firstFailure }),
  })
}

/**
 * @param {number} count
 * @param {number} seconds
 * @param {NodeJS.CpuUsage} used
 * @param {ReturnType<typeof processStats> | undefined} before
 * @param {ReturnType<typeof processStats> | undefined} after
 * @param {object} more
 */
function report(count, seconds, used, before, after, more) {
  const perMessage = (/** @type {number} */ ms) => round((ms * 1000) / Math.max(1, count))
  return {
    count,
    seconds: round(seconds),
    rate: Math.round(count / seconds),
    generatorCpuUs: perMessage((used.user + used.system) / 1000),
    ...(before === undefined || after === undefined
      ? {}
      : {
          serverCpuUs: perMessage(after.cpuMs - before.cpuMs),
          serverSystemUs: perMessage(after.systemMs - before.systemMs),
          rssAnonMiB: round(after.rssAnonMiB),
          threads: after.threads,
        }),
    ...more,
  }
}
const round = (/** @type {number} */ value) => Math.round(value * 100) / 100

if (process.argv[1]?.endsWith('generator.mjs')) {
  const result = await runLoad(JSON.parse(process.argv[2]))
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
}
