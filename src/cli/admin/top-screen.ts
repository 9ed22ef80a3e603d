/** The picture of a cluster as text. */
import type { BrokerLook, GroupLook, Picture } from '../../admin/index.ts'
import { hasColours, painter, STYLE } from '../colours.ts'
import type { Context } from './context.ts'
import { bytesText, dledgerText, durationText, microsText, rateText, timeText } from './format.ts'
import { brokerText } from './shared.ts'

const GROUPS_MAX = 20

export function pictureText(context: Context, { at, brokers, groups }: Picture): string {
  const up = brokers.filter(({ error }) => error === undefined)
  const down = brokers.filter(({ error }) => error !== undefined)
  const paint = painter(hasColours(context.io))
  const style = (name: keyof typeof STYLE) => (text: string) => paint(STYLE[name], text)
  const loss = up.flatMap(lossOf)
  const waits = up.flatMap(({ broker, waits: own }) => own.map((line) => `${brokerText(broker)}: ${line}`))
  const told = down.map(({ broker, error }) => {
    const why = /^no answer to \w+ (within \d+ ms)/.exec(error ?? '')
    const said = why === null ? error : `no answer ${why[1]}: it hangs or is overloaded`
    return `${brokerText(broker)} ${broker.address}: ${said} (top --store DIR reads its store)`
  })
  const silence = `${down.length} silent`
  const section = (title: string, lines: readonly string[], paintLine: (text: string) => string, none?: string) => {
    if (lines.length === 0) return none === undefined ? '' : `${style('bold')(title)}: ${none}\n`
    const wrapped = lines.flatMap((line) => fitting(line, context.width))
    return `${style('bold')(title)}\n${wrapped.map((line) => `  ${paintLine(line)}\n`).join('')}`
  }
  const rates = `in ${rateText(sum(up, 'inTps'))}/s, out ${rateText(sum(up, 'outTps'))}/s`
  const sections = [
    `${timeText(at)}  ${brokers.length} ${brokers.length === 1 ? 'broker' : 'brokers'}, ${down.length > 0 ? style('bad')(silence) : silence}  ${style('dim')(rates)}\n`,
    headed(brokerTable(context, up), up.length, style('dim'), (i) => (isAlone(up[i]) ? style('warn') : undefined)),
    section('silent', told, style('bad')),
    stageTable(context, up, style('dim')),
    section(
      'who waits for whom',
      waits,
      (line) => (/not in step|disk|stood still/.test(line) ? style('warn')(line) : line),
      'nobody waits',
    ),
    section('what would be lost now', loss, style('bad'), style('good')('nothing')),
    groupTable(context, groups, at, style),
  ]
  return sections.filter((text) => text !== '').join('\n')
}

const sum = (looks: readonly BrokerLook[], key: 'inTps' | 'outTps') => looks.reduce((all, look) => all + look[key], 0)

/** A master that has a slave, and none in step. */
function isAlone({ broker, storedOn }: BrokerLook): boolean {
  return broker.id === 0 && storedOn !== undefined && /^1 of (?!1$)/.test(storedOn)
}

type PaintLine = (text: string) => string

/** A table with its heads set apart, and its rows as they want to be. Where rows have become blocks of lines it stays plain. */
function headed(text: string, rows: number, head: PaintLine, rowOf: (row: number) => PaintLine | undefined): string {
  const lines = text.split('\n')
  if (lines.length !== rows + 2) return text
  return lines.map((line, i) => (i === 0 ? head(line) : line === '' ? line : (rowOf(i - 1)?.(line) ?? line))).join('\n')
}

/** Lines that fit, the second and later ones indented. */
function fitting(text: string, width: number | undefined): string[] {
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(20, width - 4)
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.length - 1
    if (lines[last] === '') lines[last] = word
    else if (lines[last].length + 1 + word.length <= room) lines[last] += ` ${word}`
    else lines.push(`  ${word}`)
  }
  return lines
}

function brokerTable(context: Context, up: readonly BrokerLook[]): string {
  return context.table(
    [
      { title: 'broker', of: ({ broker }: BrokerLook) => brokerText(broker) },
      { title: 'address', of: ({ broker }) => broker.address },
      ...(up.some(({ dledger }) => dledger !== undefined)
        ? [{ title: 'DLedger, term', of: ({ dledger }: BrokerLook) => dledgerText(dledger) }]
        : []),
      { title: 'version', of: ({ version, isOurs }) => (isOurs ? `${version} (Basalt)` : version) },
      { title: 'in TPS', of: ({ inTps }) => rateText(inTps), right: true },
      { title: 'out TPS', of: ({ outTps }) => rateText(outTps), right: true },
      { title: 'sends', of: ({ pendingSends }) => pendingSends },
      { title: 'held pulls', of: ({ heldPulls }) => heldPulls },
      { title: 'stored on', of: ({ storedOn }) => storedOn ?? '-' },
      { title: 'disk', of: ({ diskUsed }) => `${Math.round(diskUsed * 100)}%`, right: true },
    ],
    up,
  )
}

function stageTable(context: Context, up: readonly BrokerLook[], head: PaintLine): string {
  const rows = up.flatMap(({ broker, stages }) =>
    stages.filter(({ count }) => count > 0).map((stage) => ({ broker: brokerText(broker), ...stage })),
  )
  if (rows.length === 0) return ''
  const columns = [
    { title: 'stage', of: (row: (typeof rows)[number]) => row.stage },
    { title: 'broker', of: (row: (typeof rows)[number]) => row.broker },
    { title: 'samples', of: (row: (typeof rows)[number]) => row.count },
    { title: 'p50', of: (row: (typeof rows)[number]) => microsText(row.p50Us), right: true },
    { title: 'p99', of: (row: (typeof rows)[number]) => microsText(row.p99Us), right: true },
    { title: 'p99.9', of: (row: (typeof rows)[number]) => microsText(row.p999Us), right: true },
  ]
  return headed(context.table(columns, rows), rows.length, head, () => undefined)
}

/** With the process: nothing of what was acknowledged. The rest needs a power cut, or the loss of the machine. */
export function lossOf({ broker, unflushed, unreplicated, unreplicatedMs, storedOn }: BrokerLook): string[] {
  const name = brokerText(broker)
  const lines: string[] = []
  if (unflushed !== undefined && unflushed > 0)
    lines.push(`${name}: by a power cut ${bytesText(unflushed)} that are not on disk`)
  if (broker.id === 0 && unreplicated !== undefined && unreplicated > 0) {
    const hasSlave = storedOn !== undefined && !storedOn.endsWith(' of 1')
    const what = `${name}: with its disk ${bytesText(unreplicated)}`
    if (!hasSlave) lines.push(`${what}, all it has: it has no slave`)
    else {
      const age = (unreplicatedMs ?? -1) < 0 ? '' : `, the last ${durationText(unreplicatedMs ?? 0)}`
      const inStep = storedOn.startsWith('1 of ') ? ': no slave is in step' : ''
      lines.push(`${what} that no slave has yet${age}${inStep}`)
    }
  }
  return lines
}

const BAR_MAX = 24
/** From so many on a lag presses, if it is also old. */
const LAG_BAD = 1000

function groupTable(
  context: Context,
  groups: readonly GroupLook[],
  at: number,
  style: (name: keyof typeof STYLE) => PaintLine,
): string {
  if (groups.length === 0) return `${style('bold')('lag by group')}: no group has offsets\n`
  const largest = Math.max(...groups.map(({ lag }) => lag))
  const shown = groups.slice(0, GROUPS_MAX)
  const text = context.table(
    [
      { title: 'group', of: ({ group }: GroupLook) => group },
      { title: 'lag', of: ({ lag }) => lag },
      { title: 'TPS', of: ({ tps }) => rateText(tps), right: true },
      {
        title: 'behind by',
        of: ({ oldest, lag }) => (lag > 0 && oldest > 0 ? durationText(at - oldest) : '-'),
        right: true,
      },
      { title: 'queues', of: ({ queues }) => queues },
      // Beside a terminal only: a program that reads the text has the number.
      ...(context.width === undefined
        ? []
        : [{ title: '', of: ({ lag }: GroupLook) => '█'.repeat(Math.round((BAR_MAX * lag) / Math.max(1, largest))) }]),
    ],
    shown,
  )
  const painted = headed(text, shown.length, style('dim'), (i) =>
    groups[i] !== undefined && groups[i].lag >= LAG_BAD ? style('warn') : undefined,
  )
  const rest = groups.length - GROUPS_MAX
  return rest > 0 ? `${painted}and ${rest} groups more\n` : painted
}
