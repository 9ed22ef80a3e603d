/**
 * Our producer on Apache's brokers and on ours: everything that it sends is received by Java's consumers, the broker asks it about
 * transactions, requests are replied to in both directions, and Java's tools read its traces.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Message, Producer, type ProducerOptions, type SendResult } from '../../src/client/index.ts'
import { decodeMessages } from '../../src/client/message/message-ext.ts'
import { mqadmin } from '../../tools/apache/java.mjs'
import { TestClient } from '../support/client.ts'
import { asking, pushConsumer } from './support/programs.ts'
import { apacheIsThere, CLIENTS, type Kind, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

/** A broker, and the version of it and of the Java clients, or of these alone. */
const SYSTEMS: [Kind, (typeof CLIENTS)[number]][] = [
  ['apache', '4.9.7'],
  ['apache', '5.3.3'],
  ['basalt', ORACLE],
]
const IDLE = 20_000
const ACCOUNT = { accessKey: 'application', secretKey: 'S3CRET-application' }
const RULES = `globalWhiteRemoteAddresses: []
accounts:
- accessKey: application
  secretKey: ${ACCOUNT.secretKey}
  defaultTopicPerm: DENY
  defaultGroupPerm: SUB
  topicPerms: [ Allowed=PUB|SUB, TBW102=PUB|SUB ]
`

const hashOf = (body: string | Uint8Array) => createHash('sha256').update(body).digest('hex').slice(0, 32)

interface Expected {
  hash: string
  tags: string
  msgId: string
  queueId: number
}

/** What was sent, by key. */
class Sent {
  readonly all = new Map<string, Expected>()
  #next = 0

  message(
    topic: string,
    body: string | Uint8Array,
    more: Partial<Message> = {},
  ): Message & { keys: string; tags: string } {
    const keys = `k-${this.#next++}`
    return { topic, body, tags: 'TagA', properties: { user: `ümlaut-${keys}` }, ...more, keys } as never
  }

  took(message: Message & { keys: string; tags: string }, { msgId, messageQueue }: SendResult): void {
    const { body, keys, tags } = message
    this.all.set(keys, { hash: hashOf(body), tags, msgId, queueId: messageQueue.queueId })
  }
}

describe.skipIf(!apacheIsThere(...CLIENTS)).each(SYSTEMS)(
  'our producer, a broker of %s, Java’s %s',
  (kind, version) => {
    const scratch = new Scratch()
    let system: System
    const options = (more: Partial<ProducerOptions> = {}): ProducerOptions => ({
      nameserver: system.namesrv,
      group: 'OurProducer',
      sendMsgTimeout: 20_000,
      ...more,
    })

    beforeAll(async () => {
      const config = {
        ...{ transactionCheckInterval: 700, transactionTimeOut: 1500, traceTopicEnable: true },
        ...{ messageDelayLevel: '1s 2s', maxMessageSize: 4 << 20 },
      }
      system = await startSystem({ scratch, kind, version, config })
    })
    afterAll(async () => {
      await system?.close()
      scratch.remove()
    })

    test.each(['JSON', 'ROCKETMQ'] as const)(
      'every kind of message is received as it was sent, in order within its queue: headers in %s',
      async (headers) => {
        const topic = `Kinds-${version}-${headers}`.replaceAll('.', '_')
        await system.createTopic(topic)
        const sent = new Sent()
        const asked: string[] = []
        await using producer = new Producer(
          options({
            headers,
            checkLocalTransaction: (message) => {
              asked.push(`${message.topic} ${message.body}`)
              // 5.3.3 writes ends down every three seconds: until then it asks about what has ended, too.
              return message.tags === 'Rolled' ? 'ROLLBACK_MESSAGE' : 'COMMIT_MESSAGE'
            },
          }),
        )
        const send = async (message: ReturnType<Sent['message']>) => sent.took(message, await producer.send(message))
        await send(sent.message(topic, 'plain'))
        await send(sent.message(topic, Buffer.from([0, 1, 2, 255]), { tags: 'TagB', flag: 3 }))
        await send(sent.message(topic, 'to be compressed '.repeat(10_000)))
        await send(sent.message(topic, 'x'.repeat(3_000_000)))
        await send(sent.message(topic, 'later', { delayTimeLevel: 2 }))
        await send(sent.message(topic, 'without waiting', { waitStoreMsgOK: false }))
        const batch = Array.from({ length: 50 }, (_, i) => sent.message(topic, `batch ${i}`.padEnd(i * 20, '.')))
        for (const [i, result] of (await producer.sendBatch(batch)).entries()) sent.took(batch[i], result)
        const sharded = new Map<string, string[]>()
        const keyed = async (key: string) => {
          for (let i = 0; i < 12; i++) {
            const message = sent.message(topic, `ordered ${i}`, { tags: key })
            sharded.set(key, [...(sharded.get(key) ?? []), message.keys])
            sent.took(message, await producer.sendOrderly(message, key))
          }
        }
        await Promise.all([0, 1, 2, 3, 4].map((shard) => keyed(`shard-${shard}`)))
        for (const state of ['COMMIT_MESSAGE', 'ROLLBACK_MESSAGE', 'UNKNOW'] as const) {
          const tags = state === 'ROLLBACK_MESSAGE' ? 'Rolled' : 'TagA'
          const message = sent.message(topic, `transaction ${state}`, { tags })
          const result = await producer.sendInTransaction(message, () => state)
          if (state !== 'ROLLBACK_MESSAGE') sent.took(message, result)
        }
        const dropped = sent.message(topic, 'transaction that is rolled back when asked', { tags: 'Rolled' })
        await producer.sendInTransaction(dropped, () => undefined)
        const oneway = sent.message(topic, 'one way')
        await producer.sendOneway(oneway)
        const receiving = pushConsumer(scratch, version, {
          ...{ namesrv: system.namesrv, topic, group: `G-${topic}`, orderly: true, idle: IDLE },
          distinct: sent.all.size + 1,
        })
        const received = await receiving.done()
        const byKey = new Map(received.map((one) => [one.key, one]))
        expect(byKey.get(oneway.keys)?.hash).toBe(hashOf(oneway.body))
        for (const [key, { hash, tags, msgId, queueId }] of sent.all) {
          expect(byKey.get(key), key).toMatchObject({ hash, tags, msgId, queueId })
        }
        expect([...byKey.keys()].filter((key) => !sent.all.has(key))).toEqual([oneway.keys])
        for (const keys of sharded.values()) {
          expect(received.map(({ key }) => key).filter((key) => keys.includes(key))).toEqual(keys)
        }
        expect(asked).toContain(`${topic} transaction UNKNOW`)
        expect(asked).toContain(`${topic} transaction that is rolled back when asked`)
      },
    )

    test('its traces are found by message id', async () => {
      const topic = `Traced-${version}`.replaceAll('.', '_')
      await system.createTopic(topic)
      const producer = new Producer(
        options({ enableMsgTrace: true, group: 'TracedProducer', checkLocalTransaction: () => 'UNKNOW' }),
      )
      const plain = await producer.send({ topic, body: 'traced', tags: 'TagT', keys: 'trace-key' })
      const half = await producer.sendInTransaction(
        { topic, body: 'traced too', keys: 'tx-key' },
        () => 'COMMIT_MESSAGE',
      )
      await producer.close()
      const [found, ended] = await mqadmin({
        version,
        folder: scratch.sub('mqadmin'),
        commands: [plain, half].map(({ msgId }) => ['queryMsgTraceById', '-n', system.namesrv, '-i', msgId]),
      })
      expect(found).toMatch(/Pub\s+TracedProducer\s+\S+.*success/)
      expect(ended).toMatch(/Pub\s+TracedProducer\s+\S+.*success/)
    })

    test('requests are replied to: Java asks us, we ask Java', async () => {
      const ours = 'Asked-of-us'
      const theirs = 'Asked-of-Java'
      await system.createTopic(ours, 1)
      await system.createTopic(theirs)
      await using producer = new Producer(options())
      const answering = asking(scratch, version, {
        ...{ namesrv: system.namesrv, topic: theirs, role: 'answer', group: 'JavaReplies', count: 5, idle: IDLE },
      })
      const java = asking(scratch, version, {
        ...{ namesrv: system.namesrv, topic: ours, role: 'ask', count: 3, timeout: 20_000 },
        // 5.3.3 ends the others as timed out once the request is sent.
        ...(version === '5.3.3' && { mode: 'queue' }),
      })
      const reader = new TestClient(system.address)
      let offset = 0
      for (const until = performance.now() + 60_000; offset < 3 && performance.now() < until; ) {
        const { answer, next } = await reader.pull(ours, 0, offset, { suspendMs: 1000 })
        for (const question of decodeMessages(answer.body, 'broker-a')) {
          await producer.reply(question, `reply to ${question.keys[0]}`)
        }
        if (next > offset) offset = next
      }
      await reader.close()
      const { replies, failed } = await java.done()
      expect(failed).toEqual([])
      expect(replies.map(([key, body]) => `${key}: ${body}`).sort()).toEqual(
        [0, 1, 2].map((i) => `q-${i}: reply to q-${i}`),
      )
      await answering.program.until('READY')
      const asked = [0, 1, 2, 3, 4].map((i) =>
        producer.request({ topic: theirs, body: `request ${i}`, keys: `us-${i}` }, { timeout: 20_000 }),
      )
      expect((await Promise.all(asked)).map(({ body }) => body.toString())).toEqual(
        asked.map((_, i) => `reply to us-${i}`),
      )
      await answering.done()
    })
  },
)

describe.skipIf(!apacheIsThere(...CLIENTS))("our producer and the access rules of Apache's broker", () => {
  const scratch = new Scratch()
  let system: System

  beforeAll(async () => {
    system = await startSystem({ scratch, kind: 'apache', acl: RULES })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test('what is signed is taken, what is not, or not allowed, is refused with its words', async () => {
    const options = { nameserver: system.namesrv, group: 'p', sendMsgTimeout: 10_000, retryTimesWhenSendFailed: 0 }
    for (const headers of ['JSON', 'ROCKETMQ'] as const) {
      await using allowed = new Producer({ ...options, headers, acl: ACCOUNT })
      expect((await allowed.send({ topic: 'Allowed', body: 'grüße', properties: { ü: 'ä' } })).sendStatus).toBe(
        'SEND_OK',
      )
      expect(
        await allowed.sendBatch([
          { topic: 'Allowed', body: 'a' },
          { topic: 'Allowed', body: 'b' },
        ]),
      ).toHaveLength(2)
      await expect(allowed.send({ topic: 'Denied', body: 'x' })).rejects.toMatchObject({
        answerCode: 1,
        message: expect.stringMatching(/AclException/),
        hint: expect.stringContaining('acl'),
      })
    }
    await using unsigned = new Producer(options)
    await expect(unsigned.send({ topic: 'Allowed', body: 'x' })).rejects.toThrow(/No accessKey is configured/)
    await using forged = new Producer({ ...options, acl: { ...ACCOUNT, secretKey: 'another secret' } })
    await expect(forged.send({ topic: 'Allowed', body: 'x' })).rejects.toThrow(/Check signature failed/)
  })
})
