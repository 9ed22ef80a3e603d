/** `basaltmq admin`: the specs of the commands as commander's tree, with mqadmin's names as hidden aliases. */
import type { Command } from 'commander'
import { BasaltError, ConfigError } from '../../errors.ts'
import { ExitStatus, FAILURE, USAGE } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { ACL } from './acl.ts'
import { BROKER } from './broker.ts'
import { BROKER_UPKEEP } from './broker-upkeep.ts'
import { CLUSTER } from './cluster.ts'
import { EXPORTS } from './cluster-export.ts'
import { CONNECTION } from './connection.ts'
import { Context } from './context.ts'
import { DLEDGER } from './dledger.ts'
import { DRAIN } from './drain.ts'
import { GROUP } from './group.ts'
import { WATCH_GROUPS } from './group-watch.ts'
import { MESSAGE } from './message.ts'
import { TRACE } from './message-trace.ts'
import { NAMESRV } from './namesrv.ts'
import { addNotHere } from './not-here.ts'
import { OFFSET } from './offset.ts'
import { PROBE } from './probe.ts'
import { type CommandSpec, dashed, Given, usage } from './spec.ts'
import { TOP } from './top.ts'
import { TOPIC } from './topic.ts'
import { TOPIC_QUEUES } from './topic-queues.ts'

/** In the order of the help: what one branch has stands together. */
export const SPECS: readonly CommandSpec[] = byBranch([
  ...TOPIC,
  ...TOPIC_QUEUES,
  ...GROUP,
  ...WATCH_GROUPS,
  ...BROKER,
  ...BROKER_UPKEEP,
  ...MESSAGE,
  ...TRACE,
  ...PROBE,
  ...OFFSET,
  ...CLUSTER,
  ...EXPORTS,
  ...NAMESRV,
  ...ACL,
  ...DLEDGER,
  ...DRAIN,
  ...TOP,
])

function byBranch(specs: readonly CommandSpec[]): CommandSpec[] {
  const branchOf = ({ path }: CommandSpec) => path.split(' ')[0]
  const branches = [...new Set(specs.map(branchOf))]
  return branches.flatMap((branch) => specs.filter((spec) => branchOf(spec) === branch))
}

/** A value of the KV table, a message's body. */
const MAY_BE_EMPTY = new Set(['<value>', 'body'])

const BRANCHES: Record<string, string> = {
  topic: 'topics and their queues',
  group: 'consumer groups',
  broker: 'brokers, their configuration and counters',
  'broker config': "a broker's configuration",
  'broker clean': 'have a broker delete what nobody needs any more',
  message: 'find, show, send, trace and follow messages',
  offset: "move and copy groups' offsets",
  cluster: 'clusters',
  'cluster export': 'metadata, configurations and figures as JSON',
  dledger: 'DLedger groups: who leads, how far each member is, handing over',
  namesrv: 'NameServers: configuration, KV table, route tables',
  'namesrv config': "a NameServer's configuration",
  'namesrv kv': "a NameServer's KV table",
  acl: 'access rules',
}

export function fillAdmin(admin: Command, io: Io): void {
  admin.addHelpText('after', overview()).showHelpAfterError('see "basaltmq admin --help"')
  const branches = new Map<string, Command>([['', admin]])
  const aliases = new Set<string>()
  for (const spec of SPECS) {
    const words = spec.path.split(' ')
    addSpec(branchOf(branches, words.slice(0, -1)), words.at(-1) ?? '', spec, io, false)
    for (const alias of spec.mqadmin) {
      // What mqadmin does with one command may be two here: the name stands for the first.
      if (!aliases.has(alias)) addSpec(admin, alias, spec, io, true)
      aliases.add(alias)
    }
  }
  addNotHere(admin)
}

function branchOf(branches: Map<string, Command>, words: readonly string[]): Command {
  const path = words.join(' ')
  const known = branches.get(path)
  if (known !== undefined) return known
  const branch = branchOf(branches, words.slice(0, -1))
    .command(words.at(-1) ?? '')
    .description(BRANCHES[path] ?? path)
  branches.set(path, branch)
  return branch
}

function addSpec(parent: Command, name: string, spec: CommandSpec, io: Io, isAlias: boolean): void {
  const command = parent
    .command(name, { hidden: isAlias })
    .description(spec.about)
    .showHelpAfterError(`see "basaltmq admin ${spec.path} --help"`)
  for (const [arg, about] of spec.args ?? []) command.argument(arg, about)
  for (const { flags, about, many } of spec.options ?? []) {
    if (many === true) command.option(flags, `${about} (repeatable)`, (value, all: string[]) => [...all, value], [])
    else command.option(flags, about)
  }
  if (spec.rehearses === true) command.option('--dry-run', 'show what would be done, and do nothing')
  if (spec.destroys === true) command.option('-y, --yes', 'do it without asking')
  for (const { flags, about } of CONNECTION) command.option(flags, about)
  command
    .option('--json', 'the result as JSON')
    .addHelpText('after', helpEnd(spec))
    .action(async (...words: unknown[]) => {
      // Commander gives the arguments, then the options, then the command.
      const args = words.slice(0, -2) as (string | string[] | undefined)[]
      const options = words.at(-2) as Record<string, unknown>
      await runSpec(spec, io, new Given(args, options), () => checkEmpty(spec, args, options))
    })
}

/** A variable of a script that is not set, most often. */
function checkEmpty(
  { args: names = [] }: CommandSpec,
  args: readonly (string | string[] | undefined)[],
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [i, [name]] of names.entries()) {
    const isEmpty = args[i] === '' || (Array.isArray(args[i]) && args[i].includes(''))
    if (isEmpty && !MAY_BE_EMPTY.has(name)) throw usage(`${name} is empty`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === '' && !MAY_BE_EMPTY.has(name)) throw usage(`--${dashed(name)} is empty`)
  }
}

async function runSpec(spec: CommandSpec, io: Io, given: Given, check: () => void): Promise<void> {
  const context = new Context(io, given)
  const release = io.onSignal(() => {
    if (context.isStopped) io.exit(1)
    context.stop()
  })
  try {
    check()
    await context.open()
    await spec.run(context, given)
  } catch (error) {
    if (!context.isJson || !(error instanceof BasaltError)) throw error
    const { code, what, where, todo, retriable } = error
    io.error(`${JSON.stringify({ error: { code, what, where, todo, retriable } })}\n`)
    throw new ExitStatus(error instanceof ConfigError ? USAGE : FAILURE)
  } finally {
    release()
    await context.close()
  }
}

function helpEnd({ mqadmin, nearest, examples }: CommandSpec): string {
  const none = nearest === undefined ? '' : `\nIn mqadmin: none; the nearest is ${nearest}\n`
  const alias =
    mqadmin.length === 0 ? none : `\nIn mqadmin: ${mqadmin.join(', ')} (works here too, with the arguments above)\n`
  return `${alias}\nExamples:\n${examples.map((example) => `  $ basaltmq admin ${example}\n`).join('')}`
}

function overview(): string {
  const width = Math.max(...SPECS.map(({ path }) => path.length))
  const rows = SPECS.map(({ path, mqadmin }) => `  ${path.padEnd(width)}  ${mqadmin.join(', ') || '-'}\n`)
  return `
mqadmin's name of each command (an alias: "basaltmq admin topicList" is "basaltmq admin topic list"):
${rows.join('')}
Examples:
  $ basaltmq admin cluster list                                who is there
  $ basaltmq admin group describe MyGroup -n namesrv:9876      how far it is, and who has which queue
  $ basaltmq admin top                                         a live screen
`
}
