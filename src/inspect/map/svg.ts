/** The whole map as one drawing that needs nothing else and follows the reader's light or dark scheme. */
import { CHART_STYLE } from '../../bench/report/style.ts'
import { type Chart, element, group, rect, svg, text, textWidth } from '../../bench/report/svg.ts'
import { DRAWING_STYLE } from './colours.ts'
import { KIND_TEXTS, KINDS } from './kinds.ts'
import { logChart, pattern } from './log-chart.ts'
import { bytes, percent } from './numbers.ts'
import type { StoreMap } from './store-map.ts'
import { dayTime, stateText, type Told, told } from './told.ts'
import { topicsChart } from './topics-chart.ts'

const WIDTH = 1160
const MARGIN = 28
const ROOM = WIDTH - 2 * MARGIN
/** With a text for each column the file is small below so many segments. */
const TIPS_SEGMENTS_MAX = 12

export function mapSvg(map: StoreMap): string {
  const parts: string[] = []
  let y = MARGIN + 18
  const put = (chart: Pick<Chart, 'height' | 'body'>) => {
    parts.push(group({ transform: `translate(${MARGIN} ${Math.round(y)})` }, chart.body))
    y += chart.height
  }
  parts.push(text(MARGIN, y, shortened(map.root), 'title'))
  parts.push(text(MARGIN, y + 20, `${stateText(map)}; looked at ${dayTime(map.at)}`, 'm'))
  y += 40
  put(tiles(told(map)))
  y += 26
  if (map.topics.length > 0) {
    put(heading('Where the space is'))
    put(topicsChart(map, { width: ROOM, id: 'topics' }))
    y += 18
  }
  put(heading('The log, oldest first'))
  put(legend(map))
  if (map.segments.length > 0)
    put(logChart(map, { width: ROOM, id: 'log', hasTips: map.segments.length <= TIPS_SEGMENTS_MAX }))
  for (const note of map.notes) {
    y += 18
    parts.push(text(MARGIN, y, note, 'm'))
  }
  const height = Math.ceil(y + MARGIN)
  const ground = rect(0.5, 0.5, WIDTH - 1, height - 1, { class: 'ground', rx: 12 })
  const description = told(map)
    .map(({ title, value, detail }) => `${title}: ${value}, ${detail}`)
    .join('. ')
  return svg(
    { id: 'map', title: `The store ${map.root}`, description, width: WIDTH, height, body: parts.join('\n') },
    element('style', {}, CHART_STYLE + DRAWING_STYLE) + pattern() + ground,
    { xmlns: 'http://www.w3.org/2000/svg' },
  )
}

const shortened = (path: string) => (path.length <= 80 ? path : `…${path.slice(-79)}`)

function heading(title: string): Pick<Chart, 'height' | 'body'> {
  return { height: 22, body: text(0, 10, title, 'h') }
}

function tiles(list: readonly Told[]): Pick<Chart, 'height' | 'body'> {
  const gap = 16
  const width = (ROOM - gap * (list.length - 1)) / list.length
  const lettersMax = Math.floor((width - 24) / textWidth('m', 11))
  const wrapped = list.map(({ detail }) => wrap(detail, lettersMax))
  const height = 62 + Math.max(...wrapped.map(({ length }) => length)) * 15
  const body = list.map(({ title, value, isBad }, i) => {
    const x = i * (width + gap)
    const tone = isBad ? 'bad' : ''
    return group(
      {},
      rect(x, 0, width, height, { fill: 'none', class: 'frame', rx: 8 }),
      text(x + 12, 20, title, 'm'),
      text(x + 12, 46, value, `value ${tone}`.trim()),
      ...wrapped[i].map((line, row) => text(x + 12, 65 + row * 15, line, 'm')),
    )
  })
  return { height, body: body.join('') }
}

function legend(map: StoreMap): Pick<Chart, 'height' | 'body'> {
  const items = KINDS.filter((kind) => map.kinds[kind] > 0).map((kind) => ({
    mark: (x: number, y: number) =>
      rect(x, y, 14, 11, { class: `f-${kind}` }) + (kind === 'free' ? rect(x, y, 14, 11, { class: 'frame' }) : ''),
    name: `${KIND_TEXTS[kind].label} ${bytes(map.kinds[kind])}`,
  }))
  if ((map.notOnDisk ?? 0) > 0)
    items.push({ mark: (x, y) => rect(x, y + 4, 14, 3.5, { class: 'open' }), name: 'not on disk' })
  const memory =
    map.inMemory === undefined
      ? 'in memory: unknown'
      : `in memory ${percent(map.inMemory / Math.max(1, map.log.bytes))}`
  items.push({ mark: (x, y) => rect(x, y + 5, 14, 2.5, { class: 'memory' }), name: memory })
  let x = 0
  let y = 0
  const body = items.map(({ mark, name }) => {
    const width = 20 + textWidth(name) + 18
    if (x + width > ROOM) {
      x = 0
      y += 20
    }
    const drawn = mark(x, y) + text(x + 20, y + 10, name)
    x += width
    return drawn
  })
  return { height: y + 28, body: body.join('') }
}

function wrap(content: string, most: number): string[] {
  const lines: string[] = ['']
  for (const word of content.split(' ')) {
    const last = lines.length - 1
    const joined = lines[last] === '' ? word : `${lines[last]} ${word}`
    if (joined.length <= most || lines[last] === '') lines[last] = joined
    else lines.push(word)
  }
  return lines
}
