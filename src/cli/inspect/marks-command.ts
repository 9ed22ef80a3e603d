/** `inspect checkpoint` and `inspect config`: what a start believes, and the tables. */
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import { readTables, TABLES, type TableName } from '../../inspect/index.ts'
import type { Io } from '../io.ts'
import { count, facts, timeText } from '../table.ts'
import { jsonLine, type StoreFlags, storeCommand, storeOf } from './common.ts'

const CHECKPOINT_HELP = `
The three times of the checkpoint, from which RocketMQ chooses where recovery begins; of a store of ours the positions as well,
what they are worth after the last stop (live: everything counts; durable: flushed and settled; none: nothing), and the
snapshot of the queues.
`

export function checkpointCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'checkpoint', 'checkpoint, positions, abort: what a start believes')
    .addHelpText('after', CHECKPOINT_HELP)
    .action((path: string, flags: StoreFlags) => {
      const { checkpoint, positions, snapshot, isUnclean, use } = storeOf(io, path, flags)
      if (flags.json === true) {
        io.out(jsonLine({ checkpoint, positions, snapshot, isUnclean, use }))
        return
      }
      const rows: [string, string | undefined][] = [
        ['physicMsgTimestamp', `${checkpoint.physicMsgTimestamp}  ${timeText(checkpoint.physicMsgTimestamp)}`],
        ['logicsMsgTimestamp', `${checkpoint.logicsMsgTimestamp}  ${timeText(checkpoint.logicsMsgTimestamp)}`],
        ['indexMsgTimestamp', `${checkpoint.indexMsgTimestamp}  ${timeText(checkpoint.indexMsgTimestamp)}`],
        ['abort', isUnclean ? 'there: in use, or not stopped cleanly' : 'not there: stopped cleanly'],
      ]
      if (positions !== undefined) {
        const { slot, trust, reason } = positions
        for (const name of [
          'appended',
          'flushed',
          'dispatched',
          'settled',
          'replicated',
          'retained',
          'allocated',
        ] as const)
          rows.push([name, count(slot[name])])
        rows.push([
          'positions',
          `${trust}${reason === undefined ? '' : ` (${reason})`}, ${timeText(slot.writtenAt)}, process ${slot.pid}`,
        ])
      }
      if (snapshot !== undefined)
        rows.push([
          'queues snapshot',
          `${snapshot.queues.length} queues at ${count(snapshot.position)}, ${timeText(snapshot.writtenAt)}`,
        ])
      io.out(facts(rows))
    })
}

export function configCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'config', 'tables in config/: topics, groups, offsets, delays, filters')
    .argument('[table]', 'one of them, "topics" or "topics.json"')
    .addHelpText(
      'after',
      '\nTables as strict JSON (RocketMQ writes bare numbers as keys). A table that cannot be read comes from its .bak.\n',
    )
    .action((path: string, name: string | undefined, flags: StoreFlags) => {
      const { root } = storeOf(io, path, flags)
      for (const [file, { path: where, from, problem, content }] of readTables(root)) {
        if (name !== undefined && file !== tableName(name)) continue
        if (flags.json === true) io.out(jsonLine({ table: file, path: where, from, problem, content }))
        else {
          const origin = from === 'none' ? 'not there' : from === 'bak' ? `from ${where}.bak` : where
          io.out(`# ${file}: ${origin}${problem === undefined ? '' : `\n# ! ${problem}`}\n`)
          if (content !== undefined) io.out(`${JSON.stringify(content, null, 2)}\n`)
        }
      }
    })
}

function tableName(name: string): TableName {
  const found = TABLES.find((table) => table === name || table === `${name}.json`)
  if (found !== undefined) return found
  throw new ConfigError('NO_TABLE', { what: `there is no table ${name}`, todo: `give one of ${TABLES.join(', ')}` })
}
