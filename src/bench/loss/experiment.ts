/**
 * `bench loss`: every mode meets every failure, round after round; what was acknowledged and what is left is counted.
 *
 *   const { result, failed } = await lossExperiment({ rounds: 10, seed: 1, settings: DEFAULTS, … })
 *
 * All cells once, then all again: whoever ends it early has fewer rounds of everything. A round that could not be carried out counts
 * for nothing and is told. The machine crash needs a C compiler; where there is none it is left out, and that is told.
 *
 * Owns:      a temporary folder; gone when it resolves. Blocks on: what a round blocks on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Failure,
  FLUSH_MODES,
  type LossCell,
  type LossResult,
  type LossRound,
  type Mode,
  modeName,
  REPLICATION_MODES,
  RESULT_VERSION,
} from '../results.ts'
import { machineOf } from './machine.ts'
import { Observer, type Random, randomFrom, type Tearing } from './observer.ts'
import { type LossSettings, lossRound } from './round.ts'

export const MODES: readonly Mode[] = FLUSH_MODES.flatMap((flush) =>
  REPLICATION_MODES.map((replication) => ({ flush, replication })),
)

export const DEFAULTS: LossSettings = {
  inFlight: 64,
  bodySize: 512,
  loadMsMin: 100,
  loadMsMax: 600,
  rttMs: 2,
  fdatasyncMs: 3,
  config: {
    // Files that a round fills: a failure may come while one is made.
    mappedFileSizeCommitLog: 4 * 1024 * 1024,
    maxMessageSize: 256 * 1024,
    mappedFileSizeConsumeQueue: 20 * 3000,
    maxHashSlotNum: 10_000,
    maxIndexNum: 40_000,
  },
}

export interface ExperimentOptions {
  readonly modes: readonly Mode[]
  readonly failures: readonly Failure[]
  readonly rounds: number
  /** Of the moments and of what tears. */
  readonly seed: number
  readonly settings: LossSettings
  /** What the user asked for, as it is to be in the result. */
  readonly options: Readonly<Record<string, string>>
  readonly version: string
  readonly end: AbortSignal
  /** Lines for whoever waits. */
  readonly say: (line: string) => void
}

export interface Experiment {
  readonly result: LossResult
  /** Rounds that could not be carried out. */
  readonly failed: number
}

interface Open {
  readonly mode: Mode
  readonly failure: Failure
  readonly rounds: LossRound[]
}

export async function lossExperiment(options: ExperimentOptions): Promise<Experiment> {
  const { modes, failures, rounds, seed, settings, end, say } = options
  const folder = mkdtempSync(join(tmpdir(), 'basalt-loss-'))
  const left: Record<string, string> = {}
  try {
    const observer = failures.includes('machine-crash') ? Observer.create(folder) : undefined
    const kept = failures.filter((failure) => failure !== 'machine-crash' || observer !== undefined)
    if (kept.length < failures.length) {
      left.leftOut = 'machine-crash'
      say('machine crashes are LEFT OUT: the observer of power cuts needs a C compiler (cc)')
    }
    const cells: Open[] = modes.flatMap((mode) => kept.map((failure) => ({ mode, failure, rounds: [] })))
    const random = randomFrom(seed)
    let failed = 0
    let number = 0
    for (let round = 0; round < rounds && !end.aborted; round += 1) {
      for (const cell of cells) {
        if (end.aborted) break
        number += 1
        const name = `[${number}/${rounds * cells.length}] ${modeName(cell.mode)}, ${cell.failure}`
        try {
          const isCut = cell.failure === 'machine-crash'
          const done = await lossRound({
            ...{ folder: join(folder, 'round'), settings, random, end, mode: cell.mode, failure: cell.failure },
            say: (line) => say(`${name}: ${line}`),
            observer: isCut ? observer : undefined,
            tearing: isCut && round % 3 !== 0 ? tearingOf(random) : undefined,
          })
          cell.rounds.push(done)
          say(`${name}: ${roundText(done)}`)
        } catch (error) {
          if (end.aborted) break
          failed += 1
          say(`${name}: COULD NOT BE CARRIED OUT: ${error instanceof Error ? error.message : String(error)}`)
        }
      }
    }
    const result: LossResult = {
      kind: 'loss',
      version: RESULT_VERSION,
      machine: machineOf(folder, options.version),
      options: { ...options.options, ...settingsText(settings), seed: String(seed), rounds: String(rounds), ...left },
      isPartial: end.aborted,
      cells: cells.map(({ mode, failure, rounds: done }): LossCell => ({ mode, failure, rounds: done })),
    }
    return { result, failed }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function tearingOf(random: Random): Tearing {
  const sectors = [0.1, 0.5, 0.9, 1][Math.floor(random() * 4)]
  return { random, sectors, folders: [0, 0.5, 1][Math.floor(random() * 3)] }
}

function roundText(round: LossRound): string {
  const { acknowledged, lost, longestRun, duplicates, foundOnMaster, readsBackMs, writesBackMs, servedBy } = round
  const parts = [`${acknowledged} acknowledged`, `${lost} lost`]
  if (lost > 0) parts.push(`longest run ${longestRun}`)
  if (duplicates > 0) parts.push(`${duplicates} twice`)
  if (foundOnMaster !== undefined && foundOnMaster < round.found) parts.push(`${foundOnMaster} on the master itself`)
  parts.push(`reads ${backText(readsBackMs)}${servedBy === 'nobody' ? '' : ` from the ${servedBy}`}`)
  parts.push(`writes ${backText(writesBackMs)}`)
  return parts.join(', ')
}

function backText(ms: number): string {
  return ms < 0 ? 'by hand' : `after ${Math.round(ms)} ms`
}

function settingsText({ config, ...others }: LossSettings): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...others, ...config }).map(([name, value]) => [name, String(value)]))
}
