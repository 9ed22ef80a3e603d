/**
 * Our consumers beside Java's, on Apache's brokers and on ours: every kind of message that a Java producer sends arrives unchanged, groups
 * of both kinds share their queues, what fails comes again, and one goes on where the other stopped.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { LitePullConsumer, PushConsumer, type PushConsumerOptions } from '../../src/client/consumer/index.ts'
import type { MessageExt } from '../../src/client/index.ts'
import { runJava } from '../../tools/apache/java.mjs'
import { differences, hashes, producer, pushConsumer, select, transactions } from './support/programs.ts'
import { apacheIsThere, CLIENTS, type Kind, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

const patience = { timeout: 60_000 }
/** A broker, and the version of it and of the Java clients, or of these alone. */
const SYSTEMS: [Kind, (typeof CLIENTS)[number]][] = [
  ['apache', '4.9.7'],
  ['apache', '5.3.3'],
  ['basalt', ORACLE],
]
const sha256 = (body: Uint8Array) => createHash('sha256').update(body).digest('hex').slice(0, 32)
const described = (message: MessageExt) => ({ key: message.keys[0], hash: sha256(message.body) })

describe.skipIf(!apacheIsThere(...CLIENTS)).each(SYSTEMS)(
  'our consumers, a broker of %s, Java’s %s',
  (kind, version) => {
    const scratch = new Scratch()
    let system: System

    beforeAll(async () => {
      system = await startSystem({ scratch, kind, version, config: { enablePropertyFilter: true } })
    })
    afterAll(async () => {
      await system?.close()
      scratch.remove()
    })

    const produce = (topic: string, options: Record<string, string | number>) =>
      producer(scratch, version, { namesrv: system.namesrv, topic, ...options }).done()

    async function consume(
      topic: string,
      options: Partial<PushConsumerOptions> = {},
      then?: (message: MessageExt) => unknown,
    ) {
      const messages: MessageExt[] = []
      const listener = async ([message]: MessageExt[]) => {
        messages.push(message)
        return (await then?.(message)) as undefined
      }
      const consumer = new PushConsumer({
        nameserver: system.namesrv,
        group: `G-${topic}`,
        subscriptions: { [topic]: '*' },
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        pollNameServerInterval: 500,
        rebalanceInterval: 1000,
        ...options,
        ...(options.orderlyListener === undefined ? { listener } : { orderlyListener: listener }),
      })
      onTestFinished(() => consumer.close())
      await consumer.start()
      return { consumer, messages }
    }

    test('all kinds of messages from Java: plain and compressed, batches, delayed, with tags and SQL, and committed transactions', async () => {
      const topic = 'Kinds'
      await system.createTopic(topic)
      const { messages } = await consume(topic)
      const binary = { headers: 'ROCKETMQ' } as const
      const tagged = await consume(topic, { ...binary, group: 'G-Tagged', subscriptions: { [topic]: 'TagA' } })
      const lite = new LitePullConsumer({
        ...{ ...binary, nameserver: system.namesrv, group: 'G-Lite', subscriptions: { [topic]: '*' } },
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        pollNameServerInterval: 500,
        rebalanceInterval: 1000,
      })
      onTestFinished(() => lite.close())
      await lite.start()
      const selected = await consume(topic, { group: 'G-Sql', subscriptions: { [topic]: { sql: 'number >= 40' } } })
      const transacting = transactions(scratch, version, {
        ...{ namesrv: system.namesrv, topic, count: 20, seed: 5, plan: 'cr', max: 9000, group: 'TP' },
      })
      const sets = await Promise.all([
        produce(topic, { count: 60, mode: 'sync', seed: 1, max: 20_000 }),
        produce(topic, { count: 60, mode: 'batch', seed: 2, max: 2000 }),
        produce(topic, { count: 10, mode: 'sync', seed: 3, delay: '1' }),
      ])
      const { halves } = await transacting.done()
      const committed = halves.filter(({ decision }) => decision === 'COMMIT_MESSAGE')
      expect(committed.length).toBe(10)
      const sent = hashes([...sets.flatMap(({ acknowledged }) => acknowledged), ...committed])
      await vi.waitFor(() => expect(differences(sent, hashes(messages.map(described)))).toEqual([]), patience)
      const compressed = messages.filter(({ body, bodySize }) => body.length > bodySize)
      expect(compressed.length).toBeGreaterThan(3)
      for (const { key, msgId, offsetMsgId, queueId, queueOffset } of sets[0].acknowledged) {
        const message = messages.find(({ keys }) => keys[0] === key)!
        expect({ msgId, offsetMsgId, queueId, queueOffset }).toEqual({
          ...{ msgId: message.msgId, offsetMsgId: message.offsetMsgId },
          ...{ queueId: message.queueId, queueOffset: message.queueOffset },
        })
        const number = Number(key.split('-')[1])
        expect([message.properties.user, message.flag, message.tags]).toEqual([
          `ümlaut-${number}`,
          number % 7,
          number % 2 === 0 ? 'TagA' : 'TagB',
        ])
      }
      const numberOf = (key: string) => Number(key.split('-')[1])
      const of = (wanted: (key: string) => boolean) => new Map([...sent].filter(([key]) => wanted(key)))
      const even = of((key) => numberOf(key) % 2 === 0)
      await vi.waitFor(() => expect(differences(even, hashes(tagged.messages.map(described)))).toEqual([]), patience)
      const high = of((key) => numberOf(key) >= 40)
      await vi.waitFor(() => expect(differences(high, hashes(selected.messages.map(described)))).toEqual([]), patience)
      const polled: MessageExt[] = []
      for (const until = performance.now() + patience.timeout; polled.length < sent.size; ) {
        polled.push(...(await lite.poll({ timeout: 200 })))
        expect(performance.now()).toBeLessThan(until)
      }
      expect(differences(sent, hashes(polled.map(described)))).toEqual([])
      await lite.commit()
      await lite.close()
      // Where ours has stopped Java's goes on: there is nothing left for it but what comes now.
      const rest = await produce(topic, { count: 10, seed: 4 })
      const theirs = await select(scratch, version, {
        ...{ namesrv: system.namesrv, topic, group: 'G-Lite', mode: 'lite', distinct: 10, idle: 20_000 },
      })
      expect(theirs.keys.sort()).toEqual(rest.acknowledged.map(({ key }) => key).sort())
    })

    test('a group of two Java members and two of ours: each queue has one of them, and every message comes', async () => {
      const topic = 'Mixed'
      await system.createTopic(topic, 10)
      const args = [`namesrv=${system.namesrv}`, `sets=${topic}/2`, 'send=20', `loop=${topic}`, 'stop=/nowhere']
      const java = runJava({ version, main: 'Members', args, folder: scratch.sub('members') })
      onTestFinished(() => java.kill())
      await java.until('HAS', 2)
      const ours = [await consume(topic), await consume(topic)]
      const has = () => {
        const counts = new Map(java.of('HAS').map(([name, member, count]) => [`${name}/${member}`, Number(count)]))
        const mine = ours.map(({ consumer }) => consumer.queues().filter(({ queue }) => queue.topic === topic))
        return [...counts.values(), ...mine.map(({ length }) => length)].sort((a, b) => b - a)
      }
      await vi.waitFor(() => expect(has()).toEqual([3, 3, 2, 2]), patience)
      // From here on: who got which queue.
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const from = [java.of('GOT').length, ...ours.map(({ messages }) => messages.length)]
      const sentBefore = java.of('SENT').length
      await vi.waitFor(() => expect(java.of('SENT').length).toBeGreaterThan(sentBefore + 100), patience)
      const owners = new Map<number, Set<string>>()
      const owns = (queueId: number, who: string) => owners.set(queueId, (owners.get(queueId) ?? new Set()).add(who))
      for (const [, member, , queueId] of java.of('GOT').slice(from[0])) owns(Number(queueId), `java-${member}`)
      for (const [i, { messages }] of ours.entries()) {
        for (const { queueId } of messages.slice(from[i + 1])) owns(queueId, `ours-${i}`)
      }
      expect([...owners.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, queueId) => queueId))
      expect([...owners.values()].map(({ size }) => size)).toEqual(Array.from({ length: 10 }, () => 1))
      await Promise.all(ours.map(({ consumer }) => consumer.close()))
      await vi.waitFor(() => expect(has().slice(0, 2)).toEqual([5, 5]), patience)
      const sent = java.of('SENT').map(([, key]) => key)
      const got = () =>
        new Set([
          ...java.of('GOT').map(([, , key]) => key),
          ...ours.flatMap(({ messages }) => messages.map(({ keys }) => keys[0])),
        ])
      await vi.waitFor(() => expect(sent.filter((key) => !got().has(key))).toEqual([]), patience)
    })

    test('in order, with a Java member in the group: each queue’s messages come in their order, over both', async () => {
      const topic = 'InOrder'
      await system.createTopic(topic)
      const { acknowledged } = await produce(topic, { count: 200, mode: 'ordered', seed: 7, max: 500 })
      const java = pushConsumer(scratch, version, {
        ...{ namesrv: system.namesrv, topic, group: `G-${topic}`, distinct: 400, idle: 120_000, orderly: true },
      })
      onTestFinished(() => java.program.kill())
      // Of a queue that it drops with messages in it, Java keeps the lock for 20 s.
      await java.program.until('GOT', 200)
      const ours = await consume(topic, { orderlyListener: () => undefined })
      await vi.waitFor(
        () => expect(ours.consumer.queues().filter(({ queue }) => queue.topic === topic).length).toBe(2),
        patience,
      )
      const more = await produce(topic, { count: 200, mode: 'ordered', seed: 8, max: 500 })
      const all = [...acknowledged, ...more.acknowledged]
      const mine = () => ours.messages.map((message) => ({ ...described(message), queueId: message.queueId }))
      await vi.waitFor(
        () => expect(differences(hashes(all), hashes([...java.received(), ...mine()]))).toEqual([]),
        patience,
      )
      const theirs = java.received()
      // Two queues each, 50 messages of the second half in each.
      const ofMore = hashes(more.acknowledged)
      const later = (list: { key: string }[]) =>
        new Set(list.map(({ key }) => key).filter((key) => ofMore.has(key))).size
      expect([later(mine()), later(theirs)]).toEqual([100, 100])
      for (let queueId = 0; queueId < 4; queueId++) {
        for (const one of [theirs, mine()]) {
          const keys = one.filter((it) => it.queueId === queueId).map(({ key }) => key)
          const order = all.filter((it) => it.queueId === queueId && keys.includes(it.key)).map(({ key }) => key)
          expect(keys.filter((key, at) => keys.indexOf(key) === at)).toEqual(order)
        }
      }
    })

    test('what fails comes again, and after its last try is in the DLQ; one consumer goes on where the other stopped', async () => {
      const topic = 'Retried'
      await system.createTopic(topic)
      const { acknowledged } = await produce(topic, { count: 20, seed: 9, max: 20_000 })
      const tries: [string, number][] = []
      const consumer = new PushConsumer({
        ...{ nameserver: system.namesrv, group: `G-${topic}`, subscriptions: { [topic]: '*' } },
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        maxReconsumeTimes: 1,
        pollNameServerInterval: 500,
        listener: ([message], context) => {
          expect(message.topic).toBe(topic)
          tries.push([message.keys[0], message.reconsumeTimes])
          context.delayLevelWhenNextConsume = 1
          const number = Number(message.keys[0].split('-')[1])
          if (number === 3 || (number % 5 === 0 && message.reconsumeTimes === 0)) return 'RECONSUME_LATER'
        },
      })
      await consumer.start()
      await vi.waitFor(() => expect(tries.length).toBe(25), patience)
      await new Promise((resolve) => setTimeout(resolve, 300))
      await consumer.close()
      expect(
        tries
          .filter(([, times]) => times === 1)
          .map(([key]) => key)
          .sort(),
      ).toEqual(['s9-0', 's9-10', 's9-15', 's9-3', 's9-5'])
      const dead = new LitePullConsumer({ nameserver: system.namesrv, group: 'Undertaker' })
      onTestFinished(() => dead.close())
      await dead.start()
      await vi.waitFor(async () => {
        await dead.assign(await dead.fetchMessageQueues(`%DLQ%G-${topic}`))
        const [queue] = dead.queues()
        await dead.seekToBegin(queue)
        const [message] = await dead.poll({ timeout: 1000 })
        expect(described(message)).toEqual(
          acknowledged.map(({ key, hash }) => ({ key, hash })).find(({ key }) => key === 's9-3'),
        )
      }, patience)
      const more = await produce(topic, { count: 20, seed: 10 })
      const java = await pushConsumer(scratch, version, {
        ...{ namesrv: system.namesrv, topic, group: `G-${topic}`, distinct: 20, idle: 5000 },
      }).done()
      expect(differences(hashes(more.acknowledged), hashes(java))).toEqual([])
      expect(java.length).toBe(20)
    })
  },
)
