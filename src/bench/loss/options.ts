/**
 * The flags of `bench loss` as one checked plan. Throws ConfigError, which ends the command with status 2.
 *
 * Blocks on: nothing.
 */
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { resolveConfig } from '../../config/index.ts'
import type { BrokerConfigText } from '../broker-node.ts'
import { configOf, MODE_WORDS, RESULTS_FOLDER } from '../modes/options.ts'
import { injectedOf, listOf, number } from '../modes/values.ts'
import { FAILURES, type Failure, type Injected, type Mode } from '../results.ts'

/** As commander gives them. */
export interface LossFlags {
  quick?: boolean
  modes?: string
  failures?: string
  rounds?: string
  inject?: string
  seed?: string
  set?: string[]
  folder?: string
  out?: string
}

/** Under which conditions a round is. */
export interface LossSettings extends Injected {
  readonly inFlight: number
  readonly bodySize: number
  /** The failure comes at a random moment after so much load. */
  readonly loadMsMin: number
  readonly loadMsMax: number
  /** Keys of all brokers. */
  readonly config: BrokerConfigText
}

export interface LossOptions {
  readonly modes: readonly Mode[]
  readonly failures: readonly Failure[]
  readonly rounds: number
  /** Of the moments and of what tears. */
  readonly seed: number
  readonly settings: LossSettings
  /** Where the stores are. */
  readonly folder: string
  /** Where the reports go. */
  readonly out: string
  /** What the result says of itself. */
  readonly told: Readonly<Record<string, string>>
}

export const ROUNDS = 10
export const ROUNDS_QUICK = 2
/** A disk and a link that take a while, so that something is under way at any moment. */
export const INJECT = 'fdatasync=3ms,rtt=2ms'
const ROUNDS_MAX = 100_000
const SEEDS = 1_000_000

const LOAD = { inFlight: 64, bodySize: 512, loadMsMin: 100, loadMsMax: 500 }
/** Files that a round fills: a failure may come while the next one is made. */
const SMALL_FILES = {
  mappedFileSizeCommitLog: 4 * 1024 * 1024,
  maxMessageSize: 256 * 1024,
  mappedFileSizeConsumeQueue: 20 * 3000,
  maxHashSlotNum: 10_000,
  maxIndexNum: 40_000,
}

export function lossOptions(flags: LossFlags, cwd: string): LossOptions {
  const inject = flags.inject ?? INJECT
  const set = configOf(flags.set ?? [])
  // As a broker would say it, before any is started.
  resolveConfig({ role: 'broker', set: flags.set ?? [], env: {}, cwd })
  const config = { ...SMALL_FILES, ...set }
  const rounds = number('--rounds', flags.rounds ?? String(flags.quick === true ? ROUNDS_QUICK : ROUNDS), 1, ROUNDS_MAX)
  const seed = number('--seed', flags.seed ?? String(Date.now() % SEEDS), 0, SEEDS)
  const told = Object.entries({ inject, rounds, seed, ...LOAD, ...config }).map(([name, value]) => [
    name,
    String(value),
  ])
  return {
    modes: listOf('--modes', flags.modes ?? Object.keys(MODE_WORDS).join(','), MODE_WORDS),
    failures: listOf('--failures', flags.failures ?? FAILURES.join(','), FAILURE_WORDS),
    rounds,
    seed,
    settings: { ...LOAD, ...injectedOf('--inject', inject), config },
    folder: resolve(cwd, flags.folder ?? tmpdir()),
    out: resolve(cwd, flags.out ?? RESULTS_FOLDER),
    told: { ...(flags.quick === true ? { quick: '' } : {}), ...Object.fromEntries(told) },
  }
}

const FAILURE_WORDS = Object.fromEntries(FAILURES.map((failure) => [failure, failure])) as Record<Failure, Failure>
