/** `inspect log`: records of the log, those that are wanted. */
import type { Command } from 'commander'
import { type LogItem, LogRecords } from '../../inspect/index.ts'
import type { Io } from '../io.ts'
import { integerOption, jsonLine, type StoreFlags, storeCommand, storeOf } from './common.ts'
import { type BodyForm, bodyForm, messageJson, messageText } from './message-text.ts'
import { type FilterFlags, filterOptions, queryOf } from './record-filters.ts'

const HELP = `
Each record: physical offset, topic queue:queueOffset, size, store time, tag, keys, id; its other properties; its body.
In a DLedger log: the entry that holds it, and its term. What is damaged between records is shown as it is met. Times: milliseconds since 1970, or "2026-11-23 09:31:22".

Examples:
  $ basaltmq inspect log store --topic Orders --tag paid --limit 10
  $ basaltmq inspect log store --where "price > 10 AND region = 'eu'" --after "2026-11-23 09:00"
  $ basaltmq inspect log store --from 1786 --limit 1 --body hex
  $ basaltmq inspect log store --follow --json
`

interface LogFlags extends StoreFlags, FilterFlags {
  index?: string
  term?: string
  limit?: string
  follow?: boolean
  body: string
}

const POLL_MS = 100

export function logCommand(parent: Command, io: Io): void {
  filterOptions(storeCommand(parent, 'log', 'records of the log, those that are wanted'))
    .option('--index <number>', 'the entry of a DLedger log')
    .option('--term <number>', 'entries of a DLedger log that a leader of this term wrote')
    .option('--limit <count>', 'no more than so many')
    .option('--follow', 'go on as records come; begins at the end unless --from or --after say otherwise')
    .option('--body <form>', 'auto, text, json, hex or none', 'auto')
    .addHelpText('after', HELP)
    .action((path: string, flags: LogFlags) => printLog(io, path, flags))
}

async function printLog(io: Io, path: string, flags: LogFlags): Promise<void> {
  const form = bodyForm(flags.body)
  const limit = integerOption('--limit', flags.limit) ?? Number.POSITIVE_INFINITY
  const query = {
    ...queryOf(flags),
    index: integerOption('--index', flags.index),
    term: integerOption('--term', flags.term),
  }
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
        if (item.kind !== 'damage') printed += 1
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

function itemText(item: LogItem, form: BodyForm, isJson: boolean): string {
  if (item.kind === 'damage') {
    const { from, to, problem } = item
    return isJson
      ? jsonLine({ damage: { from, to, problem } })
      : `${from}  ! ${to - from} bytes are no record: ${problem}\n`
  }
  if (item.kind === 'entry') {
    const { entry, body } = item
    const { position, index, term, size } = entry
    return isJson
      ? jsonLine({ entry, bodyBase64: body.toString('base64') })
      : `${position}  entry ${index} of term ${term}  ${size} B  no record\n`
  }
  return isJson ? jsonLine(messageJson(item.message, form)) : messageText(item.message, form)
}
