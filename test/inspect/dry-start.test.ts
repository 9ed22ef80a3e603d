/** `inspect dry-start`: what it foretells is what a broker then says and does; beside a running broker it says so. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { BrokerConfig } from '../../src/config/index.ts'
import type { DryStart } from '../../src/inspect/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { filesBelow, patch } from '../store/dispatch/support.ts'
import { capturedLog, recordedStore, scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { inspect } from './stores.ts'

const SEGMENT = 512 * 1024
const CONFIG: Partial<BrokerConfig> = {
  mappedFileSizeCommitLog: SEGMENT,
  maxMessageSize: 65_536,
  maxHashSlotNum: 5000,
  maxIndexNum: 20_000,
  flushDiskType: 'ASYNC_FLUSH',
}

async function foretold(root: string, ...more: string[]): Promise<DryStart & { status: number }> {
  const { status, objects } = await inspect('dry-start', root, '--json', ...more)
  return { ...(objects()[0] as unknown as DryStart), status }
}

/** A store of ours with 700 messages in some queues; the last of them lie in its last segment. */
async function ownStore(): Promise<{ root: string; end: number }> {
  const root = scratchFolder()
  const broker = await startTestBroker({ folder: root, config: CONFIG })
  const client = new TestClient(broker.address)
  const sends = Array.from({ length: 700 }, (_, i) =>
    client.send(`Own${i % 2}`, Buffer.alloc(1200, 97), {
      queueId: i % 3,
      properties: { TAGS: 't', KEYS: `k${i}`, UNIQ_KEY: `U${i}` },
    }),
  )
  await Promise.all(sends)
  client.close()
  await broker.close()
  return { root, end: (await foretold(root)).log!.end }
}

const KINDS: [what: string, damage: (root: string, end: number) => void, expected: Partial<DryStart>][] = [
  ['nothing', () => {}, { verdict: 'as it is' }],
  [
    'a torn tail after a kill',
    (root, end) => {
      writeFileSync(join(root, 'abort'), '1')
      const path = join(root, 'commitlog', String(end - (end % SEGMENT)).padStart(20, '0'))
      patch(path, end % SEGMENT, readFileSync(path).subarray(0, 700))
    },
    { verdict: 'mended' },
  ],
  [
    'a queue that is gone',
    (root) => rmSync(join(root, 'consumequeue/Own1/1'), { recursive: true }),
    { verdict: 'mended' },
  ],
  [
    'damage in the middle',
    (root) => {
      writeFileSync(join(root, 'abort'), '1')
      rmSync(join(root, 'basalt/positions'))
      patch(join(root, 'commitlog/00000000000000000000'), 30_000, Buffer.alloc(5000))
    },
    { verdict: 'mended' },
  ],
  ['an index file that is gone', (root) => rmSync(join(root, 'index'), { recursive: true }), { verdict: 'mended' }],
  [
    'a table that is torn',
    (root) => {
      writeFileSync(join(root, 'config/topics.json.bak'), readFileSync(join(root, 'config/topics.json')))
      truncateSync(join(root, 'config/topics.json'), 20)
    },
    { verdict: 'mended' },
  ],
  [
    'a table that is torn with its .bak',
    (root) => {
      writeFileSync(join(root, 'config/topics.json'), '{')
      writeFileSync(join(root, 'config/topics.json.bak'), '{')
    },
    { verdict: 'refused' },
  ],
  ['a stray file in the log', (root) => writeFileSync(join(root, 'commitlog/notes.txt'), 'x'), { verdict: 'refused' }],
]

describe('what is foretold', () => {
  test.each(KINDS)('of %s is what the broker does', async (_, damage, expected) => {
    const { root, end } = await ownStore()
    damage(root, end)
    const before = filesBelow(root)
    const told = await foretold(root, '--set', `mappedFileSizeCommitLog=${SEGMENT}`, '--set', 'maxMessageSize=65536')
    expect(told).toMatchObject(expected)
    expect(told.status).toBe(told.verdict === 'as it is' ? 0 : 3)
    for (const [path, bytes] of filesBelow(root)) expect(before.get(path)?.equals(bytes), path).toBe(true)

    const log = capturedLog()
    const start = startTestBroker({ folder: root, config: CONFIG, log })
    if (told.verdict === 'refused') {
      const error: { code?: string; message?: string } = await start.then(
        () => ({}),
        (reason) => reason,
      )
      expect([error.code, error.message?.startsWith(told.refusal!.what)]).toEqual([told.refusal!.code, true])
      return
    }
    const broker = await start
    onTestFinished(() => broker.close())
    const { min, end: foretoldEnd } = told.log!
    expect(broker.handle.store.found).toContain(`log of ${foretoldEnd - min} bytes from ${min}, `)
    expect(broker.handle.store.found).toContain(`${told.scan!.recordCount} records read`)
    const said = [...log.of('warn'), ...log.of('error')]
    const recovery = told.findings.map(({ what, where }) => `recovery: ${what} (${where})`)
    expect(said.filter((line) => line.startsWith('recovery: ')).sort()).toEqual(recovery.sort())
    for (const { what } of told.messages) expect(said).toContain(what)
    for (const { problem } of told.tables) expect(said).toContain(problem)
    // And it serves what was foretold: the next message of each queue that would be built.
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    for (const { topic, queueId, to } of told.queues) {
      const { ext } = await client.invoke(30, { topic, queueId: String(queueId) })
      expect(Number(ext?.offset)).toBe(to)
    }
  })
})

test('a store in use is named with its process, and nothing else is said', async () => {
  await using broker = await startTestBroker()
  const { verdict, refusal, status, scan } = await foretold(broker.folder)
  expect([verdict, refusal?.code, status, scan]).toEqual(['refused', 'STORE_IN_USE', 3, undefined])
  expect(refusal?.what).toContain(`process ${process.pid}`)
  const { printed } = await inspect('dry-start', broker.folder)
  expect(printed).toContain('REFUSED, exit status 1')
})

test('sizes of a configuration that are not those of the store are refused', async () => {
  const root = recordedStore('clean')
  const { refusal } = await foretold(root, '--set', 'mappedFileSizeConsumeQueue=12000')
  expect([refusal?.code, refusal?.exitStatus]).toEqual(['QUEUE_FILE_SIZE', 1])
  expect((await foretold(root)).verdict).toBe('as it is')
})
