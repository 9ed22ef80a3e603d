/** `inspect dry-start`: what a start of the broker would do to a store. */
import type { Command } from 'commander'
import { resolveConfig } from '../../config/index.ts'
import { type DryStart, dryStart } from '../../inspect/index.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { bytesText, count, timeText } from '../table.ts'
import { jsonLine, type StoreFlags, storeCommand, storeOf } from './common.ts'

const HELP = `
The start's own recovery runs on the files as they are, and what it would write is only remembered: which marks count, from
where the log is read, what is cut, kept, built again or refused. Nothing is locked and nothing is written. Of a store in use
it says so. Give the broker's configuration with -c: without it sizes are those of the files. Of a member of a DLedger group it is
the start up to where the group is asked.

Exit status: 0 it would start with the store as it is, 3 it would mend something or refuse, 2 usage or no store.

Examples:
  $ basaltmq inspect dry-start store -c broker.conf
  $ basaltmq inspect dry-start store --json
`

const FINDINGS = 3
const SHOWN = 20

export function dryStartCommand(parent: Command, io: Io): void {
  storeCommand(parent, 'dry-start', 'what a start would cut, build again or refuse, without doing it')
    .addHelpText('after', HELP)
    .action((path: string, flags: StoreFlags) => {
      const store = storeOf(io, path, flags)
      const { config } = resolveConfig({ role: 'broker', overrides: { storePathRootDir: store.root }, env: {} })
      const result = dryStart(store, config)
      io.out(flags.json === true ? jsonLine(result) : dryStartText(result))
      if (result.verdict !== 'as it is') throw new ExitStatus(FINDINGS)
    })
}

const TRUST = {
  all: 'all of basalt/positions counts',
  'what was on disk': 'of basalt/positions counts what was on disk',
  nothing: 'none counts',
}

export function dryStartText(result: DryStart): string {
  const { root, verdict, refusal, isUnclean, marks, scan, log, entries, dispatch, disk } = result
  const lines: [head: string, text: string][] = [['store', root]]
  if (verdict === 'refused') lines.push(['start', `REFUSED, exit status ${refusal?.exitStatus}`])
  else lines.push(['start', verdict === 'mended' ? 'goes on, and mends the store' : 'goes on with the store as it is'])
  if (refusal !== undefined) {
    lines.push(['why', `${refusal.code}: ${refusal.what}`])
    if (refusal.where !== undefined) lines.push(['where', refusal.where])
    if (refusal.todo !== undefined) lines.push(['do', refusal.todo])
    if (refusal.code === 'STORE_IN_USE') return format(lines)
  }
  lines.push(['last stop', isUnclean ? 'not clean: abort is there' : 'clean: no abort'])
  lines.push(['marks', `${TRUST[marks.trust]}: ${marks.why}`])
  if (marks.appended !== undefined) {
    const { appended, flushed, dispatched, settled } = marks
    const places = Object.entries({ appended, flushed, dispatched, settled })
    lines.push(['', places.map(([name, place]) => `${name} ${count(place ?? 0)}`).join(', ')])
  }
  lines.push(['checkpoint', marks.checkpointTime > 0 ? timeText(marks.checkpointTime) : 'says nothing'])
  // What was done until then is nothing that a start would have done for good.
  if (verdict === 'refused' && log === undefined) return format(lines)
  if (scan !== undefined && log !== undefined) {
    const read = `${bytesText(scan.to - scan.from)}, ${count(scan.recordCount)} records`
    lines.push([
      'reads',
      `from ${count(scan.from)} to ${count(scan.to)}: ${read}; ${(scan.ms / 1000).toFixed(2)} s here`,
    ])
    lines.push(['', `because of ${scan.because}`])
    if (scan.rewrittenBytes > 0)
      lines.push(['syncs again', `${bytesText(scan.rewrittenBytes)} that may not be on disk`])
    lines.push(['log', `${count(log.min)} to ${count(log.end)}: the next message goes there`])
  }
  if (entries !== undefined) {
    const { beginIndex, endIndex, endTerm, committed, divide } = entries
    const which =
      endIndex < 0
        ? `none yet; the first one goes to ${count(divide)}`
        : `${count(beginIndex)} to ${count(endIndex)} (term ${endTerm})`
    const known = committed > divide ? `committed below ${count(committed)} for certain, ` : ''
    lines.push(['entries', `${which}; ${known}what ${known === '' ? 'is committed' : 'else is'} the group says`])
  }
  for (const { file, offset, bytes } of result.cut) lines.push(['cuts', `${bytes} bytes: ${file} from byte ${offset}`])
  for (const { level, what, where } of shown(result.findings, lines, 'log'))
    lines.push([level === 'info' ? 'log' : level, `${what} (${where})`])
  if (dispatch !== undefined)
    lines.push([
      'dispatches',
      dispatch.bytes === 0 ? 'nothing' : `${bytesText(dispatch.bytes)} from ${count(dispatch.from)} on`,
    ])
  for (const { topic, queueId, from, to } of shown(result.queues, lines, 'builds'))
    lines.push(['builds', `units ${count(from)} to ${count(to)} of ${topic}/${queueId}`])
  for (const { what, fields } of shown(result.messages, lines, 'mends'))
    lines.push(['mends', what + fieldsText(fields)])
  for (const { problem } of result.tables) lines.push(['table', problem])
  const kinds = (['changed', 'made', 'removed'] as const)
    .map((kind) => [result.changes.filter((change) => change.kind === kind).length, kind] as const)
    .filter(([number]) => number > 0)
  if (kinds.length > 0)
    lines.push(['files', `${kinds.map(([number, kind]) => `${count(number)} ${kind}`).join(', ')} (--json names them)`])
  if (disk.ahead > disk.free)
    lines.push([
      'disk',
      `${bytesText(disk.ahead)} are wanted for the next segments, ${bytesText(disk.free)} are free: sends will be refused`,
    ])
  return format(lines)
}

/** The first ones; `lines` is told of the others. */
function shown<T>(items: readonly T[], lines: [string, string][], head: string): readonly T[] {
  if (items.length > SHOWN) lines.push([head, `${count(items.length)} in all, the first ${SHOWN}:`])
  return items.slice(0, SHOWN)
}

function fieldsText(fields: Record<string, unknown> | undefined): string {
  if (fields === undefined) return ''
  return ` (${Object.entries(fields)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')})`
}

function format(lines: [head: string, text: string][]): string {
  return lines.map(([head, text]) => `  ${head.padEnd(12)}${text}\n`).join('')
}
