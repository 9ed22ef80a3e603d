/** `basaltmq admin broker …`. */
import {
  AdminError,
  type BrokerAddress,
  brokerConfig,
  brokerStats,
  brokersOf,
  changeBrokerConfig,
  type DLedgerRows,
  dledgerRowsOf,
  eachOf,
  findBroker,
  groupProgress,
  groupsOfTopic,
  mastersOf,
  type RuntimeTable,
  rateOf,
  runtimeOf,
  throwIfNotAllowed,
  topicKind,
  topicTableOf,
} from '../../admin/index.ts'
import { nearest } from '../../config/nearest.ts'
import { describe as tell } from '../../errors.ts'
import type { Context } from './context.ts'
import { dledgerText, rateText, timeText } from './format.ts'
import { brokerText } from './shared.ts'
import { type CommandSpec, type Given, pairsOfWords, usage } from './spec.ts'
import { facts } from './table.ts'

interface BrokerRow extends BrokerAddress {
  version: string
  inTps: number
  outTps: number
  disk: number
  earliest: number
  /** Of a member of a DLedger group that is ours. */
  dledger?: DLedgerRows
  error: string
}

async function list(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const cluster = given.text('cluster')
  const brokers = (await brokersOf(admin)).filter((broker) => cluster === undefined || broker.cluster === cluster)
  const rows = await eachOf(brokers, async (broker): Promise<BrokerRow> => {
    const { runtime, error } = await runtimeOf(admin, broker.address).then(
      (table) => ({ runtime: table, error: '' }),
      (failure: unknown) => {
        throwIfNotAllowed(failure)
        return { runtime: {} as RuntimeTable, error: tell(failure) }
      },
    )
    const dledger = dledgerRowsOf(runtime)
    return {
      ...broker,
      ...(dledger === undefined ? {} : { dledger }),
      version: runtime.brokerVersionDesc ?? '',
      inTps: rateOf(runtime, 'putTps'),
      outTps: rateOf(runtime, 'getTransferedTps'),
      disk: Number(runtime.commitLogDiskRatio ?? 0),
      earliest: Number(runtime.earliestMessageTimeStamp ?? 0),
      error,
    }
  })
  context.show(rows, () => {
    const text = context.table(
      [
        { title: 'cluster', of: (row: BrokerRow) => row.cluster },
        { title: 'broker', of: (row) => row.name },
        { title: 'id', of: (row) => row.id },
        { title: 'address', of: (row) => row.address },
        ...(rows.some(({ dledger }) => dledger !== undefined)
          ? [{ title: 'DLedger, term', of: (row: BrokerRow) => dledgerText(row.dledger) }]
          : []),
        { title: 'version', of: (row) => row.version || '-' },
        { title: 'in TPS', of: (row) => rateText(row.inTps), right: true },
        { title: 'out TPS', of: (row) => rateText(row.outTps), right: true },
        { title: 'disk', of: (row) => `${Math.round(row.disk * 100)}%`, right: true },
        { title: 'earliest message', of: (row) => timeText(row.earliest) },
      ],
      rows,
    )
    const failures = rows
      .filter(({ error }) => error !== '')
      .map((row) => `${brokerText(row)} does not tell: ${row.error}\n`)
    return rows.length === 0 ? 'no broker is registered\n' : text + failures.join('')
  })
}

async function describe(context: Context, given: Given): Promise<void> {
  const broker = await findBroker(context.admin, given.arg(0))
  const runtime = await runtimeOf(context.admin, broker.address)
  const word = given.optionalArg(1)?.toLowerCase() ?? ''
  const rows = Object.entries(runtime)
    .filter(([key]) => key.toLowerCase().includes(word))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  context.show({ ...broker, runtime: Object.fromEntries(rows) }, () => {
    const own = rows.filter(([key]) => key.startsWith('basalt_'))
    const rest = rows
      .filter(([key]) => !key.startsWith('basalt_'))
      .map(([key, value]) => [key, withTime(key, value)] as const)
    const head = `${broker.cluster} ${brokerText(broker)} ${broker.address}\n\n`
    return `${head}${facts(rest)}${own.length === 0 || rest.length === 0 ? '' : '\n'}${facts(own)}`
  })
}

function withTime(key: string, value: string): string {
  const isTime = /time_?stamp$/i.test(key) && /^\d{12,}$/.test(value)
  return isTime ? `${value} (${timeText(Number(value))})` : value
}

async function configGet(context: Context, given: Given): Promise<void> {
  const broker = await findBroker(context.admin, given.arg(0))
  const config = await brokerConfig(context.admin, broker.address)
  const word = given.optionalArg(1)?.toLowerCase() ?? ''
  const rows = [...config].filter(([key]) => key.toLowerCase().includes(word)).sort(([a], [b]) => (a < b ? -1 : 1))
  if (rows.length === 0) throw unknownKey(given.arg(1), config, broker)
  context.show(Object.fromEntries(rows), () => rows.map(([key, value]) => `${key}=${value}\n`).join(''))
}

function unknownKey(key: string, config: ReadonlyMap<string, string>, broker: BrokerAddress): AdminError {
  const near = nearest(key, [...config.keys()])
  return new AdminError('NO_KEY', {
    what: `${brokerText(broker)} has no key "${key}"${near === undefined ? '' : `, did you mean "${near}"?`}`,
    where: broker.address,
    todo: 'see "basaltmq admin broker config get"',
  })
}

async function configSet(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const changes = pairsOfWords(given.rest(1))
  const cluster = given.arg(0) === 'all' ? undefined : given.text('cluster')
  const brokers = given.arg(0) === 'all' ? await mastersOf(admin, { cluster }) : [await findBroker(admin, given.arg(0))]
  const rows = await eachOf(brokers, async (broker) => {
    const config = await brokerConfig(admin, broker.address)
    for (const key of changes.keys()) if (!config.has(key)) throw unknownKey(key, config, broker)
    return [...changes].map(([key, value]) => ({
      broker: brokerText(broker),
      key,
      from: config.get(key) ?? '',
      to: value,
    }))
  })
  if (!context.isDryRun) {
    const remarks = await eachOf(brokers, ({ address }) => changeBrokerConfig(admin, address, changes))
    for (const remark of new Set(remarks)) if (remark !== undefined && remark !== '') context.note(remark)
  }
  const all = rows.flat()
  const done = context.isDryRun ? 'would be changed' : 'changed'
  context.show({ done, changes: all }, () =>
    all
      .map(
        ({ broker, key, from, to }) =>
          `${broker}: ${key} ${from === to ? `is ${to} already` : `${done} from ${from} to ${to}`}\n`,
      )
      .join(''),
  )
}

interface StatsRow {
  topic: string
  group: string
  lag: number
  inTps: number
  outTps: number
  in24h: number
  out24h: number
}

async function stats(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const word = given.text('topic')
  const brokers = await mastersOf(admin, { broker: given.optionalArg(0) })
  const rows = new Map<string, StatsRow>()
  const add = (row: StatsRow) => {
    const key = `${row.topic}@${row.group}`
    const known = rows.get(key)
    if (known === undefined) rows.set(key, row)
    else for (const name of ['lag', 'inTps', 'outTps', 'in24h', 'out24h'] as const) known[name] += row[name]
  }
  await eachOf(brokers, async ({ address, name, cluster }) => {
    const own = new Set([name, cluster])
    const { topics } = await topicTableOf(admin, address)
    const wanted = topics
      .map(({ topic }) => topic)
      .filter((topic) => (word === undefined ? topicKind(topic, own) === 'normal' : topic === word))
    await eachOf(wanted, async (topic) => {
      const [put, groups] = await Promise.all([
        brokerStats(admin, address, 'TOPIC_PUT_NUMS', topic),
        groupsOfTopic(admin, [address], topic),
      ])
      const puts = { topic, inTps: put?.minute.tps ?? 0, in24h: put?.day.sum ?? 0 }
      if (groups.length === 0) add({ ...puts, group: '', lag: 0, outTps: 0, out24h: 0 })
      for (const group of groups) {
        const [get, progress] = await Promise.all([
          brokerStats(admin, address, 'GROUP_GET_NUMS', `${topic}@${group}`),
          groupProgress(admin, [address], group, topic),
        ])
        add({ ...puts, group, lag: progress.lag, outTps: get?.minute.tps ?? 0, out24h: get?.day.sum ?? 0 })
      }
    })
  })
  const list = [...rows.values()].sort((a, b) =>
    a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.group < b.group ? -1 : 1,
  )
  if (list.length === 0 && word !== undefined) {
    throw new AdminError('NO_TOPIC', { what: `no broker has topic ${word}`, todo: 'see "basaltmq admin topic list"' })
  }
  context.show(list, () =>
    list.length === 0
      ? 'no topic of users\n'
      : context.table(
          [
            { title: 'topic', of: (row: StatsRow) => row.topic },
            { title: 'group', of: (row) => row.group || '-' },
            { title: 'lag', of: (row) => row.lag },
            { title: 'in TPS', of: (row) => rateText(row.inTps), right: true },
            { title: 'out TPS', of: (row) => rateText(row.outTps), right: true },
            { title: 'in 24 h', of: (row) => row.in24h },
            { title: 'out 24 h', of: (row) => row.out24h },
          ],
          list,
        ),
  )
}

async function count(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const [name, key] = [given.arg(1), given.arg(2)]
  const broker = await findBroker(admin, given.arg(0))
  const found = await brokerStats(admin, broker.address, name, key)
  if (found === undefined) {
    throw new AdminError('NO_STATS', {
      what: `${brokerText(broker)} has counted nothing as ${name} of "${key}"`,
      todo: 'names and keys are in the help',
    })
  }
  context.show(found, () =>
    facts(
      (['minute', 'hour', 'day'] as const).map((window) => [
        window,
        `${found[window].sum}, ${rateText(found[window].tps)} TPS`,
      ]),
    ),
  )
}

export const BROKER: readonly CommandSpec[] = [
  {
    path: 'broker list',
    about: 'brokers with address, version, rates and disk',
    mqadmin: ['clusterList'],
    options: [{ flags: '--cluster <name>', about: 'only this cluster' }],
    examples: ['broker list', 'broker list --cluster DefaultCluster', 'broker list --json'],
    run: list,
  },
  {
    path: 'broker describe',
    about: 'everything that a broker says of itself: counters, positions, latencies',
    mqadmin: ['brokerStatus'],
    args: [
      ['<broker>', 'name, name:id or host:port'],
      ['[word]', 'only rows whose name contains it'],
    ],
    examples: ['broker describe broker-a', 'broker describe broker-a:1', 'broker describe broker-a basalt_'],
    run: describe,
  },
  {
    path: 'broker config get',
    about: "a broker's configuration as it runs",
    mqadmin: ['getBrokerConfig'],
    args: [
      ['<broker>', 'name, name:id or host:port'],
      ['[word]', 'only keys that contain it'],
    ],
    examples: ['broker config get broker-a', 'broker config get broker-a flush', 'broker config get broker-a:1 --json'],
    run: configGet,
  },
  {
    path: 'broker config set',
    about: 'change keys of a running broker, and look whether it took them',
    mqadmin: ['updateBrokerConfig'],
    args: [
      ['<broker>', 'name, name:id, host:port, or "all" for every master'],
      ['<key=value...>', 'what to set'],
    ],
    options: [{ flags: '--cluster <name>', about: 'of "all": only this cluster\'s' }],
    rehearses: true,
    examples: [
      'broker config set broker-a fileReservedTime=48',
      'broker config set broker-a brokerPermission=4 --dry-run',
      'broker config set all autoCreateTopicEnable=false',
    ],
    run: (context, given) => {
      if (given.rest(1).length === 0) throw usage('no key=value is given')
      return configSet(context, given)
    },
  },
  {
    path: 'broker stats',
    about: 'what came and went in the last minute and day, by topic and group',
    mqadmin: ['statsAll'],
    args: [['[broker]', 'only this one: name, name:id or host:port']],
    options: [{ flags: '-t, --topic <topic>', about: 'only this topic' }],
    examples: ['broker stats', 'broker stats broker-a', 'broker stats -t MyTopic'],
    run: stats,
  },
  {
    path: 'broker counter',
    about:
      'one counter: TOPIC_PUT_NUMS topic, GROUP_GET_NUMS topic@group, SNDBCK_PUT_NUMS topic@group, BROKER_PUT_NUMS cluster, …',
    mqadmin: [],
    args: [
      ['<broker>', 'name, name:id or host:port'],
      ['<name>', "the counter's name"],
      ['<key>', 'what it counts'],
    ],
    examples: [
      'broker counter broker-a TOPIC_PUT_NUMS MyTopic',
      'broker counter broker-a GROUP_GET_NUMS MyTopic@MyGroup',
    ],
    run: count,
  },
]
