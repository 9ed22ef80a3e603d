/** `basaltmq bench compare` and `bench report` as commands: what they print, write, and end with. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { lossResult, MODES, modesResult } from '../bench/report-fixture.ts'
import { World } from './support.ts'

const BOTH = MODES.find(({ flush, replication }) => flush === 'SYNC_FLUSH' && replication === 'SYNC_MASTER')!
const SHAPE = { modes: [MODES[0], BOTH], depths: [1, 64], rounds: 8 }
const FILES = {
  'a.json': JSON.stringify(modesResult({ ...SHAPE, seed: 1 })),
  'b.json': JSON.stringify(modesResult({ ...SHAPE, seed: 2 })),
  'slow.json': JSON.stringify(
    modesResult({ ...SHAPE, seed: 3, slower: ({ inFlight }) => (inFlight === 64 ? 1.3 : 1) }),
  ),
  'loss.json': JSON.stringify(lossResult()),
  'cut.json': '{"kind":"modes"',
}

describe('bench compare', () => {
  test('of two runs of one build ends with 0 and says that nothing is worse', async () => {
    const world = new World(FILES)
    expect(await world.run('bench', 'compare', 'a.json', 'b.json')).toBe(0)
    expect(world.printed).toContain('4 cells, 0 worse')
    expect(world.complained).toBe('')
  })

  test('ends with 1 where a cell is worse, names it, and complains of nothing', async () => {
    const world = new World(FILES)
    expect(await world.run('bench', 'compare', 'a.json', 'slow.json')).toBe(1)
    expect(world.printed).toMatch(/WORSE\n[\s\S]*SYNC_FLUSH \+ SYNC_MASTER, 64 in flight/)
    expect(world.complained).toBe('')
  })

  test('with --json prints the comparison, with the same status', async () => {
    const world = new World(FILES)
    expect(await world.run('bench', 'compare', 'a.json', 'slow.json', '--json')).toBe(1)
    const { isWorse, cells } = JSON.parse(world.printed) as {
      isWorse: boolean
      cells: { figures: { verdict: string }[] }[]
    }
    expect(isWorse).toBe(true)
    expect(cells.flatMap(({ figures }) => figures.map(({ verdict }) => verdict))).toContain('worse')
  })

  test.each([
    ['one file', ['a.json'], 'missing required argument'],
    ['a file that is not there', ['a.json', 'none.json'], 'ENOENT'],
    ['a file that was cut off', ['a.json', 'cut.json'], 'not JSON'],
    ['a result of bench loss', ['loss.json', 'a.json'], 'it is of "bench loss"'],
    ['an option that there is not', ['a.json', 'b.json', '--fast'], "unknown option '--fast'"],
  ])('with %s ends with 2', async (_, argv, complaint) => {
    const world = new World(FILES)
    expect(await world.run('bench', 'compare', ...argv)).toBe(2)
    expect(world.complained).toContain(complaint)
  })
})

describe('bench report', () => {
  test('prints the table and writes page, CSV and chart', async () => {
    const world = new World(FILES)
    expect(await world.run('bench', 'report', 'a.json', '--out', 'reports')).toBe(0)
    expect(world.printed).toContain('What each mode costs')
    expect(world.printed).toContain(`written: ${join(world.cwd, 'reports', 'a.html')}`)
    expect(readdirSync(join(world.cwd, 'reports')).sort()).toEqual(['a.csv', 'a.html', 'a.svg'])
    expect(readFileSync(join(world.cwd, 'reports', 'a.html'), 'utf8')).toMatch(/^<!doctype html>/)
  })

  test('of losses, beside the file', async () => {
    const world = new World(FILES)
    expect(await world.run('bench', 'report', 'loss.json')).toBe(0)
    expect(world.printed).toContain('Acknowledged and lost')
    expect(readdirSync(world.cwd)).toEqual(expect.arrayContaining(['loss.csv', 'loss.html']))
  })

  test('as wide as the terminal', async () => {
    const world = new World(FILES)
    world.env.COLUMNS = '80'
    expect(await world.run('bench', 'report', 'a.json')).toBe(0)
    const lines = world.printed.split('\n').filter((line) => !line.startsWith('written'))
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  })
})

test('the group without a command prints its help', async () => {
  const world = new World()
  expect(await world.run('bench')).toBe(2)
  expect(world.complained + world.printed).toContain('compare')
})
