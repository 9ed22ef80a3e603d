/**
 * What the price of a mode is made of: for each load the way of a message by the medians of its steps, the master's on the upper
 * lane, the slave's on the lower.
 *
 * `flushed` and `sent` start side by side after `appended`; `reportRead` runs from `sent` and holds the link there and back and the
 * slave's own steps, which its clock measures and which stand in the middle of it. What the mode does not wait for is drawn pale, such a flush
 * on a lane of its own.
 */
import type { Mode, WaterfallStep } from '../../results.ts'
import { plain, time } from '../format.ts'
import { linear, type Scale } from '../scale.ts'
import { loadOf, type Series } from '../selection.ts'
import { STEP_COLOURS } from '../style.ts'
import { type Chart, line, rect, text, textWidth } from '../svg.ts'

export type Part = keyof typeof STEP_COLOURS

export interface Segment {
  readonly part: Part
  readonly step: WaterfallStep['step'] | 'link'
  readonly lane: number
  readonly start: number
  readonly us: number
  /** Nobody waits for it: it may end after the answer. */
  readonly isLater: boolean
}

export interface Way {
  readonly segments: readonly Segment[]
  /** When the answer is written, by the medians of the steps. */
  readonly endUs: number
  /** The median of the whole, measured by itself. */
  readonly totalUs: number | undefined
}

export function wayOf(steps: readonly WaterfallStep[], mode: Mode): Way {
  const find = (step: WaterfallStep['step']) => steps.find((each) => each.step === step && each.count > 0)?.p50Us
  const segments: Segment[] = []
  const put = (
    part: Part,
    step: Segment['step'],
    lane: number,
    start: number,
    us: number | undefined,
    isLater = false,
  ): number => {
    if (us === undefined) return start
    segments.push({ part, step, lane, start, us, isLater })
    return start + us
  }
  const appended = put('appended', 'appended', 0, put('claimed', 'claimed', 0, 0, find('claimed')), find('appended'))
  const isFlushLater = mode.flush === 'ASYNC_FLUSH'
  // The answer passes a flush that nobody waits for, so that one goes below.
  const flushLane = !isFlushLater ? 0 : mode.replication === 'none' ? 1 : 2
  const flushed = put('flushed', 'flushed', flushLane, appended, find('flushed'), isFlushLater)
  const isSlaveLater = mode.replication === 'ASYNC_MASTER'
  const sent = put('link', 'sent', 1, appended, find('sent'), isSlaveLater)
  const own = (['slaveReceived', 'slaveAppended', 'slaveFlushed', 'reported'] as const).map((step) => ({
    step,
    us: find(step),
  }))
  const slave = own.reduce((sum, { us }) => sum + (us ?? 0), 0)
  const reportRead = find('reportRead')
  // Medians of two clocks: the slave's part may come out longer than the whole.
  const half = reportRead === undefined ? 0 : Math.max(0, reportRead - slave) / 2
  let there = half > 0 ? put('link', 'link', 1, sent, half, isSlaveLater) : sent
  for (const { step, us } of own) {
    if (us !== undefined && us > 0)
      there = put(step === 'slaveFlushed' ? 'flushed' : 'slave', step, 1, there, us, isSlaveLater)
  }
  if (half > 0) there = put('link', 'reportRead', 1, there, half, isSlaveLater)
  if (reportRead !== undefined) there = sent + reportRead
  const ready = Math.max(appended, isFlushLater ? 0 : flushed, isSlaveLater ? 0 : there)
  const endUs = put('acknowledged', 'acknowledged', 0, ready, find('acknowledged'))
  return { segments, endUs, totalUs: find('total') }
}

const LANE = 17
const ROW_MIN = 34
const ROW_GAP = 13
const LEFT = 66
const TOP = 6

/** One panel: a mode, a row a load; closed loops where there are any. Undefined where nothing was clocked. */
export function waterfallChart(series: Series, width = 350): Chart | undefined {
  const clocked = series.cells.filter(({ cell }) => (cell.waterfall ?? []).length > 0)
  const closed = clocked.filter(({ key }) => key.load === 'closed')
  const cells = closed.length > 0 ? closed : clocked
  if (cells.length === 0) return undefined
  let bottom = TOP
  const rows = cells.map(({ key, cell }) => {
    const way = wayOf(cell.waterfall!, series.mode)
    const lanes = 1 + Math.max(0, ...way.segments.map(({ lane }) => lane))
    const top = bottom
    bottom += Math.max(ROW_MIN, lanes * LANE) + ROW_GAP
    return { name: loadOf(key).name, way, top, total: time(way.totalUs ?? way.endUs) }
  })
  const room = Math.max(...rows.map(({ total }) => textWidth(total, 12, true))) + 8
  const ends = rows.flatMap(({ way }) => [way.endUs, ...way.segments.map(shownEnd(way))])
  const scale = linear(Math.max(...ends), LEFT, width - room, 3)
  const ticks = scale.ticks.map((tick) => {
    const x = scale(tick)
    return line(x, 2, x, bottom - 8, 'grid') + text(x, bottom + 6, tick === 0 ? '0' : plain(time(tick)), 'm', 'middle')
  })
  const drawn = rows.map(({ name, way, top, total }) => {
    const cut = name.lastIndexOf(' ', name.length - 1 - (name.endsWith('in flight') ? 7 : 0))
    const label = text(0, top + 12, name.slice(0, cut), 't b') + text(0, top + 27, name.slice(cut + 1), 'm')
    const inSight = way.segments.filter((each) => !each.isLater || each.start < way.endUs * 2)
    const segments = inSight.map((each) => drawSegment(each, top, scale, shownEnd(way)(each)))
    return label + segments.join('') + text(scale(way.endUs) + 5, top + 12, total, 't b')
  })
  const description = rows.map(({ name, way, total }) => `${name}: answer after ${total}, ${told(way)}.`)
  return {
    id: `waterfall-${series.system}-${series.mode.flush}-${series.mode.replication}-${series.haTransfer}`,
    title: `${series.name}: the way of a message`,
    description: description.join(' '),
    width,
    height: bottom + 12,
    body: ticks.join('') + drawn.join(''),
  }
}

/** What is not waited for may take a hundred times as long: it is cut at twice the answer. */
const shownEnd = (way: Way) => (segment: Segment) =>
  segment.isLater ? Math.min(segment.start + segment.us, way.endUs * 2) : segment.start + segment.us

function drawSegment(
  { part, step, lane, start, us, isLater }: Segment,
  top: number,
  scale: Scale,
  end: number,
): string {
  const x = scale(start)
  const wide = Math.max(1, scale(end) - x)
  const colour = STEP_COLOURS[part]
  const tip = `${step === 'link' ? 'link to the slave' : step}: ${time(us)}${isLater ? ', not waited for' : ''}`
  const y = top + lane * LANE
  const box = rect(x, y, wide, LANE - 2, { class: isLater ? 'step later' : 'step', fill: colour.ground }, tip)
  const label = end < start + us ? `${time(us)} …` : time(us)
  if (textWidth(label, 11) + 4 > wide) return box
  const ink = isLater ? 'pale' : colour.ink === '#ffffff' ? 'on-dark' : 'on-light'
  return box + text(x + wide / 2, y + 11.5, label, ink, 'middle')
}

const told = ({ segments }: Way): string => segments.map(({ step, us }) => `${step} ${time(us)}`).join(', ')
