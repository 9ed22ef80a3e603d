/** `basaltmq admin group watch`: groups that are behind, stuck or astray, told when it begins and when it ends. */
import { type Alarm, alarmsOf } from '../../admin/index.ts'
import { ExitStatus, FOUND } from '../exit-status.ts'
import type { Context } from './context.ts'
import { durationText, parseDuration, timeText } from './format.ts'
import { WHERE, whereOf } from './shared.ts'
import type { CommandSpec, Given } from './spec.ts'

const LAG = 10_000

async function watch(context: Context, given: Given): Promise<void> {
  const { admin, waiter } = context
  const word = given.optionalArg(0)?.toLowerCase() ?? ''
  const everyMs = parseDuration(given.text('every') ?? '30s')
  const thresholds = {
    lag: given.count('lag', 0, Number.MAX_SAFE_INTEGER) ?? LAG,
    ageMs: parseDuration(given.text('age') ?? '10m'),
  }
  const look = () =>
    alarmsOf(admin, whereOf(given), thresholds, waiter.now(), (group) => group.toLowerCase().includes(word))
  if (given.is('once')) {
    const alarms = await look()
    context.show(alarms, () => alarms.map((alarm) => `${textOf(alarm)}\n`).join('') || 'nothing to tell\n')
    if (alarms.length > 0) throw new ExitStatus(FOUND)
    return
  }
  const tell = (state: 'begins' | 'ended', alarm: Alarm) => {
    const at = waiter.now()
    const line = context.isJson
      ? JSON.stringify({ at, state, ...alarm })
      : `${timeText(at)} ${state === 'ended' ? 'ended: ' : ''}${textOf(alarm)}`
    context.io.out(`${line}\n`)
  }
  let before = new Map<string, Alarm>()
  let trouble = ''
  let hasLooked = false
  while (!context.isStopped) {
    try {
      const now = new Map((await look()).map((alarm) => [`${alarm.group} ${alarm.kind} ${alarm.queue ?? ''}`, alarm]))
      for (const [key, alarm] of now) if (!before.has(key)) tell('begins', alarm)
      for (const [key, alarm] of before) if (!now.has(key)) tell('ended', alarm)
      before = now
      trouble = ''
    } catch (error) {
      // It is there to see trouble through: the first look fails the command, later ones are told.
      if (!hasLooked) throw error
      const text = error instanceof Error ? error.message : String(error)
      if (text !== trouble) context.note(`${timeText(waiter.now())} ${text}`)
      trouble = text
    }
    hasLooked = true
    await context.sleep(everyMs)
  }
}

function textOf({ group, kind, lag, ageMs = 0, queue = '' }: Alarm): string {
  switch (kind) {
    case 'lag':
      return `${group}: ${lag} messages behind`
    case 'age':
      return `${group}: reads messages of ${durationText(ageMs)} ago`
    case 'nobody consumes':
      return `${group}: nobody consumes, ${lag} messages behind`
    case 'offset beyond end':
      return `${group}: its offset of ${queue} is beyond the end (basaltmq admin offset reset)`
  }
}

export const WATCH_GROUPS: readonly CommandSpec[] = [
  {
    path: 'group watch',
    about: 'tell when groups fall behind, are left by their consumers, or have offsets that cannot be',
    mqadmin: ['startMonitoring'],
    args: [['[word]', 'only groups whose name contains it']],
    options: [
      { flags: '--lag <n>', about: `more messages than that (${LAG})` },
      { flags: '--age <duration>', about: 'messages older than that (10m)' },
      { flags: '--every <duration>', about: 'how often to look (30s)' },
      { flags: '--once', about: 'look once; status 3 where there is something to tell' },
      ...WHERE,
    ],
    examples: ['group watch --once', 'group watch payments --lag 1000 --age 5m', 'group watch --json --once'],
    run: watch,
  },
]
