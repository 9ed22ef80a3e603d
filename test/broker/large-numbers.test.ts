/** A store that has run for years: places in the log and numbers in the queues are far beyond 32 bits. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { recordSize, writeRecord } from '../../src/store/commitlog/index.ts'
import { segmentName } from '../../src/store/commitlog/segments.ts'
import { SMALL, startTestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'

const SEGMENT = SMALL.mappedFileSizeCommitLog!
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }

/** A log of one segment that begins at `start`, with five messages of queue 0 numbered from `queueOffset` on. */
function storeAt(start: number, queueOffset: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-large-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'commitlog'))
  const bytes = Buffer.alloc(SEGMENT)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let i = 0, at = 0; i < 5; i += 1) {
    const body = Buffer.from(`old ${i}`)
    at += writeRecord(bytes, view, at, {
      ...{ topic: 'Old', queueId: 0, body, bornTimestamp: Date.now(), bornHost: HOST, storeHost: HOST },
      ...{
        queueOffset: queueOffset + i,
        physicalOffset: start + at,
        storeTimestamp: Date.now(),
        properties: 'KEYS\u0001k',
      },
    })
  }
  writeFileSync(join(folder, 'commitlog', segmentName(start)), bytes)
  writeFileSync(join(folder, 'abort'), '')
  return folder
}

test.each([
  ['just below 2^31', 2 ** 31 - SEGMENT, 2 ** 31 - 3],
  ['just below 2^32', 2 ** 32 - SEGMENT, 2 ** 32 - 3],
  ['of terabytes', 2 ** 42, 2 ** 33 + 7],
])('a log and a queue %s go on where they are, and all is found', async (_name, start, queueOffset) => {
  const broker = await startTestBroker({ folder: storeAt(start, queueOffset) })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const ask = async (code: number) => Number((await client.invoke(code, { topic: 'Old', queueId: '0' })).ext?.offset)
  expect([await ask(31), await ask(30)]).toEqual([queueOffset, queueOffset + 5])
  const { code, ext } = await client.send('Old', 'new', { properties: { KEYS: 'k' } })
  const size = recordSize('old 0'.length, 'Old'.length, 'KEYS\u0001k'.length, 4, 4)
  expect([code, ext?.queueOffset]).toEqual([0, String(queueOffset + 5)])
  const id = ext?.msgId ?? ''
  expect(Number.parseInt(id.slice(16), 16)).toBe(start + 5 * size)
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
  expect(await client.pull('Old', 0, 0)).toMatchObject({ code: 21, next: queueOffset })
  const stored = await client.drain('Old', 0, queueOffset)
  expect(stored.map((message) => message.queueOffset)).toEqual([0, 1, 2, 3, 4, 5].map((i) => queueOffset + i))
  expect(stored.at(-1)).toMatchObject({ physicalOffset: start + 5 * size, body: Buffer.from('new') })
  const held = client.pull('Old', 0, queueOffset + 6, { suspendMs: 10_000 })
  await vi.waitFor(() => expect(control.word('heldPulls')).toBe(1))
  await client.send('Old', 'held')
  expect(await held).toMatchObject({ code: 0, next: queueOffset + 7 })
  const viewed = await client.invoke(33, { offset: String(start + 5 * size) })
  expect(viewed.code).toBe(0)
  const commit = { consumerGroup: 'CG', topic: 'Old', queueId: '0', commitOffset: String(queueOffset + 6) }
  await client.invoke(15, commit)
  expect((await client.invoke(14, commit)).ext?.offset).toBe(String(queueOffset + 6))
})
