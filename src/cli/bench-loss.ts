/**
 * `basaltmq bench loss`: which mode loses what in which failure, measured.
 *
 * Owns:      nothing; the experiment is loaded when it runs.
 * Status:    0 measured (whatever was lost, and also when Ctrl-C ended it: the result says that it is partial), 1 a round could not be
 *            carried out, 2 usage.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { FAILURES, type Mode } from '../bench/results.ts'
import { resolveConfig } from '../config/index.ts'
import { ConfigError } from '../errors.ts'
import { ExitStatus } from './exit-status.ts'
import type { Io } from './io.ts'
import { version } from './version.ts'

const ROUNDS = 10
const ROUNDS_QUICK = 2
const EXAMPLES = `
Examples:
  $ basaltmq bench loss --quick                           every cell twice: about a minute and a half
  $ basaltmq bench loss --rounds 50 --out reports
  $ basaltmq bench loss --mode SYNC_FLUSH+SYNC_MASTER --failure machine-crash
  $ basaltmq bench loss --set haTransferUnflushed=false   a slave is never ahead of its master's disk

Failures (each under load, at a random moment):
  process-crash   the master is killed (kill -9) and started again on its store
  machine-crash   power cut: whatever was not synced is gone, sectors are torn; started again. Needs a C compiler
  disk-lost       the master's store is deleted; its slave, where the mode has one, goes on serving reads

A message is lost when it was acknowledged (SEND_OK) and no machine that is left has it. loss.json, loss.csv and loss.html are
written. Ctrl-C ends it after the round's start; what was measured by then is written.

Exit status: 0 measured, 1 a round could not be carried out, 2 usage.
`

interface Flags {
  quick?: boolean
  rounds?: number
  mode: string[]
  failure: string[]
  seed?: number
  rtt?: number
  fdatasync?: number
  set: string[]
  out: string
}

export function addLossCommand(bench: Command, io: Io): void {
  const each = (value: string, all: string[]) => [...all, value]
  bench
    .command('loss')
    .description('count what each mode loses when a process, a machine or a disk fails')
    .option('--quick', `${ROUNDS_QUICK} rounds of each cell instead of ${ROUNDS}`)
    .option('--rounds <count>', 'rounds of each cell', whole)
    .option('--mode <mode>', 'only this mode, as FLUSH+REPLICATION or FLUSH alone (repeatable)', each, [])
    .option('--failure <failure>', 'only this failure (repeatable)', each, [])
    .option('--seed <number>', 'of the random moments (default: the time)', whole)
    .option('--rtt <ms>', 'between master and slave, added by a proxy', number)
    .option('--fdatasync <ms>', "added to each sync of the master's files in machine crashes", number)
    .option('--set <key=value>', 'one key of both brokers (repeatable)', each, [])
    .option('-o, --out <folder>', 'where the results go', '.')
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => runLoss(io, flags))
}

async function runLoss(io: Io, flags: Flags): Promise<void> {
  const { terminalReport, writeReports } = await import('../bench/index.ts')
  const { DEFAULTS, lossExperiment, MODES } = await import('../bench/loss/index.ts')
  const modes = flags.mode.length === 0 ? MODES : flags.mode.map((name) => one(name, MODES, shortName, 'mode'))
  const failures =
    flags.failure.length === 0 ? FAILURES : flags.failure.map((name) => one(name, FAILURES, String, 'failure'))
  const config = keys(flags.set, io)
  const started = performance.now()
  const end = new AbortController()
  const unhook = io.onSignal(() => {
    if (end.signal.aborted) io.exit(130)
    io.error('basaltmq: ending; once more ends at once\n')
    end.abort()
  })
  try {
    const { result, failed } = await lossExperiment({
      modes,
      failures,
      rounds: flags.rounds ?? (flags.quick === true ? ROUNDS_QUICK : ROUNDS),
      seed: flags.seed ?? Date.now() % 1_000_000,
      settings: {
        ...DEFAULTS,
        rttMs: flags.rtt ?? DEFAULTS.rttMs,
        fdatasyncMs: flags.fdatasync ?? DEFAULTS.fdatasyncMs,
        config: { ...DEFAULTS.config, ...config },
      },
      options: flags.quick === true ? { quick: '' } : {},
      version: version(),
      end: end.signal,
      say: (line) => io.error(`${line}\n`),
    })
    const folder = resolve(io.cwd, flags.out)
    mkdirSync(folder, { recursive: true })
    const file = join(folder, 'loss.json')
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
    io.out(terminalReport(result))
    for (const written of [file, ...writeReports(result, folder, 'loss')]) io.out(`written: ${written}\n`)
    io.error(`took ${Math.round((performance.now() - started) / 1000)} s\n`)
    if (failed > 0) throw new ExitStatus(1)
  } finally {
    unhook()
  }
}

/** As an option names it: ASYNC_FLUSH, SYNC_FLUSH+SYNC_MASTER. */
function shortName({ flush, replication }: Mode): string {
  return replication === 'none' ? flush : `${flush}+${replication}`
}

function one<T>(name: string, all: readonly T[], nameOf: (one: T) => string, what: string): T {
  const found = all.find((each) => nameOf(each) === name)
  if (found !== undefined) return found
  throw new ConfigError('UNKNOWN_CHOICE', {
    what: `unknown ${what} ${JSON.stringify(name)}`,
    todo: `choose from ${all.map(nameOf).join(', ')}`,
  })
}

/** Checked as a broker would before any is started. */
function keys(set: readonly string[], io: Io): Record<string, string> {
  resolveConfig({ role: 'broker', set: [...set], env: {}, cwd: io.cwd })
  return Object.fromEntries(set.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw wrongNumber(text, 'a whole number')
  return Number(text)
}

function number(text: string): number {
  if (!/^\d{1,6}(\.\d{1,6})?$/.test(text)) throw wrongNumber(text, 'a number of milliseconds')
  return Number(text)
}

function wrongNumber(text: string, wanted: string): ConfigError {
  return new ConfigError('BAD_NUMBER', {
    what: `${JSON.stringify(text)} is not ${wanted}`,
    todo: 'see basaltmq bench loss --help',
  })
}
