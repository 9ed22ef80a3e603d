/** `basaltmq admin namesrv …`. */
import {
  AdminError,
  deleteKv,
  eachOf,
  findBroker,
  kvList,
  kvValue,
  type LiveBroker,
  type NamesrvTables,
  namesrvConfig,
  namesrvTables,
  ORDER_NAMESPACE,
  permText,
  putKv,
  restoreWrites,
  setNamesrvConfig,
  wipeWrites,
} from '../../admin/index.ts'
import { nearest } from '../../config/nearest.ts'
import type { Context } from './context.ts'
import { timeText } from './format.ts'
import { brokerText } from './shared.ts'
import { type CommandSpec, type Given, pairsOfWords, usage } from './spec.ts'

async function configGet(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const word = given.optionalArg(0)?.toLowerCase() ?? ''
  const all = await eachOf(admin.namesrv, async (address) => {
    const config = await namesrvConfig(admin, address)
    return {
      address,
      config: [...config].filter(([key]) => key.toLowerCase().includes(word)).sort(([a], [b]) => (a < b ? -1 : 1)),
    }
  })
  if (word !== '' && all.every(({ config }) => config.length === 0)) {
    throw new AdminError('NO_KEY', {
      what: `no NameServer has a key with "${word}"`,
      where: admin.namesrv.join(', '),
      todo: 'see "basaltmq admin namesrv config get"',
    })
  }
  context.show(Object.fromEntries(all.map(({ address, config }) => [address, Object.fromEntries(config)])), () =>
    all
      .map(
        ({ address, config }) =>
          `# NameServer ${address}\n${config.map(([key, value]) => `${key}=${value}\n`).join('')}`,
      )
      .join('\n'),
  )
}

async function configSet(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const changes = pairsOfWords(given.rest(0))
  if (changes.size === 0) throw usage('no key=value is given')
  const before = await eachOf(admin.namesrv, async (address) => ({
    address,
    config: await namesrvConfig(admin, address),
  }))
  for (const { address, config } of before) {
    for (const key of changes.keys()) {
      if (config.has(key)) continue
      const near = nearest(key, [...config.keys()])
      throw new AdminError('NO_KEY', {
        what: `the NameServer has no key "${key}"${near === undefined ? '' : `, did you mean "${near}"?`}`,
        where: address,
        todo: 'see "basaltmq admin namesrv config get"',
      })
    }
  }
  const rows = before.flatMap(({ address, config }) =>
    [...changes].map(([key, to]) => ({ address, key, from: config.get(key), to })),
  )
  if (!context.isDryRun) await setNamesrvConfig(admin, changes)
  const done = context.isDryRun ? 'would be changed' : 'changed'
  context.show({ done, changes: rows }, () =>
    rows
      .map(({ address, key, from, to }) => `${address}: ${key} ${done} from ${from ?? 'nothing'} to ${to}\n`)
      .join(''),
  )
}

async function kvListAll(context: Context, given: Given): Promise<void> {
  const namespace = given.optionalArg(0) ?? ORDER_NAMESPACE
  const pairs = await kvList(context.admin, namespace)
  context.show(
    pairs.map(([key, value]) => ({ namespace, key, value })),
    () =>
      pairs.length === 0
        ? `nothing in ${namespace}\n`
        : context.table(
            [
              { title: 'key', of: ([key]: [string, string]) => key },
              { title: 'value', of: ([, value]) => value },
            ],
            pairs,
          ),
  )
}

async function kvGet(context: Context, given: Given): Promise<void> {
  const [namespace, key] = [given.arg(0), given.arg(1)]
  const value = await kvValue(context.admin, namespace, key)
  if (value === undefined) throw noEntry(namespace, key)
  context.show({ namespace, key, value }, () => `${value}\n`)
}

function noEntry(namespace: string, key: string): AdminError {
  return new AdminError('NO_ENTRY', {
    what: `${namespace} has no entry ${key}`,
    todo: `see "basaltmq admin namesrv kv list ${namespace}"`,
  })
}

async function kvSet(context: Context, given: Given): Promise<void> {
  const [namespace, key, value] = [given.arg(0), given.arg(1), given.arg(2)]
  const before = await kvValue(context.admin, namespace, key)
  if (!context.isDryRun) await putKv(context.admin, namespace, key, value)
  const done = context.isDryRun ? 'would be set' : 'set'
  context.show(
    { done, namespace, key, before, value },
    () => `${namespace} ${key} ${done} to ${value} (was ${before ?? 'not there'})\n`,
  )
}

async function kvDelete(context: Context, given: Given): Promise<void> {
  const [namespace, key] = [given.arg(0), given.arg(1)]
  const before = await kvValue(context.admin, namespace, key)
  if (before === undefined) throw noEntry(namespace, key)
  if (!context.isDryRun) {
    await context.confirm(`${namespace} ${key} (${before}) will be deleted on every NameServer that is named`)
    await deleteKv(context.admin, namespace, key)
  }
  const done = context.isDryRun ? 'would be deleted' : 'deleted'
  context.show({ done, namespace, key, before }, () => `${namespace} ${key} ${done} (was ${before})\n`)
}

async function tables(context: Context, given: Given): Promise<void> {
  const word = given.optionalArg(0)?.toLowerCase() ?? ''
  const all = await eachOf(context.admin.namesrv, async (address) => ({
    address,
    ...(await namesrvTables(context.clientOf([address]), address)),
  }))
  for (const one of all)
    one.topicQueueTable = one.topicQueueTable.filter(({ topic }) => topic.toLowerCase().includes(word))
  context.show(all, () => all.map((one) => tablesText(context, one)).join('\n'))
}

function tablesText(
  context: Context,
  { address, brokerAddrTable, topicQueueTable, brokerLiveTable, isOf5 }: NamesrvTables & { address: string },
): string {
  const routes = topicQueueTable.flatMap(({ topic, route }) => route.queues.map((queue) => ({ topic, ...queue })))
  const addresses = context.table(
    [
      { title: 'cluster', of: (row: (typeof brokerAddrTable)[number]) => row.cluster },
      { title: 'broker', of: (row) => row.name },
      { title: 'id', of: (row) => row.id },
      { title: 'address', of: (row) => row.address },
    ],
    brokerAddrTable,
  )
  const queues = context.table(
    [
      { title: 'topic', of: (row: (typeof routes)[number]) => row.topic },
      { title: 'broker', of: (row) => row.brokerName },
      { title: 'read', of: (row) => row.readQueues },
      { title: 'write', of: (row) => row.writeQueues },
      { title: 'perm', of: (row) => permText(row.perm) },
      { title: 'flag', of: (row) => row.sysFlag },
    ],
    routes,
  )
  const live = context.table(
    [
      { title: 'address', of: (row: LiveBroker) => row.address },
      { title: 'broker', of: (row) => brokerText(row) },
      { title: 'topic table', of: (row) => versionText(row, isOf5) },
    ],
    brokerLiveTable,
  )
  return `NameServer ${address}\n\nbrokerAddrTable\n${addresses}\ntopicQueueTable\n${queues}\nbrokerLiveTable (when a broker was last heard no request tells: it is here as long as it is alive)\n${live}`
}

function versionText({ dataVersion }: LiveBroker, isOf5: boolean): string {
  if (isOf5) return 'not asked: a NameServer of 5.x takes the question as a sign of life'
  return dataVersion === undefined ? 'none' : `version ${dataVersion.counter} of ${timeText(dataVersion.timestamp)}`
}

async function writes(context: Context, given: Given, verb: 'wiped' | 'restored'): Promise<void> {
  const { admin } = context
  const { name } = await findBroker(admin, given.arg(0))
  const change = verb === 'wiped' ? wipeWrites : restoreWrites
  const topics = context.isDryRun ? [] : await change(admin, name)
  const done = context.isDryRun ? `would be ${verb}` : verb
  context.show(
    { done, broker: name, topics },
    () =>
      `write permission of ${name} ${done} in the routes of ${admin.namesrv.join(', ')}${topics.length === 0 ? '' : `: ${topics.join(', ')} topics`}\n`,
  )
}

const BROKER_NAME = [['<broker>', 'its name']] as const

export const NAMESRV: readonly CommandSpec[] = [
  {
    path: 'namesrv config get',
    about: 'the configuration of each NameServer that is named',
    mqadmin: ['getNamesrvConfig'],
    args: [['[word]', 'only keys that contain it']],
    examples: [
      'namesrv config get',
      'namesrv config get order',
      'namesrv config get --json -n namesrv-a:9876,namesrv-b:9876',
    ],
    run: configGet,
  },
  {
    path: 'namesrv config set',
    about: 'change keys of every NameServer that is named',
    mqadmin: ['updateNamesrvConfig'],
    args: [['<key=value...>', 'what to set']],
    rehearses: true,
    examples: ['namesrv config set orderMessageEnable=true --dry-run', 'namesrv config set orderMessageEnable=true'],
    run: configSet,
  },
  {
    path: 'namesrv kv list',
    about: 'the entries of a namespace of the KV table',
    mqadmin: [],
    args: [['[namespace]', 'ORDER_TOPIC_CONFIG if not given']],
    examples: ['namesrv kv list', 'namesrv kv list PROJECT_CONFIG'],
    run: kvListAll,
  },
  {
    path: 'namesrv kv get',
    about: 'one entry of the KV table',
    mqadmin: [],
    args: [
      ['<namespace>', 'such as ORDER_TOPIC_CONFIG'],
      ['<key>', 'its name'],
    ],
    examples: ['namesrv kv get ORDER_TOPIC_CONFIG Orders'],
    run: kvGet,
  },
  {
    path: 'namesrv kv set',
    about: 'set an entry on every NameServer that is named',
    mqadmin: ['updateKvConfig'],
    args: [
      ['<namespace>', 'such as ORDER_TOPIC_CONFIG'],
      ['<key>', 'its name'],
      ['<value>', 'what it becomes'],
    ],
    rehearses: true,
    examples: ['namesrv kv set ORDER_TOPIC_CONFIG Orders "broker-a:4;broker-b:4"'],
    run: kvSet,
  },
  {
    path: 'namesrv kv delete',
    about: 'delete an entry on every NameServer that is named',
    mqadmin: ['deleteKvConfig'],
    args: [
      ['<namespace>', 'such as ORDER_TOPIC_CONFIG'],
      ['<key>', 'its name'],
    ],
    rehearses: true,
    destroys: true,
    examples: ['namesrv kv delete ORDER_TOPIC_CONFIG Orders'],
    run: kvDelete,
  },
  {
    path: 'namesrv wipe',
    about: "take a broker's write permission out of the routes only; drain asks the broker itself",
    mqadmin: ['wipeWritePerm'],
    args: BROKER_NAME,
    rehearses: true,
    examples: ['namesrv wipe broker-a', 'namesrv wipe broker-a --dry-run'],
    run: (context, given) => writes(context, given, 'wiped'),
  },
  {
    path: 'namesrv unwipe',
    about: 'give it back',
    mqadmin: ['addWritePerm'],
    args: BROKER_NAME,
    rehearses: true,
    examples: ['namesrv unwipe broker-a'],
    run: (context, given) => writes(context, given, 'restored'),
  },
  {
    path: 'namesrv tables',
    about: 'brokerAddrTable, topicQueueTable and brokerLiveTable of each NameServer that is named',
    mqadmin: [],
    args: [['[word]', 'only topics whose name contains it']],
    examples: ['namesrv tables', 'namesrv tables MyTopic', 'namesrv tables --json -n namesrv-a:9876,namesrv-b:9876'],
    run: tables,
  },
]
