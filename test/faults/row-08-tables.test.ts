/**
 * Row 8: a JSON table in config/ is truncated, empty, garbage, or was being replaced (RocketMQ #3401: the broker does not
 * start, or delivers everything again).
 *
 * The broker starts from the .bak and says so; no consumer offset goes back further than to what was committed a persist
 * interval before; the damaged file is kept aside, and the next change writes a sound one.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { complaints } from './support/filled-store.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const PERSIST_MS = 100
const CONFIG = { ...TINY, flushConsumerOffsetInterval: PERSIST_MS }
const GROUP = 'Billing'
const TOPIC = 'Orders'
const QUERY_OFFSET = 14
const UPDATE_OFFSET = 15
const CREATE_TOPIC = 17
const FILES = ['topics.json', 'subscriptionGroup.json', 'consumerOffset.json']

const HARM: Record<string, (path: string) => void> = {
  truncated: (path) => {
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.slice(0, Math.floor(text.length * 0.6)))
  },
  empty: (path) => writeFileSync(path, ''),
  garbage: (path) => writeFileSync(path, Buffer.from('\u0000\u0001{"offsetTable":]\u00ff', 'latin1')),
  'zeros, as long as the text': (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
  // RocketMQ: the text is in .tmp, the former one in .bak, the file is deleted, and then the machine goes down.
  'half renamed': (path) => renameSync(path, `${path}.tmp`),
  missing: (path) => rmSync(path),
}
const HARMS = isLong ? Object.keys(HARM) : ['truncated', 'empty', 'garbage', 'half renamed']

test('a broker starts from the .bak of a table that was damaged, says so, and writes a sound one', async () => {
  using folder = storeFolder()
  const pathOf = (file: string) => join(folder.path, 'config', file)
  let least = 0
  let was = ''
  for (const harm of [...HARMS, 'nothing']) {
    await using broker = await startBrokerProcess({ folder: folder.path, config: CONFIG })
    const client = new TestClient(broker.address)
    if (least > 0) {
      const said = complaints(broker).join('\n')
      for (const file of FILES) expect(said, `${file} ${was}`).toContain(`${pathOf(file)}.bak is used instead`)
      expect(await committed(client), was).toBeGreaterThanOrEqual(least)
      expect((await client.send(TOPIC, 'another', { queueId: 6 })).code, 'the topic has seven queues').toBe(0)
    }
    // Two changes of each table, one persist interval apart: the .bak has the first of them.
    const first = least + 10
    for (const offset of [first, first + 5]) {
      await createTopic(client, `Other${offset}`)
      await client.pull(`Other${offset}`, 0, 0, { group: `Group${offset}` })
      await client.send(TOPIC, String(offset), { queueId: 0, defaultTopicQueueNums: 7 })
      await client.invoke(UPDATE_OFFSET, { ...WHERE, commitOffset: String(offset) })
      await until(() => has(pathOf('consumerOffset.json'), `0:${offset}`), 20_000)
      await until(() => has(pathOf('topics.json'), `Other${offset}`), 20_000)
      await until(() => has(pathOf('subscriptionGroup.json'), `Group${offset}`), 20_000)
    }
    await client.close()
    await broker.kill()
    least = first
    if (harm !== 'nothing') for (const file of FILES) HARM[harm](pathOf(file))
    was = harm
  }
})

test('nothing is damaged: nothing is said', async () => {
  using folder = storeFolder()
  await (await startBrokerProcess({ folder: folder.path, config: CONFIG })).kill()
  await using broker = await startBrokerProcess({ folder: folder.path, config: CONFIG })
  expect(complaints(broker)).toEqual([])
})

test('a table that is lost together with its .bak is named, with what to do, and nothing is touched', async () => {
  using folder = storeFolder()
  {
    await using broker = await startBrokerProcess({ folder: folder.path, config: CONFIG })
    const client = new TestClient(broker.address)
    for (const topic of ['A', 'B', 'C']) await createTopic(client, topic)
    await client.close()
    await broker.stop()
  }
  const path = join(folder.path, 'config', 'topics.json')
  for (const file of [path, `${path}.bak`]) writeFileSync(file, 'garbage')
  const start = startBrokerProcess({ folder: folder.path, config: CONFIG })
  await expect(start).rejects.toThrow(
    /topics\.json .* and .*topics\.json\.bak .*; restore one of the two from a backup/s,
  )
  expect(readFileSync(path, 'utf8')).toBe('garbage')
})

const WHERE = { consumerGroup: GROUP, topic: TOPIC, queueId: '0' }

async function committed(client: TestClient): Promise<number> {
  const answer = await client.invoke(QUERY_OFFSET, WHERE)
  return Number(answer.ext?.offset ?? -1)
}

function createTopic(client: TestClient, topic: string) {
  const numbers = { readQueueNums: '7', writeQueueNums: '7', perm: '6', topicSysFlag: '0' }
  const ext = { topic, defaultTopic: 'TBW102', topicFilterType: 'SINGLE_TAG', order: 'false', ...numbers }
  return client.invoke(CREATE_TOPIC, ext)
}

function has(path: string, text: string): boolean {
  return existsSync(path) && readFileSync(path, 'utf8').includes(text)
}
