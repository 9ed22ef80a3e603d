/**
 * Row 21: requests that come twice, late, in another order, or again on another connection, as after a retry; and answers to
 * questions that nobody asked.
 *
 * A message is stored at most as often as it was sent, and as often as it was acknowledged; everything else that is repeated
 * changes nothing. An unknown opaque is passed over.
 */
import { expect, onTestFinished, test } from 'vitest'
import { FLAG_ANSWER } from '../../src/remoting/command.ts'
import { encodeCommand, request } from '../../src/remoting/index.ts'
import { TestClient } from '../support/client.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { type BrokerProcess, startBrokerProcess, TINY } from './support/broker-process.ts'
import { RECORDED, randomOf } from './support/fuzz.ts'
import { bodyOf, pause, type ReadMessage, readBack, TOPIC } from './support/load.ts'
import { startNamesrvProcess } from './support/namesrv-process.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

const MESSAGES = isLong ? 20_000 : 1500
const STRAY_ANSWERS = isLong ? 100_000 : 5000
const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000)
const SEND = 310

test(`sends that are doubled, reordered and replayed: stored as often as acknowledged (seed ${SEED})`, async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path, config: { flushDiskType: 'SYNC_FLUSH' } })
  const random = randomOf(SEED)
  const sent = new Counts()
  const acknowledged = new Counts()
  const opaques: { peer: RawPeer; opaque: number; number: number }[] = []
  const peers = [await RawPeer.connect(broker.address), await RawPeer.connect(broker.fast)]
  onTestFinished(() => {
    for (const peer of peers) peer.close()
  })
  // Every message once, some again with the same opaque or another, here or over the other port, at once or much later.
  const plan: number[] = []
  for (let number = 0; number < MESSAGES; number += 1) {
    plan.push(number)
    if (random() < 0.3) plan.splice(Math.floor(random() * plan.length), 0, number)
    if (random() < 0.1) plan.push(Math.floor(random() * (number + 1)))
  }
  for (const number of plan) {
    const peer = peers[random() < 0.5 ? 0 : 1]
    const opaque = random() < 0.2 ? number : 1_000_000 + opaques.length
    peer.write(sendFrame(number, opaque))
    sent.add(number)
    opaques.push({ peer, opaque, number })
    if (random() < 0.02) await pause(1)
  }
  // One opaque twice on a connection has two answers: they are counted, not looked up.
  for (const peer of peers) {
    const asked = opaques.filter((each) => each.peer === peer)
    await peer.until(() => peer.answerCount === asked.length, `${asked.length} answers`, 60_000)
    for (const { opaque, number } of asked) {
      expect(peer.answers.get(opaque)?.code).toBe(0)
      acknowledged.add(number)
    }
  }
  const read = await settledRead(broker, plan.length)
  expect(new Counts(read)).toEqual(sent)
  expect(acknowledged).toEqual(sent)
  await expectSound(broker, folder.path, read)
})

test('a sender that times out and tries again: both are stored, both answered, each where it is', async () => {
  using folder = storeFolder()
  const config = { flushDiskType: 'SYNC_FLUSH', syncFlushTimeout: 60_000 } as const
  await using broker = await startBrokerProcess({ folder: folder.path, config, faults: true })
  const [first, second] = [await RawPeer.connect(broker.address), await RawPeer.connect(broker.address)]
  onTestFinished(() => {
    first.close()
    second.close()
  })
  first.write(sendFrame(0, 1))
  expect((await first.answer(1)).code).toBe(0)
  await broker.set('holdSync', 1)
  for (let n = 1; n <= 20; n += 1) first.write(sendFrame(n, n + 1))
  await pause(300)
  expect(first.answers.size).toBe(1)
  // Its client has given up on half of them, and on its connection.
  for (let n = 1; n <= 20; n += 2) second.write(sendFrame(n, n + 1))
  await pause(100)
  first.close()
  await broker.set('holdSync', 0)
  await second.until(() => second.answers.size === 10, '10 answers')
  const read = await settledRead(broker, 31)
  const counts = new Counts(read)
  for (let n = 0; n <= 20; n += 1) expect(counts.of(n)).toBe(n % 2 === 0 ? 1 : 2)
  // What was answered is where the answer says.
  for (const [opaque, { ext }] of second.answers) {
    const physicalOffset = Number.parseInt(ext!.msgId.slice(16), 16)
    expect(read).toContainEqual(expect.objectContaining({ number: opaque - 1, physicalOffset }))
  }
  await expectSound(broker, folder.path, read)
})

test('a whole conversation that is said again on a new connection changes nothing but the messages', async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await client.send(TOPIC, bodyOf(0, 100))
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const queue = { consumerGroup: 'RG', topic: TOPIC, queueId: '0' }
  const consumer = { groupName: 'RG', consumeType: 'CONSUME_PASSIVELY', messageModel: 'CLUSTERING', unitMode: false }
  const from = { consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', subscriptionDataSet: [] }
  const beat = json({ clientID: 'c', producerDataSet: [], consumerDataSet: [{ ...consumer, ...from }] })
  const lock = json({ consumerGroup: 'RG', clientId: 'c', mqSet: [{ topic: TOPIC, brokerName: 'b', queueId: 0 }] })
  const topic = { topic: 'Made', defaultTopic: 'TBW102', readQueueNums: '3', writeQueueNums: '3', perm: '6' }
  const requests: [code: number, ext: Record<string, string>, body?: Buffer][] = [
    [34, {}, beat],
    [41, {}, lock],
    [15, { ...queue, commitOffset: '1' }],
    [17, { ...topic, topicFilterType: 'SINGLE_TAG', order: 'false' }],
    [215, { topic: 'NeverThere' }],
  ]
  const ask = async (peer: RawPeer) => {
    const codes: number[] = []
    for (const [code, ext, body] of requests) codes.push((await peer.invoke(code, ext, body)).code)
    return codes
  }
  const stateOf = async () => {
    const table = async (code: number) => JSON.parse(Buffer.from((await client.invoke(code)).body!).toString())
    const [topics, groups] = [await table(21), await table(201)]
    const offset = (await client.invoke(14, queue)).ext?.offset
    return { topics: topics.topicConfigTable, groups: groups.subscriptionGroupTable, offset }
  }
  const once = await RawPeer.connect(broker.address)
  expect(await ask(once)).toEqual([0, 0, 0, 0, 0])
  const before = await stateOf()
  for (let n = 0; n < 5; n += 1) {
    const again = await RawPeer.connect(broker.address)
    expect(await ask(again)).toEqual([0, 0, 0, 0, 0])
    again.close()
  }
  expect(await stateOf()).toEqual(before)
  once.close()
  // Left twice, and from a connection that never came.
  const late = await RawPeer.connect(broker.address)
  for (let n = 0; n < 2; n += 1) {
    expect((await late.invoke(35, { clientID: 'c', consumerGroup: 'RG' })).code).toBe(0)
    expect((await late.invoke(42, {}, lock)).code).toBe(0)
  }
  late.close()
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

test(`${STRAY_ANSWERS} answers that nobody waits for, to broker and NameServer: passed over, memory flat`, async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  await using namesrv = await startNamesrvProcess()
  const random = randomOf(SEED)
  for (const { server, code } of [
    { server: broker, code: 21 },
    { server: namesrv, code: 106 },
  ]) {
    const peer = await RawPeer.connect(server.address)
    expect((await peer.invoke(code, {})).code).toBe(0)
    const before = server.rss()
    for (let n = 0; n < STRAY_ANSWERS; n += 1) {
      const answer = { ...request([0, 1, 11, 17, 19, 310][n % 6], { n: String(n) }), flag: FLAG_ANSWER }
      peer.write(
        encodeCommand({ ...answer, opaque: Math.floor((random() - 0.5) * 2 ** 32), serialize: n % 2 === 0 ? 0 : 1 }),
      )
      if (n % 500 === 499) expect((await peer.invoke(code, {})).code).toBe(0)
    }
    // Recorded ones too, with their bodies.
    for (const frame of RECORDED.filter((bytes) => isAnswerFrame(bytes))) peer.write(frame)
    expect((await peer.invoke(code, {})).code).toBe(0)
    expect(peer.isClosed).toBe(false)
    expect(server.rss() - before).toBeLessThan(48 * 1024 * 1024)
    expect(server.log.split('\n').filter((line) => /"level":(40|50)/.test(line))).toEqual([])
    peer.close()
  }
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(await namesrv.stop()).toEqual({ status: 0, signal: null })
})

/** How often each number is there. */
class Counts {
  readonly counts = new Map<number, number>()

  constructor(read: readonly ReadMessage[] = []) {
    for (const { number } of read) this.add(number)
  }

  add(number: number): void {
    this.counts.set(number, this.of(number) + 1)
  }

  of(number: number): number {
    return this.counts.get(number) ?? 0
  }
}

function sendFrame(number: number, opaque: number): Buffer {
  const key = String(number).padStart(31, '0')
  const ext = {
    ...{ a: 'PG', b: TOPIC, c: 'TBW102', d: '4', e: String(number % 4), f: '0', g: String(Date.now()), h: '0' },
    ...{ i: `UNIQ_KEY\u0001F${key}`, j: '0', k: 'false', m: 'false' },
  }
  return encodeCommand({ ...request(SEND, ext, bodyOf(number, 100)), opaque })
}

/** Bit 0 of the flag: in a JSON header as text, in a binary one at its place. */
function isAnswerFrame(bytes: Buffer): boolean {
  if (bytes[4] === 1) return (bytes.readInt32BE(8 + 9) & FLAG_ANSWER) !== 0
  return /"flag":\s*[13]\b/.test(bytes.toString('latin1'))
}

/** Dispatch may be a moment behind the answers. */
async function settledRead(broker: BrokerProcess, count: number): Promise<ReadMessage[]> {
  const until = performance.now() + 10_000
  let read = await readBack(broker.address)
  while (read.length < count && performance.now() < until) read = await readBack(broker.address)
  expect(read).toHaveLength(count)
  return read
}

async function expectSound(broker: BrokerProcess, folder: string, read: ReadMessage[]): Promise<void> {
  const next = new Map<number, number>()
  for (const { queueId, queueOffset } of read) {
    expect(queueOffset).toBe(next.get(queueId) ?? 0)
    next.set(queueId, queueOffset + 1)
  }
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder, TINY)).toEqual([])
}
