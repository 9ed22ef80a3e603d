/** What a Java consumer cannot consume comes back, later each time, and ends as a dead letter. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { failingConsumer, hashes, producer, type Try } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

/** Retries begin at level 3. */
const LEVELS = '1s 1s 1s 2s 3s 4s'
const RETRY_MS = [1000, 2000, 3000, 4000]
const COUNT = 4
const LATE_MS_MAX = 2000
/** A try too many would come in that time. */
const NO_MORE_MS = 5000

const scratch = new Scratch()
afterAll(() => scratch.remove())

/** The tries of each message, in their order. */
function byKey(tries: Try[]): Map<string, Try[]> {
  const map = new Map<string, Try[]>()
  for (const one of tries) map.set(one.key, [...(map.get(one.key) ?? []), one])
  return map
}

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(`Java consumer %s and the ${KIND} broker`, (version) => {
  let system: System
  let client: TestClient
  const name = (what: string) => `Retry-${version.replaceAll('.', '_')}-${what}`

  beforeAll(async () => {
    system = await startSystem({ scratch, config: { messageDelayLevel: LEVELS } })
    client = new TestClient(system.address)
    for (const what of ['later', 'dead', 'orderly', 'asked']) await system.createTopic(name(what))
  })
  afterAll(async () => {
    await client?.close()
    await system?.close()
  })

  async function send(what: string) {
    const options = { namesrv: system.namesrv, topic: name(what), count: COUNT, seed: 31 }
    return hashes((await producer(scratch, version, options).done()).acknowledged)
  }

  /** Four consumers at once: a JVM takes seconds to start. */
  test('RECONSUME_LATER comes back at growing levels; dead letters keep what was sent', async () => {
    const sent = await send('later')
    await Promise.all(['dead', 'orderly', 'asked'].map(send))
    const consumer = (what: string, options: Record<string, string | number>) =>
      failingConsumer(scratch, version, {
        ...{ namesrv: system.namesrv, topic: name(what), group: name(`${what}-group`), idle: 40_000, ...options },
      }).done()
    const [later, dead, orderly, asked] = await Promise.all([
      consumer('later', { fail: 3, gots: 4 * COUNT }),
      consumer('dead', { fail: -1, max: 2, gots: 3 * COUNT, linger: NO_MORE_MS }),
      consumer('orderly', { fail: -1, max: 2, orderly: 'true', gots: 3 * COUNT, linger: NO_MORE_MS }),
      consumer('asked', { fail: 1, level: 5, gots: 2 * COUNT }),
    ])

    expect(later.length).toBe(4 * COUNT)
    for (const [key, tries] of byKey(later)) {
      expect(tries.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2, 3])
      expect(new Set(tries.map(({ hash }) => hash))).toEqual(new Set([sent.get(key)]))
      // Clients show the topic that was subscribed, and the id that the message was sent with.
      expect(new Set(tries.map(({ topic }) => topic))).toEqual(new Set([name('later')]))
      expect(new Set(tries.map(({ msgId }) => msgId)).size).toBe(1)
      for (let i = 1; i < 4; i += 1) {
        const waited = tries[i].now - tries[i - 1].now
        expect(waited).toBeGreaterThanOrEqual(RETRY_MS[i - 1] - 100)
        expect(waited).toBeLessThan(RETRY_MS[i - 1] + LATE_MS_MAX)
      }
    }

    // The level that the consumer asked for: 3 s.
    for (const tries of byKey(asked).values()) {
      expect(tries.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1])
      expect(tries[1].now - tries[0].now).toBeGreaterThanOrEqual(2900)
    }

    expect([...byKey(dead).values()].map((tries) => tries.map(({ reconsumeTimes }) => reconsumeTimes))).toEqual(
      Array(COUNT).fill([0, 1, 2]),
    )
    const buried = await client.drain(`%DLQ%${name('dead-group')}`, 0)
    expect(buried.map(({ properties }) => properties.get('KEYS')).toSorted()).toEqual([...sent.keys()].toSorted())
    for (const { reconsumeTimes, properties, topic } of buried) {
      expect([reconsumeTimes, topic]).toEqual([3, `%DLQ%${name('dead-group')}`])
      expect(properties.get('RETRY_TOPIC')).toBe(name('dead'))
      expect(properties.get('ORIGIN_MESSAGE_ID')).toMatch(/^[0-9A-F]{32}$/)
      expect(properties.get('user')).toMatch(/^ümlaut-/)
      expect(properties.get('UNIQ_KEY')).toMatch(/^[0-9A-F]{32,56}$/)
    }

    // An ordered consumer tries again by itself, and sends what it gives up to %RETRY%group, where it is a dead letter.
    for (const tries of byKey(orderly).values()) {
      expect(tries.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2])
    }
    const given = await drainUntil(client, `%DLQ%${name('orderly-group')}`, COUNT)
    expect(given.map(({ properties }) => properties.get('KEYS')).toSorted()).toEqual([...sent.keys()].toSorted())
    expect(new Set(given.map(({ properties }) => properties.get('RETRY_TOPIC')))).toEqual(new Set([name('orderly')]))
  })
})

/** It goes through a delay level with 4.9, too. */
async function drainUntil(client: TestClient, topic: string, count: number) {
  for (const end = performance.now() + 10_000; ; ) {
    const found = await client.drain(topic, 0)
    if (found.length >= count || performance.now() > end) return found
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
