/** `basaltmq bench …`: the group; each command is a file of its own. */
import type { Command } from 'commander'
import { addCompareCommand, addReportCommand } from './bench-compare.ts'
import { addLossCommand } from './bench-loss.ts'
import { addModesCommand } from './bench-modes.ts'
import type { Io } from './io.ts'

export function addBenchCommands(parent: Command, io: Io): void {
  const bench = parent
    .command('bench')
    .description('measure what each mode costs and loses, and compare runs')
    .helpOption('-h, --help', 'print this help')
  addLossCommand(bench, io)
  addModesCommand(bench, io)
  addReportCommand(bench, io)
  addCompareCommand(bench, io)
}
