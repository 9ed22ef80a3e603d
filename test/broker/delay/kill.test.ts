/** kill -9 of a broker that delivers: nothing is lost, nothing comes twice, also from the last twenty milliseconds. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readMark } from '../../../src/broker/delay/delivery-mark.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { spawnBroker, startBrokerProcess } from '../../faults/support/broker-process.ts'
import { TestClient } from '../../support/client.ts'

const MESSAGES = 3000
const LEVELS = 3

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-delay-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function drained(client: TestClient): Promise<string[]> {
  const found: string[] = []
  for (let queueId = 0; queueId < 4; queueId += 1) {
    found.push(...(await client.drain('T', queueId)).map(({ body }) => body.toString()))
  }
  return found
}

async function runtime(client: TestClient): Promise<Record<string, string>> {
  return JSON.parse(Buffer.from((await client.invoke(28)).body!).toString()).table
}

test.each(['ASYNC_FLUSH'] as const)('%s: killed while it delivers, and again', async (flushDiskType) => {
  const folder = scratch()
  // All that is sent is due at about the same time, and takes some turns.
  const config = { flushDiskType, messageDelayLevel: '2s 2s 2s', mappedFileSizeCommitLog: 8 * 1024 * 1024 }
  let broker = await startBrokerProcess({ folder, config })
  onTestFinished(() => broker.kill().then(() => {}))
  let client = new TestClient(broker.address)
  const body = (i: number) => `${i} ${'x'.repeat(300)}`
  await client.send('T', 'the topic', { queueId: 0 })
  const send = (i: number) =>
    client.send('T', body(i), { queueId: i % 4, properties: { DELAY: String(1 + (i % LEVELS)), UNIQ_KEY: `U${i}` } })
  await Promise.all(Array.from({ length: MESSAGES }, (_, i) => send(i)))
  for (let kill = 0; kill < 2; kill += 1) {
    const wanted = ((kill + 1) * MESSAGES) / 4
    for (;;) {
      const table = await runtime(client)
      let done = 0
      for (let level = 1; level <= LEVELS; level += 1) {
        done += Number((table[`scheduleMessageOffset_${level}`] ?? '0').split(',')[0])
      }
      if (done >= wanted) break
    }
    await broker.kill()
    await client.close()
    // As after a kill in the first ten seconds: RocketMQ's own file knows nothing of all this.
    if (kill === 1) writeFileSync(join(folder, 'config', 'delayOffset.json'), '{"offsetTable":{}}')
    broker = await startBrokerProcess({ folder, config })
    client = new TestClient(broker.address)
  }
  const end = performance.now() + 10_000
  let found: string[] = []
  while (found.length <= MESSAGES && performance.now() < end) {
    found = await drained(client)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  // A moment longer: what comes twice would come now.
  await new Promise((resolve) => setTimeout(resolve, 300))
  found = await drained(client)
  const expected = ['the topic', ...Array.from({ length: MESSAGES }, (_, i) => body(i))]
  expect(found.toSorted()).toEqual(expected.toSorted())
  await client.close()
  await broker.stop()
  expect(readFileSync(join(folder, 'config', 'delayOffset.json'), 'utf8')).toBe(
    '{\n\t"offsetTable":{1:1000,2:1000,3:1000\n\t}\n}\n',
  )
})

test.each(['SYNC_FLUSH'] as const)(
  '%s: killed between the append of a batch and its answer, again and again',
  async (flushDiskType) => {
    const folder = scratch()
    const config = { flushDiskType, messageDelayLevel: '1s 1s' }
    const count = 1200
    const first = await startBrokerProcess({ folder, config })
    onTestFinished(() => first.kill().then(() => {}))
    const sender = new TestClient(first.address)
    // Half of them are equal to the last byte.
    const body = (i: number) => (i % 2 === 0 ? 'same' : String(i))
    const header = { a: 'PG', b: 'T', c: 'TBW102', d: '4', f: '0', g: '1', h: '0', j: '0', k: 'false', m: 'false' }
    const send = (i: number) =>
      sender.invoke(310, { ...header, e: '0', i: `DELAY\u0001${1 + (i % 2)}` }, Buffer.from(body(i)))
    await Promise.all(Array.from({ length: count }, (_, i) => send(i)))
    await first.kill()
    await sender.close()
    await new Promise((resolve) => setTimeout(resolve, 1100))
    for (const batch of [1, 2, 1]) {
      const child = spawnBroker({ folder, config, env: { BASALT_FAILPOINT: `after-append:${batch}` } })
      onTestFinished(() => void child.kill('SIGKILL'))
      const late = setTimeout(() => child.kill('SIGTERM'), 5000)
      await new Promise((resolve) => child.once('close', resolve))
      clearTimeout(late)
      expect(child.signalCode).toBe('SIGKILL')
    }
    const broker = await startBrokerProcess({ folder, config })
    onTestFinished(() => broker.kill().then(() => {}))
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    let found: string[] = []
    for (const end = performance.now() + 10_000; found.length < count && performance.now() < end; ) {
      found = (await client.drain('T', 0)).map((message) => message.body.toString())
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
    found = (await client.drain('T', 0)).map((message) => message.body.toString())
    expect(found.toSorted()).toEqual(Array.from({ length: count }, (_, i) => body(i)).toSorted())
    // Each level came in its order.
    expect(found.filter((text) => text !== 'same')).toEqual(
      Array.from({ length: count / 2 }, (_, i) => String(2 * i + 1)),
    )
  },
)

test.each([
  ['an empty file', ''],
  ['another kind of JSON', '[1,2,3]'],
  ['null', 'null'],
  ['a place before the log', '{"isActive":true,"from":-1,"levels":{"1":5}}'],
  ['a level that cannot be', '{"isActive":true,"from":0,"levels":{"0":5}}'],
  ['an offset that cannot be', '{"isActive":true,"from":0,"levels":{"1":"x"}}'],
])('a mark of %s says nothing', (_what, text) => {
  const path = join(scratch(), 'deliveries')
  writeFileSync(path, text)
  expect(readMark(path)).toBeUndefined()
})

test.each([
  ['no JSON', '{"isActive":tru'],
  ['offsets without a proof', '{"isActive":true,"from":0,"levels":{"1":5,"2":9}}'],
  ['a proof that the log does not bear out', '{"from":0,"copy":{"level":1,"offset":0,"at":0},"levels":{"1":1}}'],
  [
    'a place beyond the log',
    '{"isActive":true,"from":99999999,"copy":{"level":1,"offset":0,"at":99999999},"levels":{"1":1}}',
  ],
])('a mark of %s is not believed: everything is delivered', async (_what, text) => {
  const folder = scratch()
  const first = await startTestBroker({ folder })
  const sender = new TestClient(first.address)
  for (let i = 0; i < 10; i += 1) await sender.send('T', `${i}`, { properties: { DELAY: '1' } })
  await sender.close()
  first.handle.engine.control.raiseFlag(1)
  await first.close()
  writeFileSync(join(folder, 'basalt', 'deliveries'), text)
  const broker = await startTestBroker({ folder })
  onTestFinished(() => broker.close())
  broker.advance('2s')
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  let found: string[] = []
  for (const end = performance.now() + 5000; found.length < 10 && performance.now() < end; ) {
    found = (await client.drain('T', 0)).map(({ body }) => body.toString())
  }
  expect(found).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
})
