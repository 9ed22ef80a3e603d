/** How long nobody reads and nobody writes after a failure: two dots a mode, or "by hand". */
import { type Failure, modeName } from '../../results.ts'
import { plain, time } from '../format.ts'
import { type Back, FAILURE_NAMES, type LossFigures } from '../loss-figures.ts'
import { backText } from '../loss-table.ts'
import { logarithmic, type Scale } from '../scale.ts'
import { type Chart, circle, group, line, text } from '../svg.ts'

const ROW = 58
const LEFT = 8
const RIGHT = 10

export function backChart(
  failure: Failure,
  cells: readonly LossFigures[],
  all: readonly LossFigures[],
  width = 350,
): Chart {
  const times = all
    .flatMap(({ reads, writes }) => [reads.medianMs, writes.medianMs])
    .filter((each) => each !== undefined)
  const scale = logarithmic(Math.min(...times, 1000), Math.max(...times, 1000), LEFT, width - RIGHT, 4)
  const bottom = cells.length * ROW + 2
  const ticks = scale.ticks.map((tick) => {
    const x = scale(tick)
    const anchor = x < 20 ? 'start' : x > width - 24 ? 'end' : 'middle'
    return line(x, 0, x, bottom, 'grid') + text(x, bottom + 14, plain(time(tick * 1000)), 'm', anchor)
  })
  const rows = cells.map((cell, index) => {
    const top = index * ROW
    const told = `reads ${backText(cell.reads)} · writes ${backText(cell.writes)}`
    const name = text(0, top + 14, modeName(cell.mode), 't b') + text(0, top + 28, told, 'm')
    const y = top + 41
    const [reads, writes] = [
      dot(cell.reads, y, scale, 'k-async', 'hollow'),
      dot(cell.writes, y, scale, 'k-sync', 'solid'),
    ]
    return name + line(LEFT, y, width - RIGHT, y, 'grid') + writes + reads
  })
  const description = cells.map(
    ({ mode, reads, writes }) => `${modeName(mode)}: reads ${backText(reads)}, writes ${backText(writes)}.`,
  )
  return {
    id: `back-${failure}`,
    title: `${FAILURE_NAMES[failure]}: until it serves again`,
    description: description.join(' '),
    width,
    height: bottom + 20,
    body: ticks.join('') + rows.join(''),
  }
}

function dot({ medianMs }: Back, y: number, scale: Scale, hue: string, kind: string): string {
  if (medianMs === undefined) return ''
  return group({ class: hue }, circle(scale(medianMs), y, 5, { class: kind }, time(medianMs * 1000)))
}
