/**
 * What outlives the leader of a group beside the messages: topics, groups, offsets, delayed messages, transactions. Offsets and groups
 * are copied each ten seconds, as RocketMQ's slaves do; topics and progress the next leader finds in its log.
 */
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../dledger/support.ts'
import { COMMIT, TransactionClient } from '../transaction/transaction-client.ts'
import { brokerGroup, type GroupMember } from './support.ts'

const UPDATE_TOPIC = 17
const QUERY_OFFSET = 14
const COMMIT_OFFSET = 15
const UPDATE_GROUP = 200
const ALL_GROUPS = 201

const DELAYED = 60

function producerAt({ address }: GroupMember): TransactionClient {
  const client = new TransactionClient(address)
  onTestFinished(() => client.close())
  return client
}

const isTaken = ({ code }: { code: number }) => code === 0

async function bodiesOf({ client }: GroupMember, topic: string): Promise<string[]> {
  const queues = await Promise.all([0, 1, 2, 3].map((queueId) => client.drain(topic, queueId).catch(() => [])))
  return queues.flat().map((it) => it.body.toString())
}

async function offsetAt({ client }: GroupMember, topic: string): Promise<number> {
  const ext = { consumerGroup: 'G', topic, queueId: '0', setZeroIfNotFound: 'false' }
  return Number((await client.invoke(QUERY_OFFSET, ext)).ext?.offset ?? -1)
}

function commitAt({ client }: GroupMember, topic: string, offset: number) {
  const ext = { consumerGroup: 'G', topic, queueId: '0', commitOffset: String(offset) }
  return client.invoke(COMMIT_OFFSET, ext)
}

let topics = 0

/** A queue that is new has slaves ask for the leader's tables, without the clock's help: that would be silence to elections. */
async function copied(leader: GroupMember): Promise<void> {
  topics += 1
  expect((await leader.client.send(`News${topics}`, 'x')).code).toBe(0)
}

test('kill -9 of the leader: its newest topic, what is delayed, a half and its end are there at the next one', async () => {
  const config = { transactionCheckInterval: 500, transactionTimeOut: 300 }
  const group = await brokerGroup(3, { processes: true, config })
  await group.send('T', 'before')
  const halfOf = (body: string) => group.atLeader((it) => producerAt(it).half('Tx', body), isTaken)
  const { result: ended } = await halfOf('ended there')
  await halfOf('asked for there')
  let doubts = 0
  for (let i = 0; i < DELAYED; i += 1) {
    const late = { queueId: i % 4, properties: { DELAY: '1' } }
    const sent = await group.atLeader((it) => it.client.send('Late', `late ${i}`, late), isTaken)
    doubts += sent.doubts
  }
  const old = await group.leader()
  // In the middle of the deliveries.
  await eventually(async () => (await bodiesOf(old, 'Late')).length > DELAYED / 4, 'some are delivered')
  await group.send('Young', 'of a topic that nobody has copied')
  await old.kill()
  const next = await group.leader({ not: old })

  expect(new Set(await bodiesOf(next, 'T'))).toEqual(new Set(['before']))
  // Its queue may become known a moment later.
  await eventually(async () => (await bodiesOf(next, 'Young')).length > 0, 'the newest topic is there')
  await group.send('Young', 'more')
  const heir = producerAt(next)
  heir.answer = ({ message }) => (message.body.toString() === 'asked for there' ? COMMIT : undefined)
  await heir.heartbeat()
  expect((await heir.end(ended, COMMIT)).code).toBe(0)
  await eventually(async () => new Set(await bodiesOf(next, 'Tx')).size === 2, 'both transactions are committed')
  const all = Array.from({ length: DELAYED }, (_, i) => `late ${i}`)
  await eventually(
    async () => new Set(await bodiesOf(next, 'Late')).size === DELAYED,
    'all that was delayed is delivered',
  )
  const late = await bodiesOf(next, 'Late')
  expect([...new Set(late)].sort()).toEqual(all.sort())
  // What the old leader delivered is in the log, and is not delivered again.
  expect(late.length).toBeLessThanOrEqual(DELAYED + doubts)

  // It comes back as a slave, with the tables of the new leader.
  await old.start()
  await eventually(async () => Object.values(await group.routes()).includes(old.address), 'the old leader is back')
  await eventually(async () => (await bodiesOf(old, 'Young')).includes('more'), 'and has what it missed')
})

test('tables go with the leader: topics, groups and offsets that were copied, and offsets committed just before it hands over', async () => {
  const group = await brokerGroup(3)
  const first = await group.leader()
  const topic = { topic: 'Made', readQueueNums: '6', writeQueueNums: '6', perm: '6', topicFilterType: 'SINGLE_TAG' }
  expect((await first.client.invoke(UPDATE_TOPIC, { ...topic, defaultTopic: 'TBW102', order: 'false' })).code).toBe(0)
  const config = Buffer.from(
    JSON.stringify({ groupName: 'G', retryMaxTimes: 3, retryQueueNums: 1, consumeEnable: true }),
  )
  expect((await first.client.invoke(UPDATE_GROUP, {}, config)).code).toBe(0)
  for (let i = 0; i < 10; i += 1) await group.send('Made', `${i}`)
  await commitAt(first, 'Made', 4)
  await copied(first)
  const [second] = await group.followers()
  await eventually(async () => (await offsetAt(second, 'Made')) === 4, 'offsets are copied')
  // Nobody has copied this one when the leader changes.
  await commitAt(first, 'Made', 7)
  await group.transfer(second)

  await group.send('Made', 'x', { queueId: 5 })
  const groups = JSON.parse(Buffer.from((await second.client.invoke(ALL_GROUPS)).body!).toString()) as {
    subscriptionGroupTable: Record<string, { retryMaxTimes: number }>
  }
  expect(groups.subscriptionGroupTable.G.retryMaxTimes).toBe(3)
  await eventually(async () => (await offsetAt(second, 'Made')) === 7, 'the former leader hands offsets over')

  // What was committed at the new leader is not overwritten by the former one.
  await commitAt(second, 'Made', 9)
  await copied(second)
  await eventually(async () => (await offsetAt(first, 'Made')) === 9, 'the former leader follows')
  expect(await offsetAt(second, 'Made')).toBe(9)
})

test('a slave that is read while nobody leads: what is committed there goes to the next leader', async () => {
  const group = await brokerGroup(3)
  const first = await group.leader()
  for (let i = 0; i < 10; i += 1) await group.send('T', `${i}`)
  const [second, third] = await group.followers()
  await eventually(async () => (await second.client.pull('T', 0, 0)).messages.length === 10, 'a slave shows them')
  await first.stop()
  await third.stop()
  expect((await second.client.pull('T', 0, 0)).messages).toHaveLength(10)
  await commitAt(second, 'T', 6)
  expect((await second.client.send('T', 'x')).remark).toContain('no leader is known')
  await third.start()
  const next = await group.leader({ not: first })
  if (next !== second) await eventually(async () => (await offsetAt(next, 'T')) === 6, 'it is told')
  expect(await offsetAt(second, 'T')).toBe(6)
})
