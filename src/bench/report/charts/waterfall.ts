/**
 * What the price of a mode is made of: for each load the way of a message by the medians of its steps, the master's on the upper
 * lane, the slave's on the lower.
 *
 * `flushed` and `sent` start side by side after `appended`; `reportRead` runs from `sent` and holds the link there and back and the
 * slave's own steps, which its clock measures and which stand in the middle of it. What the mode does not wait for is drawn pale.
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
  readonly lane: 0 | 1
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
    lane: 0 | 1,
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
  const flushed = put('flushed', 'flushed', 0, appended, find('flushed'), isFlushLater)
  const isSlaveLater = mode.replication !== 'SYNC_MASTER'
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
  const ready = Math.max(appended, isFlushLater ? 0 : flushed, isSlaveLater ? 0 : there)
  const endUs = put('acknowledged', 'acknowledged', 0, ready, find('acknowledged'))
  return { segments, endUs, totalUs: find('total') }
}

const LANE = 15
const ROW = 54
const LEFT = 66
const RIGHT = 8

/** One panel: a mode, a row a load. Undefined where nothing was clocked. */
export function waterfallChart(series: Series, width = 350): Chart | undefined {
  const rows = series.cells.flatMap((cell) =>
    cell.cell.waterfall === undefined || cell.cell.waterfall.length === 0
      ? []
      : [{ load: loadOf(cell.key), way: wayOf(cell.cell.waterfall, series.mode) }],
  )
  if (rows.length === 0) return undefined
  const ends = rows.flatMap(({ way }) => [way.endUs, ...way.segments.map(shownEnd(way))])
  const scale = linear(Math.max(...ends), LEFT, width - RIGHT, 3)
  const bottom = 8 + rows.length * ROW
  const ticks = scale.ticks.map((tick) => {
    const x = scale(tick)
    const anchor = x > width - 30 ? 'end' : 'middle'
    return line(x, 4, x, bottom - 6, 'grid') + text(x, bottom + 8, tick === 0 ? '0' : plain(time(tick)), 'm', anchor)
  })
  const drawn = rows.map(({ load, way }, index) => {
    const top = 8 + index * ROW
    const [amount, rest] = [load.name.slice(0, load.name.indexOf(' ')), load.name.slice(load.name.indexOf(' ') + 1)]
    const name = text(0, top + 12, amount, 't b') + text(0, top + 27, rest, 'm')
    return name + drawWay(way, top, scale, width)
  })
  const description = rows.map(
    ({ load, way }) => `${load.name}: answer after ${time(way.totalUs ?? way.endUs)}, ${told(way)}.`,
  )
  return {
    id: `waterfall-${series.system}-${series.mode.flush}-${series.mode.replication}-${series.haTransfer}`,
    title: `${series.name}: the way of a message`,
    description: description.join(' '),
    width,
    height: bottom + 14,
    body: ticks.join('') + drawn.join(''),
  }
}

/** What is not waited for may be very long: it is cut at twice the answer. */
const shownEnd = (way: Way) => (segment: Segment) =>
  segment.isLater
    ? Math.min(segment.start + segment.us, Math.max(way.endUs * 2, segment.start))
    : segment.start + segment.us

function drawWay(way: Way, top: number, scale: Scale, width: number): string {
  const shown = way.segments.map((segment) => drawSegment(segment, top, scale, shownEnd(way)(segment)))
  const x = scale(way.endUs)
  const total = time(way.totalUs ?? way.endUs)
  const hasLower = way.segments.some(({ lane }) => lane === 1)
  const y = top + (hasLower ? 2 : 1) * (LANE + 2) - 2
  const flag = `answer ${total}`
  // Before the mark where there is no room after it.
  const isBefore = x + 6 + textWidth(flag, 11) > width
  const label = text(
    isBefore ? Math.max(x + 2, textWidth(flag, 11) + LEFT) : x + 4,
    y + 12,
    flag,
    'm',
    isBefore ? 'end' : 'start',
  )
  return shown.join('') + line(x, top - 2, x, y + 4, 'axis') + label
}

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
  const y = top + lane * (LANE + 2)
  const box = rect(x, y, wide, LANE, { class: isLater ? 'step later' : 'step', fill: colour.ground }, tip)
  const label = time(us)
  if (textWidth(label, 11) + 4 > wide) return box
  const ink = isLater ? 'm' : colour.ink === '#ffffff' ? 'on-dark' : 'on-light'
  return box + text(x + wide / 2, y + 11.5, label, ink, 'middle')
}

const told = ({ segments }: Way): string => segments.map(({ step, us }) => `${step} ${time(us)}`).join(', ')
