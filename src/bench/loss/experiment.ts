/**
 * `bench loss`: every mode meets every failure, round after round; what was acknowledged and what is left is counted.
 *
 *   const { result, failed } = await lossExperiment(lossOptions(flags, cwd), abort.signal, (line) => …)
 *
 * All cells once, then all again: whoever ends it early has fewer rounds of everything. A round that could not be carried out counts
 * for nothing and is told. The machine crash needs a C compiler; where there is none it is left out, and that is told.
 *
 * Owns:      a temporary folder; gone when it resolves. Blocks on: what a round blocks on.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { machineFacts } from '../machine.ts'
import {
  type Failure,
  failuresOf,
  type LossCell,
  type LossResult,
  type LossRound,
  type Mode,
  modeName,
  RESULT_VERSION,
} from '../results.ts'
import { groupRound } from './group-round.ts'
import { Observer, type Random, randomFrom, type Tearing } from './observer.ts'
import type { LossOptions } from './options.ts'
import { lossRound } from './round.ts'

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

/** `say` takes lines for whoever waits. */
export async function lossExperiment(
  options: LossOptions,
  end: AbortSignal,
  say: (line: string) => void,
): Promise<Experiment> {
  const { modes, failures, rounds, seed, settings } = options
  mkdirSync(options.folder, { recursive: true })
  const folder = mkdtempSync(join(options.folder, 'basalt-loss-'))
  const left: Record<string, string> = {}
  try {
    const observer = failures.some(isPowerCut) ? Observer.create(folder) : undefined
    const kept = failures.filter((failure) => !isPowerCut(failure) || observer !== undefined)
    if (kept.length < failures.length) {
      left.leftOut = failures.filter(isPowerCut).join(',')
      say('machine crashes are LEFT OUT: the observer of power cuts needs a C compiler (cc)')
    }
    const cells: Open[] = modes.flatMap((mode) =>
      kept.filter((failure) => failuresOf(mode).includes(failure)).map((failure) => ({ mode, failure, rounds: [] })),
    )
    const random = randomFrom(seed)
    let failed = 0
    let number = 0
    for (let round = 0; round < rounds && !end.aborted; round += 1) {
      for (const cell of cells) {
        if (end.aborted) break
        number += 1
        const name = `[${number}/${rounds * cells.length}] ${modeName(cell.mode)}, ${cell.failure}`
        try {
          const isCut = isPowerCut(cell.failure)
          const oneRound = cell.mode.replication === 'DLEDGER' ? groupRound : lossRound
          const done = await oneRound({
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
      machine: machineFacts(folder),
      options: { ...options.told, ...left },
      isPartial: end.aborted,
      cells: cells.map(({ mode, failure, rounds: done }): LossCell => ({ mode, failure, rounds: done })),
    }
    return { result, failed }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const isPowerCut = (failure: Failure) => failure === 'machine-crash' || failure === 'majority-crash'

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
  parts.push(`reads ${backText(readsBackMs)}${BY[servedBy]}`)
  parts.push(`writes ${backText(writesBackMs)}`)
  return parts.join(', ')
}

const BY = { master: ' from the master', slave: ' from the slave', member: ' from another member', nobody: '' } as const

function backText(ms: number): string {
  return ms < 0 ? 'by hand' : `after ${Math.round(ms)} ms`
}
