/** `basaltmq admin topic units`, `topic allocate`: what is in a ConsumeQueue, and who would get which queue. */
import {
  AdminError,
  allocate,
  leadersOf,
  maxOffset,
  minOffset,
  mustRoute,
  placed,
  type QueueUnit,
  type QueueUnits,
  queueUnits,
  type Strategy,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { chosenQueues } from './message-queues.ts'
import { type CommandSpec, type Given, usage } from './spec.ts'

async function units(context: Context, given: Given): Promise<void> {
  const topic = given.arg(0)
  const queues = await chosenQueues(context, given, topic)
  if (queues.length !== 1) {
    throw usage('units are of one queue', 'give --queue N, and --broker NAME where several have the topic')
  }
  const [queue] = queues
  const offset = given.count('offset', 0, Number.MAX_SAFE_INTEGER)
  const count = given.count('count', 1, 8000) ?? 10
  const group = given.text('group')
  const [min, max] = await Promise.all([minOffset(context.admin, queue), maxOffset(context.admin, queue)])
  if (offset !== undefined && (offset < min || offset >= max)) {
    throw new AdminError('NO_UNIT', {
      what: `queue ${queue.brokerName}/${queue.queueId} of ${topic} has no offset ${offset}`,
      where: queue.address,
      todo: max > min ? `it has ${min} to ${max - 1}` : 'it is empty',
    })
  }
  // A broker refuses to tell of a queue that never had a message.
  const found: QueueUnits =
    max > min
      ? await queueUnits(context.admin, queue, { offset: offset ?? min, count, group })
      : { min: Math.max(0, min), max, units: [], subscription: undefined }
  context.show({ topic, brokerName: queue.brokerName, queueId: queue.queueId, ...found }, () => {
    const { subscription, min, max } = found
    const head = `${topic} ${queue.brokerName}/${queue.queueId}: offsets ${min} to ${max}\n`
    const reader =
      group === undefined || found.units.length === 0
        ? ''
        : subscription === undefined
          ? `${group} is not online for it\n`
          : `${group} takes ${subscription.type} ${subscription.expression}\n`
    const rows = context.table(
      [
        { title: 'offset', of: (unit: QueueUnit) => unit.queueOffset },
        { title: 'in the log at', of: (unit) => unit.physicalOffset },
        { title: 'bytes', of: (unit) => unit.size },
        { title: 'hash of the tag', of: (unit) => unit.tagsCode, right: true },
        { title: '', of: (unit) => unit.note },
      ],
      found.units,
    )
    return `${head}${reader}\n${found.units.length === 0 ? 'nothing in it\n' : rows}`
  })
}

const READ = 4

async function allocation(context: Context, given: Given): Promise<void> {
  const topic = given.arg(0)
  const consumers = given
    .rest(1)
    .flatMap((word) => word.split(','))
    .filter((word) => word !== '')
  if (consumers.length === 0) throw usage('no consumer is named')
  const strategy = given.text('strategy') ?? 'averagely'
  if (strategy !== 'averagely' && strategy !== 'circle') {
    throw usage(`"${strategy}" is no strategy`, 'give averagely or circle')
  }
  const { brokers, queues } = await mustRoute(context.admin, topic)
  const all = leadersOf(brokers).flatMap((broker) => {
    const queue = queues.find(({ brokerName }) => brokerName === broker.name)
    const readable = queue === undefined || (queue.perm & READ) === 0 ? 0 : queue.readQueues
    return Array.from({ length: readable }, (_, queueId) => placed(topic, broker, queueId))
  })
  const list = allocate(all, consumers, strategy satisfies Strategy)
  context.show(list, () =>
    context.table(
      [
        { title: 'consumer', of: (row: (typeof list)[number]) => row.consumer },
        { title: 'count', of: (row) => row.queues.length },
        {
          title: 'queues',
          of: (row) => row.queues.map(({ brokerName, queueId }) => `${brokerName}/${queueId}`).join(' ') || '-',
        },
      ],
      list,
    ),
  )
}

export const TOPIC_QUEUES: readonly CommandSpec[] = [
  {
    path: 'topic units',
    about: 'units of a ConsumeQueue: where messages are in the log, and the hash of their tags',
    mqadmin: ['queryCq'],
    args: [['<topic>', 'its name']],
    options: [
      { flags: '-q, --queue <n>', about: 'which queue' },
      { flags: '-b, --broker <broker>', about: 'whose' },
      { flags: '--offset <n>', about: 'from this offset on (the first)' },
      { flags: '-c, --count <n>', about: 'so many (10)' },
      { flags: '-g, --group <group>', about: 'what it subscribes to, if it is online' },
    ],
    examples: ['topic units MyTopic -q 0', 'topic units MyTopic -q 0 -b broker-a --offset 1000 -c 3 --json'],
    run: units,
  },
  {
    path: 'topic allocate',
    about: 'which of these consumers would get which queue',
    mqadmin: ['allocateMQ'],
    args: [
      ['<topic>', 'its name'],
      ['<consumer...>', 'client ids or addresses'],
    ],
    options: [{ flags: '--strategy <name>', about: 'averagely, as clients do unless they are told, or circle' }],
    examples: ['topic allocate MyTopic 10.0.0.1 10.0.0.2', 'topic allocate MyTopic a b c --strategy circle'],
    run: allocation,
  },
]
