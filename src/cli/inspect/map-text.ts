/** `inspect map` in a terminal: words, topics as bars, the log as rows of cells. Kinds differ by letter, with colours as well. */
import { KIND_TEXTS, KINDS, type Kind, type StoreMap } from '../../inspect/map/index.ts'
import { bytes, percent, place, whole } from '../../inspect/map/numbers.ts'
import { type Column, dithered, type Row, rowsOf } from '../../inspect/map/rows.ts'
import { dayTime, stateText, told } from '../../inspect/map/told.ts'
import { type Paint, painter, STYLE } from '../colours.ts'

const ROWS_MAX = 40
const TOPICS_MAX = 12
const WIDTH_MAX = 160
const WIDTH_MIN = 40

/** Of 256: readable on light and on dark grounds. */
const COLOURS: Record<Kind, string> = {
  damaged: '1;38;5;197',
  undispatched: '38;5;33',
  unread: '38;5;208',
  waiting: '38;5;134',
  nobody: '38;5;178',
  consumed: '38;5;67',
  garbage: '38;5;245',
  blank: '38;5;245',
  free: '38;5;245',
}

export interface MapTextOptions {
  width: number
  hasColours: boolean
}

export function mapText(map: StoreMap, { width: given, hasColours }: MapTextOptions): string {
  const width = Math.max(WIDTH_MIN, Math.min(given, WIDTH_MAX))
  const paint = painter(hasColours)
  const head = [...wrap(`${map.root}: ${stateText(map)}`, width), ''].map((line) => paint(STYLE.bold, line))
  const parts = [...head, ...toldLines(map, width, paint), '', ...topicLines(map, width, paint)]
  parts.push(...logLines(map, width, paint), '', ...legendLines(map, width, paint))
  for (const note of map.notes) parts.push(...wrap(`! ${note}`, width))
  return `${parts.map((line) => line.trimEnd()).join('\n')}\n`
}

function toldLines(map: StoreMap, width: number, paint: Paint): string[] {
  const list = told(map)
  const titles = Math.max(...list.map(({ title }) => title.length))
  const values = Math.max(...list.map(({ value }) => value.length))
  const indent = titles + values + 4
  return list.flatMap(({ title, value, detail, isBad }) => {
    const lines = wrap(detail, width - indent)
    const head = `${title.padEnd(titles)}  ${paint(isBad ? STYLE.bad : STYLE.bold, value.padStart(values))}  ${lines[0]}`
    return [head, ...lines.slice(1).map((line) => ' '.repeat(indent) + line)]
  })
}

function topicLines(map: StoreMap, width: number, paint: Paint): string[] {
  const { topics } = map
  if (topics.length === 0) return []
  const rest = topics.slice(TOPICS_MAX)
  const rows = topics.slice(0, TOPICS_MAX).map(({ topic, bytes: size, kinds, isDeleted }) => ({
    name: isDeleted ? `${topic} (deleted)` : topic,
    size,
    kinds,
  }))
  if (rest.length > 0) {
    const kinds: Partial<Record<Kind, number>> = {}
    for (const each of rest) for (const kind of KINDS) kinds[kind] = (kinds[kind] ?? 0) + (each.kinds[kind] ?? 0)
    rows.push({ name: `${whole(rest.length)} more`, size: rest.reduce((sum, each) => sum + each.bytes, 0), kinds })
  }
  const total = topics.reduce((sum, each) => sum + each.bytes, 0)
  const largest = Math.max(...rows.map(({ size }) => size))
  const names = Math.min(Math.max(...rows.map(({ name }) => name.length)), Math.floor(width / 3))
  const sizes = Math.max(...rows.map(({ size }) => bytes(size).length))
  const room = Math.max(1, width - names - sizes - 13)
  const lines = rows.map(({ name, size, kinds }) => {
    const length = Math.max(1, Math.round((room * size) / largest))
    const bar = barOf(kinds, size, length)
      .map(([kind, count]) => paint(COLOURS[kind], KIND_TEXTS[kind].glyph.repeat(count)))
      .join('')
    return `${cut(name, names).padEnd(names)}  ${bytes(size).padStart(sizes)}  ${percent(size / total).padStart(7)}  ${bar}`
  })
  return [paint(STYLE.dim, 'topics'), ...lines, '']
}

/** Kinds side by side, rounded so that they fill the bar, none of them lost while there is room. */
function barOf(kinds: Partial<Record<Kind, number>>, size: number, length: number): [Kind, number][] {
  const present = KINDS.filter((kind) => (kinds[kind] ?? 0) > 0)
  const parts = present.map((kind): [Kind, number] => [kind, Math.max(1, Math.round((length * kinds[kind]!) / size))])
  while (parts.reduce((sum, [, count]) => sum + count, 0) > length && parts.some(([, count]) => count > 1)) {
    parts.reduce((most, part) => (part[1] > most[1] ? part : most))[1] -= 1
  }
  return parts.slice(0, length)
}

function logLines(map: StoreMap, width: number, paint: Paint): string[] {
  const rows = rowsOf(map, ROWS_MAX, 1)
  if (rows.length === 0) return []
  const labels = rows.map(({ segments }) => [place(segments[0].start), timeOf(segments[0].firstTime)])
  const labelWidth = (index: number) => Math.max(...labels.map((label) => label[index].length))
  const hasTimes = width >= 70
  const left = labelWidth(0) + 2 + (hasTimes ? labelWidth(1) + 2 : 0)
  const asides = rows.map((row) => asideOf(row, width))
  const right = Math.max(...asides.map((aside) => aside.map(([what]) => what).join(', ').length))
  const room = Math.max(8, width - left - right - 2)
  const isMemoryShown = isMemoryMixed(map)
  const drawn = rowsOf(map, ROWS_MAX, room)
  const lines = drawn.flatMap((row, i) => {
    const [at, time] = labels[i]
    const label = `${at.padStart(labelWidth(0))}  ${hasTimes ? `${time.padEnd(labelWidth(1))}  ` : ''}`
    const bar = painted(dithered(row.columns), paint)
    const aside = asides[i].map(([what, style]) => paint(style, what)).join(', ')
    const under = row.columns.map((column) => markOf(column, isMemoryShown)).join('')
    const second = under.trim() === '' ? [] : [`${' '.repeat(left)}${underPainted(under, paint)}`]
    return [`${label}${bar}${' '.repeat(room - row.columns.length)}  ${aside}`, ...second]
  })
  const perRow = rows[0].segments.length
  const title = `the log: a row has ${perRow === 1 ? 'one file' : `${perRow} files`}, a letter ${bytes(drawn[0].columns[0].bytes)}`
  return [paint(STYLE.dim, title), ...lines]
}

/** What is to be known of the row, the most pressing first, as much as there is room for. */
function asideOf({ kinds, notOnDisk, segments, bytes: size }: Row, width: number): [string, string][] {
  const parts: [string, string][] = []
  if (size === kinds.free) return [['free', STYLE.dim]]
  if (kinds.damaged > 0) parts.push([`${bytes(kinds.damaged)} damaged`, STYLE.bad])
  if (segments.some(({ isExpired }) => isExpired)) {
    parts.push(['goes next', kinds.unread + kinds.waiting > 0 ? STYLE.bad : STYLE.dim])
  }
  if ((notOnDisk ?? 0) > 0) parts.push([`${bytes(notOnDisk!)} not on disk`, STYLE.bad])
  if (kinds.unread > 0) parts.push([`${bytes(kinds.unread)} unread`, STYLE.warn])
  return parts.slice(0, width < 100 ? 1 : 2)
}

/** All of it in memory, or nothing, is said once instead of under each row. */
function isMemoryMixed({ inMemory, log }: StoreMap): boolean {
  return inMemory !== undefined && inMemory > 0 && inMemory < log.bytes * 0.99
}

function timeOf(ms: number): string {
  return ms <= 0 || ms > 8.64e15 ? '' : dayTime(ms).slice(5)
}

/** Under a cell: not on disk, or how much of it is in memory. */
function markOf({ notOnDisk, inMemory, bytes: size, kinds }: Column, isMemoryShown: boolean): string {
  if ((notOnDisk ?? 0) > 0) return '^'
  if (!isMemoryShown || inMemory === undefined || kinds.free >= size) return ' '
  return inMemory >= size / 2 ? '▔' : inMemory > 0 ? '·' : ' '
}

function painted(kinds: readonly Kind[], paint: Paint): string {
  let text = ''
  for (let i = 0; i < kinds.length; ) {
    let end = i
    while (end < kinds.length && kinds[end] === kinds[i]) end += 1
    text += paint(COLOURS[kinds[i]], KIND_TEXTS[kinds[i]].glyph.repeat(end - i))
    i = end
  }
  return text
}

const underPainted = (under: string, paint: Paint) =>
  under.replace(/\^+|[▔·]+/g, (marks) => paint(marks[0] === '^' ? STYLE.bad : STYLE.good, marks))

function legendLines(map: StoreMap, width: number, paint: Paint): string[] {
  const items = KINDS.filter((kind) => map.kinds[kind] > 0).map((kind) => {
    const { glyph, label } = KIND_TEXTS[kind]
    const text = `${label} ${bytes(map.kinds[kind])}`
    return { length: text.length + 3, text: `${paint(COLOURS[kind], glyph.repeat(2))} ${text}` }
  })
  if ((map.notOnDisk ?? 0) > 0) items.push({ length: 14, text: `${paint(STYLE.bad, '^^')} not on disk` })
  if (map.inMemory !== undefined) {
    const text = `in memory (${percent(map.inMemory / Math.max(1, map.log.bytes))})`
    const mark = isMemoryMixed(map) ? `${paint(STYLE.good, '▔▔')} ` : ''
    items.push({ length: text.length + 3, text: `${mark}${text}` })
  } else items.push({ length: 20 + (map.memoryUnknown?.length ?? 0), text: `in memory: unknown, ${map.memoryUnknown}` })
  const lines: string[] = []
  let used = width
  for (const { length, text } of items) {
    if (used + 2 + length > width) {
      lines.push(text)
      used = length
    } else {
      lines[lines.length - 1] += `  ${text}`
      used += 2 + length
    }
  }
  return lines
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

function wrap(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.length - 1
    const joined = lines[last] === '' ? word : `${lines[last]} ${word}`
    if (joined.length <= width) lines[last] = joined
    else {
      if (lines[last] !== '') lines.push('')
      let rest = word
      while (rest.length > width) {
        lines[lines.length - 1] = rest.slice(0, width)
        lines.push('')
        rest = rest.slice(width)
      }
      lines[lines.length - 1] = rest
    }
  }
  return lines
}
