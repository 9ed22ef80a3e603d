/**
 * `basaltmq bench modes`: measures what each flush and replication mode costs, on this machine, with real processes.
 *
 * Owns:      nothing; the suite is loaded when it runs.
 * Status:    0 measured, 1 failure, 2 usage, 130 ended by Ctrl-C. What was measured until then is written in any case.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { ModesFlags, ModesOptions } from '../bench/modes/index.ts'
import type { ModesResult } from '../bench/results.ts'
import { ExitStatus } from './exit-status.ts'
import type { Io } from './io.ts'

const INTERRUPTED = 130

const HELP = `
Modes: async, async+async, async+sync, sync, sync+async, sync+sync: flushDiskType, and brokerRole of the master where there is a slave.

Each round starts fresh servers for each mode and measures every load on them; rounds go through all modes in turns. Latency is from
the write of a message to its answer (--in-flight), or from when it was due (--rate: waiting counts). The load generator, the
master and the slave are processes of their own. Only answers with code 0 count for rates and latencies; others are counted by code.

What is injected comes on top of what the machine has: fdatasync on the disks of both brokers (a slave's matters with
"--set slaveAckAfter=flush" only: else it reports what it has in its log), rtt on the link between slave and master; clients
are as near as ever. Apache's disk cannot be made slower.

Without flags: 1, 64 and 256 in flight and 2,000 messages a second, bodies of 1 and 8 KiB, five rounds of 3 s: about 25 minutes.

Examples:
  $ basaltmq bench modes --quick                                       six modes, 1 and 64 in flight: within a minute
  $ basaltmq bench modes --quick --inject fdatasync=5ms,rtt=1ms        the same on such a disk and such a link
  $ basaltmq bench modes --modes sync,sync+sync --in-flight 1,256 --rounds 10
  $ basaltmq bench modes --surface                                     a map over disk and link: about 8 minutes
  $ basaltmq bench modes --surface fdatasync=0/2ms,rtt=0/0.5/2ms --modes sync+sync
  $ basaltmq bench modes --transfer stream,pull --modes async+sync     replication by pushing and by pulling
  $ basaltmq bench modes --against apache:5.3.3                        beside the original; needs Java, and Maven the first time

Exit status: 0 measured, 1 failure, 2 usage, 130 ended by Ctrl-C. What was measured until then is written in any case.
`

const all = (value: string, before: string[]) => [...before, value]

export function addModesCommand(bench: Command, io: Io): void {
  bench
    .command('modes')
    .description('measure what each flush and replication mode costs here')
    .option('--quick', 'a first answer within a minute: one round of 1 and 64 in flight')
    .option('--modes <list>', 'which modes (default: all six)')
    .option('--in-flight <list>', 'closed loop: messages under way')
    .option('--rate <list>', 'open loop: messages a second')
    .option('--size <list>', 'body sizes in bytes, also 8k or 1m')
    .option('--rounds <count>', 'rounds of each cell')
    .option('--seconds <seconds>', 'measured in each round')
    .option('--warm-up <seconds>', "before a server's first cell; Apache's at least 6")
    .option('--connections <count>', 'over which the load is spread', '1')
    .option('--transfer <list>', 'how our master sends to its slave: stream, pull', 'stream')
    .option('--inject <what>', 'a slower disk, a longer link: fdatasync=5ms,rtt=1ms')
    .option('--surface [grid]', 'every pair of such, in short rounds (default: fdatasync=0/1/5/10ms,rtt=0/1/5/10ms)')
    .option('--against <who>', 'beside the original: apache (4.9.7), or apache:5.3.3')
    .option('--set <key=value>', 'one key for both brokers (repeatable)', all, [])
    .option('--folder <folder>', "where the stores are while it runs (default: the system's temporary folder)")
    .option('-o, --out <folder>', 'where the results go (default: bench/results)')
    .addHelpText('after', HELP)
    .action((flags: ModesFlags) => benchModes(flags, io))
}

async function benchModes(flags: ModesFlags, io: Io): Promise<void> {
  const { modesOptions, planOf, plannedSeconds, runModes, timeText } = await import('../bench/modes/index.ts')
  const options = modesOptions(flags, io.cwd)
  const java = await prepare(options, io)
  const visits = planOf(options)
  const cells = new Set(visits.flatMap((visit) => visit.cells.map((key) => JSON.stringify(key)))).size
  io.error(
    `${cells} cells, ${options.rounds} rounds of ${options.seconds} s: about ${timeText(plannedSeconds(options, visits))}; Ctrl-C ends with what is there\n`,
  )
  const abort = new AbortController()
  const release = io.onSignal(() => {
    if (abort.signal.aborted) io.exit(INTERRUPTED)
    io.error('\nbasaltmq: ending with what was measured; once more ends at once\n')
    abort.abort(new Error('ended by a signal'))
  })
  try {
    const { result, failure } = await runModes(options, io, abort.signal, java)
    await report(result, options.out, io)
    if (failure !== undefined) throw failure
  } finally {
    release()
  }
  if (abort.signal.aborted) throw new ExitStatus(INTERRUPTED)
}

const GIB = 2 ** 30
const FREE_MIN = 16 * GIB

/** Says beforehand what would spoil the figures. Gives what runs Apache's broker, where it is asked for. */
async function prepare(options: ModesOptions, io: Io): Promise<string> {
  const { fileSystemOf, freeBytes } = await import('../bench/machine.ts')
  mkdirSync(options.folder, { recursive: true })
  const warn = (text: string) => io.error(`basaltmq: warning: ${text}\n`)
  const kind = fileSystemOf(options.folder)
  if (kind === 'tmpfs') warn(`${options.folder} is memory (tmpfs), where a sync costs nothing; --folder names a disk`)
  const free = freeBytes(options.folder)
  if (free < FREE_MIN) warn(`${options.folder} has ${(free / GIB).toFixed(1)} GiB free; a deep round may need 16`)
  if (!options.systems.includes('apache')) return ''
  const { needApache } = await import('../bench/apache-jars.ts')
  io.error(`looking for Apache RocketMQ ${options.apacheVersion} (the first time Maven fetches it)\n`)
  return needApache(options.apacheVersion)
}

/** The JSON, the reports made of it, and the table here. */
async function report(result: ModesResult, folder: string, io: Io): Promise<void> {
  if (result.cells.length === 0) {
    io.error('basaltmq: nothing was measured, nothing is written\n')
    return
  }
  const { terminalReport, writeReports } = await import('../bench/index.ts')
  mkdirSync(folder, { recursive: true })
  const name = `modes-${result.machine.date.replaceAll(/[:.]/g, '-').slice(0, 19)}`
  const json = join(folder, `${name}.json`)
  writeFileSync(json, `${JSON.stringify(result)}\n`)
  io.out(terminalReport(result, columnsOf(io)))
  for (const file of [json, ...writeReports(result, folder, name)]) io.out(`written: ${file}\n`)
}

/** As wide as the terminal says; a file or pipe gets every column. */
function columnsOf(io: Io): number {
  const columns = Number(io.env.COLUMNS) || (process.stdout.isTTY ? process.stdout.columns : 0)
  return columns > 0 ? columns : 200
}
