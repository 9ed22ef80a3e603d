/** `inspect summary`, also without the word. */
import type { Command } from 'commander'
import { summaryOf } from '../../inspect/index.ts'
import type { Io } from '../io.ts'
import { jsonLine, type StoreFlags, storeCommand, storeOf, widthOf } from './common.ts'
import { summaryText } from './summary-text.ts'

const HELP = `
Log, segments, marks, topics and queues, groups with their lag, delays, transactions, space.
"max" of a queue is its next queue offset; "in log" are the bytes of its records; lag is max less the group's offset.
`

export function summaryCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'summary', 'what is in it (also without this word)', true)
    .addHelpText('after', HELP)
    .action((path: string, flags: StoreFlags) => {
      const summary = summaryOf(storeOf(io, path, flags))
      io.out(flags.json === true ? jsonLine(summary) : summaryText(summary, widthOf(io)))
    })
}
