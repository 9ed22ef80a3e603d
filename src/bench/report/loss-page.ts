/** The page of `bench loss`: the documents' table of zero loss, measured, and how long nobody served. */

import { grouped } from '../grouped.ts'
import { type Failure, failuresOf, type LossResult, modeName } from '../results.ts'
import { backChart } from './charts/back.ts'
import { percent, plural, whole } from './format.ts'
import { FAILURE_NAMES, type LossFigures, lossFigures, lossVerdict, triedFailures } from './loss-figures.ts'
import { backText, summary } from './loss-table.ts'
import { details, figure, htmlTable, legend, pageOf, panels, section } from './page.ts'
import { circle, escaped } from './svg.ts'

export function lossPage(result: LossResult): string {
  const figures = lossFigures(result)
  return pageOf(result, {
    title: 'What each mode loses',
    lead: figures.length === 0 ? 'No cell was measured.' : escaped(summary(figures)),
    conditions: [],
    sections: figures.length === 0 ? [] : [matrixSection(figures), backSection(figures), cellsSection(figures)],
    footer: [
      'Lost: answered SEND_OK before the failure, and found by no consumer after it. By hand: not without an administrator.',
    ],
  })
}

function matrixSection(figures: readonly LossFigures[]): string {
  const modes = [...grouped(figures, ({ mode }) => modeName(mode))]
  const failures = triedFailures(figures)
  const head = failures.map((failure) => `<th scope="col" class="l">${FAILURE_NAMES[failure]}</th>`).join('')
  const rows = modes.map(([name, cells]) => {
    const each = failures.map((failure) =>
      matrixCell(
        failure,
        cells.find((cell) => cell.failure === failure),
        failuresOf(cells[0].mode).includes(failure) ? 'not measured' : 'no group',
      ),
    )
    return `<tr><th scope="row">${escaped(name).replace(' + ', ' <br>+ ')}</th>${each.join('')}</tr>`
  })
  return section(
    'Acknowledged, and gone',
    `Of the master: process crash, kill -9; machine crash, also what was not flushed is gone; disk lost, it does not come back.${failures.includes('majority-crash') ? ' Two of three machines crash: the leader of a group and another member.' : ''}`,
    `<div class="scroll" tabindex="0" role="region" aria-label="table"><table class="matrix"><thead><tr><td></td>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
  )
}

function matrixCell(failure: Failure, cell: LossFigures | undefined, absent: string): string {
  const label = `data-failure="${FAILURE_NAMES[failure]}"`
  if (cell === undefined) return `<td ${label}>${absent}</td>`
  const { lost, acknowledged, longestRun, duplicates, rounds } = cell
  const twice = duplicates === 0 ? '' : `<small>${whole(duplicates)} found twice</small>`
  const beside = lossVerdict(cell) === 'as claimed' ? '' : `<small>${escaped(lossVerdict(cell))}</small>`
  if (lost === 0) {
    return `<td class="kept" ${label}><b>✓ nothing lost</b><small>of ${whole(acknowledged)}, ${plural(rounds, 'round')}</small>${twice}${beside}</td>`
  }
  const run = `<small>of ${whole(acknowledged)} (${percent(lost / acknowledged)}), ${plural(rounds, 'round')}</small><small>longest run ${whole(longestRun)}</small>`
  return `<td class="lost" ${label}><b>✗ ${whole(lost)} lost</b>${run}${twice}${beside}</td>`
}

function backSection(figures: readonly LossFigures[]): string {
  const charts = triedFailures(figures).map((failure) => {
    const of = figures.filter((cell) => cell.failure === failure)
    return figure(backChart(failure, of, figures), FAILURE_NAMES[failure])
  })
  return section(
    'Until it serves again',
    'From the failure until a consumer reads and until a send is acknowledged again, medians of rounds, on one logarithmic scale.',
    legend([
      { name: 'reads', hue: 'k-async', mark: circle(13, 7, 5, { class: 'hollow' }) },
      { name: 'writes', hue: 'k-sync', mark: circle(13, 7, 5, { class: 'solid' }) },
    ]),
    panels(charts),
  )
}

function cellsSection(figures: readonly LossFigures[]): string {
  const heads = [
    'mode',
    'failure',
    'acknowledged',
    'found',
    'lost',
    'longest run',
    'found twice',
    'reads back',
    'writes back',
    'served by',
    'beside the documents',
    'rounds',
  ]
  const rows = figures.map((cell) => [
    ...[
      modeName(cell.mode),
      FAILURE_NAMES[cell.failure],
      whole(cell.acknowledged),
      whole(cell.found),
      whole(cell.lost),
    ],
    ...[
      whole(cell.longestRun),
      whole(cell.duplicates),
      backText(cell.reads),
      backText(cell.writes),
      cell.servedBy.join(', '),
    ],
    ...[lossVerdict(cell), whole(cell.rounds)],
  ])
  return section('Every cell', '', details(plural(figures.length, 'cell'), htmlTable(heads, rows, [0, 1, 9, 10])))
}
