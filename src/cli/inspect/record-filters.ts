/** Which records of a log are wanted: the options that log, export and import share. */
import type { Command } from 'commander'
import type { LogQuery } from '../../inspect/index.ts'
import { integerOption, timeOption } from './common.ts'

export interface FilterFlags {
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
}

export function filterOptions(command: Command): Command {
  return command
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
}

export function queryOf(flags: FilterFlags): LogQuery {
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
