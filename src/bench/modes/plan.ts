/**
 * What is measured in which order, and how long it takes.
 *
 * A *visit* is one fresh pair or group of servers and all cells that are measured on it. Rounds are interleaved: each round visits every mode
 * of every system once, every second one the other way about, so that what the machine does meanwhile meets all alike; and each
 * round has processes and files of its own, so that what differs from start to start is in the spread.
 *
 * Pure.
 */
import type { System } from '../broker-node.ts'
import { type CellKey, type Injected, isPair, type Mode } from '../results.ts'
import type { ModesOptions } from './options.ts'

export interface Visit {
  readonly round: number
  readonly system: System
  readonly mode: Mode
  readonly haTransfer: CellKey['haTransfer']
  readonly injected: Injected
  readonly bodySize: number
  readonly cells: readonly CellKey[]
}

/** Sent before a cell is measured, by its own load. */
export const CELL_WARM_UP_SECONDS = 0.3
/** Estimates: until servers are in sync and gone again, and what an election adds; a generator's start, topic and end. */
const START_SECONDS = { basalt: 1.2, apache: 5 }
const ELECTION_SECONDS = { basalt: 1.5, apache: 12 }
const GENERATOR_SECONDS = 0.4
const TOUCH_SECONDS = 2

export function planOf(options: ModesOptions): Visit[] {
  const visits: Visit[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    const once = visitsOnce(options, round)
    visits.push(...(round % 2 === 0 ? once : once.reverse()))
  }
  return visits
}

function visitsOnce(options: ModesOptions, round: number): Visit[] {
  const visits: Visit[] = []
  for (const injected of options.points) {
    for (const bodySize of options.sizes) {
      for (const mode of options.modes) {
        for (const system of options.systems) {
          for (const haTransfer of transfersOf(options, system, mode)) {
            const where = { round, system, mode, haTransfer, injected, bodySize }
            visits.push({ ...where, cells: cellsOf(options, where) })
          }
        }
      }
    }
  }
  return visits
}

/** Without a slave nothing is transferred, Apache knows one way, and a group another. */
function transfersOf(options: ModesOptions, system: System, mode: Mode): readonly CellKey['haTransfer'][] {
  return system === 'apache' || !isPair(mode) ? ['stream'] : options.transfers
}

function cellsOf(options: ModesOptions, visit: Omit<Visit, 'cells'>): CellKey[] {
  const { system, mode, haTransfer, injected, bodySize } = visit
  const common = { system, mode, haTransfer, ...injected, bodySize }
  return [
    ...options.inFlight.map((inFlight) => ({ ...common, load: 'closed' as const, inFlight, ratePerSecond: 0 })),
    ...options.rates.map((ratePerSecond) => ({ ...common, load: 'open' as const, inFlight: 0, ratePerSecond })),
  ]
}

export const warmUpSeconds = (options: ModesOptions, system: System): number =>
  system === 'apache' ? options.apacheWarmUpSeconds : options.warmUpSeconds

export const cellSeconds = (options: ModesOptions): number => CELL_WARM_UP_SECONDS + options.seconds + GENERATOR_SECONDS

/** What a visit takes before its first cell and after its last. */
export const visitSeconds = (options: ModesOptions, { system, mode }: Visit): number =>
  START_SECONDS[system] +
  (mode.replication === 'DLEDGER' ? ELECTION_SECONDS[system] : 0) +
  warmUpSeconds(options, system) +
  GENERATOR_SECONDS +
  (options.touchesMemory ? TOUCH_SECONDS : 0)

export function plannedSeconds(options: ModesOptions, visits: readonly Visit[]): number {
  return visits.reduce(
    (sum, visit) => sum + visitSeconds(options, visit) + visit.cells.length * cellSeconds(options),
    0,
  )
}

/** One text for each question: rounds of the same belong to one cell. */
export function keyText(key: CellKey): string {
  const { mode, system, load, inFlight, ratePerSecond, bodySize, haTransfer, fdatasyncMs, rttMs } = key
  return [
    system,
    mode.flush,
    mode.replication,
    load,
    inFlight,
    ratePerSecond,
    bodySize,
    haTransfer,
    fdatasyncMs,
    rttMs,
  ].join(' ')
}
