/**
 * `basaltmq bench compare` and `bench report`: what is done with results once they are files.
 *
 * Owns:      nothing. The reports are loaded when one of them runs.
 * Status:    compare ends with 0 (no cell worse), 1 (some cell worse beyond the noise), 2 (usage, or a file that is no result).
 */
import { basename, dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { ExitStatus } from './exit-status.ts'
import type { Io } from './io.ts'

const COMPARE_EXAMPLES = `
Examples:
  $ basaltmq bench compare before.json after.json
  $ basaltmq bench compare before.json after.json --json > changes.json

A figure is worse or better when Student's t on the logarithms of at least five rounds each says so after Holm's correction over
all figures (2 % for a single false alarm among them all), and it has changed by 5 % at least.

Exit status: 0 no cell worse, 1 some cell worse beyond the noise, 2 usage, or a file that cannot be used.
`
const REPORT_EXAMPLES = `
Examples:
  $ basaltmq bench report modes.json                  the table, and modes.html and modes.csv beside the file
  $ basaltmq bench report loss.json --out reports

Exit status: 0 written, 1 failure, 2 usage, or a file that cannot be used.
`

export function addCompareCommand(bench: Command, io: Io): void {
  bench
    .command('compare')
    .description('tell which cells of two results of "bench modes" differ beyond the noise of their rounds')
    .argument('<before.json>', 'the result to compare with')
    .argument('<after.json>', 'the result in question')
    .option('--json', 'the comparison as JSON')
    .addHelpText('after', COMPARE_EXAMPLES)
    .action(async (before: string, after: string, flags: { json?: boolean }) => {
      const { compare, comparisonText, readModesResult } = await import('../bench/index.ts')
      const [a, b] = [before, after].map((file) => readModesResult(resolve(io.cwd, file)))
      const comparison = compare(a, b)
      io.out(
        flags.json === true ? `${JSON.stringify(comparison, null, 2)}\n` : comparisonText(comparison, columnsOf(io)),
      )
      if (comparison.isWorse) throw new ExitStatus(1)
    })
}

export function addReportCommand(bench: Command, io: Io): void {
  bench
    .command('report')
    .description('make the reports of a result again: the table here, HTML and CSV (and a chart as SVG) as files')
    .argument('<result.json>', 'what "bench modes" or "bench loss" wrote')
    .option('-o, --out <folder>', 'where the files go (default: beside the result)')
    .addHelpText('after', REPORT_EXAMPLES)
    .action(async (file: string, flags: { out?: string }) => {
      const { readResult, terminalReport, writeReports } = await import('../bench/index.ts')
      const path = resolve(io.cwd, file)
      const result = readResult(path)
      io.out(terminalReport(result, columnsOf(io)))
      const folder = flags.out === undefined ? dirname(path) : resolve(io.cwd, flags.out)
      for (const written of writeReports(result, folder, basename(path, '.json'))) io.out(`written: ${written}\n`)
    })
}

/** As wide as the terminal says; a file or pipe gets every column. */
function columnsOf(io: Io): number {
  const columns = Number(io.env.COLUMNS) || (process.stdout.isTTY ? process.stdout.columns : 0)
  return columns > 0 ? columns : 200
}
