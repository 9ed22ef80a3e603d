/**
 * One visit: a fresh pair or group of servers in one mode, warmed up, and each cell measured once by the load generator.
 *
 * Owns:      the servers and their folder while it lasts.
 * Injected:  a slower disk by the fault switch of all brokers (the slave's matters with slaveAckAfter=flush only), a longer link
 *            between brokers; clients are as near as ever, so that what is added is what replication costs.
 */
import { execFile } from 'node:child_process'
import { freemem } from 'node:os'
import { promisify } from 'node:util'
import { Cluster } from '../cluster.ts'
import { type LinkServer, startLink } from '../link-server.ts'
import { type LoadOptions, type LoadResult, runLoad } from '../load.ts'
import type { CellKey, Round, WaterfallStep } from '../results.ts'
import { LagSampler } from './lag.ts'
import type { ModesOptions } from './options.ts'
import { CELL_WARM_UP_SECONDS, cellSeconds, type Visit, visitSeconds, warmUpSeconds } from './plan.ts'
import { stageTables, stepsBetween } from './steps.ts'

export interface VisitContext {
  readonly options: ModesOptions
  /** For the servers; made and removed. */
  readonly folder: string
  readonly signal: AbortSignal
  measured(key: CellKey, round: Round, steps: readonly WaterfallStep[]): void
  /** So much of the plan is done. */
  passed(seconds: number): void
}

const QUEUES = 4
const TOPIC = 'Bench'
const WARM_UP_IN_FLIGHT = 64
/** The generator's own start, before its warm-up. */
const GENERATOR_START_MS = 150
/** A run that was due or sent and never answered. */
export const NO_ANSWER = '-1'

export async function runVisit(visit: Visit, context: VisitContext): Promise<void> {
  const { options, signal } = context
  await settle(options.touchesMemory)
  const links = new Map<string, LinkServer>()
  const starting = Cluster.start({
    folder: context.folder,
    system: visit.system,
    apacheVersion: options.apacheVersion,
    mode: visit.mode,
    config: { ...options.config, ...(visit.system === 'basalt' ? { haTransfer: visit.haTransfer } : {}) },
    env: { BASALT_FAULTS: visit.injected.fdatasyncMs > 0 ? `slowSync=${visit.injected.fdatasyncMs}` : '' },
    link: async (haAddress) => {
      if (visit.injected.rttMs === 0) return haAddress
      const link = links.get(haAddress) ?? (await startLink(haAddress, visit.injected.rttMs, context.folder))
      links.set(haAddress, link)
      return link.address
    },
    signal,
  })
  let cluster: Cluster | undefined
  try {
    cluster = await starting
    await warmUp(cluster, visit, context)
    context.passed(visitSeconds(options, visit))
    for (const key of visit.cells) {
      await cluster.waitInSync()
      const before = await stageTables(cluster)
      const round = await measure(cluster, key, context)
      context.measured(key, round, stepsBetween(before, await stageTables(cluster)))
      context.passed(cellSeconds(options))
    }
  } finally {
    await cluster?.close()
    await Promise.all([...links.values()].map((link) => link.process.kill()))
  }
}

/** More than any visit fills: 1 GiB each, freed when the process ends. */
const TOUCH = ['-e', 'globalThis.kept = [0, 1, 2].map(() => Buffer.alloc(2 ** 30, 1))']
const TOUCHED_BYTES = 4 * 2 ** 30

/**
 * What others left in the page cache is on disk, and there is memory for it: on a virtual machine that gives free memory back, whoever
 * fills pages pays 10 µs a page for the hypervisor, and a broker that has run for a day does not (bench/README.md).
 */
async function settle(touchesMemory: boolean): Promise<void> {
  await run('sync')
  if (touchesMemory && freemem() > TOUCHED_BYTES) await run(process.execPath, TOUCH)
}

/** At one in flight a JVM would be cold for a minute: it is warmed with the deeper load. Makes the topic. */
async function warmUp(cluster: Cluster, visit: Visit, { options, signal }: VisitContext): Promise<void> {
  const durationMs = Math.max(100, warmUpSeconds(options, visit.system) * 1000)
  const load = { connections: 1, depth: WARM_UP_IN_FLIGHT, bodySize: visit.bodySize, queues: QUEUES } as const
  const where = { mode: 'send', address: cluster.master.address, topic: TOPIC } as const
  check(await runLoad({ ...where, ...load, warmupMs: 0, durationMs }, signal), cluster)
}

async function measure(cluster: Cluster, key: CellKey, { options, signal }: VisitContext): Promise<Round> {
  const warmupMs = CELL_WARM_UP_SECONDS * 1000
  const { master, slaves } = cluster
  const connections = key.load === 'closed' ? Math.min(options.connections, key.inFlight) : options.connections
  const load: LoadOptions = {
    ...(key.load === 'closed'
      ? { mode: 'send', depth: Math.round(key.inFlight / connections) }
      : { mode: 'open', rate: key.ratePerSecond }),
    address: master.address,
    topic: TOPIC,
    create: false,
    pid: master.process.pid,
    ...(slaves.length === 0 ? {} : { slavePids: slaves.map(({ process }) => process.pid) }),
    connections,
    bodySize: key.bodySize,
    queues: QUEUES,
    warmupMs,
    durationMs: options.seconds * 1000,
  }
  const lag = new LagSampler(cluster)
  lag.start(GENERATOR_START_MS + warmupMs)
  try {
    const result = check(await runLoad(load, signal), cluster)
    return roundOf(result, lag.stop())
  } finally {
    lag.stop()
  }
}

export function roundOf(result: LoadResult, lag: { lagBytes: number; lagBytesMax: number }): Round {
  const silent = result.backlog + result.unanswered
  return {
    seconds: result.seconds,
    answers: { ...result.answers, ...(silent > 0 ? { [NO_ANSWER]: silent } : {}) },
    ratePerSecond: result.count / result.seconds,
    latency: result.histogram,
    masterCpuUs: result.serverCpuUs ?? 0,
    slaveCpuUs: result.slaveCpuUs ?? 0,
    generatorCpuUs: result.generatorCpuUs,
    masterMiB: result.rssAnonMiB ?? 0,
    ...lag,
  }
}

/** A broker that went away is no figure. */
function check(result: LoadResult, cluster: Cluster): LoadResult {
  for (const { name, process } of cluster.nodes) {
    if (process.ended) throw new Error(`the ${name} ended with status ${process.status}:\n${process.tail()}`)
  }
  if (result.firstFailure?.startsWith('connection')) {
    throw new Error(
      `the load generator lost its connection (${result.firstFailure}):\n${cluster.master.process.tail()}`,
    )
  }
  return result
}

const run = promisify(execFile)
