/** `basaltmq admin topic shrink`: the procedure of src/admin/shrink.ts, told as it goes. */
import {
  AdminError,
  type LeavingQueue,
  lookAtLeaving,
  planShrink,
  type ShrinkOptions,
  type ShrinkState,
  shrinkReads,
  shrinkWrites,
  unreadBy,
  watchShrink,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { durationText, parseDuration } from './format.ts'
import { brokerText, WATCH, WHERE, whereOf } from './shared.ts'
import { type CommandSpec, type Given, usage } from './spec.ts'

async function shrink(context: Context, given: Given): Promise<void> {
  const { admin, waiter } = context
  const topic = given.arg(0)
  const queues = given.count('queues', 1)
  if (queues === undefined) throw usage('--queues is missing', 'say how many queues each broker keeps')
  const options: ShrinkOptions = {
    queues,
    everyMs: parseDuration(given.text('every') ?? '2s'),
    quietMs: parseDuration(given.text('quiet') ?? '35s'),
    ignored: given.list('ignoreGroup'),
    ...whereOf(given),
  }
  const plan = await planShrink(admin, topic, options)
  if (plan.length === 0) {
    context.show(
      { done: 'nothing to do', topic, queues },
      () => `no broker has more than ${queues} queues of ${topic}\n`,
    )
    return
  }
  const { leaving, groups } = await lookAtLeaving(admin, topic, plan, options)
  const picture = queueTable(context, leaving)
  const brokers = plan.map(({ broker }) => brokerText(broker)).join(', ')
  if (context.isDryRun) {
    context.show(
      { done: 'would be shrunk', topic, queues, leaving, groups },
      () => `${topic} on ${brokers} would go down to ${queues} queues. These go, after they are consumed:\n${picture}`,
    )
    return
  }
  const unread = unreadBy(groups, leaving)
  if (unread > 0) {
    await context.confirm(
      `no group consumes ${topic}: ${unread} messages in the queues that go will not be read by anybody`,
    )
  }
  const began = waiter.now()
  await shrinkWrites(admin, plan, queues)
  context.note(`1. write queues are ${queues} now on ${brokers}; "basaltmq admin topic alter ${topic} -q N" undoes it`)
  context.note(picture.trimEnd())
  context.note('2. waiting until the queues that go are quiet and consumed; once interrupted, give the command again')
  await untilDrained(context, watchShrink(admin, topic, plan, waiter, options), given, options)
  await shrinkReads(admin, plan, queues)
  context.note(`3. read queues are ${queues} now, too`)
  const ms = waiter.now() - began
  context.show(
    { done: 'shrunk', topic, queues, brokers: plan.map(({ broker }) => broker.name), ms },
    () => `${topic} has ${queues} queues on ${brokers}, after ${durationText(ms)}\n`,
  )
}

async function untilDrained(
  context: Context,
  states: AsyncGenerator<ShrinkState>,
  given: Given,
  { quietMs }: ShrinkOptions,
): Promise<void> {
  const wait = given.text('wait')
  const until = wait === undefined ? Number.POSITIVE_INFINITY : context.waiter.now() + parseDuration(wait)
  let told = ''
  for await (const state of states) {
    if (state.isDrained) return
    const open = state.leaving.flatMap(({ broker, queueId, waitsFor }) =>
      waitsFor.map(({ group, lag }) => `${brokerText(broker)}/${queueId}: ${group} has ${lag} to consume`),
    )
    const line = open.length > 0 ? open.join('; ') : `consumed; quiet for ${durationText(quietMs)} is waited for`
    if (line !== told) context.note(`   ${line}`)
    told = line
    if (!context.isStopped && context.waiter.now() < until) continue
    throw new AdminError('NOT_DRAINED', {
      what: `the queues that go are not drained yet: ${line}`,
      todo: 'nothing can be lost: only the write queues are fewer; give the command again to go on',
      retriable: true,
    })
  }
}

function queueTable(context: Context, leaving: readonly LeavingQueue[]): string {
  return context.table(
    [
      { title: 'broker', of: ({ broker }: LeavingQueue) => brokerText(broker) },
      { title: 'queue', of: ({ queueId }) => queueId },
      { title: 'messages', of: ({ min, max }) => max - min },
      {
        title: 'to be consumed by',
        of: ({ waitsFor }) => waitsFor.map(({ group, lag }) => `${group} (${lag})`).join(' ') || '-',
      },
    ],
    leaving,
  )
}

export const SHRINK: readonly CommandSpec[] = [
  {
    path: 'topic shrink',
    about: 'fewer queues without loss: write queues first, wait until the rest is consumed, then read queues',
    mqadmin: [],
    args: [['<topic>', 'its name']],
    options: [{ flags: '-q, --queues <n>', about: 'queues that each broker keeps' }, ...WATCH, ...WHERE],
    rehearses: true,
    destroys: true,
    examples: [
      'topic shrink MyTopic -q 4 --dry-run',
      'topic shrink MyTopic -q 4',
      'topic shrink MyTopic -q 4 --ignore-group Dead --wait 10m',
    ],
    run: shrink,
  },
]
