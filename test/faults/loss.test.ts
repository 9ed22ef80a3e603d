/**
 * The loss experiment as its users run it: what must not be lost is not, what cannot be kept is seen to be lost, and a broker that
 * acknowledges too early is caught.
 *
 * Times until reads and writes are back are measured by it and asserted nowhere. FAULTS_SEED=n repeats a run's choices.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type Failure, type LossResult, modeName } from '../../src/bench/results.ts'
import { PACKAGE, until } from './support/broker-process.ts'
import { earlyAcknowledgements, type Mutant } from './support/mutants.ts'
import { hasObserver } from './support/power-cut.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const SEED = process.env.FAULTS_SEED ?? String(Date.now() % 1_000_000)
const ROUNDS = process.env.FAULTS_ROUNDS ?? (isLong ? '20' : '1')
/** Where nothing is promised of the slave there is nothing to assert: the long form has all of them. */
const MODES = isLong
  ? 'async,async+async,async+sync,async+dledger,sync,sync+async,sync+sync,sync+dledger'
  : 'async,async+sync,sync,sync+sync,sync+dledger'
const BOTH = 'SYNC_FLUSH + SYNC_MASTER'
const GROUP = 'SYNC_FLUSH + DLEDGER'
const SLOW = 'fdatasync=60ms,rtt=100ms'
const STARTED_MS_MAX = 60_000
const TRIES_MAX = 5

interface Run {
  readonly status: number | null
  readonly said: string
  /** Where the brokers' folders were. */
  readonly stores: string
  readonly result: LossResult
  /** Of the files that it has written. */
  readonly endings: string[]
}

/** Runs it in a folder of its own; `during` is told once, when the first round is over. */
async function benchLoss(options: string[], root = PACKAGE, during?: (child: ChildProcess) => void): Promise<Run> {
  using scratch = storeFolder()
  const [out, stores] = [join(scratch.path, 'out'), join(scratch.path, 'stores')]
  const command = [
    join(root, 'bin', 'basaltmq.js'),
    'bench',
    'loss',
    '--seed',
    SEED,
    '--out',
    out,
    '--folder',
    stores,
    ...options,
  ]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const status = new Promise<number | null>((resolve) => child.once('close', resolve))
  if (during !== undefined) {
    await until(() => said.includes('[1/') || child.exitCode !== null, STARTED_MS_MAX)
    during(child)
  }
  const ended = await status
  const files = existsSync(out) ? readdirSync(out) : []
  const json = files.find((name) => name.endsWith('.json'))
  if (json === undefined) throw new Error(`bench loss has left no result: status ${ended}\n${said}`)
  const result = JSON.parse(readFileSync(join(out, json), 'utf8')) as LossResult
  return { status: ended, said, stores, result, endings: files.map((name) => extname(name)).sort() }
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

test.runIf(hasObserver())(
  `every mode keeps what it promises, and the experiment sees what none can keep (seed ${SEED})`,
  async () => {
    const run = await benchLoss(['--modes', MODES, '--rounds', ROUNDS])
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
      const isThere = mode.replication === 'SYNC_MASTER' || mode.replication === 'DLEDGER'
      const isKept = {
        'process-crash': true,
        'machine-crash': mode.flush === 'SYNC_FLUSH' || isThere,
        'disk-lost': isThere,
        'majority-crash': mode.flush === 'SYNC_FLUSH',
      }[failure]
      if (isKept) expect(lost(run, modeName(mode), failure), `${name}\n${run.said}`).toBe(0)
    }
    for (const { mode, rounds } of run.result.cells.filter(({ failure }) => failure === 'disk-lost')) {
      const { acknowledged, lost, servedBy, writesBackMs } = rounds[0]
      if (mode.replication === 'none') expect({ lost, servedBy }).toEqual({ lost: acknowledged, servedBy: 'nobody' })
      else if (mode.replication !== 'DLEDGER')
        expect({ servedBy, writesBackMs }).toEqual({ servedBy: 'slave', writesBackMs: -1 })
      else expect(servedBy === 'member' && writesBackMs > 0, `${servedBy} ${writesBackMs}`).toBe(true)
    }
    // SYNC_FLUSH is the master's own disk, whatever its slave has.
    for (const mode of ['SYNC_FLUSH', 'SYNC_FLUSH + SYNC_MASTER']) {
      for (const round of roundsOf(run.result, mode, 'machine-crash'))
        expect(round.foundOnMaster).toBe(round.acknowledged)
    }
    expect(lost(run, 'ASYNC_FLUSH', 'machine-crash')).toBeGreaterThan(0)
    expect(run.endings).toEqual(['.csv', '.html', '.json'])
  },
)

/** What the broken broker does not wait for takes long, so that the failure comes before it is over. */
const caught: { mutant: Mutant; flag: string; mode: string; failure: Failure; inject: string }[] = [
  { mutant: earlyAcknowledgements.ofBoth, flag: 'sync+sync', mode: BOTH, failure: 'machine-crash', inject: SLOW },
  { mutant: earlyAcknowledgements.ofBoth, flag: 'sync+sync', mode: BOTH, failure: 'disk-lost', inject: SLOW },
  { mutant: earlyAcknowledgements.ofSlave, flag: 'sync+sync', mode: BOTH, failure: 'disk-lost', inject: 'rtt=100ms' },
  {
    mutant: earlyAcknowledgements.ofBoth,
    flag: 'sync+dledger',
    mode: GROUP,
    failure: 'disk-lost',
    inject: 'rtt=100ms',
  },
  { mutant: earlyAcknowledgements.ofDisk, flag: 'sync', mode: 'SYNC_FLUSH', failure: 'machine-crash', inject: SLOW },
]

test.runIf(hasObserver()).each(caught.map(({ mutant, ...others }) => ({ ...mutant, ...others })))(
  '$flag, $failure: a loss shows when $name',
  async ({ make, flag, mode, failure, inject }) => {
    using mutant = make()
    const only = ['--modes', flag, '--failures', failure, '--rounds', '1', '--inject', inject]
    const counts: number[] = []
    // One is enough nearly always; a machine that stands still just before the failure has nothing under way.
    while (counts.length < TRIES_MAX && !counts.some((count) => count > 0)) {
      const run = await benchLoss(only, mutant.root)
      expect(run.status, run.said).toBe(0)
      counts.push(lost(run, mode, failure))
    }
    expect(counts.at(-1), `lost ${counts}`).toBeGreaterThan(0)
  },
)

test('Ctrl-C: what was measured by then is written, and nothing is left running', async () => {
  const options = ['--modes', 'async', '--failures', 'process-crash', '--rounds', '100']
  const run = await benchLoss(options, PACKAGE, (child) => child.kill('SIGINT'))
  expect(run.status, run.said).toBe(130)
  expect(run.result.isPartial).toBe(true)
  expect(roundsOf(run.result, 'ASYNC_FLUSH', 'process-crash').length).toBeLessThan(100)
  expect(lost(run, 'ASYNC_FLUSH', 'process-crash')).toBe(0)
  expect(processesBelow(run.stores)).toEqual([])
})

/** Command lines that name the folder. */
function processesBelow(folder: string): string[] {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return numbers.map(commandLine).filter((line) => line.includes(folder))
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}
