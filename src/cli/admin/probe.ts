/** `basaltmq admin message probe`, `broker probe`, `cluster probe`: how long sends take, and how safely they are stored. */
import {
  AdminError,
  type BrokerAddress,
  brokersOf,
  findBroker,
  type Latency,
  latencyOf,
  leadersOf,
  mustRoute,
  type PlacedQueue,
  placed,
  probe,
  type Shot,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { brokerText } from './shared.ts'
import { type CommandSpec, type Given, type OptionSpec, usage } from './spec.ts'

const COUNT = 20
const SIZE = 128
const SIZE_MAX = 4 * 1024 * 1024
const WRITE = 2

const SHOTS: readonly OptionSpec[] = [
  { flags: '-c, --count <n>', about: `messages to each (${COUNT})` },
  { flags: '-s, --size <bytes>', about: `of each message's body (${SIZE})` },
]

interface Target {
  name: string
  queues: PlacedQueue[]
}

interface Row extends Latency {
  target: string
  size: number
  /** What was answered, and how often. */
  outcomes: Record<string, number>
  error: string
}

const NOTES: Record<number, string> = { 0: 'stored', 10: 'stored, not flushed in time', 11: 'stored, on no slave' }
const noteOf = ({ code, error }: Shot) =>
  error === '' ? (NOTES[code] ?? 'stored, not on a slave in time') : code < 0 ? 'no answer' : `refused (${code})`

async function run(context: Context, given: Given, targets: readonly Target[]): Promise<void> {
  const count = given.count('count', 1, 100_000) ?? COUNT
  const size = given.count('size', 0, SIZE_MAX) ?? SIZE
  const rows: Row[] = []
  const now = () => context.waiter.now()
  for (const { name, queues } of targets) {
    const shots: Shot[] = []
    for await (const shot of probe(context.admin, queues, { count, size, now })) {
      shots.push(shot)
      if (context.isStopped) break
    }
    const outcomes: Record<string, number> = {}
    for (const shot of shots) outcomes[noteOf(shot)] = (outcomes[noteOf(shot)] ?? 0) + 1
    rows.push({
      target: name,
      size,
      ...latencyOf(shots),
      outcomes,
      error: shots.find(({ error }) => error !== '')?.error ?? '',
    })
  }
  context.show(rows, () => {
    const text = context.table(
      [
        { title: 'to', of: (row: Row) => row.target },
        { title: 'sent', of: (row) => row.count },
        { title: 'failed', of: (row) => row.failed },
        { title: 'mean', of: (row) => millis(row.mean), right: true },
        { title: 'p50', of: (row) => millis(row.p50), right: true },
        { title: 'p99', of: (row) => millis(row.p99), right: true },
        { title: 'max', of: (row) => millis(row.max), right: true },
        {
          title: 'outcomes',
          of: (row) =>
            Object.entries(row.outcomes)
              .map(([note, times]) => `${times} ${note}`)
              .join('; '),
        },
      ],
      rows,
    )
    const errors = rows.filter(({ error }) => error !== '').map(({ target, error }) => `${target}: ${error}\n`)
    return text + errors.join('')
  })
  if (rows.every(({ count: sent, failed }) => sent === failed)) {
    throw new AdminError('NOTHING_STORED', { what: 'no message was stored', todo: 'the lines above say why' })
  }
}

const millis = (ms: number) => `${ms.toFixed(2)} ms`

async function message(context: Context, given: Given): Promise<void> {
  const topic = given.arg(0)
  const { brokers, queues } = await mustRoute(context.admin, topic)
  const masters = leadersOf(brokers).filter(({ id }) => id === 0)
  const open = masters.flatMap((broker) => {
    const queue = queues.find(({ brokerName }) => brokerName === broker.name)
    const writable = queue === undefined || (queue.perm & WRITE) === 0 ? 0 : queue.writeQueues
    return Array.from({ length: writable }, (_, queueId) => placed(topic, broker, queueId))
  })
  if (open.length === 0) {
    throw new AdminError('NOT_WRITABLE', {
      what: `no broker takes messages of ${topic}`,
      todo: 'see its permissions: "basaltmq admin topic describe"',
    })
  }
  const count = given.count('count', 1, 100_000) ?? COUNT
  if (context.isDryRun) {
    const done = 'would be probed'
    context.show(
      { done, topic, messages: count, queues: open },
      () => `${count} messages would go to ${open.length} queues of ${topic}\n`,
    )
    return
  }
  await context.confirm(`${count} messages go to ${topic}, and its consumers get them ("broker probe" bothers nobody)`)
  await run(context, given, [{ name: topic, queues: open }])
}

/** To the topic of the broker's own name. */
function ownTopic(broker: BrokerAddress): Target {
  return { name: brokerText(broker), queues: [placed(broker.name, broker, 0)] }
}

async function broker(context: Context, given: Given): Promise<void> {
  const found = await findBroker(context.admin, given.arg(0))
  if (found.cluster === '') throw usage(`no NameServer knows ${given.arg(0)}`, 'give the name of a broker')
  await run(context, given, [ownTopic(found)])
}

async function cluster(context: Context, given: Given): Promise<void> {
  const wanted = given.optionalArg(0)
  const masters = (await brokersOf(context.admin)).filter(({ id, cluster: of }) => id === 0 && (wanted ?? of) === of)
  if (masters.length === 0) {
    throw new AdminError('NO_BROKER', {
      what: wanted === undefined ? 'no master is registered' : `cluster ${wanted} has no master`,
      todo: 'see "basaltmq admin cluster list"',
    })
  }
  await run(context, given, masters.map(ownTopic))
}

export const PROBE: readonly CommandSpec[] = [
  {
    path: 'message probe',
    about: 'send messages to a topic, and say how long each took; its consumers get them',
    mqadmin: ['checkMsgSendRT'],
    args: [['<topic>', 'where to']],
    options: SHOTS,
    rehearses: true,
    destroys: true,
    examples: ['message probe MyTopic --dry-run', 'message probe MyTopic -c 100 -s 1024 --yes'],
    run: message,
  },
  {
    path: 'broker probe',
    about: "send messages to the broker's own topic, and say how long it took and how safely they are stored",
    mqadmin: ['sendMsgStatus'],
    args: [['<broker>', 'its name']],
    options: SHOTS,
    examples: ['broker probe broker-a', 'broker probe broker-a -c 100 -s 1024'],
    run: broker,
  },
  {
    path: 'cluster probe',
    about: 'the same for each master of a cluster, or of all',
    mqadmin: ['clusterRT'],
    args: [['[cluster]', 'only this one']],
    options: SHOTS,
    examples: ['cluster probe', 'cluster probe DefaultCluster -c 100'],
    run: cluster,
  },
]
