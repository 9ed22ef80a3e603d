/** What the measuring commands of `bench` share: they end by Ctrl-C with what they have, and write it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LossResult, ModesResult } from '../bench/results.ts'
import { ExitStatus } from './exit-status.ts'
import type { Io } from './io.ts'

const INTERRUPTED = 130

/** Of a repeatable option. */
export const all = (value: string, before: string[]) => [...before, value]

/** Runs it; the first signal aborts, a second ends the process at once. Status 130 once it has ended after a signal. */
export async function untilSignal(io: Io, measure: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController()
  const release = io.onSignal(() => {
    if (abort.signal.aborted) io.exit(INTERRUPTED)
    io.error('\nbasaltmq: ending with what was measured; once more ends at once\n')
    abort.abort(new Error('ended by a signal'))
  })
  try {
    await measure(abort.signal)
  } finally {
    release()
  }
  if (abort.signal.aborted) throw new ExitStatus(INTERRUPTED)
}

/** The JSON, the reports made of it, and the table here. `columns`: width of the table. */
export async function writeMeasured(
  result: ModesResult | LossResult,
  folder: string,
  io: Io,
  columns?: number,
): Promise<void> {
  if (result.cells.every(({ rounds }) => rounds.length === 0)) {
    io.error('basaltmq: nothing was measured, nothing is written\n')
    return
  }
  const { terminalReport, writeReports } = await import('../bench/index.ts')
  mkdirSync(folder, { recursive: true })
  const name = `${result.kind}-${result.machine.date.replaceAll(/[:.]/g, '-').slice(0, 19)}`
  const json = join(folder, `${name}.json`)
  // Histograms are many numbers: a line of its own for each would be most of the file.
  writeFileSync(json, `${JSON.stringify(result, null, result.kind === 'loss' ? 1 : 0)}\n`)
  io.out(terminalReport(result, columns))
  for (const file of [json, ...writeReports(result, folder, name)]) io.out(`written: ${file}\n`)
}
