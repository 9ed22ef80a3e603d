/** `basaltmq bench modes` as a user runs it, on a machine that is slowed down as asked; and ended by Ctrl-C. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readModesResult } from '../../../src/bench/index.ts'
import { modesOptions, planOf } from '../../../src/bench/modes/index.ts'
import { keyText } from '../../../src/bench/modes/plan.ts'
import { isPair, type Round } from '../../../src/bench/results.ts'
import { PACKAGE } from '../../faults/support/broker-process.ts'
import { scratchFolder } from '../../store/scratch.ts'

const SMALL = ['mappedFileSizeCommitLog=16777216', 'maxMessageSize=65536', 'maxHashSlotNum=1000', 'maxIndexNum=4000']
const TIMEOUT_MS = 120_000

function startBench(...flags: string[]) {
  const scratch = scratchFolder()
  const folders = { out: join(scratch, 'out'), stores: join(scratch, 'stores') }
  const settings = SMALL.flatMap((pair) => ['--set', pair])
  const argv = ['bench', 'modes', '--quick', ...flags, ...settings, '--out', folders.out, '--folder', folders.stores]
  const child = spawn(process.execPath, [join(PACKAGE, 'bin', 'basaltmq.js'), ...argv], {
    env: { ...process.env, BASALT_FAULTS: '' },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const texts = { out: '', error: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.error += text
  })
  return { child, texts, folders, closed: once(child, 'close') as Promise<[number | null]> }
}

function resultIn(folder: string) {
  const files = readdirSync(folder)
  expect(files.map((name) => name.replace(/.*\./, '')).sort()).toEqual(expect.arrayContaining(['csv', 'html', 'json']))
  return readModesResult(join(folder, files.find((name) => name.endsWith('.json'))!))
}

const samples = ({ latency }: Round) => latency.reduce((sum, [, count]) => sum + count, 0)
/** Half of the samples are at least so large, µs. */
function middle(round: Round): number {
  let left = samples(round) / 2
  for (const [edge, count] of round.latency) {
    left -= count
    if (left <= 0) return edge
  }
  return Number.NaN
}

/** Processes that have the folder in their arguments or as their own. */
function leftIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(folder)
      } catch {
        return false
      }
    })
}

test(
  'measures what was asked on the disk and the link that were asked for',
  async () => {
    const asked = {
      modes: 'async,sync,async+sync,async+dledger',
      inFlight: '2',
      rate: '40',
      inject: 'fdatasync=20ms,rtt=12ms',
    }
    const { texts, folders, closed } = startBench(
      ...['--modes', asked.modes, '--in-flight', asked.inFlight, '--rate', asked.rate, '--inject', asked.inject],
      ...['--seconds', '0.3', '--warm-up', '0', '--size', '200'],
    )
    const [status] = await closed
    expect(status, texts.error).toBe(0)
    const result = resultIn(folders.out)
    expect(result.isPartial).toBe(false)
    const options = modesOptions({ quick: true, ...asked, size: '200' }, '/')
    const keys = planOf(options).flatMap(({ cells }) => cells.map(keyText))
    expect(result.cells.map(({ key }) => keyText(key))).toEqual(keys)
    expect(result.options).toMatchObject({ quick: '', inject: asked.inject, 'set maxIndexNum': '4000' })
    expect(result.floors.fdatasyncUs).toBeGreaterThan(0)
    expect(result.floors.roundTripUs).toBeGreaterThan(0)
    expect(result.floors.wakeUpUs).toBeGreaterThan(0)
    for (const { key, rounds, waterfall = [] } of result.cells) {
      expect(rounds.length).toBe(1)
      const [round] = rounds
      const name = keyText(key)
      expect(samples(round), name).toBe(round.answers['0'])
      expect(Object.keys(round.answers), name).toEqual(['0'])
      expect(round.seconds, name).toBeGreaterThanOrEqual(0.3)
      expect(round.masterMiB, name).toBeGreaterThan(10)
      if (key.load === 'open') expect(Math.abs(samples(round) - 40 * round.seconds), name).toBeLessThanOrEqual(2)
      else expect(round.ratePerSecond, name).toBeCloseTo(samples(round) / round.seconds, 6)
      expect(round.lagBytes >= 0, name).toBe(key.mode.replication !== 'none')
      if (key.mode.flush === 'SYNC_FLUSH') expect(middle(round), name).toBeGreaterThanOrEqual(20_000)
      else if (['SYNC_MASTER', 'DLEDGER'].includes(key.mode.replication))
        expect(middle(round), name).toBeGreaterThanOrEqual(12_000)
      else expect(middle(round), name).toBeLessThan(12_000)
      const steps = Object.fromEntries(waterfall.map(({ step, p50Us }) => [step, p50Us]))
      expect(steps.total, name).toBeGreaterThan(0)
      if (key.mode.flush === 'SYNC_FLUSH') expect(steps.flushed, name).toBeGreaterThanOrEqual(19_000)
      expect('slaveAppended' in steps, name).toBe(isPair(key.mode))
      expect('reportRead' in steps, name).toBe(key.mode.replication !== 'none')
    }
    expect(texts.out).toContain('SYNC_FLUSH')
    expect(readdirSync(folders.stores)).toEqual([])
    expect(leftIn(folders.stores)).toEqual([])
  },
  TIMEOUT_MS,
)

test(
  'Ctrl-C gives what was measured, status 130, and leaves nothing behind',
  async () => {
    const { child, texts, folders, closed } = startBench(
      ...['--modes', 'async,sync+sync', '--in-flight', '1', '--rounds', '500', '--seconds', '0.2', '--warm-up', '0'],
    )
    await expect.poll(() => texts.error, { timeout: 90_000 }).toMatch(/SYNC_FLUSH \+ SYNC_MASTER, 1 in flight.*\d+\/s/)
    expect(leftIn(folders.stores).length).toBeGreaterThan(0)
    child.kill('SIGINT')
    const [status] = await closed
    expect(status, texts.error).toBe(130)
    const result = resultIn(folders.out)
    expect(result.isPartial).toBe(true)
    expect(result.cells.map(({ key }) => key.mode.flush)).toEqual(['ASYNC_FLUSH', 'SYNC_FLUSH'])
    expect(existsSync(folders.stores) ? readdirSync(folders.stores) : []).toEqual([])
    expect(leftIn(folders.stores)).toEqual([])
  },
  TIMEOUT_MS,
)
