/** Delayed messages of Java clients arrive at their time, and those that still wait change hands with the store. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { differences, hashes, producer, pushConsumer, readAll } from './support/programs.ts'
import {
  apacheIsThere,
  CLIENTS,
  KIND,
  type Kind,
  ORACLE,
  Scratch,
  SMALL_FILES,
  type System,
  startSystem,
} from './support/systems.ts'

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'
const LEVELS_MS = [1000, 2000, 3000]
/** RocketMQ looks every 100 ms; a JVM on a busy machine takes its time. */
const LATE_MS_MAX = 1500
const scratch = new Scratch()
afterAll(() => scratch.remove())

const keyNumber = (key: string) => Number(key.split('-')[1])

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(`Java client %s and the ${KIND} broker`, (version) => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ scratch, config: { messageDelayLevel: '1s 2s 3s' } })
  })
  afterAll(() => system?.close())

  test('delayed messages reach the push consumer at their time, unchanged', async () => {
    const topic = `Delay-${version.replaceAll('.', '_')}`
    await system.createTopic(topic)
    const count = 60
    const consumer = pushConsumer(scratch, version, {
      ...{ namesrv: system.namesrv, topic, group: `G-${topic}`, distinct: count, idle: 15_000 },
    })
    await consumer.program.until('READY', 1)
    const { acknowledged } = await producer(scratch, version, {
      ...{ namesrv: system.namesrv, topic, count, seed: 21, delay: '1,2,9' },
    }).done()
    const received = await consumer.done()
    expect(differences(hashes(acknowledged), hashes(received))).toEqual([])
    expect(received.length).toBe(count)
    for (const { key, ageMs } of received) {
      const due = LEVELS_MS[keyNumber(key) % 3]
      expect(ageMs).toBeGreaterThanOrEqual(due)
      expect(ageMs).toBeLessThan(due + LATE_MS_MAX)
    }
    // What waited was in the schedule topic, and is found in its own topic by id and key now.
    const queues = new Map(acknowledged.map(({ key, queueId }) => [key, queueId]))
    for (const { key, queueId } of received) expect(queueId).toBe(queues.get(key))
    const { bad, records } = await readAll(scratch, version, { namesrv: system.namesrv, topics: topic, lookup: 6 })
    expect([bad, records.length]).toEqual([[], count])
    const client = new TestClient(system.address)
    for (let level = 1; level <= 3; level += 1) {
      const waited = await client.drain(SCHEDULE, level - 1)
      expect(waited.map(({ properties }) => properties.get('DELAY'))).toEqual(Array(count / 3).fill(String(level)))
    }
    await client.close()
  })
})

/** Who wrote the store, how it ended, who delivers what waits in it. */
const HANDOVERS: { writer: Kind; end: 'a clean stop' | 'kill -9'; reader: Kind; version: string }[] = [
  { writer: KIND, end: 'kill -9', reader: 'apache', version: ORACLE },
  { writer: KIND, end: 'a clean stop', reader: 'apache', version: '5.3.3' },
  { writer: 'apache', end: 'a clean stop', reader: KIND, version: ORACLE },
  { writer: 'apache', end: 'kill -9', reader: KIND, version: ORACLE },
]
const WAITING = 150

describe.skipIf(!apacheIsThere(ORACLE, '5.3.3'))('messages that wait', () => {
  test.each(HANDOVERS)(
    '$reader ($version) delivers what $writer held when it ended by $end',
    async ({ writer, end, reader, version }) => {
      const store = scratch.sub('store')
      // Some are delivered before the end, some are due while nobody runs, some after the start.
      // Ours counts deliveries in delayOffset.json when they are on disk.
      const intervals = { flushDelayOffsetInterval: 500, flushCommitLogThoroughInterval: 300 }
      const config = { ...SMALL_FILES, ...intervals, messageDelayLevel: '1s 3s 8s' }
      const first = await startSystem({ scratch, kind: writer, store, config })
      const bodies = Array.from({ length: WAITING }, (_, i) => `message ${i}`)
      try {
        const client = new TestClient(first.address)
        await client.send('Waits', 'now')
        const send = (body: string, i: number) =>
          client.send('Waits', body, { queueId: i % 4, properties: { DELAY: String(1 + (i % 3)), KEYS: `k${i}` } })
        for (const answer of await Promise.all(bodies.map(send))) expect(answer.code).toBe(0)
        await progress(client, { 1: WAITING / 3 })
        await client.close()
        // So that progress is in its file (Apache writes it for the first time after ten seconds).
        await new Promise((resolve) => setTimeout(resolve, 1000))
        if (end === 'a clean stop') expect(await first.stop()).toBe(true)
        else await first.kill()
      } finally {
        await first.close()
      }
      const saved = savedOffsets(store)
      const second = await startSystem({ scratch, kind: reader, version, store, port: first.port, config })
      const client = new TestClient(second.address)
      try {
        await progress(client, { 1: WAITING / 3, 2: WAITING / 3, 3: WAITING / 3 })
        const found: string[] = []
        for (let queueId = 0; queueId < 4; queueId += 1) {
          found.push(...(await client.drain('Waits', queueId)).map(({ body }) => body.toString()))
        }
        const expected = ['now', ...bodies].toSorted()
        expect([...new Set(found)].toSorted()).toEqual(expected)
        // After a kill Apache has only the file to go by: what was delivered since it was written comes twice.
        const mayRepeat = (body: string) => {
          const i = bodies.indexOf(body)
          return end === 'kill -9' && Math.floor(i / 3) >= (saved[1 + (i % 3)] ?? 0)
        }
        expect(found.filter((body, at) => found.indexOf(body) !== at && !mayRepeat(body))).toEqual([])
        if (writer === 'basalt') expect(saved[1]).toBe(WAITING / 3)
      } catch (error) {
        console.error(`the log of the broker that opened the store:\n${second.log()}`)
        throw error
      } finally {
        await client.close()
        await second.close()
      }
    },
  )

  test.skipIf(KIND === 'apache')(
    'a store whose schedule queues an Apache broker rebuilt without delivery times: nothing comes early',
    async () => {
      const store = scratch.sub('store')
      const config = { ...SMALL_FILES, messageDelayLevel: '5s' }
      const writer = await startSystem({ scratch, kind: 'apache', store, config })
      try {
        const client = new TestClient(writer.address)
        await client.send('Early', 'waits', { properties: { DELAY: '1', TAGS: 'TagA' } })
        await client.close()
        await writer.kill()
      } finally {
        await writer.close()
      }
      // Queue files are gone: 4.9 writes the hash of the tag where the delivery time was, and would deliver at once.
      rmSync(join(store, 'consumequeue'), { recursive: true })
      writeFileSync(join(store, 'checkpoint'), Buffer.alloc(4096))
      const rebuilt = await startSystem({
        scratch,
        kind: 'apache',
        store,
        port: writer.port,
        config: { ...config, brokerPermission: 4 },
      })
      await rebuilt.kill()
      await rebuilt.close()
      const reader = await startSystem({ scratch, store, port: writer.port, config })
      const client = new TestClient(reader.address)
      try {
        await progress(client, { 1: 1 })
        const [message] = await client.drain('Early', 0)
        const [waited] = await client.drain(SCHEDULE, 0)
        expect(message.storeTimestamp - waited.storeTimestamp).toBeGreaterThanOrEqual(5000)
      } finally {
        await client.close()
        await reader.close()
      }
    },
  )
})

/** Waits until the levels are delivered so far, and what is delivered can be read. */
async function progress(client: TestClient, wanted: Record<string, number>): Promise<void> {
  for (const end = performance.now() + 40_000; ; ) {
    const { offsetTable } = fastjson((await client.invoke(45)).body!) as { offsetTable: Record<string, number> }
    if (Object.entries(wanted).every(([level, offset]) => (offsetTable[level] ?? 0) >= offset)) break
    if (performance.now() > end) throw new Error(`delivered by level: ${JSON.stringify(offsetTable)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await new Promise((resolve) => setTimeout(resolve, 300))
}

/** delayOffset.json: level → offset; nothing where it was never written. */
function savedOffsets(store: string): Record<string, number> {
  const path = join(store, 'config', 'delayOffset.json')
  if (!existsSync(path)) return {}
  return (fastjson(readFileSync(path)) as { offsetTable: Record<string, number> }).offsetTable
}

/** Integer keys without quotes are fastjson's. */
function fastjson(body: Uint8Array): unknown {
  return JSON.parse(
    Buffer.from(body)
      .toString()
      .replaceAll(/([{,])(\d+):/g, '$1"$2":'),
  )
}
