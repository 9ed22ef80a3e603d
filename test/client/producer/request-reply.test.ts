/** Requests and their replies, both sides ours; a consumer is played by a bare pull. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Producer, type ProducerOptions } from '../../../src/client/index.ts'
import { decodeMessages } from '../../../src/client/message/message-ext.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { eventually } from '../support.ts'

let broker: TestBroker
let reader: TestClient

beforeAll(async () => {
  broker = await startTestBroker()
  reader = new TestClient(broker.address)
})
afterAll(async () => {
  await reader.close()
  await broker.close()
})

const options = (more: Partial<ProducerOptions> = {}): ProducerOptions => ({
  nameserver: broker.namesrv,
  group: 'asks',
  ...more,
})

/** The requests that wait in a topic, as a consumer gets them. */
async function requests(topic: string, count: number) {
  const found: ReturnType<typeof decodeMessages> = []
  await eventually(async () => {
    found.length = 0
    for (const queueId of [0, 1, 2, 3]) {
      found.push(...decodeMessages((await reader.pull(topic, queueId, 0)).answer.body, 'broker'))
    }
    return found.length === count
  })
  return found
}

test('every request gets its own reply, in whatever order they come', async () => {
  await using asker = new Producer(options())
  await using replier = new Producer(options({ group: 'replies' }))
  const replies = [1, 2, 3].map((n) => asker.request({ topic: 'questions', body: `${n}` }, { timeout: 10_000 }))
  for (const question of (await requests('questions', 3)).reverse()) {
    const large = `${question.body} is answered`.repeat(1000)
    const result = await replier.reply(question, { body: large, tags: 'yes', properties: { from: 'us' } })
    expect(result.sendStatus).toBe('SEND_OK')
  }
  for (const [i, reply] of (await Promise.all(replies)).entries()) {
    expect(reply.body.toString()).toBe(`${i + 1} is answered`.repeat(1000))
    expect(reply).toMatchObject({ tags: 'yes', properties: { from: 'us', MSG_TYPE: 'reply' } })
  }
})

test('no reply in time is an error of its own; a late reply harms nobody', async () => {
  await using asker = new Producer(options())
  await using replier = new Producer(options({ group: 'replies' }))
  await expect(asker.request({ topic: 'late', body: 'x' }, { timeout: 300 })).rejects.toMatchObject({
    code: 'REQUEST_TIMEOUT',
    retriable: true,
  })
  const [question] = await requests('late', 1)
  expect((await replier.reply(question, 'too late')).sendStatus).toBe('SEND_OK')
})

test('what is no request cannot be replied to; a reply to a client that is gone fails', async () => {
  const asker = new Producer(options())
  await using replier = new Producer(options({ group: 'replies', retryTimesWhenSendFailed: 0 }))
  await asker.send({ topic: 'plain', body: 'x' })
  const [plain] = await requests('plain', 1)
  await expect(replier.reply(plain, 'x')).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
  const question = asker.request({ topic: 'gone', body: 'x' }, { timeout: 500 })
  question.catch(() => {})
  const [asked] = await requests('gone', 1)
  await asker.close()
  await expect(question).rejects.toMatchObject({ code: 'REQUEST_TIMEOUT' })
  await expect(replier.reply(asked, 'x')).rejects.toMatchObject({ code: 'REFUSED', answerCode: 1 })
})

test('a request goes to the queue that is given, or picked', async () => {
  await using producer = new Producer(options())
  const queues = await producer.fetchPublishMessageQueues('chosen').catch(() => [])
  if (queues.length === 0) await producer.send({ topic: 'chosen', body: 'makes the topic' })
  const all = await producer.fetchPublishMessageQueues('chosen')
  const asked = [
    producer.request({ topic: 'chosen', body: 'given' }, { queue: all[2], timeout: 10_000 }),
    producer.request({ topic: 'chosen', body: 'picked' }, { selector: (them) => them[3], timeout: 10_000 }),
  ]
  const at = new Map<string, number>()
  await eventually(async () => {
    for (const queueId of [2, 3]) {
      for (const one of decodeMessages((await reader.pull('chosen', queueId, 0)).answer.body, 'broker')) {
        if (one.properties.CORRELATION_ID === undefined || at.has(one.body.toString())) continue
        at.set(one.body.toString(), queueId)
        await producer.reply(one, 'yes')
      }
    }
    return at.size === 2
  })
  expect([at.get('given'), at.get('picked')]).toEqual([2, 3])
  expect((await Promise.all(asked)).map(({ body }) => body.toString())).toEqual(['yes', 'yes'])
  await expect(
    producer.request({ topic: 'chosen', body: 'x' }, { selector: 'first' as never, timeout: 100 }),
  ).rejects.toMatchObject({ code: 'BAD_LISTENER' })
})
