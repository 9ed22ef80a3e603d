/** `basaltmq admin message tail`: what comes, as it comes; a pull is held at each queue. */
import { type Message, maxOffset, offsetByTime, type PlacedQueue, pull } from '../../admin/index.ts'
import type { Context } from './context.ts'
import { parseTime, timeText } from './format.ts'
import { chosenQueues, filterOf } from './message-queues.ts'
import { headline, jsonOf } from './message-text.ts'
import type { CommandSpec, Given } from './spec.ts'
import { plain } from './table.ts'

const HOLD_MS = 10_000
const BATCH = 32

async function tail(context: Context, given: Given): Promise<void> {
  const { admin, waiter } = context
  const queues = await chosenQueues(context, given, given.arg(0))
  const limit = given.count('count', 1) ?? Number.POSITIVE_INFINITY
  const from = given.text('from')
  let shown = 0
  const begin = (queue: PlacedQueue) =>
    from === undefined ? maxOffset(admin, queue) : offsetByTime(admin, queue, parseTime(from, waiter.now()))
  const starts = await Promise.all(queues.map(begin))
  let finish: () => void = () => {}
  const finished = new Promise<void>((done) => {
    finish = done
  })
  const follow = async (queue: PlacedQueue, start: number) => {
    for (let offset = start; !context.isStopped && shown < limit; ) {
      const held = pull(admin, queue, offset, { count: BATCH, suspendMs: HOLD_MS, ...filterOf(given) })
      const pulled = await Promise.race([held, finished])
      if (pulled === undefined) {
        held.catch(() => {})
        return
      }
      for (const message of pulled.messages) {
        if (shown >= limit) break
        shown++
        context.io.out(line(context, queue, message))
      }
      offset = pulled.next
    }
  }
  const stopped = (async () => {
    while (!context.isStopped && shown < limit) await context.sleep(50)
    finish()
  })()
  const all = queues.map((queue, i) => follow(queue, starts[i]))
  try {
    await Promise.race([Promise.all(all), stopped])
  } finally {
    context.stop()
    finish()
    await Promise.allSettled([...all, stopped])
  }
}

function line(context: Context, queue: PlacedQueue, message: Message): string {
  if (context.isJson) return `${JSON.stringify({ brokerName: queue.brokerName, ...jsonOf(message) })}\n`
  const tag = message.properties.get('TAGS')
  const keys = message.properties.get('KEYS')
  const marks = [tag === undefined ? '' : `#${tag}`, keys === undefined ? '' : `[${keys}]`].filter(
    (mark) => mark !== '',
  )
  const place = `${queue.brokerName}/${message.queueId}@${message.queueOffset}`
  return `${[timeText(message.storeTimestamp), place, ...marks.map(plain), headline(message)].join(' ')}\n`
}

export const TAIL: readonly CommandSpec[] = [
  {
    path: 'message tail',
    about: 'messages as they come, until Ctrl-C; no offset is written',
    mqadmin: [],
    args: [['<topic>', 'what to follow']],
    options: [
      { flags: '--from <time>', about: 'from a time on: "10m ago", "2026-05-01 12:00", … (now)' },
      { flags: '-c, --count <n>', about: 'end after so many' },
      { flags: '-q, --queue <n>', about: 'only this queue' },
      { flags: '-b, --broker <broker>', about: 'only this broker' },
      { flags: '--tag <expression>', about: 'only these tags ("A || B"), by their hash' },
      { flags: '--sql <expression>', about: 'only what this SQL92 expression takes (enablePropertyFilter)' },
    ],
    examples: [
      'message tail MyTopic',
      'message tail MyTopic --from "5m ago" --tag Paid',
      'message tail MyTopic -c 10 --json',
    ],
    run: tail,
  },
]
