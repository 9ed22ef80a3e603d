/** `bench loss` in a terminal: the documents' table of zero loss, measured. */
import { grouped } from '../grouped.ts'
import { type LossResult, modeName } from '../results.ts'
import { digits, MISSING, percent, plural, whole } from './format.ts'
import { machineLine, optionsLine, PARTIAL, versionsLine } from './heading.ts'
import {
  type Back,
  FAILURE_NAMES,
  keepsAll,
  type LossFigures,
  lossFigures,
  lossVerdict,
  triedFailures,
} from './loss-figures.ts'
import { textTable, withoutEmpty, wrap } from './text.ts'

export function lossTable(result: LossResult, columns = 120): string {
  const figures = lossFigures(result)
  const head = [`bench loss, ${versionsLine(result.machine)}`, machineLine(result.machine), optionsLine(result)]
  if (result.isPartial) head.unshift(PARTIAL)
  const parts = [
    head
      .filter((line) => line !== '')
      .flatMap((line) => wrap(line, columns))
      .join('\n'),
  ]
  if (figures.length === 0) parts.push('no cell was measured')
  else parts.push(matrix(figures, columns), wrap(summary(figures), columns).join('\n'), details(figures, columns))
  return `${parts.join('\n\n')}\n`
}

export function lostText({ lost, acknowledged }: LossFigures): string {
  return lost === 0
    ? `0 of ${whole(acknowledged)}`
    : `${whole(lost)} of ${whole(acknowledged)} (${percent(lost / acknowledged)})`
}

export function summary(figures: readonly LossFigures[]): string {
  const { kept, tried } = keepsAll(figures)
  if (tried.length === 0) return 'No mode was tried in all failures that it can meet.'
  const of = `of the ${plural(tried.length, 'mode')} tried in all failures`
  if (kept.length === 0) return `Every mode lost something, ${of}.`
  return `Lost nothing, ${of}: ${kept.join('; ')}. Of pairs, the documents claim it of SYNC_FLUSH + SYNC_MASTER alone.`
}

function matrix(figures: readonly LossFigures[], columns: number): string {
  const modes = [...grouped(figures, ({ mode }) => modeName(mode))]
  const failures = triedFailures(figures)
  const heads = [{ head: 'mode', left: true }, ...failures.map((failure) => ({ head: FAILURE_NAMES[failure] }))]
  const rows = modes.map(([name, cells]) => [
    name,
    ...failures.map((failure) => {
      const cell = cells.find((each) => each.failure === failure)
      return cell === undefined ? MISSING : lostText(cell)
    }),
  ])
  return `Acknowledged and lost, all rounds\n${textTable(heads, rows, columns)}`
}

function details(figures: readonly LossFigures[], columns: number): string {
  const heads = [
    { head: 'mode', left: true },
    { head: 'failure', left: true },
    { head: 'rounds', keep: 2 },
    { head: 'lost', keep: 9 },
    { head: 'longest run', keep: 6 },
    { head: 'twice', keep: 5 },
    { head: 'reads back', keep: 8 },
    { head: 'writes back', keep: 8 },
    { head: 'served by', left: true, keep: 3 },
    { head: 'beside the documents', left: true, keep: 7 },
  ]
  const rows = figures.map((cell) => [
    ...[modeName(cell.mode), FAILURE_NAMES[cell.failure], whole(cell.rounds), whole(cell.lost), whole(cell.longestRun)],
    ...[
      whole(cell.duplicates),
      backText(cell.reads),
      backText(cell.writes),
      cell.servedBy.join(', '),
      lossVerdict(cell),
    ],
  ])
  return `What happened\n${textTable(...withoutEmpty(heads, rows), columns)}`
}

/** "1.2 s", "not (3 of 5)": not without an administrator. */
export function backText({ medianMs, never }: Back): string {
  if (medianMs === undefined) return 'by hand'
  const text = medianMs < 999.5 ? `${digits(medianMs)} ms` : `${digits(medianMs / 1000)} s`
  return never === 0 ? text : `${text}, ${whole(never)}× by hand`
}
