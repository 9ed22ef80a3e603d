/**
 * A run of the suite: floors, then visit after visit, into one result. An abort or a failure ends it with what was measured.
 *
 * Owns:      a folder of its own below the one that the options name; nothing is left of it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { measureFloors } from '../floors.ts'
import { machineFacts } from '../machine.ts'
import {
  type Cell,
  type CellKey,
  type Floors,
  type ModesResult,
  modeName,
  RESULT_VERSION,
  type Round,
  type WaterfallStep,
} from '../results.ts'
import type { ModesOptions } from './options.ts'
import { keyText, plannedSeconds, planOf, type Visit } from './plan.ts'
import { Progress, type ProgressIo } from './progress.ts'
import { stepsOfRounds } from './steps.ts'
import { runVisit } from './visit.ts'

const FLOORS_SECONDS = 2.5
const ROUND_TRIP_SECONDS = 0.75
const UNKNOWN: Floors = { fdatasyncUs: 0, roundTripUs: 0, wakeUpUs: 0 }

export interface ModesRun {
  readonly result: ModesResult
  /** What ended it before its end; an abort is none. */
  readonly failure: unknown
}

/** `java`: what runs Apache's broker. */
export async function runModes(
  options: ModesOptions,
  io: ProgressIo,
  signal: AbortSignal,
  java = '',
): Promise<ModesRun> {
  const visits = planOf(options)
  const progress = new Progress(io, FLOORS_SECONDS + plannedSeconds(options, visits))
  mkdirSync(options.folder, { recursive: true })
  const folder = mkdtempSync(join(options.folder, 'basaltmq-bench-'))
  const cells = new Cells(visits)
  let floors = UNKNOWN
  let failure: unknown
  try {
    progress.at('floors of this machine')
    floors = await measureFloors(join(folder, 'floors'), ROUND_TRIP_SECONDS, signal)
    progress.passed(FLOORS_SECONDS)
    for (const visit of visits) {
      signal.throwIfAborted()
      progress.at(visitText(visit, options))
      await runVisit(visit, {
        options,
        folder: join(folder, 'servers'),
        signal,
        measured(key, round, steps) {
          cells.add(key, round, steps)
          progress.say(roundText(key, round))
        },
        passed: (seconds) => progress.passed(seconds),
      })
    }
  } catch (error) {
    if (!signal.aborted) failure = error
  } finally {
    progress.end()
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  const apache = options.systems.includes('apache') ? { version: options.apacheVersion, java } : undefined
  const result: ModesResult = {
    kind: 'modes',
    version: RESULT_VERSION,
    machine: machineFacts(options.folder, apache),
    floors,
    options: options.told,
    isPartial: signal.aborted || failure !== undefined,
    cells: cells.list(),
  }
  return { result, failure }
}

/** In the order of the plan's first round, whatever order they were measured in. */
class Cells {
  private readonly cells = new Map<string, { key: CellKey; rounds: Round[]; steps: (readonly WaterfallStep[])[] }>()

  constructor(visits: readonly Visit[]) {
    for (const { cells } of visits) {
      for (const key of cells) {
        if (!this.cells.has(keyText(key))) this.cells.set(keyText(key), { key, rounds: [], steps: [] })
      }
    }
  }

  add(key: CellKey, round: Round, steps: readonly WaterfallStep[]): void {
    const cell = this.cells.get(keyText(key))
    cell?.rounds.push(round)
    if (steps.length > 0) cell?.steps.push(steps)
  }

  /** Those that were measured. */
  list(): Cell[] {
    return [...this.cells.values()]
      .filter(({ rounds }) => rounds.length > 0)
      .map(({ key, rounds, steps }) => ({
        key,
        rounds,
        ...(steps.length === 0 ? {} : { waterfall: stepsOfRounds(steps) }),
      }))
  }
}

function visitText({ round, system, mode, injected }: Visit, options: ModesOptions): string {
  const parts = [modeName(mode)]
  if (options.systems.length > 1) parts.unshift(system)
  if (options.points.length > 1) parts.push(`fdatasync +${injected.fdatasyncMs} ms, link ${injected.rttMs} ms`)
  if (options.rounds > 1) parts.push(`round ${round + 1} of ${options.rounds}`)
  return parts.join(', ')
}

function roundText(key: CellKey, round: Round): string {
  const load = key.load === 'closed' ? `${key.inFlight} in flight` : `${key.ratePerSecond}/s due`
  const refused = Object.entries(round.answers).filter(([code]) => code !== '0')
  const text = refused.map(([code, count]) => ` code ${code}: ${count}`).join('')
  const system = key.system === 'basalt' ? '' : `${key.system} `
  return `  ${system}${modeName(key.mode)}, ${load}, ${key.bodySize} B: ${Math.round(round.ratePerSecond)}/s${text}`
}
