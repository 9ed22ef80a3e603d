/** `basaltmq admin topic …`, but for shrink. */
import {
  AdminError,
  deleteOrder,
  deleteTopic,
  eachOf,
  groupsOfTopic,
  leadersOf,
  mastersOf,
  mustRoute,
  ownNames,
  type PlacedTopic,
  permText,
  placedTopics,
  putOrder,
  putTopic,
  type QueueStats,
  registeredTopics,
  type TopicChange,
  topicKind,
  topicStats,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { timeText } from './format.ts'
import { brokerText, checkName, parseBool, parsePerm, WHERE, whereOf } from './shared.ts'
import { type CommandSpec, type Given, type OptionSpec, usage } from './spec.ts'
import { SHRINK } from './topic-shrink.ts'

const QUEUES: readonly OptionSpec[] = [
  { flags: '-q, --queues <n>', about: 'read and write queues on each broker' },
  { flags: '--read-queues <n>', about: 'read queues only' },
  { flags: '--write-queues <n>', about: 'write queues only' },
  { flags: '-p, --perm <perm>', about: 'rw, r, w or none (6, 4, 2, 0)' },
  { flags: '--order <bool>', about: 'true: ordered, false: not; kept on the NameServers for all brokers of the topic' },
  { flags: '--attributes <list>', about: 'of RocketMQ 5: "+message.type=FIFO,-key"' },
]

const QUEUES_MAX = 65_535

function changed(before: TopicChange, given: Given): TopicChange {
  const both = given.count('queues', 0, QUEUES_MAX)
  const perm = given.text('perm')
  const order = given.text('order')
  return {
    ...before,
    readQueues: given.count('readQueues', 0, QUEUES_MAX) ?? both ?? before.readQueues,
    writeQueues: given.count('writeQueues', 0, QUEUES_MAX) ?? both ?? before.writeQueues,
    perm: perm === undefined ? before.perm : parsePerm(perm),
    order: order === undefined ? before.order : parseBool(order, '--order'),
    attributes: given.text('attributes'),
  }
}

const CONFIG_COLUMNS = [
  { title: 'topic', of: ({ topic }: PlacedTopic) => topic },
  { title: 'broker', of: ({ broker }: PlacedTopic) => brokerText(broker) },
  { title: 'read', of: ({ readQueues }: PlacedTopic) => readQueues },
  { title: 'write', of: ({ writeQueues }: PlacedTopic) => writeQueues },
  { title: 'perm', of: ({ perm }: PlacedTopic) => permText(perm) },
  { title: 'order', of: ({ order }: PlacedTopic) => (order ? 'yes' : '') },
]

async function list(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const word = given.optionalArg(0)?.toLowerCase() ?? ''
  const [placed, registered, names] = await Promise.all([
    placedTopics(admin, whereOf(given)),
    registeredTopics(admin),
    ownNames(admin),
  ])
  const isShown = (topic: string) =>
    topic.toLowerCase().includes(word) && (given.is('all') || topicKind(topic, names) === 'normal')
  const shown = placed.filter(({ topic }) => isShown(topic))
  const have = new Set(placed.map(({ topic }) => topic))
  // A NameServer keeps the topics of brokers that are away, and those that brokers have lost.
  const { cluster, broker } = whereOf(given)
  const isAnywhere = cluster === undefined && broker === undefined
  const elsewhere = !isAnywhere ? [] : registered.filter((topic) => !have.has(topic) && isShown(topic))
  const hidden = new Set(placed.filter(({ topic }) => !isShown(topic)).map(({ topic }) => topic)).size
  const value = shown.map(({ broker, ...config }) => ({
    ...config,
    kind: topicKind(config.topic, names),
    broker: broker.name,
    cluster: broker.cluster,
    address: broker.address,
  }))
  context.show([...value, ...elsewhere.map((topic) => ({ topic, kind: topicKind(topic, names), broker: '' }))], () => {
    const rows = context.table(CONFIG_COLUMNS, shown)
    const lost = elsewhere.map((topic) => `${topic}: in the NameServer, on no master that is up\n`).join('')
    const rest =
      hidden === 0 || given.is('all') || word !== ''
        ? ''
        : `\n${hidden} system, retry and dead-letter topics not shown: --all\n`
    return `${shown.length === 0 ? 'no such topic\n' : rows}${lost}${rest}`
  })
}

interface QueueRow extends QueueStats {
  count: number
}

async function describe(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const topic = given.arg(0)
  const route = await mustRoute(admin, topic)
  const leaders = leadersOf(route.brokers)
  const [stats, groups] = await Promise.all([
    eachOf(leaders, ({ address }) => topicStats(admin, address, topic)),
    groupsOfTopic(
      admin,
      leaders.map(({ address }) => address),
      topic,
    ),
  ])
  const queues: QueueRow[] = stats.flat().map((queue) => ({ ...queue, count: queue.max - queue.min }))
  context.show(
    { topic, route: { brokers: route.brokers, queues: route.queues, order: route.order }, queues, groups },
    () => {
      const brokers = context.table(
        [
          { title: 'broker', of: (q) => q.brokerName },
          { title: 'read', of: (q) => q.readQueues },
          { title: 'write', of: (q) => q.writeQueues },
          { title: 'perm', of: (q) => permText(q.perm) },
          {
            title: 'addresses',
            of: (q) =>
              route.brokers
                .filter(({ name }) => name === q.brokerName)
                .map(({ id, address }) => `${id}=${address}`)
                .join(' '),
          },
        ],
        route.queues,
      )
      const rows = context.table(
        [
          { title: 'broker', of: (q: QueueRow) => q.brokerName },
          { title: 'queue', of: (q) => q.queueId },
          { title: 'first', of: (q) => q.min },
          { title: 'end', of: (q) => q.max },
          { title: 'messages', of: (q) => q.count },
          { title: 'last message', of: (q) => timeText(q.lastUpdate) },
        ],
        queues,
      )
      const order = route.order === undefined ? '' : `\nordered: ${route.order}\n`
      return `${brokers}${order}\n${rows}\ngroups: ${groups.join(', ') || 'none'}\n`
    },
  )
}

const DEFAULT_QUEUES = 8

async function create(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const topic = given.arg(0)
  checkName('topic', topic)
  const [masters, there] = await Promise.all([mastersOf(admin, whereOf(given)), placedTopics(admin, {}, topic)])
  const taken = there.filter(({ broker }) => masters.some(({ address }) => address === broker.address))
  if (taken.length > 0) {
    throw new AdminError('TOPIC_EXISTS', {
      what: `topic ${topic} is there already on ${taken.map(({ broker }) => brokerText(broker)).join(', ')}`,
      todo: 'change it with "basaltmq admin topic alter"',
    })
  }
  const fresh = { topic, perm: 6, filterType: 'SINGLE_TAG', sysFlag: 0, order: false, attributes: undefined }
  const config = changed({ ...fresh, readQueues: DEFAULT_QUEUES, writeQueues: DEFAULT_QUEUES }, given)
  if (!context.isDryRun) {
    await eachOf(masters, ({ address }) => putTopic(admin, address, config))
    if (config.order)
      await putOrder(
        admin,
        topic,
        masters.map(({ name }) => [name, config.writeQueues]),
      )
  }
  const rows = masters.map((broker) => ({ ...config, broker }))
  report(context, context.isDryRun ? 'would be created' : 'created', rows)
}

async function alter(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const topic = given.arg(0)
  const before = await placedTopics(admin, whereOf(given), topic)
  if (before.length === 0) {
    throw new AdminError('NO_TOPIC', {
      what: `no broker has topic ${topic}`,
      todo: 'create it with "basaltmq admin topic create"',
    })
  }
  const after = before.map((config) => ({ ...config, ...changed(config, given) }))
  const isGiven = ['queues', 'readQueues', 'writeQueues', 'perm', 'order', 'attributes'].some(
    (name) => given.text(name) !== undefined,
  )
  if (!isGiven) throw usage('nothing to change is given', 'see "basaltmq admin topic alter --help"')
  const loses = after.filter((config, i) => config.readQueues < before[i].readQueues)
  if (loses.length > 0 && !context.isDryRun) {
    await context.confirm(
      `queues ${loses[0].readQueues} to ${before[after.indexOf(loses[0])].readQueues - 1} of ${topic} can be read no more, consumed or not ("topic shrink" waits until they are)`,
    )
  }
  if (!context.isDryRun) {
    await eachOf(after, (config) => putTopic(admin, config.broker.address, config))
    const order = given.text('order')
    if (order !== undefined) {
      if (after[0].order)
        await putOrder(
          admin,
          topic,
          after.map(({ broker, writeQueues }) => [broker.name, writeQueues]),
        )
      else await deleteOrder(admin, topic)
    }
  }
  report(context, context.isDryRun ? 'would be changed' : 'changed', after)
}

function report(context: Context, done: string, rows: readonly PlacedTopic[]): void {
  const value = rows.map(({ broker, ...config }) => ({ ...config, broker: broker.name, address: broker.address }))
  context.show({ done, topics: value }, () => `topic ${rows[0].topic} ${done}:\n${context.table(CONFIG_COLUMNS, rows)}`)
}

async function remove(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const topic = given.arg(0)
  const cluster = given.text('cluster')
  const there = await placedTopics(admin, { cluster }, topic)
  const registered = there.length > 0 || (await registeredTopics(admin)).includes(topic)
  if (!registered)
    throw new AdminError('NO_TOPIC', { what: `there is no topic ${topic}`, todo: 'see "basaltmq admin topic list"' })
  const stats = (await eachOf(there, ({ broker }) => topicStats(admin, broker.address, topic))).flat()
  const count = stats.reduce((sum, { min, max }) => sum + max - min, 0)
  const brokers = there.map(({ broker }) => brokerText(broker))
  const what = `topic ${topic} with ${count} messages on ${brokers.join(', ') || 'no broker'}`
  if (!context.isDryRun) {
    await context.confirm(`${what} will be deleted`)
    await deleteTopic(admin, topic, cluster)
  }
  const done = context.isDryRun ? 'would be deleted' : 'deleted'
  context.show({ done, topic, messages: count, brokers }, () => `${what} ${done}\n`)
}

export const TOPIC: readonly CommandSpec[] = [
  {
    path: 'topic list',
    about: 'topics with their queues and permissions on each broker',
    mqadmin: ['topicList'],
    args: [['[word]', 'only those whose name contains it']],
    options: [{ flags: '-a, --all', about: 'system, retry and dead-letter topics, too' }, ...WHERE],
    examples: ['topic list', 'topic list order --json', 'topic list --all -n namesrv-a:9876,namesrv-b:9876'],
    run: list,
  },
  {
    path: 'topic describe',
    about: "a topic's route, what is in its queues, and the groups that consume it",
    mqadmin: ['topicStatus', 'topicRoute', 'topicClusterList'],
    args: [['<topic>', 'its name']],
    examples: ['topic describe MyTopic', 'topic describe MyTopic --json', 'topic describe %DLQ%MyGroup'],
    run: describe,
  },
  {
    path: 'topic create',
    about: 'create a topic on all masters, those of a cluster, or one broker',
    mqadmin: ['updateTopic'],
    args: [['<topic>', 'its name']],
    options: [...QUEUES, ...WHERE],
    rehearses: true,
    examples: [
      'topic create MyTopic',
      'topic create MyTopic -q 16 --cluster DefaultCluster',
      'topic create Orders -q 4 --order true',
    ],
    run: create,
  },
  {
    path: 'topic alter',
    about: 'change queues, permission or order of a topic; what is not given stays',
    mqadmin: ['updateTopic', 'updateTopicPerm', 'updateOrderConf'],
    args: [['<topic>', 'its name']],
    options: [...QUEUES, ...WHERE],
    rehearses: true,
    destroys: true,
    examples: [
      'topic alter MyTopic -q 32',
      'topic alter MyTopic --perm r --broker broker-a',
      'topic alter MyTopic -q 4 --dry-run',
    ],
    run: alter,
  },
  {
    path: 'topic delete',
    about: 'delete a topic from brokers and NameServers',
    mqadmin: ['deleteTopic'],
    args: [['<topic>', 'its name']],
    options: [{ flags: '--cluster <name>', about: "only on this cluster's brokers" }],
    rehearses: true,
    destroys: true,
    examples: ['topic delete MyTopic --dry-run', 'topic delete MyTopic', 'topic delete MyTopic --yes'],
    run: remove,
  },
  ...SHRINK,
]
