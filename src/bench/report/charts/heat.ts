/** What a slower disk and a longer link cost a mode: p50 by added fdatasync and round trip, values written in, one scale for all. */
import type { Figures } from '../figures.ts'
import { digits, MISSING, ms, time } from '../format.ts'
import { loadOf, type Series } from '../selection.ts'
import { type Chart, rect, text, textWidth } from '../svg.ts'

/** From little to much: one hue, ever darker, so that it is read without colours as well. */
const RAMP = ['#eaf3fb', '#c9e1f4', '#9fcbeb', '#6fafdd', '#4490c9', '#2870ad', '#17528a', '#0b3866']
const DARK_FROM = 5
const LEFT = 62
const TOP = 40
const CELL_HEIGHT = 34

export interface Surface {
  readonly series: Series
  readonly cells: readonly Figures[]
}

export function heatChart({ series, cells }: Surface, extent: readonly [number, number], width = 350): Chart {
  const steps = (pick: (cell: Figures) => number) => [...new Set(cells.map(pick))].sort((a, b) => a - b)
  const [syncs, links] = [steps(({ key }) => key.fdatasyncMs), steps(({ key }) => key.rttMs)]
  const wide = (width - LEFT) / syncs.length
  const parts = [text(LEFT, 12, 'fdatasync, ms added', 'm'), text(0, TOP - 9, 'link, ms', 'm')]
  syncs.forEach((sync, column) => {
    parts.push(text(LEFT + (column + 0.5) * wide, TOP - 9, `+${digits(sync).replace(/\.0+$/, '')}`, 't', 'middle'))
  })
  links.forEach((link, row) => {
    const y = TOP + row * CELL_HEIGHT
    parts.push(text(LEFT - 10, y + 21, `+${digits(link).replace(/\.0+$/, '')}`, 't', 'end'))
    syncs.forEach((sync, column) => {
      const cell = cells.find(({ key }) => key.fdatasyncMs === sync && key.rttMs === link)
      parts.push(drawCell(cell?.latency.p50, LEFT + column * wide, y, wide, extent))
    })
  })
  const described = cells.map(
    ({ key, latency }) => `fdatasync +${key.fdatasyncMs} ms, link +${key.rttMs} ms: ${time(latency.p50)}.`,
  )
  return {
    id: `heat-${series.system}-${series.mode.flush}-${series.mode.replication}-${series.haTransfer}`,
    title: `${series.name}: p50 by added disk and link time, ${cells[0] === undefined ? '' : loadOf(cells[0].key).name}`,
    description: described.join(' '),
    width,
    height: TOP + links.length * CELL_HEIGHT + 4,
    body: parts.join(''),
  }
}

function drawCell(
  us: number | undefined,
  x: number,
  y: number,
  wide: number,
  [least, most]: readonly [number, number],
): string {
  if (us === undefined) return text(x + wide / 2, y + 21, MISSING, 'm', 'middle')
  const share = most > least ? Math.log(Math.max(us, 1) / Math.max(least, 1)) / Math.log(most / Math.max(least, 1)) : 0
  const shade = Math.min(RAMP.length - 1, Math.max(0, Math.floor(share * RAMP.length)))
  const label = time(us)
  // Many columns: milliseconds, as the heads say; the unit stands beside the pointer.
  const shown = textWidth(label, 11) + 6 > wide ? ms(us) : label
  return (
    rect(x + 1, y + 1, wide - 2, CELL_HEIGHT - 2, { fill: RAMP[shade], rx: 3 }, label) +
    text(x + wide / 2, y + 21, shown, shade >= DARK_FROM ? 'on-dark' : 'on-light', 'middle')
  )
}
