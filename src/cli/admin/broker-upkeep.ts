/** `basaltmq admin broker clean …`, `broker producers`. */
import {
  brokersOf,
  type Cleaned,
  clean,
  eachOf,
  findBroker,
  leadersOf,
  mastersOf,
  type Producer,
  producersOf,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { timeText } from './format.ts'
import { brokerText } from './shared.ts'
import type { CommandSpec, Given } from './spec.ts'

const WHAT: Record<Cleaned, string> = {
  queues: 'files of ConsumeQueues whose messages are gone from the log',
  topics: 'ConsumeQueues of topics that are not configured any more',
  log: 'segments of the log older than fileReservedTime, at any hour',
}

async function cleaning(context: Context, given: Given, what: Cleaned): Promise<void> {
  const { admin } = context
  const word = given.arg(0)
  const brokers = word === 'all' ? await mastersOf(admin) : [await findBroker(admin, word)]
  const names = brokers.map(brokerText)
  if (!context.isDryRun) {
    await context.confirm(`${names.join(', ')}: ${WHAT[what]} will be deleted`)
    await eachOf(brokers, ({ address }) => clean(admin, address, what))
  }
  const done = context.isDryRun ? 'would be asked' : 'asked'
  context.show({ done, what, brokers: names }, () => `${names.join(', ')} ${done} to delete ${WHAT[what]}\n`)
}

async function producers(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const word = given.optionalArg(0)?.toLowerCase() ?? ''
  const broker = given.text('broker')
  const brokers = broker === undefined ? leadersOf(await brokersOf(admin)) : [await findBroker(admin, broker)]
  const list = (await producersOf(admin, brokers)).filter(({ group }) => group.toLowerCase().includes(word))
  context.show(list, () =>
    list.length === 0
      ? 'no producer is connected\n'
      : context.table(
          [
            { title: 'group', of: (one: Producer) => one.group },
            { title: 'client', of: (one) => one.clientId },
            { title: 'address', of: (one) => one.address },
            { title: 'language', of: (one) => one.language },
            { title: 'broker', of: (one) => one.brokerName },
            { title: 'last heard', of: (one) => timeText(one.lastHeard) },
          ],
          list,
        ),
  )
}

const cleanSpec = (what: Cleaned, mqadmin: string): CommandSpec => ({
  path: `broker clean ${what}`,
  about: `delete ${WHAT[what]}`,
  mqadmin: [mqadmin],
  args: [['<broker>', 'name, name:id, host:port, or "all" for every master']],
  rehearses: true,
  destroys: true,
  examples: [`broker clean ${what} broker-a --dry-run`, `broker clean ${what} all --yes`],
  run: (context, given) => cleaning(context, given, what),
})

export const BROKER_UPKEEP: readonly CommandSpec[] = [
  {
    path: 'broker producers',
    about: 'producers that are connected, by group',
    mqadmin: ['producer', 'producerConnection'],
    args: [['[word]', 'only groups whose name contains it']],
    options: [{ flags: '-b, --broker <broker>', about: 'only those of this broker' }],
    examples: ['broker producers', 'broker producers MyProducers', 'broker producers -b broker-a --json'],
    run: producers,
  },
  cleanSpec('queues', 'cleanExpiredCQ'),
  cleanSpec('topics', 'cleanUnusedTopic'),
  cleanSpec('log', 'deleteExpiredCommitLog'),
]
