/**
 * Commands for whoever looks after brokers: admin, inspect, bench, doctor, completion. What is behind them is loaded when one of
 * them is run, so that a broker's start pays nothing.
 */
import type { Command } from 'commander'
import { ConfigError } from '../errors.ts'
import type { Io } from './io.ts'

const DOCTOR_EXAMPLES = `
Examples:
  $ basaltmq doctor                              what a broker started here would meet
  $ basaltmq doctor -c broker.conf
  $ basaltmq doctor -c broker.conf --json

Exit status: 0 nothing to do, 3 something is wrong, 2 usage or configuration.
`
const COMPLETION_EXAMPLES = `
Examples:
  $ basaltmq completion bash   > /etc/bash_completion.d/basaltmq
  $ basaltmq completion zsh    > "\${fpath[1]}/_basaltmq"
  $ basaltmq completion fish   > ~/.config/fish/completions/basaltmq.fish
`
/** Commands that need the trees of all groups. */
const NEEDS_ALL = ['completion', 'help']

export async function addTools(program: Command, io: Io, argv: readonly string[]): Promise<void> {
  const isNeeded = (group: string) => group === argv[0] || NEEDS_ALL.includes(argv[0])
  const admin = program
    .command('admin')
    .description("administer a cluster, ours or Apache's (see basaltmq admin --help)")
  if (isNeeded('admin')) (await import('./admin/tree.ts')).fillAdmin(admin, io)
  const inspect = program
    .command('inspect')
    .description('look into a store, offline or beside a running broker, and check it')
  if (isNeeded('inspect'))
    (await import('./inspect.ts')).fillInspect(inspect, io, argv[0] === 'inspect' ? argv.slice(1) : [])
  const bench = program.command('bench').description('measure what each mode costs and loses, and compare runs')
  if (isNeeded('bench')) (await import('./bench.ts')).fillBench(bench, io)
  program
    .command('doctor')
    .description('check this machine and a configuration before a broker is started')
    .option('-c, --config <file>', "configuration file, in RocketMQ's properties format")
    .option('--set <key=value>', 'one key, over the file (repeatable)', (value, all: string[]) => [...all, value], [])
    .option('--json', 'the findings as JSON')
    .addHelpText('after', DOCTOR_EXAMPLES)
    .showHelpAfterError('see "basaltmq doctor --help"')
    .action(async (flags: { config?: string; set: string[]; json?: boolean }) => {
      const { runDoctor } = await import('./doctor.ts')
      await runDoctor(io, flags)
    })
  program
    .command('completion')
    .description('print a completion script for a shell')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', COMPLETION_EXAMPLES)
    .showHelpAfterError('see "basaltmq completion --help"')
    .action(async (shell: string) => {
      const { completionScript } = await import('./completion.ts')
      const script = completionScript(program, shell)
      if (script === undefined) {
        throw new ConfigError('UNKNOWN_SHELL', { what: `no completion for "${shell}"`, todo: 'give bash, zsh or fish' })
      }
      io.out(script)
    })
}
