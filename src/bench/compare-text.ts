/** A comparison for a terminal: what changed, first what got worse; the rest in one line a cell. */
import {
  ALARM_CHANCE,
  type CellChange,
  CHANGE_MIN,
  type Comparison,
  FIGURES,
  type FigureChange,
  type FigureName,
  ROUNDS_MIN,
} from './compare.ts'
import { count, digits, MISSING, plural, time } from './report/format.ts'
import { textTable, withoutEmpty, wrap } from './report/text.ts'

export const FIGURE_NAMES: Readonly<Record<FigureName, string>> = {
  rate: 'msgs/s',
  p50: 'p50',
  p99: 'p99',
  cpu: 'CPU/msg',
}

export function comparisonText(comparison: Comparison, columns = 120): string {
  const { cells, counts, warnings } = comparison
  const parts = []
  if (warnings.length > 0) parts.push(warnings.flatMap((each) => wrap(`warning: ${each}`, columns)).join('\n'))
  for (const verdict of ['worse', 'better'] as const) {
    const rows = cells.flatMap((cell) => changesOf(cell, verdict))
    if (rows.length > 0) parts.push(`${verdict === 'worse' ? 'WORSE' : 'Better'}\n${textTable(CHANGE, rows, columns)}`)
  }
  if (cells.length > 0)
    parts.push(`Every cell, after / before\n${textTable(...withoutEmpty(CELL, cells.map(cellRow)), columns)}`)
  parts.push(
    legend(comparison)
      .flatMap((line) => wrap(line, columns))
      .join('\n'),
  )
  const few = counts['too few rounds'] + counts['too few samples']
  const figures = [`${counts.worse} worse`, `${counts.better} better`, `${counts.same} within the noise`]
  if (few > 0) figures.push(`${few} not to be told`)
  parts.push(`${plural(cells.length, 'cell')}, ${figures.join(', ')}`)
  return `${parts.join('\n\n')}\n`
}

const CHANGE = [
  { head: 'cell', left: true },
  { head: 'figure', left: true },
  { head: 'before', keep: 2 },
  { head: 'after', keep: 2 },
  { head: 'after / before' },
  { head: '95 % interval', keep: 1 },
]
const CELL = [
  { head: 'cell', left: true },
  ...FIGURES.map((figure) => ({ head: FIGURE_NAMES[figure] })),
  { head: '', left: true, keep: 1 },
]

function changesOf({ name, figures }: CellChange, verdict: 'worse' | 'better'): string[][] {
  return figures
    .filter((each) => each.verdict === verdict)
    .map((each) => [
      ...[name, FIGURE_NAMES[each.figure], valueText(each.figure, each.before), valueText(each.figure, each.after)],
      ...[ratioText(each.ratio!), `${ratioText(each.low!)} to ${ratioText(each.high!)}`],
    ])
}

const ratioText = (value: number) => (value < 9.995 ? value.toFixed(2) : digits(value))

function valueText(figure: FigureName, value: number | undefined): string {
  if (value === undefined) return MISSING
  return figure === 'rate' ? count(value) : time(value)
}

/** `!` worse, `+` better, `?` not to be told. */
function cellRow({ name, figures, rounds }: CellChange): string[] {
  const mark = { worse: '!', better: '+', same: ' ', 'too few rounds': '?', 'too few samples': '?' } as const
  const text = (each: FigureChange) =>
    `${each.ratio === undefined ? MISSING : ratioText(each.ratio)} ${mark[each.verdict]}`
  return [name, ...figures.map(text), Math.min(...rounds) < ROUNDS_MIN ? 'too few rounds to tell' : '']
}

function legend({ onlyBefore, onlyAfter, counts, cells }: Comparison): string[] {
  const lines = []
  const tested = counts.better + counts.worse + counts.same
  if (tested > 0) {
    lines.push(
      `! worse, + better: Student's t on the logarithms of the rounds, Holm's correction over the ${plural(tested, 'figure')} ` +
        `(the chance of one false alarm among them all is ${ALARM_CHANCE * 100} %), and a change of at least ${CHANGE_MIN * 100} %.`,
    )
  }
  if (counts['too few rounds'] > 0)
    lines.push(`? too few rounds to tell: at least ${ROUNDS_MIN} are needed in both results.`)
  if (counts['too few samples'] > 0) lines.push('? too few samples for that percentile, or nothing above 0.')
  if (cells.length === 0) lines.push('The two results have no cell in common.')
  if (onlyBefore.length > 0) lines.push(`only before: ${onlyBefore.join('; ')}`)
  if (onlyAfter.length > 0) lines.push(`only after: ${onlyAfter.join('; ')}`)
  return lines
}
