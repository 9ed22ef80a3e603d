/**
 * The chart to see first: for each mode what a send takes with little load (p50 to p99, on the band that the documents claim), and
 * what goes through with much.
 */
import { claimOf, verdict } from '../claims.ts'
import type { Figures } from '../figures.ts'
import { count, digits, MISSING, plain, time } from '../format.ts'
import { logarithmic, type Scale } from '../scale.ts'
import { at, type Selection, type Series } from '../selection.ts'
import { hueOf, markOf } from '../style.ts'
import { type Chart, circle, group, line, rect, text, textWidth } from '../svg.ts'

/** Ours; Apache's where nothing of ours is there. */
export function ownSeries({ series }: Selection): readonly Series[] {
  const ours = series.filter(({ system }) => system === 'basalt')
  return ours.length > 0 ? ours : series
}

interface Row {
  readonly series: Series
  readonly low: Figures | undefined
  readonly high: Figures | undefined
}

/** Where things are: in one line a mode, or under its name where the page is narrow. */
interface Layout {
  readonly isWide: boolean
  readonly width: number
  readonly top: number
  readonly rowHeight: number
  /** Of the latency axis. */
  readonly from: number
  readonly to: number
  readonly barFrom: number
  readonly barTo: number
}

const NAME_WIDTH = 250
const BAR_LABEL = 62

export function priceChart(selection: Selection, width: number): Chart {
  const rows = ownSeries(selection).map((series) => ({
    series,
    low: at(series, selection.low),
    high: at(series, selection.high),
  }))
  const layout = layoutOf(width)
  const scale = latencyScale(rows, layout)
  const bottom = layout.top + rows.length * layout.rowHeight
  const most = Math.max(...rows.map(({ high }) => high?.rate ?? 0), 1)
  const parts = [axis(scale, layout, bottom), heads(selection, layout)]
  rows.forEach((row, index) => {
    parts.push(drawRow(row, layout.top + index * layout.rowHeight, layout, scale, most))
  })
  return {
    id: `price-${width}`,
    title: `What each mode costs: latency at ${selection.low?.name}, throughput at ${selection.high?.name}`,
    description: rows.map(described).join(' '),
    width,
    height: bottom + 26,
    body: parts.join(''),
  }
}

function layoutOf(width: number): Layout {
  if (width < 700) {
    return { isWide: false, width, top: 44, rowHeight: 88, from: 8, to: width - 8, barFrom: 8, barTo: width - 150 }
  }
  const rest = width - NAME_WIDTH - 150
  const to = NAME_WIDTH + rest * 0.68
  return {
    isWide: true,
    width,
    top: 46,
    rowHeight: 50,
    from: NAME_WIDTH,
    to,
    barFrom: to + 142,
    barTo: width - BAR_LABEL,
  }
}

function latencyScale(rows: readonly Row[], { from, to, isWide }: Layout): Scale {
  const measured = rows.flatMap(({ low }) => [low?.latency.p50, low?.latency.p99 ?? low?.latency.p50])
  const claims = rows.flatMap(({ series }) => [claimOf(series.mode)?.lowUs, claimOf(series.mode)?.highUs])
  const all = [...measured, ...claims].filter((each) => each !== undefined)
  // Room for the label before the first dot: less than the least.
  const least = Math.min(...all, 1e6)
  return logarithmic(least / (isWide ? 6 : 12), Math.max(...all, 1e3), from, to, isWide ? 8 : 5)
}

function axis(scale: Scale, { top, from, to }: Layout, bottom: number): string {
  const ticks = scale.ticks.map((tick) => {
    const x = scale(tick)
    const anchor = x < from + 20 ? 'start' : x > to - 20 ? 'end' : 'middle'
    return line(x, top - 6, x, bottom, 'grid') + text(x, bottom + 16, plain(time(tick)), 'm', anchor)
  })
  return ticks.join('')
}

function heads({ low, high }: Selection, { isWide, from, to, barFrom }: Layout): string {
  const load = low?.name ?? ''
  if (!isWide) {
    return (
      text(from, 14, `p50 to p99 of a send, ${load}`, 'm') +
      text(from, 30, `bars: messages a second, ${high?.name ?? ''}`, 'm')
    )
  }
  return (
    text(0, 28, 'mode, and what the documents claim', 'm') +
    text(from, 14, `p50 to p99 of a send, ${load}`, 't b') +
    text(from, 30, 'shaded: as the documents claim', 'm') +
    text(to + 14, 14, 'p99 beside', 't b') +
    text(to + 14, 30, 'the claim’s least', 'm') +
    text(barFrom, 14, 'messages a second', 't b') +
    text(barFrom, 30, high?.name ?? '', 'm')
  )
}

function drawRow({ series, low, high }: Row, top: number, layout: Layout, scale: Scale, most: number): string {
  const { isWide, from, to, width, rowHeight, barFrom, barTo } = layout
  const { mode, name } = series
  const claim = claimOf(mode)
  const middle = isWide ? top + rowHeight / 2 : top + 37
  const shown = claim === undefined ? 'the documents claim nothing' : `claimed: ${claim.text}`
  const parts = [line(0, top, width, top, 'grid')]
  if (isWide) parts.push(text(0, middle - 4, name, 't b'), text(0, middle + 13, shown, 'm'))
  else parts.push(text(from, top + 17, name, 't b'))
  if (claim !== undefined) {
    const [x1, x2] = [scale(claim.lowUs), scale(claim.highUs)]
    parts.push(rect(x1, middle - 12, x2 - x1, 24, { class: 'claim', rx: 3 }, shown))
  }
  parts.push(latencyMark(low, mode, middle, scale, from, to))
  const beside = verdict(claim, low?.latency.p50, low?.latency.p99)
  if (isWide) parts.push(text(to + 14, middle + 4, beside, 't'))
  const y = isWide ? middle - 9 : top + 58
  const rate = high?.rate ?? 0
  const length = (rate / most) * (barTo - barFrom)
  const tip =
    high === undefined
      ? undefined
      : `${name}: ${count(rate)} messages a second (rounds: ${count(high.rateLow)} to ${count(high.rateHigh)})`
  parts.push(rect(barFrom, y, length, 18, { class: markOf(mode) === 'solid' ? 'bar' : 'bar2', rx: 2 }, tip))
  parts.push(text(barFrom + length + 6, y + 13, high === undefined ? MISSING : count(rate), 't b'))
  if (!isWide) parts.push(text(width - 4, y + 13, claim === undefined ? '' : beside, 'm', 'end'))
  return group({ class: hueOf(mode) }, ...parts)
}

/** Dots at p50 and p99, joined, with their values outside. */
function latencyMark(
  cell: Figures | undefined,
  mode: Series['mode'],
  y: number,
  scale: Scale,
  from: number,
  to: number,
): string {
  const { p50, p99 } = cell?.latency ?? {}
  if (p50 === undefined) return text(from + 4, y + 4, cell === undefined ? 'not measured' : 'too few samples', 'm')
  const [x1, x2] = [scale(p50), scale(p99 ?? p50)]
  const tip = `p50 ${time(p50)}, p99 ${time(p99)}, ${digits(cell!.rounds)} rounds`
  const parts = [line(x1, y, x2, y, 'range'), circle(x1, y, 5, { class: markOf(mode) }, tip)]
  if (p99 !== undefined) parts.push(circle(x2, y, 5, { class: markOf(mode) }, tip))
  const before = time(p50)
  const after = p99 === undefined ? '' : time(p99)
  // A label outside of the axis goes to the other side.
  if (x1 - 10 - textWidth(before) < from)
    return [...parts, text(x2 + 10, y + 4, after === '' ? before : `${before} – ${after}`, 't b')].join('')
  parts.push(text(x1 - 10, y + 4, before, 't b', 'end'))
  if (x2 + 10 + textWidth(after) > to) parts.push(text(x2, y - 10, after, 't b', 'end'))
  else parts.push(text(x2 + 10, y + 4, after, 't b'))
  return parts.join('')
}

function described({ series, low, high }: Row): string {
  const claim = claimOf(series.mode)
  const claimed = claim === undefined ? '' : ` (claimed: ${claim.text})`
  return `${series.name}: p50 ${time(low?.latency.p50)}, p99 ${time(low?.latency.p99)}${claimed}, ${high === undefined ? MISSING : count(high.rate)} messages a second.`
}
