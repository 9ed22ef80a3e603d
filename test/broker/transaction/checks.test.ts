/** Rounds of checks on a broker whose clock is moved: who is asked, how often, what becomes of those that nobody decides. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test as base, expect } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { allRecords } from './log-records.ts'
import { allOffline, type Check, COMMIT, heartbeats, ROLLBACK, TransactionClient } from './transaction-client.ts'

const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC'
const EXPIRED = 'TRANS_CHECK_MAX_TIME_TOPIC'

const test = base.extend<{ broker: TestBroker; producer: TransactionClient; client: TestClient }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures a fixture needs from this pattern
  broker: async ({}, use) => {
    await using broker = await startTestBroker()
    await use(broker)
  },
  producer: async ({ broker }, use) => {
    const producer = new TransactionClient(broker.address)
    await producer.heartbeat()
    await use(producer)
    await allOffline()
  },
  client: async ({ broker }, use) => {
    const client = new TestClient(broker.address)
    await use(client)
    await client.close()
  },
})

/** Moves the clock by one interval of checks, and waits until that round is over. */
async function round(broker: TestBroker, by: number | string = '61s') {
  await shown(broker)
  // A silent producer is dropped after two minutes.
  await heartbeats()
  broker.advance(by)
  const report = await broker.handle.own.transactions.check()
  await shown(broker)
  return report
}

/** Until the queues show all that is stored. */
async function shown(broker: TestBroker): Promise<void> {
  const { control } = broker.handle.engine
  await expect.poll(() => control.load('appended') - control.load('dispatched'), { interval: 2 }).toBe(0)
}

const endOf = (broker: TestBroker) => broker.handle.engine.control.load('appended')
const bodies = (list: { body: Uint8Array }[]) => list.map(({ body }) => Buffer.from(body).toString())
const halves = (broker: TestBroker) => allRecords(broker.folder).filter(({ topic }) => topic === HALF)
const timesOf = (check: Check) => check.message.properties.get('TRANSACTION_CHECK_TIMES')

test('a half that nobody ends is checked: the producer gets the message as it sent it, and its answer counts', async ({
  broker,
  producer,
  client,
}) => {
  const half = await producer.half('Orders', 'forgotten', { TAGS: 'A' }, { e: '2', j: '3' })
  producer.answer = () => COMMIT
  expect(await round(broker)).toMatchObject({ checked: 1 })
  await expect.poll(() => producer.checks.length).toBe(1)
  const [{ ext, message }] = producer.checks
  // As Apache's (recorded frame 21 of wire-json/transaction): the copy's place, the real topic.
  expect(ext).toEqual({
    ...{ tranStateTableOffset: '1', commitLogOffset: String(message.physicalOffset) },
    ...{ msgId: 'id-forgotten', transactionId: 'id-forgotten' },
    offsetMsgId: half.offsetMsgId.slice(0, 16) + message.physicalOffset.toString(16).toUpperCase().padStart(16, '0'),
  })
  const [first, copy] = halves(broker)
  expect(message).toMatchObject({
    ...{ topic: 'Orders', queueId: 2, queueOffset: 1, physicalOffset: copy.physicalOffset, flag: 7, sysFlag: 0 },
    ...{ bornTimestamp: first.bornTimestamp, bornHost: first.bornHost, storeHost: first.storeHost },
    ...{ storeTimestamp: first.storeTimestamp, reconsumeTimes: 3, bodyIsIntact: true },
  })
  expect(timesOf(producer.checks[0])).toBe('1')
  expect(copy.properties).toEqual(new Map([...first.properties, ['TRANSACTION_CHECK_TIMES', '1']]))
  expect(copy).toMatchObject({ queueOffset: 1, flag: 7, reconsumeTimes: 3, bornTimestamp: first.bornTimestamp })
  await expect.poll(async () => bodies(await client.drain('Orders', 2))).toEqual(['forgotten'])
  // Decided, once the op that says so has been dispatched: no further check.
  await expect.poll(() => round(broker), { timeout: 10_000 }).toMatchObject({ checked: 0, held: 0 })
  expect(producer.checks.length).toBe(1)
})

test('ends decide: only what is open is asked about, and a rolled-back one is not delivered', async ({
  broker,
  producer,
  client,
}) => {
  for (let i = 0; i < 200; i += 1) {
    const half = await producer.half('Orders', `m${i}`)
    if (i % 4 === 0) await producer.end(half, COMMIT)
    if (i % 4 === 1) await producer.end(half, ROLLBACK)
  }
  producer.answer = ({ message }) => (Number(bodies([message])[0].slice(1)) % 4 === 2 ? COMMIT : ROLLBACK)
  expect(await round(broker)).toMatchObject({ checked: 100 })
  const wanted = Array.from({ length: 200 }, (_, i) => i).filter((i) => i % 2 === 0)
  await expect
    .poll(async () => bodies(await client.drain('Orders', 0)).toSorted())
    .toEqual(wanted.map((i) => `m${i}`).toSorted())
  expect(await round(broker)).toMatchObject({ checked: 0, held: 0 })
})

test('a young half is left alone, and asked about in the first round after transactionTimeOut', async ({
  broker,
  producer,
}) => {
  broker.advance('55s')
  const born = String(Date.now() + 55_000)
  await producer.half('Orders', 'young', {}, { g: born })
  expect(await round(broker, '5s')).toMatchObject({ checked: 0, held: 0 })
  expect(await round(broker, '2s')).toMatchObject({ checked: 1 })
})

test('CHECK_IMMUNITY_TIME_IN_SECONDS: nobody asks before, those behind it are not held up, no check is counted', async ({
  broker,
  producer,
}) => {
  await producer.half('Orders', 'later', { CHECK_IMMUNITY_TIME_IN_SECONDS: '600' })
  await producer.half('Orders', 'now')
  await producer.half('Orders', 'soon', { CHECK_IMMUNITY_TIME_IN_SECONDS: '1' })
  expect(await round(broker)).toMatchObject({ checked: 2, held: 1 })
  await expect.poll(() => bodies(producer.checks.map(({ message }) => message)).toSorted()).toEqual(['now', 'soon'])
  for (let i = 0; i < 3; i += 1) await round(broker)
  expect(bodies(producer.checks.map(({ message }) => message))).not.toContain('later')
  for (let i = 0; i < 6; i += 1) await round(broker)
  await expect.poll(() => bodies(producer.checks.map(({ message }) => message))).toContain('later')
  expect(timesOf(producer.checks.find(({ message }) => bodies([message])[0] === 'later')!)).toBe('1')
})

test('after transactionCheckMax checks a half is given up: an operator finds it, and can have it checked again', async ({
  broker,
  producer,
  client,
}) => {
  await producer.half('Orders', 'undecided', { TAGS: 'A' })
  for (let i = 1; i <= 15; i += 1) {
    expect(await round(broker)).toMatchObject({ checked: 1, expired: 0 })
    await expect.poll(() => producer.checks.map(timesOf)).toEqual(Array.from({ length: i }, (_, n) => String(n + 1)))
  }
  expect(await round(broker)).toMatchObject({ checked: 0, expired: 1 })
  expect(await round(broker)).toMatchObject({ checked: 0, expired: 0 })
  const [kept] = await client.drain(EXPIRED, 0)
  expect(bodies([kept])).toEqual(['undecided'])
  expect(Object.fromEntries(kept.properties)).toMatchObject({
    ...{ REAL_TOPIC: 'Orders', TAGS: 'A', TRANSACTION_CHECK_TIMES: '15', UNIQ_KEY: 'id-undecided' },
  })

  const hex = Buffer.alloc(8)
  hex.writeBigInt64BE(BigInt(kept.physicalOffset))
  const id = `${'7F000001'}${'0'.repeat(8)}${hex.toString('hex')}`
  expect(await client.invoke(323, { msgId: id })).toMatchObject({ code: 0, remark: undefined })
  producer.answer = () => COMMIT
  expect(await round(broker)).toMatchObject({ checked: 1 })
  await expect.poll(() => producer.checks.map(timesOf).at(-1)).toBe('1')
  await expect.poll(async () => bodies(await client.drain('Orders', 0))).toEqual(['undecided'])
})

test('323 for what is no half: code 1, nothing stored', async ({ broker, client }) => {
  await client.send('Orders', 'plain')
  const end = endOf(broker)
  const ids = ['zzz', '', '7F00000100002A9F0000000000000000', '7F00000100002A9F00000000000FFFFF', '7F'.repeat(16)]
  for (const msgId of ids) {
    const answer = await client.invoke(323, { msgId })
    expect([answer.code, answer.remark]).toEqual([1, expect.stringContaining('no half message has the id')])
  }
  expect(await client.invoke(323)).toMatchObject({ code: 1 })
  expect(endOf(broker)).toBe(end)
})

test('a half older than fileReservedTime is given up unasked', async ({ broker, producer, client }) => {
  await producer.half('Orders', 'ancient', {}, { g: String(Date.now() - 73 * 3_600_000) })
  expect(await round(broker)).toMatchObject({ checked: 0, expired: 1 })
  expect(bodies(await client.drain(EXPIRED, 0))).toEqual(['ancient'])
  expect(producer.checks).toEqual([])
})

test('while no producer of the group is there nothing is counted or written; the first that comes back is asked', async ({
  broker,
  client,
}) => {
  const gone = new TransactionClient(broker.address)
  await gone.half('Orders', 'abandoned')
  const answered = await gone.half('Orders', 'committed')
  await gone.end(answered, COMMIT)
  await gone.close()
  const end = endOf(broker)
  for (let i = 0; i < 20; i += 1) expect(await round(broker)).toMatchObject({ checked: 0, expired: 0, held: 1 })
  expect(endOf(broker)).toBe(end)
  const back = new TransactionClient(broker.address)
  back.answer = () => COMMIT
  await back.heartbeat()
  expect(await round(broker)).toMatchObject({ checked: 1, held: 0 })
  await expect.poll(() => back.checks.map(timesOf)).toEqual(['1'])
  await expect.poll(async () => bodies(await client.drain('Orders', 0)).toSorted()).toEqual(['abandoned', 'committed'])
  await back.close()
})

test('a held half far behind the end gets an uncounted copy there, so that the front goes on; its end is still taken', async ({
  broker,
  producer,
  client,
}) => {
  const { transactions } = broker.handle.own
  transactions.heldSpanMax = 10
  const first = await producer.half('Orders', 'later', { CHECK_IMMUNITY_TIME_IN_SECONDS: '3600' })
  for (let i = 0; i < 20; i += 1) await producer.end(await producer.half('Orders', `m${i}`), ROLLBACK)
  expect(await round(broker)).toMatchObject({ moved: 1, held: 0, checked: 0 })
  expect(transactions.state.decided.firstHalf).toBe(21)
  const copy = halves(broker).at(-1)!
  expect(copy.properties.get('TRAN_PREPARED_QUEUE_OFFSET')).toBe('0')
  expect(copy.properties.has('TRANSACTION_CHECK_TIMES')).toBe(false)
  expect(await round(broker)).toMatchObject({ moved: 0, held: 1 })
  expect((await producer.end(first, COMMIT)).code).toBe(0)
  await expect.poll(async () => bodies(await client.drain('Orders', 0))).toEqual(['later'])
  expect(await round(broker)).toMatchObject({ moved: 0, held: 0, checked: 0 })
  expect(transactions.state.decided.firstHalf).toBe(22)
})

test('a late end of what was checked meanwhile is taken for the copy: delivered once, not asked about again', async ({
  broker,
  producer,
  client,
}) => {
  const first = await producer.half('Orders', 'slow')
  await round(broker)
  await round(broker)
  await expect.poll(() => producer.checks.length).toBe(2)
  const [check] = producer.checks
  // The answer to the first check, then that of the local transaction, then the first again.
  expect((await producer.end(check.place, COMMIT)).code).toBe(0)
  expect((await producer.end(first, COMMIT)).code).toBe(0)
  expect((await producer.end(producer.checks[1].place, COMMIT)).code).toBe(0)
  await expect.poll(async () => bodies(await client.drain('Orders', 0))).toEqual(['slow'])
  expect(await round(broker)).toMatchObject({ checked: 0 })
})

test('poisoned entries do not stop the loop: they are kept for the operator, and those behind them are checked', async ({
  broker,
  producer,
  client,
}) => {
  const put = (properties: string, body: string) => own(broker, HALF, properties, body)
  await put('REAL_TOPIC\u0001Orders\u0002REAL_QID\u00010', 'no group')
  await put('REAL_TOPIC\u0001../../x\u0002REAL_QID\u00010\u0002PGROUP\u0001TxProducer', 'bad topic')
  await put('REAL_TOPIC\u0001Orders\u0002REAL_QID\u0001x\u0002PGROUP\u0001TxProducer', 'bad queue')
  await put('REAL_QID\u00010\u0002PGROUP\u0001TxProducer', 'no topic')
  await put('', 'nothing')
  const known = 'REAL_TOPIC\u0001Orders\u0002REAL_QID\u00010\u0002PGROUP\u0001TxProducer\u0002big\u0001'
  await put(`${known}${'b'.repeat(32_767 - known.length)}`, 'no room')
  await putOp(broker, 'x')
  await putOp(broker, '99999999999999999999')
  await producer.half('Orders', 'good')
  expect(await round(broker)).toMatchObject({ checked: 1, expired: 6, stopped: undefined })
  await expect.poll(() => bodies(producer.checks.map(({ message }) => message))).toEqual(['good'])
  expect(bodies(await client.drain(EXPIRED, 0)).toSorted()).toEqual(
    ['no group', 'bad topic', 'bad queue', 'no topic', 'nothing', 'no room'].toSorted(),
  )
  expect(await round(broker)).toMatchObject({ checked: 1, expired: 0 })
})

test('a store that takes nothing stops a round, not the checks', async ({ broker, producer }) => {
  for (let i = 0; i < 5; i += 1) await producer.half('Orders', `m${i}`)
  await round(broker, 0)
  broker.faults.set('holdAppend', 1)
  broker.advance('61s')
  const stuck = broker.handle.own.transactions.check()
  broker.faults.set('holdAppend', 0)
  await stuck
  await expect.poll(() => producer.checks.length).toBe(5)
  expect(await round(broker)).toMatchObject({ checked: 5 })
})

test('offsets go on as Apache’s do, survive a restart, and what was open is still asked about', async ({ broker }) => {
  const producer = new TransactionClient(broker.address)
  await producer.heartbeat()
  const open = await producer.half('Orders', 'open')
  for (let i = 0; i < 10; i += 1)
    await producer.end(await producer.half('Orders', `m${i}`), i % 2 === 0 ? COMMIT : ROLLBACK)
  expect(open.queueOffset).toBe(0)
  // The open one gets a copy at 11, which an op message notes; ten others decide the rest.
  expect(await round(broker)).toMatchObject({ checked: 1 })
  await producer.close()
  const again = await broker.restart()
  const offsets = readFileSync(join(broker.folder, 'config', 'consumerOffset.json'), 'utf8').replace(/\s/g, '')
  expect(offsets).toContain('"RMQ_SYS_TRANS_HALF_TOPIC@CID_RMQ_SYS_TRANS":{0:11}')
  expect(offsets).toContain('"RMQ_SYS_TRANS_OP_HALF_TOPIC@CID_RMQ_SYS_TRANS":{0:11}')
  const back = new TransactionClient(again.address)
  back.answer = () => COMMIT
  await back.heartbeat()
  expect(await round(again)).toMatchObject({ checked: 1 })
  await expect.poll(() => back.checks.map(timesOf)).toEqual(['2'])
  const client = new TestClient(again.address)
  await expect
    .poll(async () => bodies(await client.drain('Orders', 0)).filter((body) => body === 'open'))
    .toEqual(['open'])
  await Promise.all([back.close(), client.close(), again.close()])
})

test('offsets that are lost or set back: everything is found decided again from the op queue', async ({
  broker,
  producer,
  client,
}) => {
  for (let i = 0; i < 50; i += 1) await producer.end(await producer.half('Orders', `m${i}`), COMMIT)
  await producer.half('Orders', 'open')
  await round(broker)
  await expect.poll(() => producer.checks.length).toBe(1)
  for (const topic of [HALF, 'RMQ_SYS_TRANS_OP_HALF_TOPIC']) {
    const ext = { consumerGroup: 'CID_RMQ_SYS_TRANS', topic, queueId: '0', commitOffset: '0' }
    expect((await client.invoke(15, ext)).code).toBe(0)
  }
  producer.answer = () => COMMIT
  // Its first place is known to have a copy, so that it is asked about once.
  expect(await round(broker)).toMatchObject({ checked: 1 })
  await expect.poll(async () => (await client.drain('Orders', 0)).length).toBe(51)
})

test('the rotation over a group’s producers skips who is gone', async ({ broker, producer }) => {
  const second = new TransactionClient(broker.address)
  await second.heartbeat()
  const third = new TransactionClient(broker.address)
  await third.heartbeat()
  await third.close()
  for (let i = 0; i < 20; i += 1) await producer.half('Orders', `m${i}`)
  expect(await round(broker)).toMatchObject({ checked: 20 })
  await expect.poll(() => producer.checks.length + second.checks.length).toBe(20)
  expect(Math.min(producer.checks.length, second.checks.length)).toBeGreaterThan(5)
  await second.close()
})

test('a body of every kind is committed unchanged after a check', async ({ broker, producer, client }) => {
  const sent = [Buffer.alloc(0), Buffer.from([0, 1, 2, 255]), Buffer.alloc(200_000, 'x')]
  for (const [i, body] of sent.entries()) await producer.half('Orders', body, { UNIQ_KEY: `u${i}` }, { f: '773' })
  producer.answer = () => COMMIT
  await round(broker)
  await expect.poll(async () => (await client.drain('Orders', 0)).length).toBe(3)
  const delivered = await client.drain('Orders', 0)
  expect(delivered.map(({ body }) => Buffer.from(body).equals(Buffer.alloc(0)) || body.length)).toEqual([
    true,
    4,
    200_000,
  ])
  // Compressed by zlib (0x301), committed (0x8), not prepared any more.
  expect(delivered.map(({ sysFlag }) => sysFlag)).toEqual([0x309, 0x309, 0x309])
})

function putOp(broker: TestBroker, body: string) {
  return own(broker, 'RMQ_SYS_TRANS_OP_HALF_TOPIC', 'TAGS\u0001d', body)
}

async function own(broker: TestBroker, topic: string, properties: string, body: string) {
  const host = { address: Uint8Array.of(127, 0, 0, 1), port: 1 }
  const result = await broker.handle.own.puts.put({
    ...{ topic, queueId: 0, body: Buffer.from(body), properties, flag: 0, sysFlag: 0 },
    ...{ bornTimestamp: Date.now(), bornHost: host, reconsumeTimes: 0, preparedTransactionOffset: 0 },
  })
  expect(result.status).toBe('ok')
}
