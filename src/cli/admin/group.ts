/** `basaltmq admin group …`. */
import {
  AdminError,
  brokersOf,
  deleteGroup,
  deleteTopic,
  eachOf,
  type GroupConfig,
  groupProgress,
  isSystemGroup,
  leadersOf,
  mastersOf,
  onlineGroup,
  type PlacedGroup,
  placedGroups,
  putGroup,
  type QueueProgress,
  queueKey,
  queueOwners,
  registeredTopics,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { durationText, rateText } from './format.ts'
import { brokerText, checkName, PROGRESS_COLUMNS, parseBool, WHERE, whereOf } from './shared.ts'
import { type CommandSpec, type Given, type OptionSpec, usage } from './spec.ts'

interface GroupRow {
  group: string
  consumers: number
  model: string
  topics: number
  lag: number
  tps: number
}

async function list(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const word = given.optionalArg(0)?.toLowerCase() ?? ''
  const placed = await placedGroups(admin, whereOf(given))
  const addresses = [...new Set(placed.map(({ broker }) => broker.address))]
  const names = [...new Set(placed.map(({ config }) => config.groupName))].filter(
    (group) => group.toLowerCase().includes(word) && (given.is('all') || !isSystemGroup(group)),
  )
  const rows = await eachOf(names, async (group): Promise<GroupRow> => {
    const [progress, online] = await Promise.all([
      groupProgress(admin, addresses, group),
      onlineGroup(admin, addresses, group),
    ])
    const topics = new Set(progress.queues.map(({ topic }) => topic).filter((topic) => !topic.startsWith('%RETRY%')))
    return {
      group,
      consumers: online?.consumers.length ?? 0,
      model: online?.messageModel ?? '',
      topics: topics.size,
      lag: progress.lag,
      tps: progress.tps,
    }
  })
  rows.sort((a, b) => b.lag - a.lag || (a.group < b.group ? -1 : 1))
  context.show(rows, () =>
    rows.length === 0
      ? `${word === '' ? 'no groups' : 'no such group'}\n`
      : context.table(
          [
            { title: 'group', of: (row: GroupRow) => row.group },
            { title: 'consumers', of: (row) => row.consumers },
            { title: 'model', of: (row) => row.model },
            { title: 'topics', of: (row) => row.topics },
            { title: 'TPS', of: (row) => rateText(row.tps), right: true },
            { title: 'lag', of: (row) => row.lag },
          ],
          rows,
        ),
  )
}

/** A client answers at once, or is not one that can. */
const OWNERS_MS = 250

async function describe(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const group = given.arg(0)
  const topic = given.text('topic')
  const masters = await mastersOf(admin, whereOf(given))
  const addresses = masters.map(({ address }) => address)
  const [placed, progress, online] = await Promise.all([
    placedGroups(admin, whereOf(given), group),
    groupProgress(admin, addresses, group, topic),
    onlineGroup(admin, addresses, group),
  ])
  if (placed.length === 0 && online === undefined && progress.queues.length === 0) {
    throw new AdminError('NO_GROUP', {
      what: `no broker knows group ${group}`,
      todo: 'see "basaltmq admin group list"',
    })
  }
  const { owners, silent } = await queueOwners(admin, addresses[0], group, online?.consumers ?? [], OWNERS_MS)
  const queues = progress.queues.map((queue) => ({ ...queue, owner: owners.get(queueKey(queue)) }))
  const value = {
    group,
    configs: placed.map(({ config, broker }) => ({ broker: broker.name, ...config })),
    online,
    ...progress,
    queues,
    silent,
  }
  context.show(value, () => {
    const columns = [
      ...PROGRESS_COLUMNS,
      { title: 'owner', of: (q: QueueProgress) => owners.get(queueKey(q))?.clientId ?? '-' },
    ]
    const state =
      online === undefined
        ? 'nobody is online\n'
        : `${online.messageModel}, ${online.consumeType}\n${context.table(
            [
              { title: 'consumer', of: (c: (typeof online.consumers)[number]) => c.clientId },
              { title: 'address', of: (c) => c.address },
              { title: 'language', of: (c) => c.language },
            ],
            online.consumers,
          )}\nsubscriptions: ${online.subscriptions.map((s) => `${s.topic} (${s.type} ${s.expression})`).join(', ')}\n`
    const rows = queues.length === 0 ? 'it has no offset of any topic\n' : context.table(columns, queues)
    return `${state}\n${rows}\nlag ${progress.lag}, TPS ${rateText(progress.tps)}\n${hints(progress.queues, online !== undefined, silent, placed, context.waiter.now())}`
  })
}

/** What stands out, with what to do. */
function hints(
  queues: QueueProgress[],
  isOnline: boolean,
  silent: string[],
  placed: PlacedGroup[],
  now: number,
): string {
  const list: string[] = []
  const behind = queues.filter(({ brokerOffset, consumerOffset }) => brokerOffset > consumerOffset)
  if (!isOnline && behind.length > 0) list.push('nobody consumes: start its consumers')
  for (const { config, broker } of placed) {
    if (config.consumeEnable === false) {
      list.push(
        `${brokerText(broker)} refuses its pulls (consumeEnable is false): basaltmq admin group alter ${config.groupName} --consume true`,
      )
    }
  }
  const oldest = Math.min(...behind.map(({ lastTimestamp }) => lastTimestamp).filter((at) => at > 0))
  if (Number.isFinite(oldest)) list.push(`the slowest queue is at messages of ${durationText(now - oldest)} ago`)
  const ahead = queues.filter(({ brokerOffset, consumerOffset }) => consumerOffset > brokerOffset)
  for (const { topic, brokerName, queueId } of ahead) {
    list.push(`${topic} ${brokerName}/${queueId}: its offset is beyond the queue's end: basaltmq admin offset reset`)
  }
  if (silent.length > 0) list.push(`did not say what they have: ${silent.join(', ')}`)
  return list.map((line) => `- ${line}\n`).join('')
}

const SETTINGS: readonly (OptionSpec & { name: string; key: string; kind: 'bool' | 'count' })[] = [
  {
    name: 'consume',
    key: 'consumeEnable',
    kind: 'bool',
    flags: '--consume <bool>',
    about: 'whether it may consume at all',
  },
  {
    name: 'broadcast',
    key: 'consumeBroadcastEnable',
    kind: 'bool',
    flags: '--broadcast <bool>',
    about: 'whether it may broadcast',
  },
  {
    name: 'fromMin',
    key: 'consumeFromMinEnable',
    kind: 'bool',
    flags: '--from-min <bool>',
    about: 'whether it may begin at the first message',
  },
  {
    name: 'retryMax',
    key: 'retryMaxTimes',
    kind: 'count',
    flags: '--retry-max <n>',
    about: 'retries before a message is a dead letter',
  },
  {
    name: 'retryQueues',
    key: 'retryQueueNums',
    kind: 'count',
    flags: '--retry-queues <n>',
    about: 'queues of its retry topic',
  },
  {
    name: 'slowBroker',
    key: 'whichBrokerWhenConsumeSlowly',
    kind: 'count',
    flags: '--slow-broker <id>',
    about: 'the broker id that it reads from when far behind',
  },
  {
    name: 'notify',
    key: 'notifyConsumerIdsChangedEnable',
    kind: 'bool',
    flags: '--notify <bool>',
    about: 'tell consumers when one comes or goes',
  },
]

function changes(given: Given): GroupConfig | undefined {
  const entries = SETTINGS.flatMap(({ name, key, kind }) => {
    const text = given.text(name)
    if (text === undefined) return []
    return [[key, kind === 'bool' ? parseBool(text, `--${name}`) : (given.count(name) ?? 0)] as const]
  })
  return entries.length === 0 ? undefined : { groupName: '', ...Object.fromEntries(entries) }
}

async function create(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const groupName = given.arg(0)
  checkName('group', groupName)
  const [masters, there] = await Promise.all([
    mastersOf(admin, whereOf(given)),
    placedGroups(admin, whereOf(given), groupName),
  ])
  if (there.length > 0) {
    throw new AdminError('GROUP_EXISTS', {
      what: `group ${groupName} is there already on ${there.map(({ broker }) => brokerText(broker)).join(', ')}`,
      todo: 'change it with "basaltmq admin group alter"',
    })
  }
  const config = { ...changes(given), groupName }
  if (!context.isDryRun) await eachOf(masters, ({ address }) => putGroup(admin, address, config))
  report(
    context,
    context.isDryRun ? 'would be created' : 'created',
    masters.map((broker) => ({ config, broker })),
  )
}

async function alter(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const groupName = given.arg(0)
  const wanted = changes(given)
  if (wanted === undefined) throw usage('nothing to change is given', 'see "basaltmq admin group alter --help"')
  const before = await placedGroups(admin, whereOf(given), groupName)
  if (before.length === 0) {
    throw new AdminError('NO_GROUP', {
      what: `no broker knows group ${groupName}`,
      todo: 'create it with "basaltmq admin group create"',
    })
  }
  const after = before.map(({ config, broker }) => ({ config: { ...config, ...wanted, groupName }, broker }))
  if (!context.isDryRun) await eachOf(after, ({ config, broker }) => putGroup(admin, broker.address, config))
  report(context, context.isDryRun ? 'would be changed' : 'changed', after)
}

function report(context: Context, done: string, rows: readonly PlacedGroup[]): void {
  const value = rows.map(({ config, broker }) => ({ broker: broker.name, ...config }))
  const columns = [
    { title: 'broker', of: ({ broker }: PlacedGroup) => brokerText(broker) },
    ...SETTINGS.map(({ key }) => ({
      title: key,
      of: ({ config }: PlacedGroup) => (config[key] === undefined ? 'default' : String(config[key])),
    })),
  ]
  context.show({ done, groups: value }, () => {
    const text = rows
      .map((row) => columns.map(({ title, of }) => `  ${title.padEnd(30)} ${of(row)}\n`).join(''))
      .join('\n')
    return `group ${rows[0].config.groupName} ${done}:\n${text}`
  })
}

async function remove(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const group = given.arg(0)
  const [placed, brokers] = await Promise.all([placedGroups(admin, whereOf(given), group), brokersOf(admin)])
  if (placed.length === 0)
    throw new AdminError('NO_GROUP', {
      what: `no broker knows group ${group}`,
      todo: 'see "basaltmq admin group list"',
    })
  const addresses = placed.map(({ broker }) => broker.address)
  const online = await onlineGroup(
    admin,
    leadersOf(brokers).map(({ address }) => address),
    group,
  )
  const who = online === undefined ? 'nobody of it is online' : `${online.consumers.length} of its consumers are ONLINE`
  if (context.isDryRun) {
    context.show(
      { done: 'would be deleted', group, online: online?.consumers ?? [] },
      () => `group ${group} would be deleted; ${who}\n`,
    )
    return
  }
  await context.confirm(`group ${group} with its offsets, retries and dead letters will be deleted; ${who}`)
  await eachOf(addresses, (address) => deleteGroup(admin, address, group))
  const topics = (await registeredTopics(admin)).filter(
    (topic) => topic === `%RETRY%${group}` || topic === `%DLQ%${group}`,
  )
  for (const topic of whereOf(given).broker === undefined ? topics : [])
    await deleteTopic(admin, topic, given.text('cluster'))
  context.show(
    { done: 'deleted', group, topics },
    () => `group ${group} deleted${topics.length === 0 ? '' : `, with ${topics.join(' and ')}`}\n`,
  )
}

const NAME = [['<group>', 'its name']] as const

export const GROUP: readonly CommandSpec[] = [
  {
    path: 'group list',
    about: 'groups with their consumers and lag, the farthest behind first',
    mqadmin: ['consumerProgress', 'brokerConsumeStats'],
    args: [['[word]', 'only those whose name contains it']],
    options: [{ flags: '-a, --all', about: "the brokers' own groups, too" }, ...WHERE],
    examples: ['group list', 'group list payment', 'group list --all --json'],
    run: list,
  },
  {
    path: 'group describe',
    about: 'how far each queue of a group is, who owns it, who is online, and what stands out',
    mqadmin: ['consumerConnection', 'consumerStatus', 'getConsumerConfig'],
    args: NAME,
    options: [{ flags: '-t, --topic <topic>', about: 'only this topic' }, ...WHERE],
    examples: ['group describe MyGroup', 'group describe MyGroup -t MyTopic', 'group describe MyGroup --json'],
    run: describe,
  },
  {
    path: 'group create',
    about: 'create a group on all masters, those of a cluster, or one broker',
    mqadmin: ['updateSubGroup'],
    args: NAME,
    options: [...SETTINGS, ...WHERE],
    rehearses: true,
    examples: [
      'group create MyGroup',
      'group create MyGroup --retry-max 5',
      'group create MyGroup --broadcast false --dry-run',
    ],
    run: create,
  },
  {
    path: 'group alter',
    about: "change a group's settings; what is not given stays",
    mqadmin: ['updateSubGroup'],
    args: NAME,
    options: [...SETTINGS, ...WHERE],
    rehearses: true,
    examples: [
      'group alter MyGroup --consume false',
      'group alter MyGroup --retry-max 3',
      'group alter MyGroup --consume true --broker broker-a',
    ],
    run: alter,
  },
  {
    path: 'group delete',
    about: 'delete a group with its offsets, retry topic and dead letters',
    mqadmin: ['deleteSubGroup'],
    args: NAME,
    options: WHERE,
    rehearses: true,
    destroys: true,
    examples: ['group delete MyGroup --dry-run', 'group delete MyGroup', 'group delete MyGroup --yes'],
    run: remove,
  },
]
