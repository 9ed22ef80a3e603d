/** Unmodified Java clients of 4.9 and 5.3 send to, and consume from, the broker. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { differences, hashes, holes, producer, pushConsumer, readAll } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

const COUNT = 300

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(`Java client %s and the ${KIND} broker`, (version) => {
  const scratch = new Scratch()
  let system: System
  const topicOf = (name: string) => `Clients-${version.replaceAll('.', '_')}-${name}`

  beforeAll(async () => {
    system = await startSystem({ scratch })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test.each(['sync', 'async', 'batch', 'ordered'])(
    'what is sent by %s reaches the push consumer unchanged',
    async (mode) => {
      const topic = topicOf(mode)
      const sending = producer(scratch, version, {
        namesrv: system.namesrv,
        topic,
        count: COUNT,
        mode,
        seed: 1,
        max: 20_000,
      })
      const { acknowledged, tries } = await sending.done()
      expect(acknowledged.length).toBe(COUNT)
      expect(tries).toEqual([])
      const consumer = pushConsumer(scratch, version, {
        namesrv: system.namesrv,
        topic,
        group: `G-${topic}`,
        distinct: COUNT,
        idle: 15_000,
        orderly: mode === 'ordered',
      })
      const received = await consumer.done()
      expect(differences(hashes(acknowledged), hashes(received))).toEqual([])
      const places = new Map(
        acknowledged.map((one) => [one.key, `${one.queueId}:${one.queueOffset}:${one.offsetMsgId}`]),
      )
      for (const one of received)
        expect(`${one.queueId}:${one.queueOffset}:${one.offsetMsgId}`).toBe(places.get(one.key))
      if (mode === 'ordered') {
        // A sender that waits for each answer and one queue a message: the queue's order is the sender's.
        for (let queueId = 0; queueId < 4; queueId++) {
          const numbers = received.filter((one) => one.queueId === queueId).map((one) => Number(one.key.split('-')[1]))
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
        }
      }
    },
  )

  test('what is sent one way arrives as well', async () => {
    const topic = topicOf('oneway')
    // One message first: the answer to a one-way send to a topic that does not exist is lost, and so would its message be.
    await producer(scratch, version, { namesrv: system.namesrv, topic, count: 1, mode: 'sync', seed: 2 }).done()
    const { sent } = await producer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      count: COUNT,
      mode: 'oneway',
      seed: 3,
    }).done()
    expect(sent.length).toBe(COUNT)
    const consumer = pushConsumer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      group: `G-${topic}`,
      distinct: COUNT + 1,
      idle: 15_000,
    })
    const received = hashes(await consumer.done())
    expect(sent.filter(([key, hash]) => received.get(key) !== hash)).toEqual([])
  })

  test('a consumer of one tag gets that tag and nothing else', async () => {
    const topic = topicOf('tags')
    const { acknowledged } = await producer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      count: 100,
      seed: 4,
    }).done()
    const consumer = pushConsumer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      group: `G-${topic}`,
      tags: 'TagB || TagC',
      distinct: 50,
      idle: 15_000,
    })
    const received = await consumer.done()
    const wanted = acknowledged.filter((one) => Number(one.key.split('-')[1]) % 2 === 1)
    expect(differences(hashes(wanted), hashes(received))).toEqual([])
  })

  test('a held pull is woken: a message sent to a waiting consumer arrives', async () => {
    const topic = topicOf('held')
    await producer(scratch, version, { namesrv: system.namesrv, topic, count: 4, seed: 5, mode: 'ordered' }).done()
    const consumer = pushConsumer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      group: `G-${topic}`,
      distinct: 24,
      idle: 20_000,
    })
    await consumer.program.until('GOT', 4)
    const { acknowledged } = await producer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      count: 20,
      seed: 6,
    }).done()
    const received = hashes(await consumer.done())
    expect(acknowledged.filter((one) => received.get(one.key) !== one.hash)).toEqual([])
  })

  test('a second consumer of the group goes on where the first one stopped', async () => {
    const topic = topicOf('offsets')
    const group = `G-${topic}`
    await producer(scratch, version, { namesrv: system.namesrv, topic, count: 40, seed: 7 }).done()
    await pushConsumer(scratch, version, { namesrv: system.namesrv, topic, group, distinct: 40, idle: 15_000 }).done()
    const { acknowledged } = await producer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      count: 40,
      seed: 8,
    }).done()
    const again = await pushConsumer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      group,
      distinct: 40,
      idle: 15_000,
    }).done()
    expect(differences(hashes(acknowledged), hashes(again))).toEqual([])
  })

  test('every message is found by queue, by id and by key', async () => {
    const topic = topicOf('lookup')
    const { acknowledged } = await producer(scratch, version, {
      namesrv: system.namesrv,
      topic,
      count: COUNT,
      seed: 9,
      max: 20_000,
    }).done()
    const { records, lookups, bad } = await readAll(scratch, version, {
      namesrv: system.namesrv,
      topics: topic,
      lookup: 3,
    })
    expect(bad.slice(0, 5)).toEqual([])
    expect(lookups).toBe(COUNT / 3)
    expect(holes(records)).toEqual([])
    expect(differences(hashes(acknowledged), hashes(records))).toEqual([])
  })
})
