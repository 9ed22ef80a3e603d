/**
 * The command line: thin commands over resolveConfig() and the servers. Exit statuses: 0 clean, 1 failure, 2 usage or
 * configuration, 3 what a check has found.
 */
import { Command, CommanderError } from 'commander'
import { nearest, printConfig, type Resolved, type Role, resolveConfig } from '../config/index.ts'
import { BasaltError, ConfigError, describe } from '../errors.ts'
import { faultsOf } from '../faults.ts'
import type { Log } from '../log.ts'
import { ExitStatus, FAILURE, USAGE } from './exit-status.ts'
import type { Io, StopSignal } from './io.ts'
import { keyList } from './key-list.ts'
import type { createLog } from './logging.ts'
import { brokerScreen, namesrvScreen } from './screen.ts'
import { serve } from './serve.ts'
import { processTerminal } from './terminal.ts'
import { addTools } from './tools.ts'
import { version } from './version.ts'

const EXAMPLES = `
Examples:
  $ basaltmq                                                      a broker with a NameServer inside, store in ./data
  $ basaltmq broker -c broker.conf --set flushDiskType=SYNC_FLUSH
  $ basaltmq broker -c broker.conf -p                             what it would run with, and where each value is from
  $ basaltmq namesrv --set listenPort=9877
  $ basaltmq keys flush                                           configuration keys about flushing

Exit status: 0 clean, 1 failure, 2 usage or configuration.
`
const BROKER_EXAMPLES = `
Examples:
  $ basaltmq broker -c broker.conf
  $ basaltmq broker --set listenPort=20911 --set brokerName=broker-b
  $ basaltmq broker -c broker.conf --set storePathRootDir=/var/lib/basaltmq -p
  $ basaltmq broker --cluster 3                             a DLedger group of three, for trying out
`
const NAMESRV_EXAMPLES = `
Examples:
  $ basaltmq namesrv
  $ basaltmq namesrv -c namesrv.conf --set listenPort=9877
  $ basaltmq namesrv -p
`

interface ServerFlags {
  config?: string
  set: string[]
  printConfig?: boolean
}

interface BrokerFlags extends ServerFlags {
  /** true: without a number. */
  cluster?: string | true
  store?: string
  port?: string
  restart?: string
}

/** Runs one command. `argv` is what follows the program's name; the result is the exit status. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  try {
    const command = program(io)
    await addTools(command, io, argv)
    checkCommand(command, argv[0])
    await command.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof ExitStatus) return error.status
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    io.error(`basaltmq: ${tellOf(error)}\n`)
    return error instanceof ConfigError ? USAGE : FAILURE
  }
}

/** Commander would hand an unknown word to the command that runs without one. */
function checkCommand(command: Command, word: string | undefined): void {
  const known = ['help', ...command.commands.map((each) => each.name())]
  if (word === undefined || word.startsWith('-') || known.includes(word)) return
  const near = nearest(word, known)
  const hint = near === undefined ? '' : `, did you mean "${near}"?`
  throw new ConfigError('UNKNOWN_COMMAND', {
    what: `unknown command ${JSON.stringify(word)}${hint}`,
    todo: 'see basaltmq --help',
  })
}

/** An operating error is its message, and so is what the disk or its rights refuse; anything else is a defect, with its stack. */
function tellOf(error: unknown): string {
  if (error instanceof BasaltError) return error.message
  const refused = refusedBySystem(error)
  if (refused !== undefined) return refused
  return error instanceof Error && error.stack !== undefined ? error.stack : describe(error)
}

/** By its text: what a thread throws arrives without its code. */
const REFUSED =
  /^(?:E(?:ACCES|PERM|IO|ROFS|NOSPC|DQUOT|MFILE|NFILE|NOENT|EXIST|ISDIR|NOTDIR|NOTEMPTY|LOOP|NAMETOOLONG|BUSY)): ([^,]+), (\w+)(?: '(.*)')?$/

function refusedBySystem(error: unknown): string | undefined {
  const match = error instanceof Error ? REFUSED.exec(error.message) : null
  if (match === null) return undefined
  const [, what, call, path] = match
  return `${what} (${path === undefined ? call : `${call} ${path}`})`
}

function program(io: Io): Command {
  const command = new Command('basaltmq')
    .description("A message broker that speaks Apache RocketMQ's protocol and keeps its files.")
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help, or with a command its own')
    .configureOutput({ writeOut: io.out, writeErr: io.error })
    .exitOverride()
    .addHelpText('after', EXAMPLES)
  serverCommand(command, io, 'broker', 'start a broker (also without a command)', BROKER_EXAMPLES)
  serverCommand(command, io, 'namesrv', 'start a NameServer alone', NAMESRV_EXAMPLES)
  command
    .command('keys')
    .description('list configuration keys with defaults and allowed values')
    .argument('[word]', 'only those whose name or description contains it')
    .option('--namesrv', "the NameServer's keys instead of the broker's")
    .action((word: string | undefined, flags: { namesrv?: boolean }) => {
      io.out(keyList(flags.namesrv === true ? 'namesrv' : 'broker', word))
    })
  return command
}

function serverCommand(parent: Command, io: Io, role: Role, description: string, examples: string): void {
  const command = parent
    .command(role, { isDefault: role === 'broker' })
    .description(description)
    .option('-c, --config <file>', "configuration file, in RocketMQ's properties format")
    .option('--set <key=value>', 'one key, over the file (repeatable)', (value, all: string[]) => [...all, value], [])
    .option('-p, --print-config', 'print the effective configuration with the origin of every value, and end')
  if (role === 'broker') {
    command
      .option('--cluster [members]', 'for trying out: 3, 5 or 7 brokers here, one DLedger group, and a NameServer')
      .option('--store <folder>', 'of --cluster: where the members have their folders, kept (./cluster)')
      .option('--port <port>', 'of --cluster: port for clients of n0, the others by tens (10911); 0: free ones')
      .option('--restart <duration>', 'of --cluster: start a member that was killed again after so long: 5s')
  }
  command
    .addHelpText('after', examples)
    .action((flags: BrokerFlags) => (role === 'broker' ? runBroker(io, flags) : runNamesrv(io, flags)))
}

/** Configuration, warnings told. Undefined when it was only to be printed. */
function configure<R extends Role>(io: Io, role: R, flags: ServerFlags): Resolved<R> | undefined {
  const resolved = resolveConfig({ role, file: flags.config, set: flags.set, env: io.env, cwd: io.cwd })
  for (const warning of resolved.warnings) io.error(`basaltmq: warning: ${warning}\n`)
  if (flags.printConfig !== true) return resolved
  io.out(printConfig(resolved))
  return undefined
}

/** Loaded by servers alone: what ends at once writes no log. */
async function logOf(config: Parameters<typeof createLog>[0], io: Io): Promise<Log> {
  return (await import('./logging.ts')).createLog(config, io.isTerminal)
}

async function runBroker(io: Io, flags: BrokerFlags): Promise<void> {
  const started = performance.now()
  const { cluster } = flags
  if (cluster !== undefined) {
    await (await import('./cluster/run.ts')).runCluster(io, { ...flags, cluster }, started)
    return
  }
  checkAlone(flags)
  const resolved = configure(io, 'broker', flags)
  if (resolved === undefined) return
  const log = await logOf(resolved.config, io)
  const faultText = io.env.BASALT_FAULTS
  const faults = faultsOf(faultText)
  if (faults !== undefined) log.warn('THINGS GO WRONG ON PURPOSE: BASALT_FAULTS is set', { faults: faultText })
  const start = async () => (await io.engine()).startBroker(resolved, log, faults)
  await serve(io, start, (broker) => brokerScreen(broker, resolved.config, { ...facts(started), faults: faultText }))
}

/** Options that mean something to a cluster alone. */
function checkAlone(flags: BrokerFlags): void {
  const instead = { store: '--set storePathRootDir=DIR', port: '--set listenPort=PORT', restart: 'a supervisor' }
  for (const name of ['store', 'port', 'restart'] as const) {
    if (flags[name] === undefined) continue
    throw new ConfigError('USAGE', { what: `--${name} goes with --cluster`, todo: `for one broker: ${instead[name]}` })
  }
}

async function runNamesrv(io: Io, flags: ServerFlags): Promise<void> {
  const started = performance.now()
  const resolved = configure(io, 'namesrv', flags)
  if (resolved === undefined) return
  const log = await logOf(resolved.config, io)
  const start = async () => (await io.engine()).startNamesrv(resolved, log)
  await serve(io, start, (namesrv) => namesrvScreen(namesrv, facts(started)))
}

const facts = (started: number) => ({ version: version(), readyMs: performance.now() - started })

const SIGNALS: StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

function processIo(): Io {
  // Who reads the output has had enough: `basaltmq inspect log store | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  return {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    isTerminal: process.stderr.isTTY === true,
    ...processTerminal(),
    env: process.env,
    cwd: process.cwd(),
    engine: async () => (await import('./engine.ts')).loadEngine(),
    onSignal(listener) {
      for (const signal of SIGNALS) process.on(signal, listener)
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener)
      }
    },
    exit: (status) => process.exit(status),
  }
}
