/**
 * The log as a drawing: a row has one file or several, a column a stretch of it, filled from below with what is done and from
 * above with what presses. Beneath each row a line for what is not on disk, and one for what is in memory.
 */
import { type Chart, element, group, line, rect, text } from '../../bench/report/svg.ts'
import { TOPIC_COLOURS } from './colours.ts'
import { KIND_TEXTS, KINDS, type Kind } from './kinds.ts'
import { bytes, percent, place } from './numbers.ts'
import { type Column, type Row, rowsOf } from './rows.ts'
import type { StoreMap } from './store-map.ts'
import { dayTime } from './told.ts'

export const ROWS_MAX = 48
export const COLUMNS = 132
const STRIP = 26
/** Pieces of a row that have a text of their own. */
const TIPS = 24
const LINES = 9
/** From below. */
const STACK: readonly Kind[] = [...KINDS].reverse()
const TOPICS_SHOWN = TOPIC_COLOURS.length - 1

export interface LogChartOptions {
  width: number
  id: string
  /** Texts under the pointer, each for a piece of a row; else rows are there for a script. */
  hasTips?: boolean
}

/** The topics that have a colour of their own. */
export const colouredTopics = ({ topics }: StoreMap): string[] =>
  topics.slice(0, TOPICS_SHOWN).map(({ topic }) => topic)

export function logChart(map: StoreMap, { width, id, hasTips }: LogChartOptions): Chart {
  const rows = rowsOf(map, ROWS_MAX, COLUMNS)
  const isNarrow = width < 600
  const left = isNarrow ? 0 : 108
  const right = isNarrow ? 0 : 250
  const pitch = isNarrow ? 66 : 48
  const top = isNarrow ? 20 : 4
  const room = width - left - right
  const topics = new Map(colouredTopics(map).map((topic, i) => [topic, i]))
  const coarse = hasTips === true ? rowsOf(map, ROWS_MAX, TIPS) : []
  const body = rows.map((row, i) => {
    const y = top + i * pitch
    const placed: Placed = { row, index: i, x: left, y, width: (room * row.bytes) / widestOf(rows) }
    const labels = isNarrow ? narrowLabels(placed, room) : wideLabels(placed, left + room + 14)
    return group(
      { class: 'row' },
      labels,
      strip(placed, topics),
      underline(placed),
      hasTips === true ? tips(placed, coarse[i]) : hit(placed),
    )
  })
  return {
    id,
    title: 'What is in the log',
    description: `${map.segments.length} files in ${rows.length} rows, oldest first. ${spoken(map)}`,
    width,
    height: top + rows.length * pitch,
    body: body.join('') + rect(0, 0, 0, STRIP, { class: 'here' }),
  }
}

interface Placed {
  row: Row
  index: number
  x: number
  y: number
  width: number
}

const widestOf = (rows: readonly Row[]) => Math.max(...rows.map((row) => row.bytes))

export function pattern(): string {
  const ground = rect(0, 0, 6, 6, { class: 'hatch-ground' })
  const hatch = element('path', { d: 'M-1 1l2-2M0 6l6-6M5 7l2-2', class: 'hatch' })
  return element(
    'defs',
    {},
    element('pattern', { id: 'garbage', width: 6, height: 6, patternUnits: 'userSpaceOnUse' }, ground + hatch),
  )
}

function strip({ row, x, y, width }: Placed, topics: ReadonlyMap<string, number>): string {
  const step = width / row.columns.length
  const kinds = new Map<string, string>()
  const named = new Map<string, string>()
  for (const [i, column] of row.columns.entries()) {
    stack(
      kinds,
      x + i * step,
      y,
      step,
      column.bytes,
      STACK.map((kind) => [`f-${kind}`, column.kinds[kind]]),
    )
    stack(named, x + i * step, y, step, column.bytes, topicParts(column, topics))
  }
  const cuts = row.cuts.map((share) => line(x + share * width, y, x + share * width, y + STRIP, 'cut'))
  const frame = rect(x, y, width, STRIP, { class: 'frame' })
  return (
    group({ class: 'v-kind' }, ...paths(kinds)) + group({ class: 'v-topic' }, ...paths(named)) + cuts.join('') + frame
  )
}

function topicParts(
  { topics: own, bytes: size, kinds }: Column,
  topics: ReadonlyMap<string, number>,
): [string, number][] {
  const parts = new Map<number, number>()
  let sum = 0
  for (const [topic, each] of own) {
    const index = topics.get(topic) ?? TOPICS_SHOWN
    parts.set(index, (parts.get(index) ?? 0) + each)
    sum += each
  }
  const rest: [string, number] = ['f-blank', Math.max(0, size - sum - kinds.free)]
  return [
    rest,
    ...[...parts].sort((a, b) => b[0] - a[0]).map(([index, each]): [string, number] => [`t-${index}`, each]),
  ]
}

/** One path a class: a few kilobytes instead of thousands of shapes. */
function stack(
  found: Map<string, string>,
  x: number,
  y: number,
  width: number,
  size: number,
  parts: readonly (readonly [string, number])[],
): void {
  let bottom = y + STRIP
  for (const [name, each] of parts) {
    if (each <= 0 || name === 'f-free') continue
    // What presses is seen, however little it is.
    const height = Math.max(1.5, (STRIP * each) / Math.max(1, size))
    const from = Math.max(y, bottom - height)
    found.set(
      name,
      `${found.get(name) ?? ''}M${round(x)} ${round(from)}h${round(width + 0.3)}V${round(Math.max(bottom, from + 1.5))}h${round(-width - 0.3)}z`,
    )
    bottom = Math.max(y + 1.5, from)
  }
}

const paths = (found: ReadonlyMap<string, string>) => [...found].map(([name, d]) => element('path', { d, class: name }))
const round = (value: number) => Math.round(value * 10) / 10

/** Not on disk; in memory, the more the stronger. */
function underline({ row, x, y, width }: Placed): string {
  const step = width / row.columns.length
  const marks: string[] = []
  for (const [from, to, share] of runs(row.columns, ({ notOnDisk, bytes: size }) =>
    (notOnDisk ?? 0) > 0 ? Math.max(0.15, notOnDisk! / size) : 0,
  )) {
    marks.push(rect(x + from * step, y + STRIP + 1.5, Math.max(3, (to - from) * step * share), 3.5, { class: 'open' }))
  }
  const shareInMemory = ({ inMemory, bytes: size }: Column) => Math.ceil(((inMemory ?? 0) / size) * 4) / 4
  for (const [from, to, share] of runs(row.columns, shareInMemory)) {
    marks.push(
      rect(x + from * step, y + STRIP + 6, (to - from) * step, 2.5, { class: 'memory', 'fill-opacity': String(share) }),
    )
  }
  return marks.join('')
}

/** Neighbours that are alike, as [from, to, what they are]; zeros are left out. */
function runs(columns: readonly Column[], of: (column: Column) => number): [number, number, number][] {
  const found: [number, number, number][] = []
  for (let i = 0; i < columns.length; ) {
    const value = of(columns[i])
    let end = i + 1
    while (end < columns.length && of(columns[end]) === value) end += 1
    if (value > 0) found.push([i, end, value])
    i = end
  }
  return found
}

function tips({ x, y, width }: Placed, { columns }: Row): string {
  const step = width / columns.length
  const ground = { fill: 'none', 'pointer-events': 'all' }
  return columns.map((column, i) => rect(x + i * step, y, step, STRIP + LINES, ground, tipOf(column))).join('')
}

function hit({ row, index, x, y, width }: Placed): string {
  const named = { class: 'hit', tabindex: 0, role: 'img', 'aria-label': rowText(row), 'data-row': index }
  return rect(x, y, width, STRIP + LINES, named)
}

function tipOf({ from, to, bytes: size, kinds, topics, notOnDisk, inMemory }: Column): string {
  const parts = KINDS.filter((kind) => kinds[kind] >= 1).map(
    (kind) => `${KIND_TEXTS[kind].label} ${bytes(kinds[kind])}`,
  )
  const most = [...topics].sort((a, b) => b[1] - a[1]).slice(0, 4)
  const names = most.map(([topic, each]) => `${topic} ${bytes(each)}`)
  const marks = [
    (notOnDisk ?? 0) > 0 ? `${bytes(notOnDisk!)} not on disk` : undefined,
    inMemory === undefined ? undefined : `${percent(inMemory / size)} in memory`,
  ]
  return [`${place(from)} to ${place(to)}: ${parts.join(', ')}`, names.join(', '), marks.filter(Boolean).join(', ')]
    .filter((each) => each !== '')
    .join('\n')
}

function rowText(row: Row): string {
  const { segments, kinds } = row
  const parts = KINDS.filter((kind) => kinds[kind] >= 1).map(
    (kind) => `${KIND_TEXTS[kind].label} ${bytes(kinds[kind])}`,
  )
  return [`from ${place(segments[0].start)}: ${parts.join(', ')}`, ...asideOf(row).map(([what]) => what)].join('; ')
}

/** What is to be known of a row, and whether it presses. */
function asideOf({ segments, kinds, notOnDisk, inMemory, bytes: size }: Row): [string, boolean][] {
  if (kinds.free === size) return [['free', false]]
  const list: [string, boolean][] = []
  const isExpired = segments.some((segment) => segment.isExpired)
  if (kinds.damaged > 0) list.push([`${bytes(kinds.damaged)} damaged`, true])
  if (isExpired) list.push(['goes next', kinds.unread + kinds.waiting > 0])
  if ((notOnDisk ?? 0) > 0) list.push([`${bytes(notOnDisk!)} not on disk`, true])
  if (kinds.unread > 0) list.push([`${bytes(kinds.unread)} unread`, false])
  if (inMemory !== undefined) list.push([`${percent(inMemory / size)} in memory`, false])
  return list
}

function wideLabels({ row, y }: Placed, asideX: number): string {
  const { start, firstTime } = row.segments[0]
  const aside = asideOf(row)
  const isBad = aside.some(([, bad]) => bad)
  const words = aside.map(([what]) => what)
  return [
    text(0, y + 12, place(start), 'b'),
    text(0, y + 26, timeText(firstTime), 'm'),
    text(asideX, y + 12, words[0] ?? '', isBad ? 'bad' : 't'),
    text(asideX, y + 26, words.slice(1, 3).join(', '), 'm'),
  ].join('')
}

function narrowLabels({ row, y }: Placed, room: number): string {
  const { start, firstTime } = row.segments[0]
  const aside = asideOf(row)
  const isBad = aside.some(([, bad]) => bad)
  const words = aside.slice(0, isBad ? 1 : 2).map(([what]) => what)
  const time = timeText(firstTime).slice(5)
  return [
    text(0, y - 5, `${place(start)}${time === '' ? '' : `, ${time}`}`, 'm'),
    text(room - 4, y - 5, words.join(', '), isBad ? 'm bad' : 'm', 'end'),
  ].join('')
}

const timeText = (ms: number) => (ms <= 0 || ms > 8.64e15 ? '' : dayTime(ms))

function spoken({ kinds }: StoreMap): string {
  return `${KINDS.filter((kind) => kinds[kind] > 0)
    .map((kind) => `${KIND_TEXTS[kind].label}: ${bytes(kinds[kind])}`)
    .join(', ')}.`
}
