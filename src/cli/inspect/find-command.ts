/** `inspect find`: messages by an id, a key, a place or a time. */
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import { findMessages } from '../../inspect/index.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { integerOption, jsonLine, type StoreFlags, storeCommand, storeOf, timeOption } from './common.ts'
import { bodyForm, messageJson, messageText } from './message-text.ts'

const HELP = `
Says what led to each message (its offsetMsgId, the index, its place, its time, or a scan of the whole log), and whether its
queue has it. Ends with status 1 when nothing is found.

Examples:
  $ basaltmq inspect find store --id 7F0000010000597F00000000000006FA
  $ basaltmq inspect find store --key 4711 --topic Orders
  $ basaltmq inspect find store --key 4711 --scan
  $ basaltmq inspect find store --offset 1800
  $ basaltmq inspect find store --time "2026-11-23 09:31:26" --topic Orders
`

interface FindFlags extends StoreFlags {
  id?: string
  key?: string
  offset?: string
  time?: string
  topic?: string
  queue?: string
  scan?: boolean
  body: string
}

const NOT_FOUND = 1

export function findCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'find', 'messages by id, key, place or time, and what led to them')
    .option('--id <id>', 'msgId (UNIQ_KEY) or offsetMsgId')
    .option('--key <key>', 'one of the keys')
    .option('--offset <offset>', 'the record that holds this byte of the log')
    .option('--time <time>', 'the first message stored then or later')
    .option('--topic <name>', 'of this topic; without it all topics of the store are tried')
    .option('--queue <number>', 'of this queue')
    .option('--scan', 'read the whole log where the index does not lead to it')
    .option('--body <form>', 'auto, text, json, hex or none', 'auto')
    .addHelpText('after', HELP)
    .action((path: string, flags: FindFlags) => find(io, path, flags))
}

function find(io: Io, path: string, flags: FindFlags): void {
  const form = bodyForm(flags.body)
  const offset = integerOption('--offset', flags.offset)
  const time = timeOption('--time', flags.time)
  const { id, key, topic, scan } = flags
  if ([id, key, offset, time].every((each) => each === undefined))
    throw new ConfigError('BAD_OPTION', { what: 'nothing to find', todo: 'give --id, --key, --offset or --time' })
  const store = storeOf(io, path, flags)
  const { found, tried } = findMessages(store, {
    id,
    key,
    offset,
    time,
    topic,
    queueId: integerOption('--queue', flags.queue),
    scan,
  })
  for (const { message, by, unit } of found) {
    if (flags.json === true) io.out(jsonLine({ by, unit, message: messageJson(message, form) }))
    else io.out(`by ${by}; its unit: ${unit}\n${messageText(message, form)}`)
  }
  if (found.length > 0) return
  const hint = scan === true || (id === undefined && key === undefined) ? '' : '; --scan reads the whole log'
  io.error(`basaltmq: not found: ${tried.join('; ')}${hint}\n`)
  throw new ExitStatus(NOT_FOUND)
}
