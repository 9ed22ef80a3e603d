/**
 * The facts of the runtime table (28) that come from the engine: positions, disk, what waits; and our own rows, among them
 * the stage clock and "what would I lose now".
 */
import { realpathSync, statfsSync } from 'node:fs'
import type { BrokerConfig } from '../config/index.ts'
import { memoryUse } from '../metrics/memory.ts'
import {
  COUNTS_ROW,
  encodeCounts,
  percentilesOf,
  type Step,
  type StepCounts,
  stageRow,
} from '../metrics/step-histograms.ts'
import { decodeRecord } from '../store/commitlog/index.ts'
import type { Checksums } from './checksums.ts'
import { markText } from './delay/index.ts'
import type { Engine } from './engine.ts'
import type { MessageService } from './message-service.ts'
import type { OwnMessages } from './own-messages.ts'
import type { Pool } from './pool.ts'
import type { RuntimeSource, WaitingLine } from './processors/index.ts'
import type { Replication } from './replication/index.ts'
import type { StoreView } from './store-view.ts'
import type { WaitingKind } from './waiting-line.ts'

export interface RuntimeOptions {
  config: BrokerConfig
  engine: Engine
  service: MessageService
  pool: Pool
  bootTimestamp: number
  store: Pick<StoreView, 'logMin' | 'firstRecord'>
  own: OwnMessages
  replication: Pick<Replication, 'rows'>
  checksums: Pick<Checksums, 'rows'>
  /** Connections whose sends wait for room. */
  waitingSends(): { count: number; headWaitMs: number }
  /** How long append has stood still. */
  stalledMs(): number
  /** Messages that retention takes from groups that have not consumed them. */
  unread(): { expiring: number; deleted: number }
}

/** What the oldest message's store time comes from: a record of the log, so that it is asked for now and then. */
export interface BrokerRuntime extends RuntimeSource {
  refresh(): Promise<void>
}

export function runtimeSource(options: RuntimeOptions): BrokerRuntime {
  const { config, engine, service, pool } = options
  const { control } = engine
  const folders = [...new Set([config.storePathRootDir, config.storePathCommitLog].map((path) => realpathSync(path)))]
  let earliest = -1
  /** Start of the log that it is the time of. */
  let knownAt = -1
  const waiting = (kind: WaitingKind, capacity: number): WaitingLine => ({
    size: pool.line.count(kind),
    capacity,
    headWaitMs: pool.line.headWaitMs(kind, performance.now()),
  })
  return {
    bootTimestamp: () => options.bootTimestamp,
    startAcceptSendRequestTimeStamp: () => config.startAcceptSendRequestTimeStamp,
    sends: () => {
      const { count, headWaitMs } = options.waitingSends()
      return { size: service.acks.pending + count, capacity: config.sendThreadPoolQueueCapacity, headWaitMs }
    },
    pulls: () => waiting('pull', config.pullThreadPoolQueueCapacity),
    queries: () => waiting('query', config.queryThreadPoolQueueCapacity),
    endTransactions: () => options.own.transactions.line(),
    bytesToFlush: () => control.load('appended') - control.load('flushed'),
    pageCacheLockMs: () => Math.round(options.stalledMs()),
    earliestMessageTimestamp: () => earliest,
    async refresh() {
      const at = options.store.logMin()
      // The first record stays the same until its segment expires: the pool's thread may go meanwhile.
      if (at === knownAt) return
      const first = await options.store.firstRecord().catch(() => undefined)
      earliest = (first && decodeRecord(first)?.storeTimestamp) ?? -1
      knownAt = earliest < 0 ? -1 : at
    },
    disk: () => diskOf(config.storePathCommitLog),
    delayProgress: () => options.own.delay.progress(),
    deliveries: () => ({ mark: markText(options.own.delay.currentMark()), end: control.load('appended') }),
    more: (withStageCounts) => ({
      ...positionRows(engine),
      ...options.replication.rows(),
      ...options.checksums.rows(),
      ...stageRows(service.stageClock.counts(), withStageCounts),
      basalt_pending_sends: String(service.acks.pending),
      basalt_held_pulls: String(service.holds.count),
      basalt_submit_ring_used: String(engine.submit.used),
      ...rowsOf('basalt_memory_', memoryUse(folders)),
      ...rowsOf('basalt_unread_', options.unread()),
    }),
  }
}

/** Each read before what it may not exceed, so that a writer that moves meanwhile cannot break their order. */
function positionRows({ control }: Engine): Record<string, string> {
  const rows: Record<string, string> = {}
  for (const name of ['retained', 'settled', 'dispatched', 'flushed', 'replicated'] as const) {
    rows[`basalt_position_${name}`] = String(control.load(name))
  }
  rows.basalt_position_committed = String(control.committed())
  for (const name of ['appended', 'allocated'] as const) rows[`basalt_position_${name}`] = String(control.load(name))
  return rows
}

function rowsOf(prefix: string, values: object): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, String(value)]))
}

function stageRows(all: StepCounts, withCounts: boolean): Record<string, string> {
  const rows: Record<string, string> = withCounts ? { [COUNTS_ROW]: encodeCounts(all) } : {}
  for (const [step, counts] of Object.entries(all) as [Step, ReadonlyMap<number, number>][]) {
    const { count, p50Us, p99Us, p999Us } = percentilesOf(counts)
    rows[stageRow(step)] = `count=${count} p50=${p50Us}us p99=${p99Us}us p99.9=${p999Us}us`
  }
  return rows
}

function diskOf(commitLogPath: string) {
  try {
    const { blocks, bsize, bavail, bfree } = statfsSync(commitLogPath)
    const used = blocks === 0 ? 0 : (blocks - bfree) / (blocks - bfree + bavail)
    return {
      commitLogPath,
      totalBytes: blocks * bsize,
      freeBytes: bavail * bsize,
      commitLogRatio: used,
      consumeQueueRatio: used,
    }
  } catch {
    return { commitLogPath, totalBytes: 0, freeBytes: 0, commitLogRatio: -1, consumeQueueRatio: -1 }
  }
}
