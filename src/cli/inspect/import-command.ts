/** `inspect import`: messages of an export, or of another store, into a store or to brokers that are up. */

import { statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import { LineSource, type RecordSource, StoreSource } from '../../inspect/export/index.ts'
import { openStore } from '../../inspect/index.ts'
import { logBounds } from '../../inspect/log-end.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { buildAt } from './build-target.ts'
import { integerOption, type StoreFlags } from './common.ts'
import { type FilterFlags, filterOptions, queryOf } from './record-filters.ts'

const HELP = `
--to-store: into a store that no broker has open, or a new one. Queue offsets are kept where they follow one another and the queue is
new; in a queue that has messages they go on behind them. All lines are checked before anything is written. -c and --set say how the
store is made, or was.

-n, --broker: sent as messages. Kept are topic, queue, tag, keys, properties, id, body and born time; place, store time and offsets
are new. A message of a queue is sent when the one before it is stored. What a broker refuses ends it, with the line to go on at.

Filters are for a store as the source.

Exit status: 0 done, 3 done but for what is damaged in the source, 1 failure, 2 usage, no store or a bad line.

Examples:
  $ basaltmq inspect import orders.jsonl --to-store /data/store
  $ basaltmq inspect import /data/old --topic Orders --to-store /data/new --set mappedFileSizeCommitLog=104857600
  $ basaltmq inspect import orders.jsonl -n 127.0.0.1:9876 --from-line 20001
`

const DAMAGED = 3

export interface ImportFlags extends StoreFlags, FilterFlags {
  toStore?: string
  namesrv?: string
  broker?: string
  fromLine?: string
}

export function importCommand(parent: Command, io: Io): void {
  const command = parent
    .command('import')
    .description('messages of an export or of a store, into a store or to brokers')
    .argument('<source>', 'a file of "inspect export", or a store')
    .option('--to-store <folder>', 'a store that is stopped, or a folder that is empty or does not exist')
    .option('-n, --namesrv <addresses>', 'send them to the brokers that these NameServers name')
    .option('--broker <host:port>', 'send them to this broker alone')
    .option('--account <file>', 'for -n and --broker: accessKey and secretKey, as in tools.yml')
    .option('--tls', 'for -n and --broker: through TLS')
    .option('--tls-ca <file>', 'whom to trust then, PEM')
    .option('--from-line <number>', 'when sending: go on at this line')
    .option('-c, --config <file>', 'configuration of the broker whose store is written')
    .option('--set <key=value>', 'one key of it (repeatable)', (value, all: string[]) => [...all, value], [])
    .option('--json', 'what was done, for programs')
    .addHelpText('after', HELP)
  filterOptions(command).action((given: string, flags: ImportFlags) => importFrom(io, given, flags))
}

async function importFrom(io: Io, given: string, flags: ImportFlags): Promise<void> {
  const isSent = flags.namesrv !== undefined || flags.broker !== undefined
  if (isSent === (flags.toStore !== undefined)) {
    throw new ConfigError('BAD_OPTION', {
      what: isSent ? '--to-store and -n or --broker are both given' : 'it is not said where the messages go',
      todo: 'give --to-store FOLDER, or -n NAMESRV, or --broker HOST:PORT',
    })
  }
  const source = sourceOf(io, given, flags)
  try {
    if (flags.toStore !== undefined) {
      refuseItself(io, given, flags.toStore)
      await buildAt(io, flags.toStore, source, flags, { mustBeNew: false })
    } else {
      const { sendAll } = await import('./send-all.ts')
      await sendAll(io, source, flags, integerOption('--from-line', flags.fromLine) ?? 1)
    }
    if (source.damage.length > 0) throw new ExitStatus(DAMAGED)
  } finally {
    source.close()
  }
}

function sourceOf(io: Io, given: string, flags: ImportFlags): RecordSource {
  const path = pathOf(io, given)
  const query = queryOf(flags)
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    const store = openStore(path)
    return new StoreSource(store, query, logBounds(store, false).end)
  }
  if (Object.values(query).some((value) => value !== undefined)) {
    throw new ConfigError('BAD_OPTION', {
      what: 'filters are for a store as the source, and this is a file',
      where: path,
      todo: 'filter when it is exported, or with jq',
    })
  }
  return new LineSource(path, Date.now())
}

function refuseItself(io: Io, source: string, target: string): void {
  const [from, to] = [source, target].map((each) => statSync(pathOf(io, each), { throwIfNoEntry: false }))
  if (from === undefined || to === undefined || from.ino !== to.ino || from.dev !== to.dev) return
  throw new ConfigError('BAD_OPTION', { what: 'source and target are one store', where: target, todo: 'give another' })
}

const pathOf = (io: Io, path: string) => (isAbsolute(path) ? path : join(io.cwd, path))
