/** `basaltmq admin message …`, but for tail. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  AdminError,
  bodyOfMessage,
  findByKey,
  idOf,
  isOffsetId,
  leadersOf,
  type Message,
  mustRoute,
  offsetByTime,
  type PlacedQueue,
  placeOfId,
  pull,
  sendMessage,
  viewAt,
  walk,
} from '../../admin/index.ts'
import { describeFile } from '../../errors.ts'
import type { Context } from './context.ts'
import { parseTime, timeText } from './format.ts'
import { chosenQueues, filterOf } from './message-queues.ts'
import { TAIL } from './message-tail.ts'
import { headline, jsonOf, show } from './message-text.ts'
import { type CommandSpec, type Given, pairsOfWords, usage } from './spec.ts'

async function showOne(context: Context, given: Given): Promise<void> {
  const message = await messageOf(context, given.arg(0), given.text('topic'))
  const file = given.text('output')
  if (file !== undefined) {
    try {
      writeFileSync(resolve(context.io.cwd, file), bodyOfMessage(message).body)
    } catch (error) {
      throw usage(`the body cannot be written to ${file}: ${describeFile(error)}`)
    }
  }
  context.show(jsonOf(message), () => show(message, given.is('hex')))
}

/** By offsetMsgId, or by the client's id with its topic. Both may be 32 hexadecimal digits. */
async function messageOf(context: Context, id: string, topic: string | undefined): Promise<Message> {
  const { admin } = context
  const place = placeOfId(id)
  if (place !== undefined && (topic === undefined || (await isOffsetId(admin, place)))) {
    return viewAt(admin, place, topic)
  }
  if (topic === undefined) {
    throw new AdminError('NO_MESSAGE', {
      what: `"${id}" is no offsetMsgId`,
      todo: 'if it is the id that the client gave, name the topic: --topic NAME',
    })
  }
  const [found] = await findByKey(admin, { topic, key: id, isUnique: true })
  if (found !== undefined) return found
  throw new AdminError('NO_MESSAGE', {
    what: `topic ${topic} has no message with the id ${id}`,
    todo: 'it may be of another topic, expired, or not indexed (messageIndexEnable)',
  })
}

async function find(context: Context, given: Given): Promise<void> {
  const count = given.count('count', 1, 100_000) ?? 32
  const messages = await found(context, given, count)
  context.show(messages.map(jsonOf), () =>
    messages.length === 0
      ? 'nothing found\n'
      : context.table(
          [
            { title: 'stored', of: (m: Message) => timeText(m.storeTimestamp) },
            { title: 'queue', of: (m) => m.queueId },
            { title: 'offset', of: (m) => m.queueOffset },
            { title: 'tag', of: (m) => m.properties.get('TAGS') ?? '' },
            { title: 'keys', of: (m) => m.properties.get('KEYS') ?? '' },
            { title: 'bytes', of: (m) => m.body.length },
            { title: 'id', of: (m) => idOf(m), right: true },
            { title: 'body', of: (m) => headline(m) },
          ],
          messages,
        ),
  )
}

async function found(context: Context, given: Given, count: number): Promise<Message[]> {
  const { admin, waiter } = context
  const topic = given.arg(0)
  const now = waiter.now()
  const from = given.text('from')
  const to = given.text('to')
  const begin = from === undefined ? undefined : parseTime(from, now)
  const end = to === undefined ? undefined : parseTime(to, now)
  const key = given.text('key')
  if (key !== undefined) {
    const query = { topic, key, count, begin: begin ?? 0, ...(end === undefined ? {} : { end }) }
    return (await findByKey(admin, query)).slice(0, count)
  }
  const id = given.text('id')
  if (id !== undefined) return findByKey(admin, { topic, key: id, isUnique: true, count })
  const queues = await chosenQueues(context, given, topic)
  const offset = given.count('offset', 0, Number.MAX_SAFE_INTEGER)
  if (offset !== undefined) {
    if (queues.length !== 1)
      throw usage('--offset needs one queue', 'give --queue N, and --broker NAME where several have the topic')
    return (await pull(admin, queues[0], offset, { count })).messages.slice(0, count)
  }
  if (begin === undefined)
    throw usage('say what to look for', 'give --key, --id, --queue and --offset, or --from (and --to)')
  return byTime(context, given, queues, begin, end ?? Number.POSITIVE_INFINITY, count)
}

async function byTime(
  context: Context,
  given: Given,
  queues: readonly PlacedQueue[],
  begin: number,
  end: number,
  count: number,
): Promise<Message[]> {
  const { admin } = context
  const list: Message[] = []
  for (const queue of queues) {
    let taken = 0
    const start = await offsetByTime(admin, queue, begin)
    for await (const message of walk(admin, queue, start, { count: Math.min(32, count), ...filterOf(given) })) {
      if (message.storeTimestamp > end || taken >= count) break
      if (message.storeTimestamp < begin) continue
      list.push(message)
      taken++
    }
  }
  return list.sort((a, b) => a.storeTimestamp - b.storeTimestamp).slice(0, count)
}

const WRITE = 2

async function send(context: Context, given: Given): Promise<void> {
  const { admin, io, waiter } = context
  const topic = given.arg(0)
  const route = await mustRoute(admin, topic)
  const wanted = given.text('broker')
  const masters = leadersOf(route.brokers).filter(({ id, name }) => id === 0 && (wanted ?? name) === name)
  const open = masters.flatMap((broker) => {
    const queue = route.queues.find(({ brokerName }) => brokerName === broker.name)
    return queue === undefined || (queue.perm & WRITE) === 0 ? [] : [{ broker, queues: queue.writeQueues }]
  })
  if (open.length === 0) {
    throw new AdminError('NOT_WRITABLE', {
      what: `no broker takes messages of ${topic}${wanted === undefined ? '' : ` (asked for ${wanted})`}`,
      todo: 'see its permissions: "basaltmq admin topic describe"',
    })
  }
  const { broker, queues } = open[Math.floor(Math.random() * open.length)]
  const queueId = given.count('queue') ?? Math.floor(Math.random() * queues)
  const properties = new Map(pairsOfWords(given.list('property')))
  const set = (name: string, value: string | undefined) => value !== undefined && properties.set(name, value)
  set('TAGS', given.text('tag'))
  set('KEYS', given.text('key'))
  set('DELAY', given.count('delay', 1, 18)?.toString())
  const body = await bodyOf(given, io)
  if (queueId >= queues)
    throw usage(`${broker.name} has ${queues} queues to write to, and no queue ${queueId} of ${topic}`)
  if (context.isDryRun) {
    const done = 'would be sent'
    context.show(
      { done, topic, brokerName: broker.name, queueId, bytes: body.length, properties: Object.fromEntries(properties) },
      () => `${body.length} bytes ${done} to ${broker.name}/${queueId} of ${topic}\n`,
    )
    return
  }
  const sent = await sendMessage(admin, broker.address, {
    topic,
    queueId,
    body,
    properties: [...properties, ['WAIT', 'true']],
    group: 'BASALT_ADMIN_PRODUCER',
    now: waiter.now(),
  })
  const notes: Record<number, string> = { 10: 'not flushed in time', 11: 'on no slave', 12: 'not on a slave in time' }
  const note = notes[sent.code]
  context.show({ done: 'sent', topic, brokerName: broker.name, ...sent }, () => {
    const safety = note === undefined ? '' : ` (stored, but ${note})`
    return `sent to ${broker.name}/${sent.queueId} offset ${sent.queueOffset}${safety}\nid ${sent.msgId}\noffsetMsgId ${sent.offsetMsgId}\n`
  })
}

async function bodyOf(given: Given, io: Context['io']): Promise<Uint8Array> {
  const body = given.text('body')
  const file = given.text('file')
  if (body !== undefined) return Buffer.from(body)
  if (file === undefined)
    throw usage('the message has no body', 'give --body TEXT, --file PATH, or --file - for standard input')
  if (file === '-') return io.input?.() ?? Buffer.alloc(0)
  try {
    return readFileSync(resolve(io.cwd, file))
  } catch (error) {
    throw usage(`the body cannot be read from ${file}: ${describeFile(error)}`)
  }
}

export const MESSAGE: readonly CommandSpec[] = [
  {
    path: 'message show',
    about: 'one message by its id, with properties and body',
    mqadmin: ['queryMsgById', 'queryMsgByUniqueKey'],
    args: [['<id>', "offsetMsgId; or the client's id, with --topic"]],
    options: [
      { flags: '-t, --topic <topic>', about: "the message's topic" },
      { flags: '--hex', about: 'the body as hexadecimal' },
      { flags: '-o, --output <file>', about: 'write the body into this file, too' },
    ],
    examples: [
      'message show 7F00000100002A9F0000000000000000',
      'message show 7F0000010BF418B4AAC24E1F2D3A0000 -t MyTopic',
    ],
    run: showOne,
  },
  {
    path: 'message find',
    about: 'messages by key, client id, place in a queue, or time',
    mqadmin: ['queryMsgByKey', 'queryMsgByOffset', 'printMsg', 'printMsgByQueue', 'consumeMessage'],
    args: [['<topic>', 'where to look']],
    options: [
      { flags: '-k, --key <key>', about: 'one of its KEYS' },
      { flags: '--id <id>', about: "the client's id (UNIQ_KEY)" },
      { flags: '-q, --queue <n>', about: 'only this queue' },
      { flags: '-b, --broker <broker>', about: 'only this broker' },
      { flags: '--offset <n>', about: 'from this offset of the queue on' },
      { flags: '--from <time>', about: 'stored at or after: "10m ago", "2026-05-01 12:00", …' },
      { flags: '--to <time>', about: 'stored at or before' },
      { flags: '--tag <expression>', about: 'with --from: only these tags ("A || B")' },
      { flags: '--sql <expression>', about: 'with --from: only what this SQL92 expression takes' },
      { flags: '-c, --count <n>', about: 'at most so many (32)' },
    ],
    examples: [
      'message find MyTopic --key order-17',
      'message find MyTopic -q 0 --offset 1000',
      'message find MyTopic --from "10m ago" --tag TagA',
    ],
    run: find,
  },
  {
    path: 'message send',
    about: 'send one message',
    mqadmin: ['sendMessage'],
    args: [['<topic>', 'where to']],
    options: [
      { flags: '--body <text>', about: 'what to send' },
      { flags: '--file <path>', about: 'send what is in this file; -: standard input' },
      { flags: '-k, --key <keys>', about: 'KEYS, blanks between' },
      { flags: '--tag <tag>', about: 'TAGS' },
      { flags: '--property <name=value>', about: 'a property', many: true },
      { flags: '--delay <level>', about: 'delay level, 1 to 18' },
      { flags: '-q, --queue <n>', about: 'this queue (any)' },
      { flags: '-b, --broker <name>', about: 'this broker (any)' },
    ],
    rehearses: true,
    examples: [
      'message send MyTopic --body hello',
      'message send MyTopic --body hello --dry-run',
      'message send MyTopic --file body.json --key order-17 --tag Paid',
      'message send MyTopic --body later --delay 3',
    ],
    run: send,
  },
  ...TAIL,
]
