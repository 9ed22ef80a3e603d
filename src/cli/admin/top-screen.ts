/** The picture of a cluster as text. */
import type { BrokerLook, GroupLook, Picture } from '../../admin/index.ts'
import type { Context } from './context.ts'
import { bytesText, durationText, microsText, rateText, timeText } from './format.ts'
import { brokerText } from './shared.ts'

const GROUPS_MAX = 20

export function pictureText(context: Context, { at, brokers, groups }: Picture): string {
  const up = brokers.filter(({ error }) => error === undefined)
  const down = brokers.filter(({ error }) => error !== undefined)
  const sections = [
    `${timeText(at)}  ${brokers.length} brokers, ${down.length} silent\n`,
    brokerTable(context, up),
    section(
      'silent',
      down.map(
        ({ broker, error }) => `${brokerText(broker)} ${broker.address}: ${error} (top --store DIR reads its store)`,
      ),
    ),
    stageTable(context, up),
    section(
      'who waits for whom',
      up.flatMap(({ broker, waits }) => waits.map((line) => `${brokerText(broker)}: ${line}`)),
      'nobody waits',
    ),
    section('what would be lost now', up.flatMap(lossOf), 'nothing'),
    groupTable(context, groups, at),
  ]
  return sections.filter((text) => text !== '').join('\n')
}

function section(title: string, lines: readonly string[], none?: string): string {
  if (lines.length === 0) return none === undefined ? '' : `${title}: ${none}\n`
  return `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`
}

function brokerTable(context: Context, up: readonly BrokerLook[]): string {
  return context.table(
    [
      { title: 'broker', of: ({ broker }: BrokerLook) => brokerText(broker) },
      { title: 'address', of: ({ broker }) => broker.address },
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

function stageTable(context: Context, up: readonly BrokerLook[]): string {
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
  return context.table(columns, rows)
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

function groupTable(context: Context, groups: readonly GroupLook[], at: number): string {
  if (groups.length === 0) return 'lag by group: no group has offsets\n'
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
    ],
    groups.slice(0, GROUPS_MAX),
  )
  const rest = groups.length - GROUPS_MAX
  return rest > 0 ? `${text}and ${rest} groups more\n` : text
}
