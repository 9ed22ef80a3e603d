/**
 * The map's page and drawing as a person sees them: in a real browser, at the width of a desk and of a hand, in light and dark.
 * Screenshots are left in build/screenshots, to be looked at.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore } from '../../src/inspect/index.ts'
import { storeMap } from '../../src/inspect/map/index.ts'
import { mapPage } from '../../src/inspect/map/page.ts'
import { mapSvg } from '../../src/inspect/map/svg.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { probe } from '../bench/page-probe.mjs'
import { Browser, findChromium } from '../support/chromium.ts'
import { fillStore } from './map-stores.ts'

const chromium = findChromium()
if (chromium === undefined) {
  console.error('\n*** PAGE TESTS OF THE MAP SKIPPED: no Chromium here; CHROMIUM=/path/to/one names it ***\n')
}

const SCREENSHOTS = join(import.meta.dirname, '..', '..', 'build', 'screenshots')
const SIZES = [1280, 390].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ width, scheme })))

describe.skipIf(chromium === undefined)('in a browser', () => {
  let browser: Browser
  let folder: string
  let page: string
  let drawing: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'basalt-map-'))
    mkdirSync(SCREENSHOTS, { recursive: true })
    await using broker = await startTestBroker({
      config: { mappedFileSizeCommitLog: 128 * 1024, maxMessageSize: 32_768, flushConsumerOffsetInterval: 100 },
    })
    await fillStore(broker)
    for (let tries = 0; tries < 200 && storeMap(openStore(broker.folder)).groups.length < 4; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    const map = storeMap(openStore(broker.folder))
    page = join(folder, 'map.html')
    drawing = join(folder, 'map.svg')
    writeFileSync(page, mapPage(map))
    writeFileSync(drawing, mapSvg(map))
    browser = new Browser(chromium!)
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function open(file: string, width: number, scheme: 'light' | 'dark'): Promise<void> {
    await browser.open(`file://${file}`, { width, height: 800, scheme })
    await browser.resize(width, await browser.evaluate<number>('() => document.documentElement.scrollHeight'))
  }

  /** Requests beside the page itself, and everything that a console would show. */
  function noise(): unknown[] {
    const requests = browser.events.filter(({ method }) => method === 'Network.requestWillBeSent')
    const urls = requests.map(({ params }) => (params.request as { url: string }).url)
    const told = browser.events.filter(({ method }) => /exceptionThrown|consoleAPICalled|entryAdded/.test(method))
    return [...urls.filter((url) => !url.startsWith('data:')).slice(1), ...told]
  }

  test.each(SIZES)(
    '$width px, $scheme: nothing cut, on each other or hard to read, nothing asked for',
    async ({ width, scheme }) => {
      await open(page, width, scheme)
      const seen = await browser.evaluate<{ charts: number; texts: number; problems: string[] }>(probe.toString())
      const picture = await browser.screenshot()
      writeFileSync(join(SCREENSHOTS, `inspect-map-${width}-${scheme}.png`), picture)
      expect(seen.problems).toEqual([])
      expect(seen.charts).toBe(2)
      expect(noise()).toEqual([])
      expect(picture.readUInt32BE(16)).toBe(width)
    },
  )

  test('a cell tells what is in it, under the pointer and by the keyboard; topics have colours of their own', async () => {
    await open(page, 1280, 'light')
    const detail = () => browser.evaluate<string>(`() => document.querySelector('.detail').textContent`)
    const [x, y] = await browser.evaluate<[number, number]>(
      `() => { const box = document.querySelector('.wide .hit').getBoundingClientRect(); return [box.left + box.width / 2, box.top + 5] }`,
    )
    await browser.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y })
    expect(await detail()).toMatch(/KiB.*(unread|consumed).*(Read|Half|Nobody)/)
    const before = await detail()
    await browser.evaluate(`() => document.querySelectorAll('.wide .hit')[1].focus()`)
    for (const key of ['ArrowRight', 'ArrowRight'])
      await browser.send('Input.dispatchKeyEvent', { type: 'keyDown', key })
    expect(await detail()).not.toBe(before)
    const shown = () =>
      browser.evaluate<string[]>(
        `() => [...document.querySelectorAll('.wide .row > g')].filter((each) => getComputedStyle(each).display !== 'none').map((each) => each.getAttribute('class'))`,
      )
    expect(new Set(await shown())).toEqual(new Set(['v-kind']))
    await browser.evaluate(`() => document.querySelector('[data-view=topic]').click()`)
    expect(new Set(await shown())).toEqual(new Set(['v-topic']))
    expect(noise()).toEqual([])
  })

  test.each(SIZES.slice(0, 2))('the drawing by itself, $scheme', async ({ scheme }) => {
    await browser.open(`file://${drawing}`, { width: 1200, height: 900, scheme })
    const seen = await browser.evaluate<{ texts: number; wide: number; fills: number }>(
      `() => ({ texts: document.querySelectorAll('text').length, wide: Math.max(...[...document.querySelectorAll('text')].map((each) => { const box = each.getBoundingClientRect(); return box.right })), fills: new Set([...document.querySelectorAll('path')].map((each) => getComputedStyle(each).fill)).size })`,
    )
    writeFileSync(join(SCREENSHOTS, `inspect-map-svg-${scheme}.png`), await browser.screenshot())
    expect(seen.texts).toBeGreaterThan(20)
    expect(seen.fills).toBeGreaterThan(4)
    expect(seen.wide).toBeLessThanOrEqual(1160)
    expect(noise()).toEqual([])
  })
})
