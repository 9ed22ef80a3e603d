/**
 * The loss experiment as its users run it: what must not be lost is not, what cannot be kept is seen to be lost, and a broker that
 * acknowledges too early is caught.
 *
 * Times until reads and writes are back are measured by it and asserted nowhere. FAULTS_SEED=n repeats a run's choices.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Failure, type LossResult, modeName } from '../../src/bench/results.ts'
import { PACKAGE, until } from './support/broker-process.ts'
import { earlyAcknowledgements, type Mutant } from './support/mutants.ts'
import { hasObserver } from './support/power-cut.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const SEED = process.env.FAULTS_SEED ?? String(Date.now() % 1_000_000)
const ROUNDS = process.env.FAULTS_ROUNDS ?? (isLong ? '20' : '1')
const WITHOUT_ASYNC_MASTER = ['ASYNC_FLUSH', 'ASYNC_FLUSH+SYNC_MASTER', 'SYNC_FLUSH', 'SYNC_FLUSH+SYNC_MASTER']
const STARTED_MS_MAX = 60_000

interface Run {
  readonly status: number | null
  readonly said: string
  readonly result: LossResult
  /** Files that it has written, by name. */
  has(name: string): boolean
}

/** Runs it in a folder of its own; `during` is told once, when the first round is over. */
async function benchLoss(options: string[], root = PACKAGE, during?: (child: ChildProcess) => void): Promise<Run> {
  using scratch = storeFolder()
  const command = [join(root, 'bin', 'basaltmq.js'), 'bench', 'loss', '--seed', SEED, '--out', scratch.path, ...options]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const status = new Promise<number | null>((resolve) => child.once('close', resolve))
  if (during !== undefined) {
    await until(() => said.includes('[1/') || child.exitCode !== null, STARTED_MS_MAX)
    during(child)
  }
  const ended = await status
  const files = new Map(['json', 'csv', 'html'].map((ending) => [ending, join(scratch.path, `loss.${ending}`)]))
  if (!existsSync(files.get('json')!)) throw new Error(`bench loss has left no result: status ${ended}\n${said}`)
  const has = new Set([...files].filter(([, path]) => existsSync(path)).map(([ending]) => ending))
  const result = JSON.parse(readFileSync(files.get('json')!, 'utf8')) as LossResult
  return { status: ended, said, result, has: (name) => has.has(name) }
}

function lost({ result }: Run, mode: string, failure: Failure): number {
  const rounds = roundsOf(result, mode, failure)
  return rounds.reduce((all, round) => all + round.lost, 0)
}

function roundsOf({ cells }: LossResult, mode: string, failure: Failure) {
  const rounds = cells.find((cell) => modeName(cell.mode) === mode && cell.failure === failure)?.rounds ?? []
  expect(rounds.length, `${mode}, ${failure}`).toBeGreaterThan(0)
  return rounds
}

const modes = (names: string[]) => names.flatMap((name) => ['--mode', name])

test.runIf(hasObserver())(
  `every mode keeps what it promises, and the experiment sees what none can keep (seed ${SEED})`,
  async () => {
    const run = await benchLoss([...(isLong ? [] : modes(WITHOUT_ASYNC_MASTER)), '--rounds', ROUNDS])
    expect(run.status, run.said).toBe(0)
    expect(run.result.isPartial).toBe(false)
    for (const { mode, failure, rounds } of run.result.cells) {
      const name = `${modeName(mode)}, ${failure}`
      expect(rounds.length, name).toBe(Number(ROUNDS))
      for (const { acknowledged, found, lost, duplicates } of rounds) {
        expect(acknowledged, name).toBeGreaterThan(0)
        expect(found + lost, name).toBe(acknowledged)
        expect(duplicates, name).toBe(0)
      }
      const isOnBothDisks = mode.flush === 'SYNC_FLUSH' || mode.replication === 'SYNC_MASTER'
      const isKept =
        failure === 'process-crash' ||
        (failure === 'machine-crash' ? isOnBothDisks : mode.replication === 'SYNC_MASTER')
      if (isKept) expect(lost(run, modeName(mode), failure), `${name}\n${run.said}`).toBe(0)
    }
    for (const { mode, rounds } of run.result.cells.filter(({ failure }) => failure === 'disk-lost')) {
      const { acknowledged, lost, servedBy, writesBackMs } = rounds[0]
      if (mode.replication === 'none') expect({ lost, servedBy }).toEqual({ lost: acknowledged, servedBy: 'nobody' })
      else expect({ servedBy, writesBackMs }).toEqual({ servedBy: 'slave', writesBackMs: -1 })
    }
    // SYNC_FLUSH is the master's own disk, whatever its slave has.
    for (const mode of ['SYNC_FLUSH', 'SYNC_FLUSH + SYNC_MASTER']) {
      for (const round of roundsOf(run.result, mode, 'machine-crash'))
        expect(round.foundOnMaster).toBe(round.acknowledged)
    }
    expect(lost(run, 'ASYNC_FLUSH', 'machine-crash')).toBeGreaterThan(0)
    expect(run.has('csv')).toBe(true)
  },
)

const BOTH = 'SYNC_FLUSH + SYNC_MASTER'
const caught: [Mutant, mode: string, Failure, ...string[]][] = [
  [earlyAcknowledgements.ofBoth, BOTH, 'machine-crash', '--rtt', '20', '--fdatasync', '20'],
  [earlyAcknowledgements.ofBoth, BOTH, 'disk-lost', '--rtt', '20'],
  [earlyAcknowledgements.ofSlave, BOTH, 'disk-lost', '--rtt', '20'],
  [earlyAcknowledgements.ofDisk, 'SYNC_FLUSH', 'machine-crash', '--fdatasync', '20'],
]

test
  .runIf(hasObserver())
  .each(caught.map(([mutant, mode, failure, ...options]) => ({ ...mutant, mode, failure, options })))(
  '$mode, $failure: a loss shows when a message is $name',
  async ({ make, mode, failure, options }) => {
    using mutant = make()
    const only = [...modes([mode.replaceAll(' ', '')]), '--failure', failure, '--rounds', '1']
    const run = await benchLoss([...only, ...options], mutant.root)
    expect(run.status, run.said).toBe(0)
    expect(lost(run, mode, failure), run.said).toBeGreaterThan(0)
  },
)

test('Ctrl-C: what was measured by then is written, and nothing is left running', async () => {
  const options = [...modes(['ASYNC_FLUSH']), '--failure', 'process-crash', '--rounds', '100']
  const run = await benchLoss(options, PACKAGE, (child) => child.kill('SIGINT'))
  expect(run.status, run.said).toBe(0)
  expect(run.result.isPartial).toBe(true)
  expect(roundsOf(run.result, 'ASYNC_FLUSH', 'process-crash').length).toBeLessThan(100)
  expect(lost(run, 'ASYNC_FLUSH', 'process-crash')).toBe(0)
})
