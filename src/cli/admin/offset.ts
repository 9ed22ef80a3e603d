/** `basaltmq admin offset …`. */
import {
  AdminError,
  cloneOffsets,
  eachOf,
  groupProgress,
  leadersOf,
  mustRoute,
  onlineGroup,
  type PlannedReset,
  placedGroups,
  planReset,
  queuesOfTopic,
  type ResetTarget,
  resetOnline,
  setOffsets,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { parseTime, timeText } from './format.ts'
import { type CommandSpec, type Given, usage } from './spec.ts'

function targetOf(text: string | undefined, now: number): ResetTarget {
  if (text === undefined)
    throw usage('--to is missing', 'give earliest, latest, a time ("10m ago"), or an offset (@1000)')
  if (text === 'earliest' || text === 'min') return { kind: 'earliest' }
  if (text === 'latest' || text === 'max') return { kind: 'latest' }
  if (/^@\d+$/.test(text)) return { kind: 'offset', offset: Number(text.slice(1)) }
  return { kind: 'time', timestamp: parseTime(text, now) }
}

async function reset(context: Context, given: Given): Promise<void> {
  const { admin, waiter } = context
  const group = given.arg(0)
  const topic = given.text('topic')
  if (topic === undefined) throw usage('--topic is missing')
  const target = targetOf(given.text('to'), waiter.now())
  const queueId = given.count('queue')
  const broker = given.text('broker')
  const queues = (await queuesOfTopic(admin, topic)).filter(
    (queue) =>
      (queueId === undefined || queue.queueId === queueId) &&
      (broker === undefined || queue.brokerName === broker || queue.address === broker),
  )
  if (queues.length === 0) throw usage(`topic ${topic} has no such queue`)
  const addresses = [...new Set(queues.map(({ address }) => address))]
  const [plan, online, known] = await Promise.all([
    planReset(admin, group, queues, target),
    onlineGroup(admin, addresses, group),
    placedGroups(admin, {}, group),
  ])
  // An offset of a name that is mistyped would be kept, and help nobody.
  if (online === undefined && known.length === 0 && !(await hasOffsets(context, addresses, group, topic))) {
    throw new AdminError('NO_GROUP', {
      what: `no broker knows group ${group}`,
      todo: 'see "basaltmq admin group list", or create it: "basaltmq admin group create"',
    })
  }
  const moving = plan.filter(({ from, to }) => from !== to)
  const who = online === undefined ? 'nobody is online' : `${online.consumers.length} consumers are online and are told`
  if (context.isDryRun) {
    const done = 'would be reset'
    context.show(
      { done, group, topic, queues: plan },
      () => `${group} of ${topic} ${done} (${who}):\n${planTable(context, plan)}`,
    )
    return
  }
  if (online !== undefined && (queueId !== undefined || target.kind === 'offset')) {
    throw new AdminError('ONLINE', {
      what: `group ${group} is online: its consumers would write their own offsets over this one`,
      todo: 'stop them first, or reset the whole topic to a time, earliest or latest, which they are told',
    })
  }
  const back = moving.reduce((sum, { from, to }) => sum + Math.max(0, from - to), 0)
  const skipped = moving.reduce((sum, { from, to }) => sum + Math.max(0, to - Math.max(0, from)), 0)
  await context.confirm(`group ${group} of ${topic}: ${back} messages are consumed again, ${skipped} skipped; ${who}`)
  const direct = await throughBrokers(context, addresses, group, topic, target, online !== undefined)
  // What stands where it should is written all the same: the group may have no offset there yet.
  const written = plan.filter(({ address }) => direct.has(address))
  await setOffsets(admin, group, written)
  context.show(
    { done: 'reset', group, topic, queues: plan, online: online?.consumers ?? [] },
    () => `${group} of ${topic} reset; ${who}:\n${planTable(context, plan)}`,
  )
}

async function hasOffsets(context: Context, addresses: readonly string[], group: string, topic: string) {
  // Asked of one topic a broker shows all its queues, whether the group has an offset or not.
  const { queues } = await groupProgress(context.admin, addresses, group)
  return queues.some((queue) => queue.topic === topic)
}

/** Brokers on which the offsets are to be written directly. */
async function throughBrokers(
  context: Context,
  addresses: readonly string[],
  group: string,
  topic: string,
  target: ResetTarget,
  isOnline: boolean,
): Promise<Set<string>> {
  if (!isOnline || target.kind === 'offset') return new Set(addresses)
  const done = await eachOf(addresses, (address) => resetOnline(context.admin, address, group, topic, target))
  return new Set(addresses.filter((_, i) => !done[i]))
}

function planTable(context: Context, plan: readonly PlannedReset[]): string {
  return context.table(
    [
      { title: 'broker', of: (q: PlannedReset) => q.brokerName },
      { title: 'queue', of: (q) => q.queueId },
      { title: 'from', of: (q) => (q.from < 0 ? 'none' : String(q.from)), right: true },
      { title: 'to', of: (q) => q.to },
      {
        title: '',
        of: (q) =>
          q.to < q.from ? `${q.from - q.to} again` : q.to > q.from ? `${q.to - Math.max(0, q.from)} skipped` : '',
      },
    ],
    plan,
  )
}

async function clone(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const [from, to] = [given.arg(0), given.arg(1)]
  const topic = given.text('topic')
  if (topic === undefined) throw usage('--topic is missing')
  const addresses = leadersOf((await mustRoute(admin, topic)).brokers).map(({ address }) => address)
  const online = await onlineGroup(admin, addresses, to)
  if (online !== undefined) {
    throw new AdminError('ONLINE', {
      what: `group ${to} is online and writes its own offsets`,
      todo: 'stop its consumers first',
    })
  }
  if (!(await hasOffsets(context, addresses, from, topic))) {
    throw new AdminError('NO_OFFSETS', {
      what: `group ${from} has no offsets of ${topic}`,
      todo: `see "basaltmq admin topic describe ${topic}": it has the groups that have`,
    })
  }
  if (!context.isDryRun) {
    await context.confirm(`the offsets of ${to} of ${topic} become those of ${from}`)
    await eachOf(addresses, (address) => cloneOffsets(admin, address, from, to, topic))
  }
  const plan = await planReset(admin, context.isDryRun ? from : to, await queuesOfTopic(admin, topic), {
    kind: 'latest',
  })
  const rows = plan.map(({ brokerName, queueId, from: offset, to: end }) => ({
    topic,
    brokerName,
    queueId,
    offset,
    end,
  }))
  const done = context.isDryRun ? 'would be cloned' : 'cloned'
  context.show(
    { done, from, to, topic, queues: rows },
    () =>
      `offsets of ${from} ${done} to ${to}, as of ${timeText(context.waiter.now())}:\n${context.table(
        [
          { title: 'broker', of: (row: (typeof rows)[number]) => row.brokerName },
          { title: 'queue', of: (row) => row.queueId },
          { title: 'offset', of: (row) => row.offset },
          { title: 'end', of: (row) => row.end },
        ],
        rows,
      )}`,
  )
}

export const OFFSET: readonly CommandSpec[] = [
  {
    path: 'offset reset',
    about: "move a group's offsets of a topic to the beginning, the end, a time or an offset",
    mqadmin: ['resetOffsetByTime', 'skipAccumulatedMessage'],
    args: [['<group>', 'whose']],
    options: [
      { flags: '-t, --topic <topic>', about: 'of which topic' },
      { flags: '--to <where>', about: 'earliest, latest, "10m ago", "2026-05-01 12:00", or @OFFSET' },
      { flags: '-q, --queue <n>', about: 'only this queue (of a group that is offline)' },
      { flags: '-b, --broker <broker>', about: 'only on this broker' },
    ],
    rehearses: true,
    destroys: true,
    examples: [
      'offset reset MyGroup -t MyTopic --to "30m ago" --dry-run',
      'offset reset MyGroup -t MyTopic --to latest',
      'offset reset MyGroup -t MyTopic --to @1200 -q 3 --yes',
    ],
    run: reset,
  },
  {
    path: 'offset clone',
    about: "give a group another group's offsets",
    mqadmin: ['cloneGroupOffset'],
    args: [
      ['<from>', 'the group whose offsets they are'],
      ['<to>', 'the group that gets them; it must be offline'],
    ],
    options: [{ flags: '-t, --topic <topic>', about: 'of which topic' }],
    rehearses: true,
    destroys: true,
    examples: ['offset clone MyGroup NewGroup -t MyTopic --dry-run', 'offset clone MyGroup NewGroup -t MyTopic'],
    run: clone,
  },
]
