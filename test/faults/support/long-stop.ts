/**
 * A broker and a NameServer that stood still for longer than any lease, in a moment of their tests: SIGSTOP, and all clocks of the
 * process moved on while it is stopped (wrong-clock.ts). Each function says what was judged wrongly when it went on.
 *
 * It is stopped while its main thread works on a large request: timers run next then, before the sockets are read. Who
 * judges silence in that moment takes those for silent whose signs of life wait in the sockets.
 */
import { onTestFinished } from 'vitest'
import { RawPeer } from '../../support/raw-peer.ts'
import { startBrokerProcess } from './broker-process.ts'
import { pause, TOPIC } from './load.ts'
import { startNamesrvProcess } from './namesrv-process.ts'
import { storeFolder } from './scratch.ts'
import type { WrongClock } from './wrong-clock.ts'

/** Longer than the silence of a client (120 s), a lock (60 s), an idle connection (120 s), a held pull. */
const STOOD_MS = 130_000
/** Of these the main thread has work for a tenth of a second. */
const HEAVY_QUEUES = 120_000
const HEAVY_TOPICS = 40_000
const STOP_TRIES = 10
/** What is due after the pause is due at once: the ordinary check of held pulls would take up to 5 s. */
const AT_ONCE_MS = 3000
const HEART_BEAT = 34
const CONSUMER_LIST = 38
const LOCK = 41
const SEND = 310
const REGISTER_BROKER = 103
const ROUTE = 105
const BROKER_HEARTBEAT = 904
const IN_FLIGHT = 50

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const lock = (clientId: string, queueIds: number[]) =>
  json({
    consumerGroup: 'LG',
    clientId,
    mqSet: queueIds.map((queueId) => ({ topic: TOPIC, brokerName: 'b', queueId })),
  })

function heartbeat(clientID: string): Buffer {
  const rest = { messageModel: 'CLUSTERING', unitMode: false, subscriptionDataSet: [] }
  const how = { consumeType: 'CONSUME_PASSIVELY', consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' }
  return json({ clientID, producerDataSet: [], consumerDataSet: [{ groupName: 'LG', ...how, ...rest }] })
}

const HELD_PULL = {
  ...{ consumerGroup: 'Held', topic: 'Quiet', queueId: '0', queueOffset: '1', maxMsgNums: '32', sysFlag: '6' },
  ...{ commitOffset: '0', suspendTimeoutMillis: '60000', subVersion: '0', subscription: '*', expressionType: 'TAG' },
}
const MESSAGE = {
  a: 'PG',
  b: TOPIC,
  c: 'TBW102',
  d: '4',
  e: '0',
  f: '0',
  g: '0',
  h: '0',
  i: '',
  j: '0',
  k: 'false',
  m: 'false',
}

export async function brokerAfterLongStop(clock: WrongClock, root?: string): Promise<string[]> {
  clock.set(0)
  clock.stood(0)
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path, env: clock.env, ...(root && { root }) })
  const peers = await peersOf(broker.address, 4)
  const [silent, alive, other, busy] = peers
  await other.invoke(SEND, MESSAGE, Buffer.from('first'))
  await other.invoke(SEND, { ...MESSAGE, b: 'Quiet' }, Buffer.from('only'))
  for (const [peer, name, queueId] of [
    [silent, 'silent', 1],
    [alive, 'alive', 2],
  ] as const) {
    await peer.invoke(HEART_BEAT, {}, heartbeat(name))
    await peer.invoke(LOCK, {}, lock(name, [queueId]))
  }
  // Once its message has come: beyond the end of a queue no pull is held.
  await alive.invoke(11, { ...HELD_PULL, queueOffset: '0' })
  const held = alive.ask(11, HELD_PULL)
  await pause(100)
  if (alive.answers.has(held)) throw new Error('the pull was not held')
  const many = lock(
    'busy',
    Array.from({ length: HEAVY_QUEUES }, (_, i) => 1000 + i),
  )
  await stopWhileBusy(broker.pid, busy, () => busy.ask(LOCK, {}, many))
  clock.stood(STOOD_MS)
  // What comes while it stands waits in its socket, and is a sign of life.
  const beat = alive.ask(HEART_BEAT, {}, heartbeat('alive'))
  const renewed = alive.ask(LOCK, {}, lock('alive', [2]))
  const sends = Array.from({ length: IN_FLIGHT }, (_, i) => alive.ask(SEND, MESSAGE, Buffer.from(`waits ${i}`)))
  await pause(100)
  process.kill(broker.pid, 'SIGCONT')

  const problems: string[] = []
  const expect = (isTrue: boolean, what: string) => void (isTrue || problems.push(what))
  const codeOf = async (opaque: number) => (await alive.answer(opaque, AT_ONCE_MS).catch(() => undefined))?.code
  expect((await codeOf(beat)) === 0, 'the heartbeat that waited was not answered')
  expect((await codeOf(renewed)) === 0, 'the lock that waited to be renewed was not answered')
  expect((await codeOf(held)) === 19, 'the pull that was held beyond its deadline was not answered')
  for (const send of sends) expect((await codeOf(send)) === 0, 'a send that waited was not answered')
  const probe = (await peersOf(broker.address, 1))[0]
  const granted = async (queueId: number) => {
    const { body } = await probe.invoke(LOCK, {}, lock('somebody else', [queueId]))
    return (JSON.parse(Buffer.from(body!).toString()) as { lockOKMQSet: unknown[] }).lockOKMQSet.length
  }
  expect((await granted(1)) === 1, 'the lock of the silent one is kept for it')
  expect((await granted(2)) === 0, 'the lock that was renewed was given away')
  // A round of the checks that are due only after the first.
  await pause(300)
  const { body } = await probe.invoke(CONSUMER_LIST, { consumerGroup: 'LG' })
  const members = (JSON.parse(Buffer.from(body ?? '{}').toString()) as { consumerIdList?: string[] }).consumerIdList
  expect(members?.join() === 'alive', `members are ${members?.join()}`)
  expect(silent.isClosed, 'the connection of the silent one is kept open')
  expect(!alive.isClosed, 'the connection of one who is alive was closed')
  expect(!other.isClosed, 'a connection was closed for the silence of the broker itself')
  expect(alive.answerCount === alive.answers.size, 'a request was answered twice')
  const stored = Number((await probe.invoke(30, { topic: TOPIC, queueId: '0' })).ext?.offset)
  expect(stored === IN_FLIGHT + 1, `${stored} messages are stored, ${IN_FLIGHT + 1} were sent`)
  return [...new Set(problems)]
}

export async function namesrvAfterLongStop(clock: WrongClock, root?: string): Promise<string[]> {
  clock.set(0)
  clock.stood(0)
  await using namesrv = await startNamesrvProcess(
    { scanNotActiveBrokerInterval: 200 },
    { env: clock.env, ...(root && { root }) },
  )
  const [alive, silent, busy] = await peersOf(namesrv.address, 3)
  await alive.invoke(REGISTER_BROKER, brokerHeader('alive'), topics('OfAlive', 1))
  await silent.invoke(REGISTER_BROKER, brokerHeader('silent'), topics('OfSilent', 1))
  await stopWhileBusy(namesrv.pid, busy, () =>
    busy.ask(REGISTER_BROKER, brokerHeader('busy'), topics('OfBusy', HEAVY_TOPICS)),
  )
  clock.stood(STOOD_MS)
  alive.ask(BROKER_HEARTBEAT, brokerHeader('alive'), undefined, 2)
  await pause(100)
  process.kill(namesrv.pid, 'SIGCONT')
  await pause(600)
  const probe = (await peersOf(namesrv.address, 1))[0]
  const problems: string[] = []
  if ((await probe.invoke(ROUTE, { topic: 'OfAlive' })).code !== 0) problems.push('a broker that is alive was removed')
  if ((await probe.invoke(ROUTE, { topic: 'OfSilent' })).code === 0) problems.push('a broker that is silent was kept')
  return problems
}

/** SIGSTOP in the middle of the work for a request: it has not been answered then. */
async function stopWhileBusy(pid: number, peer: RawPeer, ask: () => number): Promise<void> {
  for (let tries = 0; tries < STOP_TRIES; tries += 1) {
    const opaque = ask()
    await peer.sent()
    process.kill(pid, 'SIGSTOP')
    await pause(50)
    if (!peer.answers.has(opaque)) return
    process.kill(pid, 'SIGCONT')
  }
  throw new Error(`${pid} was never stopped before it had answered`)
}

async function peersOf(address: string, count: number): Promise<RawPeer[]> {
  const peers = await Promise.all(Array.from({ length: count }, () => RawPeer.connect(address)))
  onTestFinished(() => {
    for (const peer of peers) peer.close()
  })
  return peers
}

function brokerHeader(brokerName: string): Record<string, string> {
  const own = { brokerName, brokerAddr: `${brokerName}:5`, clusterName: 'C', haServerAddr: `${brokerName}:6` }
  return { ...own, brokerId: '0', heartbeatTimeoutMillis: '60000' }
}

function topics(name: string, count: number): Buffer {
  const names = Array.from({ length: count }, (_, i) => (i === 0 ? name : `${name}-${i}`))
  const table = names.map((topicName) => [topicName, { topicName, perm: 6, readQueueNums: 1, writeQueueNums: 1 }])
  const dataVersion = { counter: 1, timestamp: 1 }
  return json({ topicConfigSerializeWrapper: { dataVersion, topicConfigTable: Object.fromEntries(table) } })
}
