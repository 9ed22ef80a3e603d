/**
 * `basaltmq bench modes`: measures what each flush and replication mode costs, on this machine, with real processes.
 *
 * Owns:      nothing; the suite is loaded when it runs.
 * Status:    0 measured, 1 failure, 2 usage, 130 ended by Ctrl-C. What was measured until then is written in any case.
 */
import { mkdirSync } from 'node:fs'
import type { Command } from 'commander'
import type { ModesFlags, ModesOptions } from '../bench/modes/index.ts'
import { all, untilSignal, writeMeasured } from './bench-run.ts'
import type { Io } from './io.ts'

const HELP = `
Modes: async, async+async, async+sync, async+dledger, and the same with sync: flushDiskType, and brokerRole of the master where there is a
slave; dledger is a group of three brokers (enableDLegerCommitLog), measured at whoever leads.

Each round starts fresh servers for each mode and measures every load on them; rounds go through all modes in turns. Latency is from
the write of a message to its answer (--in-flight), or from when it was due (--rate: waiting counts). The load generator, the
master and the slaves are processes of their own. Only answers with code 0 count for rates and latencies; others are counted by code.

What is injected comes on top of what the machine has: fdatasync on the disks of all brokers (a slave's matters with
"--set slaveAckAfter=flush" only: else it reports what it has in its log), rtt on the links between brokers; clients
are as near as ever. Apache's disk cannot be made slower.

Without flags: 1, 64 and 256 in flight and 2,000 messages a second, bodies of 1 and 8 KiB, five rounds of 3 s: about 35 minutes.

Examples:
  $ basaltmq bench modes --quick                                       eight modes, 1 and 64 in flight: a good minute
  $ basaltmq bench modes --quick --inject fdatasync=5ms,rtt=1ms        the same on such a disk and such a link
  $ basaltmq bench modes --modes sync,sync+sync --in-flight 1,256 --rounds 10
  $ basaltmq bench modes --surface                                     a map over disk and link: about 11 minutes
  $ basaltmq bench modes --surface fdatasync=0/2ms,rtt=0/0.5/2ms --modes sync+sync
  $ basaltmq bench modes --transfer stream,pull --modes async+sync     replication by pushing and by pulling
  $ basaltmq bench modes --against apache:5.3.3                        beside the original; needs Java, and Maven the first time

Exit status: 0 measured, 1 failure, 2 usage, 130 ended by Ctrl-C. What was measured until then is written in any case.
`

export function addModesCommand(bench: Command, io: Io): void {
  bench
    .command('modes')
    .description('measure what each flush and replication mode costs here')
    .option('--quick', 'a first answer in a good minute: one round of 1 and 64 in flight')
    .option('--modes <list>', 'which modes (default: all eight)')
    .option('--in-flight <list>', 'closed loop: messages under way')
    .option('--rate <list>', 'open loop: messages a second')
    .option('--size <list>', 'body sizes in bytes, also 8k or 1m')
    .option('--rounds <count>', 'rounds of each cell')
    .option('--seconds <seconds>', 'measured in each round')
    .option('--warm-up <seconds>', "before a server's first cell (default: 2, --quick 0.5; Apache's 6)")
    .option('--connections <count>', 'over which the load is spread', '1')
    .option('--transfer <list>', 'how our master sends to its slave: stream, pull', 'stream')
    .option('--inject <what>', 'a slower disk, a longer link: fdatasync=5ms,rtt=1ms')
    .option('--surface [grid]', 'every pair of such, in short rounds (default: fdatasync=0/1/5/10ms,rtt=0/1/5/10ms)')
    .option('--against <who>', 'beside the original: apache (4.9.7), or apache:5.3.3')
    .option('--set <key=value>', 'one key for all brokers (repeatable)', all, [])
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
  await untilSignal(io, async (signal) => {
    const { result, failure } = await runModes(options, io, signal, java)
    await writeMeasured(result, options.out, io, columnsOf(io))
    if (failure !== undefined) throw failure
  })
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

/** As wide as the terminal says; a file or pipe gets every column. */
function columnsOf(io: Io): number {
  const columns = Number(io.env.COLUMNS) || (process.stdout.isTTY ? process.stdout.columns : 0)
  return columns > 0 ? columns : 200
}
