/**
 * Row 18: the wall clock jumps by an hour, forwards and backwards, under load, with delayed messages waiting, and during retention.
 *
 * Sends and pulls go on, nothing is called late that is not, nobody waits for the time to come round again, who is alive and holds a
 * lock stays so, a message comes when its delay has passed by the time that it was stored at, and no file goes before its age,
 * whatever the clock says for a while.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { type BrokerProcess, startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { judge, Ledger, Load, pause, readBack, TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'
import { WrongClock } from './support/wrong-clock.ts'

const HOUR_MS = 3_600_000
const DELAYS_MS = [1000, 3000]
const LONGEST_DELAY_MS = Math.max(...DELAYS_MS)
/** Of a machine that others use too. */
const LATE_MS_MAX = 1500
const START_MS_MAX = 3000
const MINUTE_MS = 60_000
const ROUNDS = isLong ? 10 : 1
/** Members are looked at every ten seconds, locks at each request. */
const SCANNED_MS = 11_000
const HEART_BEAT = 34
const CONSUMER_LIST = 38
const LOCK = 41
/** A held pull is looked at every five seconds. */
const HELD_MS_MAX = 8000
const EVERY_HOUR = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0')).join(';')

const home = storeFolder('basalt-clock-')
const clock = WrongClock.create(home.path)
const json = (value: unknown) => Buffer.from(JSON.stringify(value))

test.runIf(clock)('jumps under load: nobody waits, nobody is forgotten, nothing is lost', async () => {
  clock!.set(0)
  using folder = storeFolder()
  const config = { flushDiskType: 'SYNC_FLUSH' } as const
  await using broker = await startBrokerProcess({ folder: folder.path, config, env: clock!.env })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger })
  load.start()
  await load.acknowledged(200)
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await heartbeat(client, 'owner')

  for (let round = 0; round < ROUNDS; round += 1) {
    // Leases are for a minute, of the time that really passes.
    expect(await locked(client, 'owner')).toBe(1)
    for (const jump of [HOUR_MS, -HOUR_MS, 0]) {
      const held = client.pull('Nothing', 0, 0, { group: 'Held', suspendMs: 1000 })
      await pause(50)
      clock!.set(jump)
      const began = performance.now()
      const sent = await client.send('Timed', `at ${jump}`)
      expect(sent.code).toBe(0)
      expect(await storeTime(client, Number(sent.ext?.queueOffset))).toBeCloseTo((Date.now() + jump) / MINUTE_MS, -1)
      await load.acknowledged(500)
      expect([17, 19]).toContain((await held).code)
      expect(performance.now() - began).toBeLessThan(HELD_MS_MAX)
      expect(await locked(client, 'somebody else')).toBe(0)
    }
    await heartbeat(client, 'owner')
    clock!.set(HOUR_MS)
    await pause(SCANNED_MS)
    expect(await membersOf(client)).toEqual(['owner'])
    clock!.set(0)
  }
  await load.stop()
  expect(load.unanswered).toEqual([])
  // Deadlines do not pass with a jump: no FLUSH_DISK_TIMEOUT for what is stored in time.
  expect(ledger.codes()).toEqual({})
  expect(load.brokenPositions).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder.path, TINY)).toEqual([])
})

test.runIf(clock).each(['SYNC_FLUSH', 'ASYNC_FLUSH'] as const)(
  'jumps with delayed messages waiting (%s): each comes once, by the time that it was stored at, and waits for no hour',
  async (flushDiskType) => {
    clock!.set(0)
    using folder = storeFolder()
    const config = { flushDiskType, messageDelayLevel: DELAYS_MS.map((ms) => `${ms / 1000}s`).join(' ') }
    const start = () => startBrokerProcess({ folder: folder.path, config, env: clock!.env })
    /** When it was sent, by a clock that is never set. */
    const sent = new Map<string, { at: number; delayMs: number }>()
    const came: { body: string; at: number }[] = []
    let next = 0
    const sendBoth = async (client: TestClient) => {
      for (const [i, delayMs] of DELAYS_MS.entries()) {
        const body = `${sent.size}`
        sent.set(body, { at: performance.now(), delayMs })
        const answer = await client.send('Later', body, { properties: { DELAY: String(i + 1) } })
        expect(answer.code).toBe(0)
      }
    }
    const look = async (client: TestClient) => {
      const { messages } = await client.pull('Later', 0, next)
      for (const { body, queueOffset } of messages) {
        came.push({ body: body.toString(), at: performance.now() })
        next = Number(queueOffset) + 1
      }
    }
    const lookFor = async (client: TestClient, ms: number) => {
      for (const end = performance.now() + ms; performance.now() < end; await pause(20)) await look(client)
    }
    const setAt: number[] = []
    const set = (to: number) => {
      setAt.push(performance.now())
      clock!.set(to)
    }
    const wasSetWhile = (from: number, to: number) => setAt.some((at) => from <= at && at <= to)

    {
      await using broker = await start()
      const client = new TestClient(broker.address)
      for (const to of [HOUR_MS, 0, -HOUR_MS, 0]) {
        await sendBoth(client)
        await lookFor(client, 200)
        set(to)
        // And those that are sent with the new time wait as long as ever.
        await sendBoth(client)
        await lookFor(client, 200)
      }
      await lookFor(client, LONGEST_DELAY_MS + LATE_MS_MAX)
      expect(came.length).toBe(sent.size)
      // Waiting over a kill, with a start an hour back.
      await sendBoth(client)
      client.close()
      await broker.kill()
    }
    set(-HOUR_MS)
    await using broker = await start()
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    await lookFor(client, LONGEST_DELAY_MS + LATE_MS_MAX)
    // Each once.
    expect(came.map(({ body }) => Number(body)).sort((a, b) => a - b)).toEqual([...sent.keys()].map(Number))
    for (const { body, at } of came) {
      const { at: sentAt, delayMs } = sent.get(body)!
      const waitedMs = at - sentAt
      // Never longer than its delay, whatever the clock did: not for an hour, and not for ever.
      expect(waitedMs, `${body}: ${delayMs} ms`).toBeLessThan(delayMs + START_MS_MAX + LATE_MS_MAX)
      // Nobody set the time while it waited: it waits all of its delay.
      if (!wasSetWhile(sentAt, at)) expect(waitedMs, body).toBeGreaterThanOrEqual(delayMs - 20)
    }
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
    expect(verifyStore(folder.path, TINY)).toEqual([])
  },
)

test.runIf(clock)('jumps during retention: no segment goes before its hour, and each goes after it', async () => {
  clock!.set(0)
  using folder = storeFolder()
  // However full the machine's disk is: only age counts here.
  const disk = { diskMaxUsedSpaceRatio: 100, diskSpaceCleanForciblyRatio: 100, diskSpaceWarningLevelRatio: 100 }
  const age = { fileReservedTime: 1, deleteWhen: EVERY_HOUR, cleanResourceInterval: 100 }
  const config = { ...disk, ...age, cleanFileForciblyEnable: false }
  const ledger = new Ledger()
  const start = () => startBrokerProcess({ folder: folder.path, config, env: clock!.env })
  {
    await using broker = await start()
    await fill(broker, ledger, 6)
    const before = segmentsOf(folder.path)
    for (const jump of [1.5 * HOUR_MS, -HOUR_MS, 3 * HOUR_MS, 0, 1.5 * HOUR_MS]) {
      clock!.set(jump)
      // Many rounds of retention.
      await pause(isLong ? 60_000 : 1500)
      expect(segmentsOf(folder.path).slice(0, before.length)).toEqual(before)
    }
    expect(broker.log).not.toContain('segment removed')
    expect(judge(ledger, await readBack(broker.address))).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
  }
  // The same clock, believed, because it stands when the broker starts: now they are old enough.
  await using broker = await start()
  await until(() => broker.log.includes('segment removed'), 20_000)
  await until(() => segmentsOf(folder.path).length <= 3, 20_000)
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  expect((await client.send(TOPIC, 'on')).code).toBe(0)
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

async function heartbeat(client: TestClient, clientID: string): Promise<void> {
  const rest = {
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    unitMode: false,
    subscriptionDataSet: [],
  }
  const consumer = { groupName: 'LG', consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', ...rest }
  const body = json({ clientID, producerDataSet: [], consumerDataSet: [consumer] })
  expect((await client.invoke(HEART_BEAT, {}, body)).code).toBe(0)
}

async function locked(client: TestClient, clientId: string): Promise<number> {
  const mqSet = [{ topic: TOPIC, brokerName: 'b', queueId: 0 }]
  const { body } = await client.invoke(LOCK, {}, json({ consumerGroup: 'LG', clientId, mqSet }))
  return (JSON.parse(Buffer.from(body!).toString()) as { lockOKMQSet: unknown[] }).lockOKMQSet.length
}

async function membersOf(client: TestClient): Promise<string[]> {
  const { body } = await client.invoke(CONSUMER_LIST, { consumerGroup: 'LG' })
  return (JSON.parse(Buffer.from(body ?? '{}').toString()) as { consumerIdList: string[] }).consumerIdList
}

/** Minutes since 1970 at which the message says that it was stored. */
async function storeTime(client: TestClient, queueOffset: number): Promise<number> {
  const { messages } = await client.pull('Timed', 0, queueOffset, { suspendMs: 5000 })
  return Number(messages[0].storeTimestamp) / MINUTE_MS
}

function segmentsOf(folder: string): string[] {
  return readdirSync(join(folder, 'commitlog')).sort()
}

async function fill(broker: BrokerProcess, ledger: Ledger, segments: number): Promise<void> {
  const load = new Load({ address: broker.address, ledger, bodyBytes: 4000 })
  load.start()
  await until(() => load.seen('appended') > segments * TINY.mappedFileSizeCommitLog, 30_000)
  await load.stop()
  expect(load.unanswered).toEqual([])
}
