/** `basaltmq admin drain`: the procedure of src/admin/drain.ts, told as it goes. */
import {
  AdminError,
  brokersOf,
  type DrainState,
  findBroker,
  permissionOf,
  permText,
  setPermission,
  watchDrain,
  withoutWrite,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { durationText, parseDuration } from './format.ts'
import { brokerText, WATCH } from './shared.ts'
import type { CommandSpec, Given } from './spec.ts'

const ALL = 6

async function drain(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const broker = await findBroker(admin, given.arg(0))
  const name = brokerText(broker)
  const before = await permissionOf(admin, broker.address)
  if (given.is('undo')) {
    if (!context.isDryRun) await setPermission(admin, broker.address, ALL)
    const done = context.isDryRun ? 'would be' : 'is'
    context.show(
      { done: `${done} back`, broker: name, before, permission: ALL },
      () => `${name} ${done} read and written again (permission ${before} to ${ALL})\n`,
    )
    return
  }
  const options = {
    everyMs: parseDuration(given.text('every') ?? '2s'),
    quietMs: parseDuration(given.text('quiet') ?? '35s'),
    ignored: given.list('ignoreGroup'),
    reads: false,
  }
  const undo = `basaltmq admin drain ${given.arg(0)} --undo`
  const target = withoutWrite(before)
  if (context.isDryRun) {
    const { value: state } = await watchDrain(admin, broker, context.waiter, options).next()
    context.show(
      { done: 'would be drained', broker: name, permission: { from: before, to: target }, state },
      () =>
        `brokerPermission of ${name} would go from ${before} (${permText(before)}) to ${target} (${permText(target)}); now:\n${stateText(state as DrainState)}`,
    )
    return
  }
  const others = (await brokersOf(admin)).filter(
    ({ id, cluster, name: other }) => id === 0 && cluster === broker.cluster && other !== broker.name,
  )
  if (others.length === 0)
    await context.confirm(`${name} is the only master of ${broker.cluster}: nobody can send until it is back`)
  const began = context.waiter.now()
  if (target !== before) await setPermission(admin, broker.address, target)
  context.note(`1. ${name} takes no messages any more (brokerPermission ${before} to ${target}); undo: ${undo}`)
  context.note('2. waiting until producers have gone elsewhere and everything is consumed')
  let state = await untilSafe(context, given, watchDrain(admin, broker, context.waiter, options), undo)
  if (given.is('reads')) {
    await setPermission(admin, broker.address, 0)
    context.note('3. it gives no messages any more (brokerPermission 0); waiting until consumers have gone')
    const gone = { ...options, reads: true }
    state = await untilSafe(context, given, watchDrain(admin, broker, context.waiter, gone), undo)
  }
  const ms = context.waiter.now() - began
  context.show(
    { done: 'safe to stop', broker: name, permission: state.permission, ms, delayed: state.delayed, undo },
    () =>
      [
        `${name} (${broker.address}) is safe to stop, after ${durationText(ms)}: send SIGTERM to its process`,
        ...(state.delayed > 0
          ? [`${state.delayed} delayed messages wait in it: they are delivered when it is back`]
          : []),
        `when it is back, and if it is not to be stopped after all: ${undo}`,
        '',
      ].join('\n'),
  )
}

async function untilSafe(
  context: Context,
  given: Given,
  states: AsyncGenerator<DrainState>,
  undo: string,
): Promise<DrainState> {
  const wait = given.text('wait')
  const until = wait === undefined ? Number.POSITIVE_INFINITY : context.waiter.now() + parseDuration(wait)
  let told = ''
  for await (const state of states) {
    if (state.waitsFor.length === 0) return state
    const line = state.waitsFor.join('; ')
    if (line !== told) context.note(`   ${line}`)
    told = line
    if (!context.isStopped && context.waiter.now() < until) continue
    throw new AdminError('NOT_DRAINED', {
      what: `not safe to stop yet: ${line}`,
      todo: `it stays without write permission; give the command again to go on, or: ${undo}`,
      retriable: true,
    })
  }
  throw new AdminError('NOT_DRAINED', { what: 'the watch ended before the broker was drained' })
}

function stateText(state: DrainState): string {
  const lags = state.lags
    .filter(({ lag }) => lag > 0)
    .map(({ group, lag }) => `  ${group}: ${lag} messages to consume\n`)
  return [
    `  ${state.putTotal} messages came since its start, ${state.getTotal} were read\n`,
    ...(lags.length === 0 ? ['  every group has consumed everything\n'] : lags),
    ...(state.delayed > 0 ? [`  ${state.delayed} delayed messages wait\n`] : []),
    ...(state.unreplicated === undefined ? [] : [`  ${state.unreplicated} bytes are on no slave\n`]),
  ].join('')
}

export const DRAIN: readonly CommandSpec[] = [
  {
    path: 'drain',
    about: 'take a broker out of service: no more writes, wait until it is consumed, say when it is safe to stop',
    mqadmin: [],
    args: [['<broker>', 'name, name:id or host:port']],
    options: [
      ...WATCH,
      { flags: '--reads', about: 'take the read permission, too, and wait until consumers have gone' },
      { flags: '--undo', about: 'let it be read and written again' },
    ],
    rehearses: true,
    destroys: true,
    examples: ['drain broker-a --dry-run', 'drain broker-a --wait 30m', 'drain broker-a --undo'],
    run: drain,
  },
]
