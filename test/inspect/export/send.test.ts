/** `inspect import -n` and `--broker`: messages of an export sent again to a broker that runs. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseProperties } from '../../../src/store/commitlog/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { recordedStore, scratchFolder } from '../../store/scratch.ts'
import { TestClient } from '../../support/client.ts'
import { decodedRecords, inspect } from '../stores.ts'

const records = decodedRecords()
const KEPT = ['TAGS', 'KEYS', 'UNIQ_KEY'] as const

async function brokerAndClient() {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  return { broker, client }
}

test('every message of a topic arrives in its queue and order, with tag, keys, id, body and born time', async () => {
  const { broker, client } = await brokerAndClient()
  const path = join(scratchFolder(), 'lines')
  await inspect('export', recordedStore('clean'), '--topic', 'OracleTopic', '-o', path)
  const { status, printed } = await inspect('import', path, '--broker', broker.address)
  expect(status).toBe(0)
  const wanted = records.filter(({ topic }) => topic === 'OracleTopic')
  expect(printed).toContain(`${wanted.length} messages sent`)
  for (const queueId of [0, 1, 2, 3]) {
    const own = wanted.filter((record) => record.queueId === queueId)
    await expect.poll(async () => (await client.drain('OracleTopic', queueId)).length).toBe(own.length)
    const found = await client.drain('OracleTopic', queueId)
    for (const [i, message] of found.entries()) {
      const before = parseProperties(own[i].properties)
      for (const name of KEPT) expect(message.properties.get(name)).toBe(before.get(name))
      expect(message.bornTimestamp).toBe(own[i].bornTimestamp)
      if (own[i].bodyBase64 !== undefined && (own[i].sysFlag & 1) === 0)
        expect(Buffer.from(message.body).toString('base64')).toBe(own[i].bodyBase64)
      // It was delivered: it is not delayed again.
      expect(message.properties.has('DELAY')).toBe(false)
    }
  }
})

test('a whole store by its NameServer: topics of the broker itself are left out and said; an unknown topic ends it', async () => {
  const { broker, client } = await brokerAndClient()
  const root = recordedStore('clean')
  await client.send('OracleMany', 'made')
  const { status, complained } = await inspect('import', root, '-n', broker.namesrv, '--topic', 'OracleTopic')
  expect(status).toBe(1)
  expect(complained).toMatch(/byte 0: topic OracleTopic has no route/)
  expect(complained).toContain('go on with --from 0')
  const many = await inspect('import', root, '-n', broker.namesrv, '--topic', 'OracleMany')
  expect([many.status, many.complained]).toEqual([0, ''])
  await expect.poll(async () => (await client.drain('OracleMany', 0)).length).toBe(721)
  const delayed = await inspect('import', root, '--broker', broker.address, '--topic', 'SCHEDULE_TOPIC_XXXX')
  expect(delayed.printed).toContain('3 messages of SCHEDULE_TOPIC_XXXX were not sent')
  expect(delayed.printed).toContain('0 messages sent')
})

test('what the broker refuses ends it with the line; from there it goes on, and nothing is lost or sent twice', async () => {
  const { broker, client } = await brokerAndClient()
  const path = join(scratchFolder(), 'lines')
  const line = (topic: string, body: string) => `${JSON.stringify({ topic, body })}\n`
  const bodies = Array.from({ length: 40 }, (_, i) => `${i}`)
  const text = bodies.map((body) => line('Resumed', body))
  writeFileSync(path, [...text.slice(0, 20), line('no such name!', 'x'), ...text.slice(20)].join(''))
  const first = await inspect('import', path, '--broker', broker.address)
  expect(first.status).toBe(1)
  expect(first.complained).toMatch(/line 21: SEND_MESSAGE_V2 was answered with \d+: /)
  const again = /go on with --from-line (\d+)(?: \((\d+) behind it)?/.exec(first.complained)!
  expect(again[1]).toBe('21')
  const stored = async () => (await client.drain('Resumed', 0)).map(({ body }) => Buffer.from(body).toString())
  const ahead = Number(again[2] ?? 0)
  await expect.poll(stored).toEqual(bodies.slice(0, 20 + ahead))
  expect((await inspect('import', path, '--broker', broker.address, '--from-line', String(22 + ahead))).status).toBe(0)
  await expect.poll(stored).toEqual(bodies)
})

test('a bad line is told before anything is sent; a broker that is not there is named', async () => {
  const { broker, client } = await brokerAndClient()
  const path = join(scratchFolder(), 'lines')
  writeFileSync(path, '{"topic":"Bad","body":"x"}\nhello\n')
  const { status, complained } = await inspect('import', path, '--broker', broker.address)
  expect(status).toBe(2)
  expect(complained).toContain('line 2: it is no JSON')
  expect((await client.pull('Bad', 0, 0)).messages).toEqual([])
  writeFileSync(path, '{"topic":"Bad","body":"x"}\n')
  const nobody = await inspect('import', path, '--broker', '127.0.0.1:1')
  expect(nobody.status).toBe(1)
  expect(nobody.complained).toContain('go on with --from-line 1')
})
