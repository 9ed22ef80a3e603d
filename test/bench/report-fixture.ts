/** Results as a run would write them, from a seed: latencies of a simple model of each mode, never the same for two seeds. */

import {
  type Cell,
  type CellKey,
  type FAILURES,
  FLUSH_MODES,
  failuresOf,
  type LossResult,
  type Machine,
  type Mode,
  type ModesResult,
  type RawHistogram,
  REPLICATION_MODES,
  type Round,
  type WaterfallStep,
} from '../../src/bench/results.ts'
import { random } from '../../src/bench/stats.ts'

export const MODES: readonly Mode[] = FLUSH_MODES.flatMap((flush) =>
  REPLICATION_MODES.map((replication) => ({ flush, replication })),
)

export const modeOf = (flush: Mode['flush'], replication: Mode['replication']): Mode =>
  MODES.find((mode) => mode.flush === flush && mode.replication === replication)!
/** Waits for both. */
export const BOTH = modeOf('SYNC_FLUSH', 'SYNC_MASTER')

export const MACHINE: Machine = {
  date: '2026-11-26T10:00:00.000Z',
  node: 'v20.20.2',
  basalt: '0.1.0',
  apache: '4.9.7',
  java: 'OpenJDK 17.0.9',
  cores: 2,
  cpu: 'AMD EPYC 7763',
  memoryGiB: 15.6,
  system: 'Linux 6.1',
  fileSystem: 'ext4',
}

export interface Shape {
  seed?: number
  modes?: readonly Mode[]
  depths?: readonly number[]
  /** Open-loop rates beside the depths. */
  offered?: readonly number[]
  systems?: readonly CellKey['system'][]
  /** Of ours, where there is a slave. */
  transfers?: readonly CellKey['haTransfer'][]
  rounds?: number
  /** Milliseconds added, beside (0, 0). */
  surface?: readonly { fdatasyncMs: number; rttMs: number }[]
  injected?: { fdatasyncMs: number; rttMs: number }
  hasWaterfall?: boolean
  isPartial?: boolean
  samples?: number
  /** Standard deviation of a round's factor. */
  noise?: number
  /** Over the latency and CPU of every cell, under its rate. */
  slower?: (key: CellKey) => number
}

export function modesResult(shape: Shape = {}): ModesResult {
  const next = random((shape.seed ?? 1) * 7919 + 13)
  for (let warm = 0; warm < 20; warm++) next()
  const { depths = [1, 16, 64, 256], offered = [], systems = ['basalt'], surface = [] } = shape
  const injected = shape.injected ?? { fdatasyncMs: 0, rttMs: 0 }
  const keys: CellKey[] = []
  for (const mode of shape.modes ?? MODES) {
    for (const system of systems) {
      const hasOne = system === 'apache' || mode.replication === 'none' || mode.replication === 'DLEDGER'
      for (const haTransfer of hasOne ? (['stream'] as const) : (shape.transfers ?? ['stream'])) {
        const key = { system, mode, inFlight: 0, ratePerSecond: 0, bodySize: 1024, haTransfer }
        for (const inFlight of depths) keys.push({ ...key, load: 'closed', ...injected, inFlight })
        for (const ratePerSecond of offered) keys.push({ ...key, load: 'open', ...injected, ratePerSecond })
        for (const added of surface) keys.push({ ...key, load: 'closed', ...added, inFlight: depths[0] })
      }
    }
  }
  return {
    kind: 'modes',
    version: 1,
    machine: systems.includes('apache') ? MACHINE : { ...MACHINE, apache: undefined, java: undefined },
    floors: { fdatasyncUs: 85, roundTripUs: 50, wakeUpUs: 5 },
    options: { rounds: String(shape.rounds ?? 5) },
    isPartial: shape.isPartial ?? false,
    cells: keys.map((key) => cellOf(key, shape, next)),
  }
}

function cellOf(key: CellKey, shape: Shape, next: () => number): Cell {
  const rounds = Array.from({ length: shape.rounds ?? 5 }, () => roundOf(key, shape, next))
  if (key.system === 'apache' || shape.hasWaterfall === false) return { key, rounds }
  return { key, rounds, waterfall: waterfallOf(key) }
}

/** Medians of the parts in µs. A flush that many share is paid once, but their queue is waited for. */
function parts({ mode, fdatasyncMs, rttMs, inFlight, load, ratePerSecond, system }: CellKey) {
  const depth = load === 'closed' ? inFlight : Math.max(1, ratePerSecond / 2000)
  const slow = system === 'apache' ? 2.4 : 1
  const flush = 90 + fdatasyncMs * 1000
  const link = 60 + rttMs * 1000
  const claimed = (12 + depth * 2.2) * slow
  const appended = 6 * slow
  const flushed = flush * (1 + 0.5 * (1 - 1 / depth)) * slow
  const slave = mode.flush === 'SYNC_FLUSH' ? flush * slow : 0
  const waits = mode.replication === 'SYNC_MASTER' || mode.replication === 'DLEDGER'
  const reportRead = link + 25 + slave
  const acknowledged = 22 * slow
  const way = Math.max(mode.flush === 'SYNC_FLUSH' ? flushed : 0, waits ? reportRead + 8 : 0)
  return {
    depth,
    claimed,
    appended,
    flushed,
    slave,
    link,
    reportRead,
    acknowledged,
    total: claimed + appended + way + acknowledged + 50,
  }
}

function roundOf(key: CellKey, shape: Shape, next: () => number): Round {
  const wobble = () => Math.exp((shape.noise ?? 0.03) * normal(next))
  const { total, depth } = parts(key)
  const slower = shape.slower?.(key) ?? 1
  const middle = total * slower * wobble()
  const ratePerSecond =
    key.load === 'open' ? key.ratePerSecond * Math.min(1, wobble()) : (depth / (total * slower * 1.15)) * 1e6 * wobble()
  const samples = shape.samples ?? Math.max(1000, Math.round(ratePerSecond * 2))
  const isReplicated = key.mode.replication !== 'none'
  const lag = isReplicated ? Math.round((ratePerSecond * key.bodySize * (key.rttMs + 0.4)) / 1000) : -1
  return {
    seconds: 2,
    answers: { 0: samples },
    ratePerSecond,
    latency: histogramOf(middle, samples, next),
    masterCpuUs: (3 + 40 / depth) * slower * wobble() * (key.system === 'apache' ? 4 : 1),
    slaveCpuUs: isReplicated ? (2 + 12 / depth) * wobble() : 0,
    generatorCpuUs: 0.6 + 10 / depth,
    masterMiB: 93 + depth / 10,
    lagBytes: lag,
    lagBytesMax: isReplicated ? lag * 3 : -1,
  }
}

/** Log-normal with a tail, counted into the generator's steps without drawing each sample. */
export function histogramOf(middle: number, samples: number, next: () => number): RawHistogram {
  const counts = new Map<number, number>()
  const draws = 400
  for (let index = 0; index < draws; index++) {
    const share = (index + 0.5) / draws
    const value =
      middle * Math.exp(0.18 * quantile(share) + (share > 0.98 ? (share - 0.98) * 60 * (0.9 + 0.2 * next()) : 0))
    const n = Math.floor(samples / draws) + (index < samples % draws ? 1 : 0)
    if (n > 0) counts.set(edge(value), (counts.get(edge(value)) ?? 0) + n)
  }
  const tail = Math.floor(samples / 4000)
  for (let index = 0; index < tail; index++) {
    const value = edge(middle * (6 + 4 * next()))
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => a - b)
}

/** Upper edge of the step of 1/64 in which a value lies. */
export function edge(us: number): number {
  const value = Math.max(1, Math.floor(us))
  const power = Math.max(0, 31 - Math.clz32(value) - 6)
  return ((value >>> power) + 1) * 2 ** power - 1
}

function waterfallOf(key: CellKey): WaterfallStep[] {
  const { claimed, appended, flushed, slave, link, reportRead, acknowledged, total } = parts(key)
  const step = (name: WaterfallStep['step'], p50Us: number) => ({
    step: name,
    count: 20_000,
    p50Us: Math.round(p50Us),
    p99Us: Math.round(p50Us * 2.6),
  })
  const steps = [step('claimed', claimed), step('appended', appended), step('flushed', flushed)]
  if (key.mode.replication !== 'none') {
    steps.push(step('sent', 8), step('slaveReceived', 0), step('slaveAppended', 9))
    if (slave > 0) steps.push(step('slaveFlushed', slave))
    steps.push(step('reported', 4), step('reportRead', Math.max(reportRead, link + slave + 13)))
  }
  steps.push(step('acknowledged', acknowledged), step('total', total - 50))
  return steps
}

export function lossResult(
  shape: { seed?: number; modes?: readonly Mode[]; rounds?: number; isPartial?: boolean } = {},
): LossResult {
  const next = random((shape.seed ?? 1) * 104_729 + 7)
  return {
    kind: 'loss',
    version: 1,
    machine: { ...MACHINE, apache: undefined, java: undefined },
    options: {},
    isPartial: shape.isPartial ?? false,
    cells: (shape.modes ?? MODES).flatMap((mode) =>
      failuresOf(mode).map((failure) => ({
        mode,
        failure,
        rounds: Array.from({ length: shape.rounds ?? 5 }, () => {
          const acknowledged = 9000 + Math.floor(next() * 3000)
          const isReplicated = mode.replication !== 'none'
          const lost = lostOf(mode, failure, acknowledged, next)
          const isGone = failure === 'disk-lost'
          const isGroup = mode.replication === 'DLEDGER'
          return {
            acknowledged,
            found: acknowledged - lost,
            lost,
            longestRun: lost,
            duplicates: failure === 'process-crash' && next() < 0.2 ? 1 : 0,
            readsBackMs: isGone && !isReplicated ? -1 : isReplicated ? 30 + next() * 40 : 900 + next() * 500,
            writesBackMs: isGone && !isGroup ? -1 : 900 + next() * 500,
            servedBy: isGroup
              ? ('member' as const)
              : isGone
                ? isReplicated
                  ? ('slave' as const)
                  : ('nobody' as const)
                : ('master' as const),
          }
        }),
      })),
    ),
  }
}

function lostOf(mode: Mode, failure: (typeof FAILURES)[number], acknowledged: number, next: () => number): number {
  if (failure === 'process-crash') return 0
  if (mode.replication === 'DLEDGER' && failure !== 'majority-crash') return 0
  if (failure === 'machine-crash' || failure === 'majority-crash')
    return mode.flush === 'SYNC_FLUSH' ? 0 : 400 + Math.floor(next() * 300)
  if (mode.replication === 'none') return acknowledged
  return mode.replication === 'SYNC_MASTER' ? 0 : 10 + Math.floor(next() * 50)
}

export function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

/** Of the normal distribution (Tukey's approximation is enough for a shape). */
function quantile(share: number): number {
  return 4.91 * (share ** 0.14 - (1 - share) ** 0.14)
}
