/** `basaltmq bench …`: the group; each command is a file of its own. */
import type { Command } from 'commander'
import { addCompareCommand, addReportCommand } from './bench-compare.ts'
import { addLossCommand } from './bench-loss.ts'
import { addModesCommand } from './bench-modes.ts'
import type { Io } from './io.ts'

export function fillBench(bench: Command, io: Io): void {
  bench.helpOption('-h, --help', 'print this help')
  addLossCommand(bench, io)
  addModesCommand(bench, io)
  addReportCommand(bench, io)
  addCompareCommand(bench, io)
}
