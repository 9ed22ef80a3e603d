/**
 * The page as a person sees it: in a real browser, at the width of a desk and of a hand, in light and dark. Screenshots are left in
 * build/screenshots, to be looked at.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { htmlPage, modesChartSvg } from '../../src/bench/report/index.ts'
import type { ModesResult } from '../../src/bench/results.ts'
import { Browser, findChromium } from '../support/chromium.ts'
import { probe } from './page-probe.mjs'
import { BOTH, lossResult, modesResult } from './report-fixture.ts'

interface Probe {
  readonly charts: number
  readonly texts: number
  readonly problems: string[]
}

const chromium = findChromium()
if (chromium === undefined) {
  console.error('\n*** PAGE TESTS SKIPPED: no Chromium here; CHROMIUM=/path/to/one names it ***\n')
}

const SURFACE = [0, 2, 10].flatMap((fdatasyncMs) => [0, 5, 50].map((rttMs) => ({ fdatasyncMs, rttMs }))).slice(1)
const SCREENSHOTS = join(import.meta.dirname, '..', '..', 'build', 'screenshots')

/** All zero in one cell, half an hour in another. */
function extremes(): ModesResult {
  const result = modesResult({ depths: [1, 100_000], rounds: 1, hasWaterfall: false })
  const cells = result.cells.map((cell, index) => {
    const [round] = cell.rounds
    if (index === 0)
      return {
        ...cell,
        rounds: [{ ...round, ratePerSecond: 0, latency: [], answers: { 10: 7 }, masterCpuUs: 0, lagBytes: -1 }],
      }
    if (index === 11)
      return {
        ...cell,
        rounds: [
          {
            ...round,
            latency: [[1_999_999_999, 5_000]] as [number, number][],
            ratePerSecond: 1e-3,
            masterCpuUs: 4e9,
            lagBytes: 3e12,
            lagBytesMax: 9e12,
          },
        ],
      }
    return cell
  })
  return { ...result, cells }
}

const PAGES: Record<string, { html: () => string; charts: number }> = {
  'all there is': {
    html: () =>
      htmlPage(modesResult({ systems: ['basalt', 'apache'], surface: SURFACE, offered: [1000, 20_000, 50_000] })),
    charts: 1 + 8 + 4 + 3 + 8 + 8 + 3 + 3,
  },
  'eight modes': { html: () => htmlPage(modesResult()), charts: 1 + 8 + 2 + 3 + 3 + 3 },
  'one mode, one round, ended early': {
    html: () => htmlPage(modesResult({ modes: [BOTH], rounds: 1, depths: [64], hasWaterfall: false, isPartial: true })),
    charts: 1 + 2 + 1 + 1 + 1,
  },
  'injected delays': { html: () => htmlPage(modesResult({ injected: { fdatasyncMs: 10, rttMs: 200 } })), charts: 20 },
  'two ways to the slave': {
    html: () => htmlPage(modesResult({ transfers: ['stream', 'pull'], depths: [1, 64] })),
    charts: 1 + 12 + 2 + 2 + 2 + 2,
  },
  'few samples': {
    html: () => htmlPage(modesResult({ samples: 15, rounds: 1, depths: [1] })),
    charts: 1 + 8 + 1 + 1,
  },
  extremes: { html: () => htmlPage(extremes()), charts: 1 + 2 + 2 + 2 + 2 },
  losses: { html: () => htmlPage(lossResult()), charts: 4 },
}
const SIZES = [1280, 390].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ width, scheme })))
/** A browser takes its time: what two pages share is looked at in all four ways on one of them. */
const sizesOf = (name: string) => {
  if (name === 'all there is' || name === 'losses') return SIZES
  return name === 'one mode, one round, ended early' || name === 'extremes' ? [SIZES[1], SIZES[2]] : [SIZES[1]]
}

describe.skipIf(chromium === undefined)('in a browser', () => {
  let browser: Browser
  let folder: string

  beforeAll(() => {
    browser = new Browser(chromium!)
    folder = mkdtempSync(join(tmpdir(), 'basalt-pages-'))
    mkdirSync(SCREENSHOTS, { recursive: true })
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function look(name: string, html: string, width: number, scheme: 'light' | 'dark'): Promise<Probe> {
    const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.html`)
    writeFileSync(file, html)
    await browser.open(`file://${file}`, { width, height: 800, scheme })
    // What lies under a text is only known of what is in view.
    await browser.resize(width, await browser.evaluate<number>('() => document.documentElement.scrollHeight'))
    return browser.evaluate<Probe>(probe.toString())
  }

  async function shoot(name: string, width: number, scheme: string): Promise<Buffer> {
    const picture = await browser.screenshot()
    writeFileSync(join(SCREENSHOTS, `${name.replaceAll(/\W+/g, '-')}-${width}-${scheme}.png`), picture)
    return picture
  }

  /** Requests beside the page itself, and everything that a console would show. */
  function noise(): string[] {
    const requests = browser.events.filter(({ method }) => method === 'Network.requestWillBeSent')
    const asked = requests
      .map(({ params }) => (params.request as { url: string }).url)
      .filter((url) => !url.startsWith('data:'))
    const told = browser.events.filter(({ method }) =>
      /^(Runtime\.(exceptionThrown|consoleAPICalled)|Log\.entryAdded)$/.test(method),
    )
    return [...asked.slice(1), ...told.map(({ params }) => JSON.stringify(params))]
  }

  const made = new Map<string, string>()
  const pageOf = (name: string) => made.get(name) ?? made.set(name, PAGES[name].html()).get(name)!
  const cases = Object.entries(PAGES).flatMap(([name, { charts }]) =>
    sizesOf(name).map((size) => ({ name, charts, ...size })),
  )
  test.each(cases)(
    '$name, $width px, $scheme: all charts, nothing cut, on each other or hard to read',
    async ({ name, charts, width, scheme }) => {
      const seen = await look(name, pageOf(name), width, scheme)
      expect(seen.problems).toEqual([])
      expect(seen.charts).toBe(charts)
      expect(seen.texts).toBeGreaterThan(20)
      expect(noise()).toEqual([])
      const picture = await shoot(name, width, scheme)
      expect(picture.readUInt32BE(16)).toBe(width)
      expect(picture.length).toBeGreaterThan(20_000)
    },
  )

  test.each(SIZES.slice(0, 2))('the chart of the README on a $scheme page', async ({ width, scheme }) => {
    const page = `<!doctype html><title>-</title><body style="margin:0;background:${scheme === 'light' ? '#fff' : '#0d1117'}">${modesChartSvg(modesResult())}</body>`
    const seen = await look('readme', page, width, scheme)
    expect(seen).toMatchObject({ problems: [], charts: 1 })
    expect((await shoot('readme', width, scheme)).length).toBeGreaterThan(10_000)
  })

  test('the button changes the colours whatever the reader’s system has, and says what the next press gives', async () => {
    await look('toggle', htmlPage(lossResult()), 1280, 'dark')
    const state = `() => [document.querySelector('button').textContent, getComputedStyle(document.body).backgroundColor]`
    const dark = await browser.evaluate<string[]>(state)
    await browser.evaluate(`() => document.querySelector('button').click()`)
    const light = await browser.evaluate<string[]>(state)
    expect([dark[0], light[0]]).toEqual(['Light colours', 'Dark colours'])
    expect(light[1]).not.toBe(dark[1])
    expect((await browser.evaluate<Probe>(probe.toString())).problems).toEqual([])
    await browser.evaluate(`() => document.querySelector('button').click()`)
    expect(await browser.evaluate(state)).toEqual(dark)
  })

  test('the probe sees what is wrong', async () => {
    const bad = `<!doctype html><body style="margin:0;background:#fff"><p style="color:#bbb">pale words here</p><p style="width:2000px;white-space:nowrap">${'far '.repeat(600)}</p>
      <svg role="img" aria-labelledby="a b" width="300" height="100"><title id="a">a chart</title><desc id="b">empty</desc><text x="5" y="20">one text</text><text x="15" y="22">on another</text><text x="280" y="60">cut at its end</text></svg>`
    const { problems } = await look('bad', bad, 1280, 'light')
    expect(problems.map((problem) => problem.replace(/ ".*/, ''))).toEqual(
      expect.arrayContaining(['contrast 1.92:', 'cut:', 'nothing drawn: a chart']),
    )
    expect(problems).toContain('"one text" on "on another" in a chart')
    expect(problems).toContain('cut: "cut at its end" in a chart')
  })
})
