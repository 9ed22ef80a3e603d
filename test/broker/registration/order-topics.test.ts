/** ORDER_TOPIC_CONFIG of the NameServers, as the broker's topics show it. */
import { expect, test } from 'vitest'
import { OrderTopics } from '../../../src/broker/registration/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

test('exactly the topics that the NameServer lists are ordered', async () => {
  await using broker = await startTestBroker()
  const [client, namesrv] = [new TestClient(broker.address), new TestClient(broker.namesrv)]
  const isOrdered = async (topic: string) => {
    const answer = await client.invoke(351, { topic })
    return (JSON.parse(Buffer.from(answer.body ?? []).toString()) as { order: boolean }).order
  }
  const versionOf = async () => {
    const answer = await client.invoke(21)
    return (JSON.parse(Buffer.from(answer.body ?? []).toString()) as { dataVersion: { counter: number } }).dataVersion
      .counter
  }
  for (const topic of ['T', 'U']) await client.send(topic, 'm')
  await expect.poll(async () => (await namesrv.invoke(105, { topic: 'U' })).code).toBe(0)
  await namesrv.invoke(100, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a:4' })
  expect(await isOrdered('T')).toBe(false)
  const before = await versionOf()
  broker.advance('31s')
  await expect.poll(() => isOrdered('T')).toBe(true)
  expect(await isOrdered('U')).toBe(false)
  expect(await versionOf()).toBe(before + 1)

  await namesrv.invoke(102, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T' })
  await namesrv.invoke(100, { namespace: 'ORDER_TOPIC_CONFIG', key: 'U', value: 'a:4' })
  broker.advance('31s')
  await expect.poll(() => isOrdered('U')).toBe(true)
  expect(await isOrdered('T')).toBe(false)
  await client.close()
  await namesrv.close()
})

test('NameServers that disagree do not turn a topic on and off; one that is gone from the list does not count', () => {
  const topics = new OrderTopics()
  const answer = (namesrv: string, names: string[] | undefined) => ({
    namesrv,
    masterAddr: undefined,
    haServerAddr: undefined,
    skipped: [],
    orderTopics: names && new Map(names.map((name) => [name, 'a:4'])),
  })
  const asked = ['one', 'two']
  expect(topics.take(answer('one', ['T']), asked)).toEqual(new Set(['T']))
  expect(topics.take(answer('two', ['U']), asked)).toEqual(new Set(['T', 'U']))
  expect(topics.take(answer('one', ['T']), asked)).toEqual(new Set(['T', 'U']))
  expect(topics.take(answer('one', undefined), asked)).toBeUndefined()
  expect(topics.take(answer('two', []), asked)).toEqual(new Set(['T']))
  expect(topics.take(answer('two', ['V']), ['two'])).toEqual(new Set(['V']))
})
