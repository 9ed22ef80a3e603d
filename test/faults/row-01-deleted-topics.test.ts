/**
 * Row 1, topics: the broker is killed right after a topic was deleted. It stays deleted, and one of the same name that has
 * followed keeps what was acknowledged to it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { type BrokerProcess, startBrokerProcess, until } from './support/broker-process.ts'
import { pause } from './support/load.ts'
import { storeFolder } from './support/scratch.ts'

const DELETE_TOPIC = 215
const TOPIC_NOT_EXIST = 17
const MESSAGES = 50

/** A store whose last note of what its queues hold counts the topic. */
async function withTopic(folder: string): Promise<BrokerProcess> {
  const first = await startBrokerProcess({ folder })
  const client = new TestClient(first.address)
  for (let i = 0; i < MESSAGES; i += 1) expect((await client.send('Gone', `old ${i}`)).code).toBe(0)
  expect((await client.send('Stays', 'here')).code).toBe(0)
  client.close()
  expect(await first.stop()).toEqual({ status: 0, signal: null })
  return startBrokerProcess({ folder })
}

/** Deletes the topic, does what comes then, kills, starts again. */
async function afterKill(folder: string, then: (client: TestClient) => Promise<void>): Promise<BrokerProcess> {
  await using broker = await withTopic(folder)
  const client = new TestClient(broker.address)
  expect((await client.invoke(DELETE_TOPIC, { topic: 'Gone' })).code).toBe(0)
  await then(client)
  await broker.kill()
  client.close()
  return startBrokerProcess({ folder })
}

// 400 ms: its end is in the note of the queues by then.
test.each([0, 400])('killed %i ms after its deletion was answered: it stays deleted', async (ms) => {
  using folder = storeFolder()
  await using broker = await afterKill(folder.path, () => pause(ms))
  const client = new TestClient(broker.address)
  await until(() => !existsSync(join(folder.path, 'consumequeue', 'Gone')), 5000)
  expect((await client.pull('Gone', 0, 0)).code).toBe(TOPIC_NOT_EXIST)
  expect(readFileSync(join(folder.path, 'config', 'topics.json'), 'utf8')).not.toContain('"Gone"')
  expect((await client.drain('Stays', 0)).map(({ body }) => body.toString())).toEqual(['here'])
  // One of the same name begins anew.
  expect((await client.send('Gone', 'new')).ext?.queueOffset).toBe('0')
  await until(() => existsSync(join(folder.path, 'consumequeue', 'Gone')), 5000)
  client.close()
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

test.each([0, 400])('killed %i ms after another of its name has come: nothing of that is lost', async (ms) => {
  using folder = storeFolder()
  await using broker = await afterKill(folder.path, async (client) => {
    for (let i = 0; i < 5; ) {
      // The queues of the first have to be gone.
      const { code } = await client.send('Gone', `new ${i}`)
      if (code === 0) i += 1
      else await pause(5)
    }
    await pause(ms)
  })
  const client = new TestClient(broker.address)
  expect((await client.send('Gone', 'after the kill')).code).toBe(0)
  const wanted = ['new 0', 'new 1', 'new 2', 'new 3', 'new 4', 'after the kill']
  await expect.poll(async () => (await client.drain('Gone', 0)).map(({ body }) => body.toString())).toEqual(wanted)
  client.close()
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})
