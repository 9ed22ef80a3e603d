// The pictures in docs/: `npm run build && node tools/screenshots.mjs [folder]`. A master, a slave and a NameServer run for half a
// minute under real load: topics of all kinds, a group that lags, a slave that stands still. `inspect map` looks at the
// master's store, `admin top` at the cluster; a terminal's colours become SVG here, so that no font or terminal matters.
// With Chromium the page of `inspect map --html` is photographed into build/screenshots, light and dark, wide and narrow.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BareClient } from '../dist/bench/bare-client.js'
import { Cluster } from '../dist/bench/cluster.js'
import { main } from '../dist/cli/main.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = process.argv[2] ?? join(root, 'docs')
const MIB = 1024 * 1024
const CONFIG = {
  mappedFileSizeCommitLog: 16 * MIB,
  mappedFileSizeConsumeQueue: 20 * 5000,
  maxHashSlotNum: 50_000,
  maxIndexNum: 200_000,
  flushConsumerOffsetInterval: 500,
  // Far apart, so that there is something that is not on disk.
  flushIntervalCommitLog: 8000,
  flushCommitLogThoroughInterval: 8000,
  flushCommitLogLeastPages: 8192,
}
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** A terminal that keeps what it is given. */
function screenOf(columns, rows, env) {
  const listeners = new Set()
  return {
    text: '',
    press: (key) => {
      for (const each of listeners) each(key)
    },
    isTerminal: true,
    env,
    cwd: tmpdir(),
    out(text) {
      this.text += text
    },
    error: (text) => process.stderr.write(text),
    terminal: {
      columns,
      rows,
      ask: undefined,
      onKey: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    onSignal: () => () => {},
    exit: () => {},
    engine: () => Promise.reject(new Error('no server here')),
  }
}

async function sendMany(client, topic, count, size, extra = {}) {
  let next = 0
  const one = async () => {
    for (let i = next++; i < count; i = next++) {
      const body = Buffer.alloc(Math.round(size * (0.6 + 0.8 * Math.random())), `${topic} ${i} `)
      const properties = { TAGS: 'TagA', UNIQ_KEY: `${topic}${i}`, WAIT: 'true', ...extra }
      await client.send(topic, body, { queueId: i % 4, properties, group: 'PG' })
    }
  }
  await Promise.all(Array.from({ length: 32 }, one))
}

/** Half of a transaction that nobody ends. */
async function sendHalf(client, topic) {
  const properties = `TRAN_MSG\u0001true\u0002PGROUP\u0001PG\u0002UNIQ_KEY\u0001half${Math.random()}\u0002WAIT\u0001true`
  const ext = {
    a: 'PG',
    b: topic,
    c: 'TBW102',
    d: '4',
    e: '0',
    f: '4',
    g: String(Date.now()),
    h: '0',
    i: properties,
    j: '0',
    k: 'false',
    m: 'false',
  }
  await client.invoke(310, ext, Buffer.alloc(4000, 'half '))
}

async function commit(client, group, topic, share) {
  for (let queueId = 0; queueId < 4; queueId++) {
    const max = await client.invoke(30, { topic, queueId: String(queueId) })
    const commitOffset = String(Math.floor(Number(max.ext.offset) * share))
    await client.invoke(15, { consumerGroup: group, topic, queueId: String(queueId), commitOffset })
  }
}

async function fill(client) {
  await sendMany(client, 'imports-2025', 9000, 1024)
  for (let round = 0; round < 6; round++) {
    await sendMany(client, 'orders', 7000, 1400)
    await sendMany(client, 'clicks', 8000, 700)
    await sendMany(client, 'payments', 3000, 900)
    await sendMany(client, 'reminders', 300, 2000, { DELAY: '18' })
    for (let i = 0; i < 20; i++) await sendHalf(client, 'payments')
  }
  // A pull makes the group known, as a consumer's does.
  for (const [group, topic] of [
    ['fraud-check', 'orders'],
    ['ledger', 'payments'],
  ])
    await client.pull(topic, 0, 0, { group, count: 1 })
  await commit(client, 'shipping', 'orders', 1)
  await commit(client, 'fraud-check', 'orders', 0.45)
  await commit(client, 'ledger', 'payments', 0.97)
  // Nobody reads clicks.
  await client.invoke(215, { topic: 'imports-2025' })
}

/** What goes on while the pictures are taken. */
function load(address) {
  const client = new BareClient(address)
  let isOn = true
  const worker = async (topic) => {
    while (isOn) {
      await client.send(topic, Buffer.alloc(900, 'x'), {
        queueId: Math.floor(Math.random() * 4),
        properties: { WAIT: 'true' },
      })
      await sleep(4)
    }
  }
  const reader = async (group, topic, queueId) => {
    let offset = Number((await client.invoke(30, { topic, queueId: String(queueId) })).ext.offset)
    while (isOn) {
      const { next } = await client.pull(topic, queueId, offset, { group, suspendMs: 1000 })
      offset = next
      await client.invoke(15, { consumerGroup: group, topic, queueId: String(queueId), commitOffset: String(offset) })
    }
  }
  const jobs = [
    ...Array.from({ length: 16 }, (_, i) => worker(i % 3 === 0 ? 'payments' : 'orders')),
    ...[0, 1, 2, 3].flatMap((queueId) => [
      reader('shipping', 'orders', queueId),
      reader('ledger', 'payments', queueId),
    ]),
  ]
  return async () => {
    isOn = false
    await Promise.allSettled(jobs)
    await client.close()
  }
}

// ---------------------------------------------------------------------------------------------------------------------
const PALETTE = {
  fg: '#d7dee6',
  30: '#39424d',
  31: '#ff6b81',
  32: '#7fd6b1',
  33: '#e0bd4e',
  34: '#5cb1f5',
  35: '#c9a2e6',
  36: '#4fc9a4',
  37: '#e8edf2',
  90: '#8b96a1',
}

function colourOf(code) {
  if (code < 16) return PALETTE[(code < 8 ? 30 : 82) + code] ?? PALETTE.fg
  if (code >= 232) return `rgb(${[8, 8, 8].map((base) => base + (code - 232) * 10).join(',')})`
  const steps = [0, 95, 135, 175, 215, 255]
  const index = code - 16
  return `rgb(${[Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6].map((each) => steps[each]).join(',')})`
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STYLE = /^\u001b\[([\d;]*)m$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STYLED = /(\u001b\[[\d;]*m)/g

/** Runs of one style: [text, { colour, bold, dim }]. */
function runsOf(line) {
  const runs = []
  let style = {}
  for (const part of line.split(STYLED)) {
    const match = STYLE.exec(part)
    if (match === null) {
      if (part !== '') runs.push([part, style])
      continue
    }
    const codes = match[1].split(';').map(Number)
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]
      if (code === 0) style = {}
      else if (code === 1) style = { ...style, bold: true }
      else if (code === 2) style = { ...style, dim: true }
      else if (code === 38 && codes[i + 1] === 5) {
        style = { ...style, colour: colourOf(codes[i + 2]) }
        i += 2
      } else if (PALETTE[code] !== undefined) style = { ...style, colour: PALETTE[code] }
    }
  }
  return runs
}

const CELL = { width: 8.2, height: 19, size: 13.5 }
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** A terminal's text as SVG; each run is set to its exact width. */
function terminalSvg(text, title, command) {
  const lines = [`\u001b[2m$\u001b[0m ${command}`, ...text.replace(/\n+$/, '').split('\n')]
  const plain = lines.map((line) => line.replace(STYLED, ''))
  const columns = Math.max(...plain.map((line) => [...line].length))
  const [width, height] = [Math.ceil(columns * CELL.width) + 40, lines.length * CELL.height + 58]
  const body = lines.map((line, row) => {
    let column = 0
    return runsOf(line)
      .flatMap(([run, { colour, bold, dim }]) => {
        // Words by themselves: a run of blanks has no width of its own.
        return [...run.matchAll(/\S+(?: \S+)*|\s+/g)].map(([word]) => {
          const letters = [...word].length
          const x = 20 + column * CELL.width
          column += letters
          if (word.trim() === '') return ''
          const style = [
            colour === undefined ? '' : ` fill="${colour}"`,
            bold ? ' font-weight="700"' : '',
            dim ? ' opacity=".65"' : '',
          ].join('')
          const length = (letters * CELL.width).toFixed(1)
          return `<text x="${x.toFixed(1)}" y="${58 + row * CELL.height}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${style}>${escaped(word)}</text>`
        })
      })
      .join('')
  })
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (colour, i) => `<circle cx="${22 + i * 18}" cy="20" r="5.5" fill="${colour}"/>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" rx="10" fill="#12171d"/>${dots.join('')}
<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${CELL.size}" fill="${PALETTE.fg}" xml:space="preserve">
${body.join('\n')}
</g>
</svg>
`
}

/** The last whole screen of a live one. */
function lastScreen(text) {
  const screens = text.split('\u001b[H').slice(1)
  const whole = screens.filter((each) => each.includes('\u001b[J'))
  return whole.at(-1).split('\u001b[J')[0].replaceAll('\u001b[K', '')
}

async function topScreen(namesrv, columns, rows) {
  const screen = screenOf(columns, rows, { NAMESRV_ADDR: namesrv, FORCE_COLOR: '1' })
  const ended = main(['admin', 'top', '--every', '2s'], screen)
  await sleep(7500)
  screen.press('q')
  await ended
  return lastScreen(screen.text)
}

async function mapScreen(store, columns, ...more) {
  const screen = screenOf(columns, 60, { COLUMNS: String(columns), FORCE_COLOR: '1' })
  const status = await main(['inspect', 'map', store, ...more], screen)
  if (status !== 0) throw new Error(`inspect map ended with ${status}`)
  return screen.text
}

/** The tests' browser; Node 20 runs no TypeScript. */
async function chromium(into) {
  const { transformWithOxc } = await import('vite')
  const source = join(root, 'test', 'support', 'chromium.ts')
  const file = join(into, 'chromium.mjs')
  writeFileSync(file, (await transformWithOxc(readFileSync(source, 'utf8'), source)).code)
  return import(file)
}

/** The page as a person sees it. */
async function photograph(page, into) {
  const { Browser, findChromium } = await chromium(into)
  const binary = findChromium()
  if (binary === undefined) {
    console.error('no photographs of the page: there is no Chromium here')
    return
  }
  const browser = new Browser(binary)
  try {
    for (const width of [1280, 390]) {
      for (const scheme of ['light', 'dark']) {
        await browser.open(`file://${page}`, { width, height: 900, scheme })
        const height = await browser.evaluate('() => document.documentElement.scrollHeight')
        await browser.resize(width, height)
        writeFileSync(join(into, `map-${width}-${scheme}.png`), await browser.screenshot())
      }
    }
  } finally {
    await browser.close()
  }
}

const work = mkdtempSync(join(tmpdir(), 'basalt-screenshots-'))
const shots = join(root, 'build', 'screenshots')
mkdirSync(shots, { recursive: true })
const mode = { flush: 'ASYNC_FLUSH', replication: 'ASYNC_MASTER' }
const cluster = await Cluster.start({ folder: join(work, 'cluster'), mode, namesrv: true, config: CONFIG })
try {
  const client = new BareClient(cluster.master.address)
  await fill(client)
  await client.close()
  const stop = load(cluster.master.address)
  await sleep(2500)
  cluster.slave.pause()
  const top = await topScreen(cluster.namesrv, 124, 44)
  writeFileSync(join(folder, 'top.svg'), terminalSvg(top, 'basaltmq admin top', 'basaltmq admin top'))
  const store = cluster.master.store
  // Older files out of the page cache, as on a machine that has been up for longer.
  for (const name of readdirSync(join(store, 'commitlog')).sort().slice(0, 4)) {
    spawnSync('dd', [`if=${join(store, 'commitlog', name)}`, 'iflag=nocache', 'count=0'])
  }
  await mapScreen(store, 100, '--svg', join(shots, 'map.svg'), '--html', join(shots, 'map.html'))
  const shown = (text) => text.replaceAll(store, '/var/lib/basaltmq/store')
  writeFileSync(
    join(folder, 'map-terminal.svg'),
    terminalSvg(shown(await mapScreen(store, 110)), 'basaltmq inspect map', 'basaltmq inspect map store'),
  )
  writeFileSync(join(folder, 'map.svg'), shown(readFileSync(join(shots, 'map.svg'), 'utf8')))
  cluster.slave.resume()
  await stop()
  await photograph(join(shots, 'map.html'), shots)
} finally {
  await cluster.close()
  rmSync(work, { recursive: true, force: true })
}
