/** What the reports say: figures of cells, the terminal's tables, CSV, the texts of pages and charts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Histogram } from '../../bench/load/histogram.mjs'
import { wayOf } from '../../src/bench/report/charts/waterfall.ts'
import { claimedLoss, claimOf, verdict } from '../../src/bench/report/claims.ts'
import { figuresOf, merged, percentile } from '../../src/bench/report/figures.ts'
import { count, time } from '../../src/bench/report/format.ts'
import { csv, htmlPage, lossCsv, lossTable, modesChartSvg, terminalTable } from '../../src/bench/report/index.ts'
import { spread } from '../../src/bench/report/svg.ts'
import { failuresOf, type LossResult, type ModesResult, modeName, type RawHistogram } from '../../src/bench/results.ts'
import { BOTH, lossResult, MODES, modeOf, modesResult } from './report-fixture.ts'

/** As the generator writes them. */
function raw(values: readonly number[]): RawHistogram {
  const counts = new Map<number, number>()
  for (const value of values) {
    const one = new Histogram()
    one.record(value)
    one.max = Number.MAX_SAFE_INTEGER
    const edge = one.percentile(1)
    counts.set(edge, (counts.get(edge) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => a - b)
}

describe('percentiles', () => {
  test('of rounds together are those of all their samples, and are there only with ten samples beyond', () => {
    const samples = fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 300 })
    fc.assert(
      fc.property(samples, samples, fc.constantFrom(0.5, 0.9, 0.99), (a, b, share) => {
        const all = [...a, ...b].sort((x, y) => x - y)
        const got = percentile(merged([raw(a), raw(b)]), share)
        if (Math.round(all.length * (1 - share) * 1e6) / 1e6 < 10) {
          expect(got).toBeUndefined()
          return
        }
        const exact = all[Math.ceil(Math.round(share * all.length * 1e6) / 1e6) - 1]
        expect(got).toBeGreaterThanOrEqual(exact)
        expect(got).toBeLessThanOrEqual(exact * (1 + 1 / 64))
      }),
      { numRuns: 60 },
    )
  })

  test.each([
    [19, undefined, undefined],
    [20, 7, undefined],
    [99, 7, undefined],
    [1000, 7, 7],
  ])('with %i samples: p50 %s, p99 %s', (samples, p50, p99) => {
    expect([percentile([[7, samples]], 0.5), percentile([[7, samples]], 0.99)]).toEqual([p50, p99])
  })

  test('p99.99 needs a hundred thousand', () => {
    expect(percentile([[7, 99_999]], 0.9999)).toBeUndefined()
    expect(percentile([[7, 100_000]], 0.9999)).toBe(7)
  })
})

test('a cell is the median of its rounds, what was refused is counted apart, a lag of -1 is none', () => {
  const [cell] = modesResult({ modes: [modeOf('SYNC_FLUSH', 'ASYNC_MASTER')], depths: [1], rounds: 3 }).cells
  const rounds = cell.rounds.map((round, index) => ({
    ...round,
    ratePerSecond: [10, 30, 20][index],
    lagBytes: [-1, 5, 7][index],
    answers: { 0: 100, 11: index },
  }))
  expect(figuresOf({ ...cell, rounds })).toMatchObject({
    rate: 20,
    rateLow: 10,
    rateHigh: 30,
    lagBytes: 6,
    acknowledged: 300,
    refused: 3,
  })
  expect(figuresOf({ ...cell, rounds: [] })).toBeUndefined()
})

describe('numbers', () => {
  test.each([
    [undefined, '–'],
    [0, '0 µs'],
    [93, '93 µs'],
    [999.6, '1.00 ms'],
    [12_345, '12.3 ms'],
    [999_600, '1.00 s'],
    [1_999_999_999, '33.3 min'],
  ])('%s µs is %s', (us, text) => expect(time(us)).toBe(text))

  test.each([
    [0, '0'],
    [4.926, '4.93'],
    [999.6, '1.00 k'],
    [33_412, '33.4 k'],
    [1.5e6, '1.50 M'],
  ])('%s a second is %s', (value, text) => expect(count(value)).toBe(text))
})

describe('beside the documents', () => {
  const claims = Object.fromEntries(MODES.map((mode) => [modeName(mode), claimOf(mode)?.text]))
  test('each mode has what they claim', () => {
    expect(claims).toEqual({
      ASYNC_FLUSH: 'ms to tens of ms',
      'ASYNC_FLUSH + ASYNC_MASTER': 'ms to tens of ms',
      'ASYNC_FLUSH + SYNC_MASTER': undefined,
      SYNC_FLUSH: 'tens to hundreds of ms',
      'SYNC_FLUSH + ASYNC_MASTER': 'tens to hundreds of ms',
      'SYNC_FLUSH + SYNC_MASTER': 'hundreds of ms to seconds',
      'ASYNC_FLUSH + DLEDGER': undefined,
      'SYNC_FLUSH + DLEDGER': undefined,
    })
  })

  test.each([
    [100, 500, '20.0× faster'],
    [9_000, 30_000, 'p99 as claimed'],
    [20_000, 900_000, 'as claimed'],
    [20_000, 2_000_000, 'p99 slower'],
    [3_000_000, 9_000_000, '3.00× slower'],
    [undefined, undefined, '–'],
  ])('p50 %s µs and p99 %s µs of a claim of 10 ms to 1 s: %s', (p50, p99, text) => {
    expect(verdict(claimOf({ flush: 'SYNC_FLUSH', replication: 'none' }), p50, p99)).toBe(text)
  })

  test('of pairs only both synchronous lose nothing, of groups the one that syncs', () => {
    const kept = MODES.filter((mode) => failuresOf(mode).every((failure) => claimedLoss(mode, failure) === 'nothing'))
    expect(kept.map(modeName)).toEqual(['SYNC_FLUSH + SYNC_MASTER', 'SYNC_FLUSH + DLEDGER'])
  })
})

describe('the terminal’s table', () => {
  const wide = terminalTable(modesResult({ systems: ['basalt', 'apache'], depths: [1, 64] }), 200)

  test('says where it ran, what each mode costs beside the claim, and every cell', () => {
    expect(wide).toContain('2026-11-26, basaltmq 0.1.0, Node 20.20.2, Apache RocketMQ 4.9.7 on OpenJDK 17.0.9')
    expect(wide).toMatch(
      /SYNC_FLUSH \+ SYNC_MASTER +Basalt +\d+ µs +\d+ µs +hundreds of ms to seconds +\d+× faster +\d+ k/,
    )
    expect(wide.split('Every cell')[1].match(/in flight/g)).toHaveLength(32)
    expect(wide).toContain('p99.99')
    expect(wide).not.toContain('PARTIAL')
  })

  test.each([60, 80, 100, 132])('in %i columns leaves columns out, says which, and no line is wider', (columns) => {
    const text = terminalTable(modesResult({ depths: [1, 64], isPartial: true }), columns)
    const widest = Math.max(...text.split('\n').map((line) => line.length))
    expect(widest).toBeLessThanOrEqual(columns)
    expect(text).toContain('no room for:')
    expect(text).toMatch(/^PARTIAL/)
  })

  test('has a column for each condition that differs, and none for those that do not', () => {
    const surface = [{ fdatasyncMs: 10, rttMs: 50 }]
    const head = terminalTable(modesResult({ surface, modes: [BOTH] }), 200)
      .split('Every cell')[1]
      .split('\n')[1]
    expect(head).toContain('fdatasync +ms  link +ms')
    expect(head).not.toMatch(/server|body|HA|rounds/)
    expect(terminalTable(modesResult({ injected: { fdatasyncMs: 10, rttMs: 0 } }), 200)).toContain(
      'fdatasync +10 ms injected',
    )
  })

  test('leaves out what has too few samples, says so, and what was refused has a column', () => {
    const result = modesResult({ modes: [MODES[0]], depths: [1], samples: 30, rounds: 1 })
    const text = terminalTable(result, 200)
    expect(text).toMatch(/–: fewer than ten samples beyond/)
    expect(text).not.toContain('not SEND_OK')
    const refused = {
      ...result,
      cells: result.cells.map((cell) => ({
        ...cell,
        rounds: cell.rounds.map((round) => ({ ...round, answers: { 0: 30, 10: 5 } })),
      })),
    }
    expect(terminalTable(refused, 200)).toContain('not SEND_OK')
  })

  test('without a cell says that', () => {
    const empty: ModesResult = { ...modesResult(), cells: [], isPartial: true }
    expect(terminalTable(empty)).toContain('no cell was measured')
    expect(htmlPage(empty)).toContain('Too little was measured')
    expect(csv(empty)).toBe('')
    expect(modesChartSvg(empty)).toContain('</svg>')
  })
})

describe('the table of losses', () => {
  test('has modes by failures, and who lost nothing', () => {
    const text = lossTable(lossResult())
    expect(text).toMatch(/SYNC_FLUSH \+ SYNC_MASTER +0 of [\d,]+ +0 of [\d,]+ +0 of [\d,]+ +–\n/)
    expect(text).toMatch(/SYNC_FLUSH \+ DLEDGER +0 of [\d,]+ +0 of [\d,]+ +0 of [\d,]+ +0 of [\d,]+\n/)
    expect(text).toMatch(/ASYNC_FLUSH \+ DLEDGER +two of three machines crash +[1-9].* as claimed/)
    expect(text).toMatch(/ASYNC_FLUSH +disk lost .* by hand +by hand/)
    expect(text).toContain(
      'Lost nothing, of the 8 modes tried in all failures: SYNC_FLUSH + SYNC_MASTER; SYNC_FLUSH + DLEDGER.',
    )
    expect(text).not.toContain('LOST')
  })

  test('a loss where the documents promise none stands out in table and page', () => {
    const result = lossResult()
    const cells = result.cells.map((cell, index) =>
      index < result.cells.length - 7
        ? cell
        : { ...cell, rounds: cell.rounds.map((round) => ({ ...round, lost: 1, longestRun: 1 })) },
    )
    const worse: LossResult = { ...result, cells }
    expect(lossTable(worse)).toContain('LOST, claimed: nothing')
    expect(lossTable(worse)).toContain('Every mode lost something')
    expect(htmlPage(worse).match(/LOST, claimed: nothing/g)!.length).toBeGreaterThanOrEqual(6)
  })

  test('rounds that came back by hand only are counted beside the median of the others', () => {
    const result = lossResult({ modes: [MODES[0]], rounds: 3 })
    const [cell] = result.cells
    const rounds = cell.rounds.map((round, index) => ({ ...round, readsBackMs: [100, -1, 300][index] }))
    const text = lossTable({ ...result, isPartial: true, cells: [{ ...cell, rounds }] }, 160)
    expect(text).toContain('200 ms, 1× by hand')
    expect(text).toContain('No mode was tried in all failures')
    expect(text).toMatch(/^PARTIAL/)
  })
})

describe('CSV', () => {
  const rowsOf = (text: string) =>
    text
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(','))

  test('has a line a cell with the same fields, empty where nothing is known', () => {
    const [head, ...rows] = rowsOf(csv(modesResult({ systems: ['basalt', 'apache'], offered: [1000] })))
    expect(rows).toHaveLength(8 * 2 * 5)
    for (const row of rows) expect(row).toHaveLength(head.length)
    const first = Object.fromEntries(head.map((name, index) => [name, rows[0][index]]))
    expect(first).toMatchObject({
      system: 'basalt',
      flush: 'ASYNC_FLUSH',
      load: 'closed',
      in_flight: '1',
      offered_per_second: '',
      lag_bytes: '',
      partial: 'false',
    })
    expect(Number(first.p50_us)).toBeGreaterThan(50)
    expect(Number(first.claimed_p50_us)).toBeGreaterThan(0)
    const [lossHead, ...lost] = rowsOf(lossCsv(lossResult()))
    expect(lost).toHaveLength(8 * 3 + 2)
    for (const row of lost) expect(row).toHaveLength(lossHead.length)
  })
})

describe('the way of a message', () => {
  const steps = (mode: (typeof MODES)[number]) => modesResult({ modes: [mode], depths: [1] }).cells[0].waterfall!
  const ends = (mode: (typeof MODES)[number]) => {
    const way = wayOf(steps(mode), mode)
    const end = (step: string) =>
      Math.max(...way.segments.filter((each) => each.step === step).map(({ start, us }) => start + us))
    return { way, end, answered: way.segments.find(({ step }) => step === 'acknowledged')! }
  }

  test('both synchronous: the answer waits for the slower of disk and slave, which run side by side from the append on', () => {
    const { way, end, answered } = ends(BOTH)
    expect(answered.start).toBe(Math.max(end('flushed'), end('reportRead')))
    expect(way.segments.find(({ step }) => step === 'flushed')!.start).toBe(end('appended'))
    expect(way.segments.find(({ step }) => step === 'sent')!.start).toBe(end('appended'))
    expect(way.segments.some(({ isLater }) => isLater)).toBe(false)
    const reportRead = steps(BOTH).find(({ step }) => step === 'reportRead')!.p50Us
    expect(end('reportRead')).toBe(end('sent') + reportRead)
  })

  test('both asynchronous: the answer waits for neither, and both are marked so', () => {
    const { way, end, answered } = ends(MODES[1])
    expect(answered.start).toBe(end('appended'))
    expect(way.segments.filter(({ isLater }) => isLater).map(({ step }) => step)).toEqual(
      expect.arrayContaining(['flushed', 'sent', 'reportRead']),
    )
  })

  test('a group waits for its majority, whether for its disks or not', () => {
    const { way, end, answered } = ends(modeOf('ASYNC_FLUSH', 'DLEDGER'))
    expect(answered.start).toBe(end('reportRead'))
    expect(way.segments.filter(({ isLater }) => isLater).map(({ step }) => step)).toEqual(['flushed'])
    expect(ends(modeOf('SYNC_FLUSH', 'DLEDGER')).way.segments.some(({ isLater }) => isLater)).toBe(false)
  })

  test('a slave slower by its own clock than the whole on the master’s leaves no link, and nothing is negative', () => {
    const odd = steps(BOTH).map((step) => (step.step === 'slaveFlushed' ? { ...step, p50Us: 9999 } : step))
    expect(Math.min(...wayOf(odd, BOTH).segments.map(({ us }) => us))).toBeGreaterThanOrEqual(0)
    expect(wayOf([], BOTH)).toEqual({ segments: [], endUs: 0, totalUs: undefined })
  })
})

test('labels that are moved apart keep their order, their gap and their bounds', () => {
  const wanted = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(wanted, (list) => {
      const placed = spread(list, 30, 0, 300)
      const order = list.map((_, index) => index).sort((a, b) => placed[a] - placed[b])
      order.slice(1).forEach((index, rank) => {
        expect(placed[index] - placed[order[rank]]).toBeGreaterThanOrEqual(30 - 1e-9)
        expect(list[index]).toBeGreaterThanOrEqual(list[order[rank]])
      })
      expect(Math.min(...placed)).toBeGreaterThanOrEqual(-1e-9)
      expect(Math.max(...placed)).toBeLessThanOrEqual(300 + 1e-9)
    }),
  )
})

describe('the page', () => {
  test('asks for nothing from elsewhere, and texts of the result stay texts', () => {
    const result = modesResult({ depths: [1] })
    const evil = '<script>alert(1)</script>"&'
    const page = htmlPage({ ...result, machine: { ...result.machine, cpu: evil }, options: { [evil]: evil } })
    expect(page).not.toContain('<script>alert')
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;')
    expect(page).not.toMatch(/(src|href)="(?!data:)/)
    expect(page).not.toMatch(/url\(|@import|https?:/)
    expect(modesChartSvg({ ...result, machine: { ...result.machine, cpu: evil } })).not.toContain('<script')
  })

  test('every chart has its own name and description, and every section of charts a table', () => {
    const page = htmlPage(
      modesResult({ systems: ['basalt', 'apache'], surface: [{ fdatasyncMs: 5, rttMs: 5 }], offered: [1000] }),
    )
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const part of page.split('<section>').slice(1)) expect(part).toContain('<table>')
    for (const [, description] of page.matchAll(/<desc[^>]*>([^<]*)</g)) expect(description.length).toBeGreaterThan(20)
  })

  test('the chart of the README is XML with both schemes, and knows no number that is none', () => {
    const chart = modesChartSvg(modesResult())
    expect(chart).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/)
    expect(chart).toContain('prefers-color-scheme:dark')
    expect(chart).not.toMatch(/NaN|undefined|Infinity/)
    expect(chart.match(/<(g|svg|text|style|title|desc)[ >]/g)!.length).toBe(
      chart.match(/<\/(g|svg|text|style|title|desc)>/g)!.length,
    )
  })
})

test('our slave that is sent to and our slave that pulls are two lines with two names; one of them alone needs none', () => {
  const both = modesResult({ transfers: ['stream', 'pull'], surface: [{ fdatasyncMs: 5, rttMs: 5 }] })
  expect(terminalTable(both, 200)).toMatch(/SYNC_FLUSH \+ SYNC_MASTER \(pull\) +\d/)
  const page = htmlPage(both)
  expect(page).toContain('<h3>SYNC_FLUSH + SYNC_MASTER (pull)</h3>')
  expect(page).toContain('class="curve pulled"')
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const alone = modesResult({ transfers: ['pull'], surface: [{ fdatasyncMs: 5, rttMs: 5 }] })
  expect(htmlPage(alone)).not.toContain('(pull)')
  expect(terminalTable(alone, 200)).not.toContain('(pull)')
})
