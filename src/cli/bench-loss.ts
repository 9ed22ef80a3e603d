/**
 * `basaltmq bench loss`: which mode loses what in which failure, measured.
 *
 * Owns:      nothing; the experiment is loaded when it runs.
 * Status:    0 measured (whatever was lost), 1 failure, also of a round that could not be carried out, 2 usage, 130 ended by Ctrl-C.
 *            What was measured until then is written in any case.
 */
import type { Command } from 'commander'
import type { LossFlags } from '../bench/loss/index.ts'
import { all, untilSignal, writeMeasured } from './bench-run.ts'
import { ExitStatus } from './exit-status.ts'
import type { Io } from './io.ts'

const HELP = `
Failures, each at a random moment under load:
  process-crash   kill -9 of the master; it is started again on its store. Of a group: of its leader, which stays away
  machine-crash   a power cut: what was not synced is gone, by the word of an observer that is no part of the broker; in two rounds of
                  three torn sectors remain of it. Started again. Needs a C compiler (cc), and is left out without one
  disk-lost       the master dies and its store is deleted; its slave, where the mode has one, goes on serving reads
  majority-crash  a power cut of two of three members of a group, of them its leader, at the same moment; both are started again

A message is lost when it was acknowledged (SEND_OK, nothing else) and no machine that is left has it; of a group: when whoever leads
afterwards has it not. Times are those of clients:
until the first read, until the first send is acknowledged; "by hand": not without an administrator. After a power cut that is so
where a mode waits for its slave and the slave is ahead of its master: neither log is written over without being told to.

Modes: async, async+async, async+sync, async+dledger, and the same with sync: flushDiskType, and brokerRole of the master where there is a
slave; dledger is a group of three, with the short timers of dLedgerFastElection (--set dLedgerFastElection=false: those of the original).

Without flags: ten rounds of each mode in each failure, about 14 minutes; --quick two, two to three minutes.

Examples:
  $ basaltmq bench loss --quick
  $ basaltmq bench loss --modes sync+sync --failures machine-crash --rounds 100
  $ basaltmq bench loss --inject fdatasync=10ms,rtt=20ms          a slow disk, and machines far from each other
  $ basaltmq bench loss --set haTransferUnflushed=false           a slave is never ahead of its master's disk

Exit status: 0 measured, 1 failure or a round that could not be carried out, 2 usage, 130 ended by Ctrl-C. What was measured until
then is written in any case.
`

export function addLossCommand(bench: Command, io: Io): void {
  bench
    .command('loss')
    .description('count what each mode loses when a process, a machine or a disk fails')
    .option('--quick', 'a first answer: two rounds')
    .option('--modes <list>', 'which modes (default: all eight)')
    .option('--failures <list>', 'which failures (default: all that a mode can meet)')
    .option('--rounds <count>', 'rounds of each mode in each failure')
    .option('--inject <what>', 'what syncs and the way to the slave take longer (default: fdatasync=3ms,rtt=2ms)')
    .option('--seed <number>', 'the same moments, and sectors that tear, again')
    .option('--set <key=value>', 'one key for all brokers (repeatable)', all, [])
    .option('--folder <folder>', "where the stores are while it runs (default: the system's temporary folder)")
    .option('-o, --out <folder>', 'where the results go (default: bench/results)')
    .addHelpText('after', HELP)
    .action((flags: LossFlags) => benchLoss(flags, io))
}

async function benchLoss(flags: LossFlags, io: Io): Promise<void> {
  const { lossExperiment, lossOptions } = await import('../bench/loss/index.ts')
  const options = lossOptions(flags, io.cwd)
  const started = performance.now()
  await untilSignal(io, async (signal) => {
    const { result, failed } = await lossExperiment(options, signal, (line) => io.error(`${line}\n`))
    await writeMeasured(result, options.out, io)
    io.error(`took ${Math.round((performance.now() - started) / 1000)} s\n`)
    if (failed > 0) throw new ExitStatus(1)
  })
}
