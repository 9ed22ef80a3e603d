/**
 * `basaltmq bench loss`: which mode loses what in which failure, measured.
 *
 * Owns:      nothing; the experiment is loaded when it runs.
 * Status:    0 measured (whatever was lost), 1 failure, also of a round that could not be carried out, 2 usage, 130 ended by Ctrl-C.
 *            What was measured until then is written in any case.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { LossFlags } from '../bench/loss/index.ts'
import type { LossResult } from '../bench/results.ts'
import { ExitStatus } from './exit-status.ts'
import type { Io } from './io.ts'

const INTERRUPTED = 130

const HELP = `
Failures, each at a random moment under load:
  process-crash   kill -9 of the master; it is started again on its store
  machine-crash   a power cut: what was not synced is gone, by the word of an observer that is no part of the broker; in two rounds of
                  three torn sectors remain of it. Started again. Needs a C compiler (cc), and is left out without one
  disk-lost       the master dies and its store is deleted; its slave, where the mode has one, goes on serving reads

A message is lost when it was acknowledged (SEND_OK, nothing else) and no machine that is left has it. Times are those of clients:
until the first read, until the first send is acknowledged; "by hand": not without an administrator. After a power cut that is so
where a mode waits for its slave and the slave is ahead of its master: neither log is written over without being told to.

Modes: async, async+async, async+sync, sync, sync+async, sync+sync: flushDiskType, and brokerRole of the master where there is a slave.

Without flags: ten rounds of each mode in each failure, about 8 minutes; --quick two, one and a half to two minutes.

Examples:
  $ basaltmq bench loss --quick
  $ basaltmq bench loss --modes sync+sync --failures machine-crash --rounds 100
  $ basaltmq bench loss --inject fdatasync=10ms,rtt=20ms          a slow disk, and machines far from each other
  $ basaltmq bench loss --set haTransferUnflushed=false           a slave is never ahead of its master's disk

Exit status: 0 measured, 1 failure or a round that could not be carried out, 2 usage, 130 ended by Ctrl-C. What was measured until
then is written in any case.
`

const all = (value: string, before: string[]) => [...before, value]

export function addLossCommand(bench: Command, io: Io): void {
  bench
    .command('loss')
    .description('count what each mode loses when a process, a machine or a disk fails')
    .option('--quick', 'a first answer: two rounds')
    .option('--modes <list>', 'which modes (default: all six)')
    .option('--failures <list>', 'which failures (default: all three)')
    .option('--rounds <count>', 'rounds of each mode in each failure')
    .option('--inject <what>', 'what syncs and the way to the slave take longer (default: fdatasync=3ms,rtt=2ms)')
    .option('--seed <number>', 'the same moments, and sectors that tear, again')
    .option('--set <key=value>', 'one key for both brokers (repeatable)', all, [])
    .option('--folder <folder>', "where the stores are while it runs (default: the system's temporary folder)")
    .option('-o, --out <folder>', 'where the results go (default: bench/results)')
    .addHelpText('after', HELP)
    .action((flags: LossFlags) => benchLoss(flags, io))
}

async function benchLoss(flags: LossFlags, io: Io): Promise<void> {
  const { lossExperiment, lossOptions } = await import('../bench/loss/index.ts')
  const options = lossOptions(flags, io.cwd)
  const started = performance.now()
  const abort = new AbortController()
  const release = io.onSignal(() => {
    if (abort.signal.aborted) io.exit(INTERRUPTED)
    io.error('\nbasaltmq: ending with what was measured; once more ends at once\n')
    abort.abort(new Error('ended by a signal'))
  })
  try {
    const { result, failed } = await lossExperiment(options, abort.signal, (line) => io.error(`${line}\n`))
    await report(result, options.out, io)
    io.error(`took ${Math.round((performance.now() - started) / 1000)} s\n`)
    if (failed > 0) throw new ExitStatus(1)
  } finally {
    release()
  }
  if (abort.signal.aborted) throw new ExitStatus(INTERRUPTED)
}

/** The JSON, the reports made of it, and the table here. */
async function report(result: LossResult, folder: string, io: Io): Promise<void> {
  if (result.cells.every(({ rounds }) => rounds.length === 0)) {
    io.error('basaltmq: nothing was measured, nothing is written\n')
    return
  }
  const { terminalReport, writeReports } = await import('../bench/index.ts')
  mkdirSync(folder, { recursive: true })
  const name = `loss-${result.machine.date.replaceAll(/[:.]/g, '-').slice(0, 19)}`
  const json = join(folder, `${name}.json`)
  writeFileSync(json, `${JSON.stringify(result, null, 1)}\n`)
  io.out(terminalReport(result))
  for (const file of [json, ...writeReports(result, folder, name)]) io.out(`written: ${file}\n`)
}
