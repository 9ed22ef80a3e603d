/** Bars of a few parts, a row each, with the value at the end: CPU a message, lag. */
import { linear } from '../scale.ts'
import { type Chart, group, line, rect, text, textWidth } from '../svg.ts'

export interface BarRow {
  readonly name: string
  readonly hue: string
  /** In order; the first is drawn full, the rest paler. */
  readonly parts: readonly { readonly name: string; readonly value: number }[]
  /** A thin line on to here. */
  readonly upTo?: number | undefined
  readonly label: string
}

const ROW = 42

/** Ticks are round multiples of `unit`. */
export function barChart(
  id: string,
  title: string,
  rows: readonly BarRow[],
  tickText: (value: number) => string,
  unit = 1,
  width = 350,
): Chart {
  const room = Math.max(...rows.map(({ label }) => textWidth(label, 12, true)), 0) + 10
  const right = width - room
  const sum = ({ parts }: BarRow) => parts.reduce((all, { value }) => all + value, 0)
  const most = Math.max(...rows.map((row) => Math.max(sum(row), row.upTo ?? 0)), 0)
  const scale = linear(most / unit, 0, right, 3)
  const place = (value: number) => scale(value / unit)
  const bottom = rows.length * ROW + 4
  const ticks = scale.ticks.map((tick) => {
    const x = scale(tick)
    return line(x, 0, x, bottom, 'grid') + text(x, bottom + 14, tickText(tick * unit), 'm', x < 14 ? 'start' : 'middle')
  })
  const drawn = rows.map((row, index) => {
    const top = index * ROW + 4
    let from = 0
    const parts = row.parts.map(({ name, value }, part) => {
      const box = rect(
        place(from),
        top + 17,
        place(value),
        14,
        { class: part === 0 ? 'bar' : 'bar2' },
        `${name}: ${tickText(value)}`,
      )
      from += value
      return box
    })
    const end = Math.max(place(sum(row)), place(row.upTo ?? 0))
    const whisker = row.upTo === undefined ? '' : line(place(sum(row)), top + 24, place(row.upTo), top + 24, 'axis')
    return group(
      { class: row.hue },
      text(0, top + 12, row.name, 't'),
      ...parts,
      whisker,
      text(end + 6, top + 28, row.label, 't b'),
    )
  })
  const description = rows.map(({ name, label }) => `${name}: ${label}.`).join(' ')
  return { id, title, description, width, height: bottom + 20, body: ticks.join('') + drawn.join('') }
}
