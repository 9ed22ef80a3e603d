/** `inspect index`: index files, and their entries. */
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import { indexEntries, indexFilesOf, keyHashOf } from '../../inspect/index.ts'
import type { Io } from '../io.ts'
import { table, timeText } from '../table.ts'
import { integerOption, jsonLine, type StoreFlags, storeCommand, storeOf, widthOf } from './common.ts'

const HELP = `
Without options the files with what their headers say. An entry: file, number, hash of topic#key, physical offset,
store time to the second, the entry before it in its chain.

Examples:
  $ basaltmq inspect index store
  $ basaltmq inspect index store --topic Orders --key 4711
  $ basaltmq inspect index store --entries --file 20261123093121921 --limit 20
`

interface IndexFlags extends StoreFlags {
  entries?: boolean
  file?: string
  topic?: string
  key?: string
  limit?: string
}

export function indexCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'index', 'index files, and their entries')
    .option('--entries', 'the entries too')
    .option('--file <name>', 'of this file only')
    .option('--topic <name>', 'with --key: entries of this key')
    .option('--key <key>', 'entries with the hash of this key')
    .option('--limit <count>', 'no more entries than so many')
    .addHelpText('after', HELP)
    .action((path: string, flags: IndexFlags) => printIndex(io, path, flags))
}

async function printIndex(io: Io, path: string, flags: IndexFlags): Promise<void> {
  const store = storeOf(io, path, flags)
  if ((flags.key === undefined) !== (flags.topic === undefined)) {
    throw new ConfigError('BAD_OPTION', {
      what: '--topic and --key go together',
      todo: 'give both: the hash is of both',
    })
  }
  const files = indexFilesOf(store).filter(({ name }) => flags.file === undefined || name === flags.file)
  if (flags.file !== undefined && files.length === 0)
    throw new ConfigError('BAD_OPTION', {
      what: `there is no index file ${flags.file}`,
      where: store.root,
      todo: 'see "inspect index" for the files',
    })
  if (flags.key === undefined && flags.entries !== true) return printFiles(io, files, flags)
  const keyHash = flags.key === undefined ? undefined : keyHashOf(flags.topic!, flags.key)
  const limit = integerOption('--limit', flags.limit) ?? Number.POSITIVE_INFINITY
  let printed = 0
  for (const entry of indexEntries(store, flags.file, keyHash)) {
    if (printed >= limit) return
    printed += 1
    const { file, entry: number, keyHash: hash, physicalOffset, time, previous } = entry
    const text = `${file}  ${number}  hash ${hash}  at ${physicalOffset}  ${timeText(time)}  before ${previous}\n`
    io.out(flags.json === true ? jsonLine(entry) : text)
    if (printed % 1024 === 0) await new Promise(setImmediate)
  }
}

function printFiles(io: Io, files: ReturnType<typeof indexFilesOf>, flags: IndexFlags): void {
  if (flags.json === true) {
    for (const file of files) io.out(jsonLine(file))
    return
  }
  const rows = files.map(({ name, header }) => [
    name,
    header === undefined ? '?' : header.indexCount - 1,
    header?.hashSlotCount ?? '?',
    header?.beginPhyOffset ?? '?',
    header?.endPhyOffset ?? '?',
    header === undefined ? '?' : timeText(header.beginTimestamp),
    header === undefined ? '?' : timeText(header.endTimestamp),
  ])
  const columns = ['file', 'keys', 'slots used', 'from offset', 'to offset', 'from', 'to'].map((head) => ({ head }))
  io.out(table(columns, rows, widthOf(io)))
}
