/** `inspect log`: records of the log, those that are wanted. */
import type { Command } from 'commander'
import { type LogItem, type LogQuery, LogRecords } from '../../inspect/index.ts'
import type { Io } from '../io.ts'
import { integerOption, jsonLine, type StoreFlags, storeCommand, storeOf, timeOption } from './common.ts'
import { type BodyForm, bodyForm, messageJson, messageText } from './message-text.ts'

const HELP = `
Each record: physical offset, topic queue:queueOffset, size, store time, tag, keys, id; its other properties; its body.
What is damaged between records is shown as it is met. Times: milliseconds since 1970, or "2026-11-23 09:31:22".

Examples:
  $ basaltmq inspect log store --topic Orders --tag paid --limit 10
  $ basaltmq inspect log store --where "price > 10 AND region = 'eu'" --after "2026-11-23 09:00"
  $ basaltmq inspect log store --from 1786 --limit 1 --body hex
  $ basaltmq inspect log store --follow --json
`

interface LogFlags extends StoreFlags {
  topic?: string
  queue?: string
  tag?: string
  key?: string
  id?: string
  after?: string
  before?: string
  from?: string
  to?: string
  minSize?: string
  maxSize?: string
  where?: string
  limit?: string
  follow?: boolean
  body: string
}

const POLL_MS = 100

export function logCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'log', 'records of the log, those that are wanted')
    .option('--topic <name>', 'of this topic')
    .option('--queue <number>', 'of this queue')
    .option('--tag <tag>', 'with this tag')
    .option('--key <key>', 'with this key (KEYS or UNIQ_KEY)')
    .option('--id <id>', 'with this msgId or offsetMsgId')
    .option('--after <time>', 'stored then or later')
    .option('--before <time>', 'stored then or earlier')
    .option('--from <offset>', 'from this physical offset on')
    .option('--to <offset>', 'up to this physical offset')
    .option('--min-size <bytes>', 'records of at least so many bytes')
    .option('--max-size <bytes>', 'records of at most so many bytes')
    .option('--where <SQL92>', 'an expression over the properties, as consumers use it')
    .option('--limit <count>', 'no more than so many')
    .option('--follow', 'go on as records come; begins at the end unless --from or --after say otherwise')
    .option('--body <form>', 'auto, text, json, hex or none', 'auto')
    .addHelpText('after', HELP)
    .action((path: string, flags: LogFlags) => printLog(io, path, flags))
}

async function printLog(io: Io, path: string, flags: LogFlags): Promise<void> {
  const form = bodyForm(flags.body)
  const limit = integerOption('--limit', flags.limit) ?? Number.POSITIVE_INFINITY
  const query = queryOf(flags)
  const store = storeOf(io, path, flags)
  using records = new LogRecords(store, query, flags.follow === true || store.use.isInUse)
  let isStopped = false
  const forget = io.onSignal(() => {
    isStopped = true
  })
  try {
    let printed = 0
    let isPassing = flags.follow === true && query.from === undefined && query.after === undefined
    while (!isStopped && printed < limit) {
      for (const item of records.items()) {
        if (item === undefined || printed % 256 === 255) await new Promise(setImmediate)
        if (isStopped) break
        if (item === undefined || isPassing) continue
        io.out(itemText(item, form, flags.json === true))
        if (item.kind === 'record') printed += 1
        if (printed >= limit) break
      }
      if (flags.follow !== true || printed >= limit) break
      isPassing = false
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      records.refresh()
    }
  } finally {
    forget()
  }
}

function queryOf(flags: LogFlags): LogQuery {
  return {
    topic: flags.topic,
    queueId: integerOption('--queue', flags.queue),
    tag: flags.tag,
    key: flags.key,
    id: flags.id,
    after: timeOption('--after', flags.after),
    before: timeOption('--before', flags.before),
    from: integerOption('--from', flags.from),
    to: integerOption('--to', flags.to),
    minSize: integerOption('--min-size', flags.minSize),
    maxSize: integerOption('--max-size', flags.maxSize),
    expression: flags.where,
  }
}

function itemText(item: LogItem, form: BodyForm, isJson: boolean): string {
  if (item.kind === 'damage') {
    const { from, to, problem } = item
    return isJson
      ? jsonLine({ damage: { from, to, problem } })
      : `${from}  ! ${to - from} bytes are no record: ${problem}\n`
  }
  return isJson ? jsonLine(messageJson(item.message, form)) : messageText(item.message, form)
}
