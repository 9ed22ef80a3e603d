/** `inspect queue`: units of one ConsumeQueue and the records that they point at. */
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import { type InspectedUnit, type openStore, queueUnits } from '../../inspect/index.ts'
import type { Io } from '../io.ts'
import { timeText } from '../table.ts'
import { integerOption, jsonLine, type StoreFlags, storeCommand, storeOf } from './common.ts'
import { bodyForm, messageJson, messageText } from './message-text.ts'

const HELP = `
Each unit: queue offset, physical offset and size of the record, tagsCode; then the record, or why it is not the right one.

Examples:
  $ basaltmq inspect queue store Orders 2 --from 4700 --limit 20
  $ basaltmq inspect queue store Orders 2 --records --json
`

interface QueueFlags extends StoreFlags {
  from?: string
  to?: string
  limit?: string
  records?: boolean
  body: string
}

export function queueCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'queue', 'units of one queue, and the records that they point at')
    .argument('<topic>')
    .argument('<queueId>')
    .option('--from <queueOffset>', 'from this queue offset on')
    .option('--to <queueOffset>', 'up to this queue offset')
    .option('--limit <count>', 'no more than so many')
    .option('--records', 'the whole records, as "inspect log" shows them')
    .option('--body <form>', 'with --records: auto, text, json, hex or none', 'auto')
    .addHelpText('after', HELP)
    .action((path: string, topic: string, queue: string, flags: QueueFlags) =>
      printQueue(io, path, topic, queue, flags),
    )
}

async function printQueue(io: Io, path: string, topic: string, queue: string, flags: QueueFlags): Promise<void> {
  const store = storeOf(io, path, flags)
  const queueId = integerOption('queueId', queue)!
  if (!store.files.queues.some((each) => each.topic === topic && each.queueId === queueId))
    throw noQueue(store, topic, queueId)
  const limit = integerOption('--limit', flags.limit) ?? Number.POSITIVE_INFINITY
  const form = bodyForm(flags.body)
  const from = integerOption('--from', flags.from)
  const to = integerOption('--to', flags.to)
  let printed = 0
  for (const unit of queueUnits(store, { topic, queueId, from, to })) {
    if (printed >= limit) return
    printed += 1
    const { message, ...facts } = unit
    if (flags.json === true) {
      const record = message === undefined ? undefined : messageJson(message, flags.records === true ? form : 'none')
      io.out(jsonLine(record === undefined ? facts : { ...facts, record }))
    } else {
      io.out(unitText(unit))
      if (flags.records === true && message !== undefined) io.out(messageText(message, form))
    }
    if (printed % 256 === 0) await new Promise(setImmediate)
  }
}

function unitText({ queueOffset, kind, physicalOffset, size, tagsCode, message, problem }: InspectedUnit): string {
  if (kind === 'blank') return `${queueOffset}  blank: this store never had that message\n`
  if (kind === 'empty') return `${queueOffset}  ! never written\n`
  const parts = [String(queueOffset), `at ${physicalOffset}`, `${size} B`, `tagsCode ${tagsCode}`]
  if (problem !== undefined) parts.push(`! ${problem}`)
  else if (message !== undefined) {
    parts.push(timeText(message.storeTime))
    if (message.tags !== undefined) parts.push(`tag ${message.tags}`)
    parts.push(message.msgId ?? message.offsetMsgId)
  }
  return `${parts.join('  ')}\n`
}

function noQueue({ files }: ReturnType<typeof openStore>, topic: string, queueId: number): ConfigError {
  const ids = files.queues.filter((each) => each.topic === topic).map((each) => each.queueId)
  return new ConfigError('NO_QUEUE', {
    what: `there is no ConsumeQueue ${topic}/${queueId}`,
    where: files.root,
    todo: ids.length > 0 ? `the topic has the queues ${ids.join(', ')}` : 'see "inspect summary" for the topics',
  })
}
