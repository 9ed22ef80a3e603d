/** `inspect export` and `import`: out of a store and into one, without loss, and what is refused. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { lineOf } from '../../../src/inspect/export/index.ts'
import { parseLine } from '../../../src/inspect/export/message-line.ts'
import { openStore, verifyStore } from '../../../src/inspect/index.ts'
import { readTables } from '../../../src/inspect/tables.ts'
import { parseProperties, RecordView, recordSize, writeRecord } from '../../../src/store/commitlog/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { filesBelow, patch } from '../../store/dispatch/support.ts'
import { recordedStore, scratchFolder } from '../../store/scratch.ts'
import { TestClient } from '../../support/client.ts'
import { decodedRecords, decodedUnits, inspect } from '../stores.ts'

interface Line {
  topic: string
  queueId: number
  queueOffset: number
  physicalOffset: number
  storeTime: number
  preparedTransactionOffset: number
  properties: Record<string, string>
  body?: string
  bodyBase64?: string
}

const records = decodedRecords()
const units = decodedUnits()
/** Of a new store made of lines, whose sizes nobody says. */
const SIZES =
  'maxMessageSize=20000 mappedFileSizeCommitLog=131072 mappedFileSizeConsumeQueue=6000 maxHashSlotNum=500 maxIndexNum=2000'
    .split(' ')
    .flatMap((pair) => ['--set', pair])
const linesOf = async (root: string, ...flags: string[]) => {
  const { status, printed, complained } = await inspect('export', root, ...flags)
  expect(complained).toBe('')
  expect(status).toBe(0)
  return printed
}
const parsed = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
/** Without what a new place must change. */
const moved = (lines: Line[]) => lines.map(({ physicalOffset, preparedTransactionOffset, ...rest }) => rest)
const expectWhole = async (root: string, messages: number) => {
  const { isWhole, findings, recordCount } = await verifyStore(openStore(root), { threads: 0 })
  expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([])
  expect(isWhole).toBe(true)
  expect(recordCount).toBe(messages)
}

describe('lines', () => {
  test('hold every record of Apache’s store as an independent decoder read it', async () => {
    const lines = parsed(await linesOf(recordedStore('clean')))
    expect(lines.length).toBe(records.length)
    for (const [i, record] of records.entries()) {
      const { at, topic, queueId, queueOffset, flag, sysFlag, bornHost, storeHost, bornTimestamp, storeTimestamp } =
        record
      const { reconsumeTimes, preparedTransactionOffset } = record
      const expected = {
        topic,
        queueId,
        queueOffset,
        flag,
        sysFlag,
        bornHost,
        storeHost,
        reconsumeTimes,
        preparedTransactionOffset,
      }
      expect(lines[i]).toMatchObject({
        ...expected,
        physicalOffset: at,
        bornTime: bornTimestamp,
        storeTime: storeTimestamp,
      })
      const body = lines[i].bodyBase64 ?? Buffer.from(lines[i].body!).toString('base64')
      if (record.bodyBase64 !== undefined) expect(body).toBe(record.bodyBase64)
    }
  })

  test('any record comes back byte for byte', () => {
    const host = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    const int32 = fc.integer()
    const time = fc.integer({ min: 1, max: 2 ** 45 })
    const name = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' })
    const text = fc.oneof(
      fc.dictionary(name, name).map((pairs) =>
        Buffer.from(
          Object.entries(pairs)
            .map((pair) => pair.join('\u0001'))
            .join('\u0002'),
        ),
      ),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    )
    const record = fc.record({
      version: fc.constantFrom(1 as const, 2 as const),
      bodyCRC: fc.option(int32, { nil: undefined }),
      queueId: fc.integer({ min: 0, max: 65_535 }),
      flag: int32,
      queueOffset: fc.integer({ min: 0, max: 10 ** 12 }),
      physicalOffset: fc.integer({ min: 0, max: 2 ** 50 }),
      sysFlag: int32,
      bornTimestamp: time,
      bornHost: fc.record({ address: host, port: int32 }),
      storeTimestamp: time,
      storeHost: fc.record({ address: host, port: int32 }),
      reconsumeTimes: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      preparedTransactionOffset: fc.integer({ min: 0, max: 2 ** 50 }),
      body: fc.uint8Array({ maxLength: 100 }),
      topic: fc.oneof(
        name.map((each) => Buffer.from(each)),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
      ),
      properties: text,
    })
    fc.assert(
      fc.property(record, ({ bodyCRC, ...input }) => {
        const given = bodyCRC === undefined ? input : { ...input, bodyCRC }
        const encode = (each: Parameters<typeof writeRecord>[3]) => {
          const bytes = Buffer.alloc(2000)
          const size = writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset), 0, each)
          return bytes.subarray(0, size)
        }
        const original = encode(given)
        const view = new RecordView()
        view.read(original, new DataView(original.buffer, original.byteOffset), 0, original.length)
        const line = lineOf(view, original)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(encode(parseLine(line, 1, 'test', 5)).equals(original)).toBe(true)
      }),
      { numRuns: 300 },
    )
    expect(recordSize(0, 0, 0)).toBe(91)
  })

  test('filters are those of log; -o writes the same into a file, whole or not at all', async () => {
    const root = recordedStore('clean')
    const path = join(scratchFolder(), 'lines')
    const flags = ['--topic', 'OracleTopic', '--tag', 'TagA']
    expect((await inspect('export', root, ...flags, '-o', path)).status).toBe(0)
    expect(readFileSync(path, 'utf8')).toBe(await linesOf(root, ...flags))
    const logged = (await inspect('log', root, ...flags, '--json')).objects()
    expect(parsed(readFileSync(path, 'utf8')).map(({ physicalOffset }) => physicalOffset)).toEqual(
      logged.map(({ physicalOffset }) => physicalOffset),
    )
    expect(existsSync(`${path}.part`)).toBe(false)
    const folder = scratchFolder()
    const refused = await inspect('export', root, ...flags, '-o', folder)
    expect([refused.status, refused.complained]).toEqual([
      1,
      expect.stringContaining('illegal operation on a directory'),
    ])
    expect(existsSync(`${folder}.part`)).toBe(false)
  })

  test('what is damaged is passed over, said, and ends with status 3', async () => {
    const root = recordedStore('clean')
    patch(join(root, 'commitlog/00000000000000000000'), records[4].at, Buffer.alloc(8))
    const { status, printed, complained } = await inspect('export', root)
    expect(status).toBe(3)
    expect(parsed(printed).length).toBe(records.length - 1)
    expect(complained).toContain(`passed over: ${records[4].size} bytes at ${records[4].at.toLocaleString('en-US')}`)
  })
})

describe.each(['clean', 'unclean'] as const)('the %s store', (kind) => {
  test('as a store of its own: whole, the same messages, tables and offsets; its lines make it again', async () => {
    const root = recordedStore(kind)
    const lines = parsed(await linesOf(root))
    const [copy, again] = [join(scratchFolder(), 'copy'), join(scratchFolder(), 'again')]
    const { status, printed, complained } = await inspect('export', root, '--to-store', copy)
    expect(complained).toBe('')
    expect(status).toBe(0)
    expect(printed).toContain(`${records.length} messages of 16 queues into a new store`)
    await expectWhole(copy, records.length)
    expect(moved(parsed(await linesOf(copy)))).toEqual(moved(lines))
    for (const name of ['subscriptionGroup.json', 'consumerOffset.json', 'delayOffset.json'] as const)
      expect(readTables(copy).get(name)?.content).toEqual(readTables(root).get(name)?.content)
    expect(readTables(copy).get('topics.json')?.content?.topicConfigTable).toEqual(
      readTables(root).get('topics.json')?.content?.topicConfigTable,
    )
    const path = join(scratchFolder(), 'lines')
    writeFileSync(path, await linesOf(copy))
    expect((await inspect('import', path, '--to-store', again, ...SIZES)).status).toBe(0)
    await expectWhole(again, records.length)
    expect(moved(parsed(await linesOf(again)))).toEqual(moved(lines))
  })
})

test('a part of a store: queues that follow one another keep their offsets, others are numbered anew, and consumers with them', async () => {
  const root = recordedStore('clean')
  const copy = join(scratchFolder(), 'copy')
  const { printed } = await inspect('export', root, '--topic', 'OracleTopic', '--tag', 'TagA', '--to-store', copy)
  const wanted = records.filter(
    ({ topic, properties }) => topic === 'OracleTopic' && parseProperties(properties).get('TAGS') === 'TagA',
  )
  const lines = parsed(await linesOf(copy))
  expect(lines.length).toBe(wanted.length)
  await expectWhole(copy, wanted.length)
  const offsets = readTables(copy).get('consumerOffset.json')?.content?.offsetTable as Record<
    string,
    Record<string, number>
  >
  const before = readTables(root).get('consumerOffset.json')?.content?.offsetTable as Record<
    string,
    Record<string, number>
  >
  expect(Object.keys(offsets)).toEqual(['OracleTopic@OracleGroup'])
  for (const queueId of new Set(wanted.map((record) => record.queueId))) {
    const own = wanted.filter((record) => record.queueId === queueId)
    const first = own[0].queueOffset
    const isContiguous = own.every(({ queueOffset }, i) => queueOffset === first + i)
    expect(lines.filter((line) => line.queueId === queueId).map(({ queueOffset }) => queueOffset)).toEqual(
      own.map((_, i) => first + i),
    )
    const said = `queue offsets of OracleTopic/${queueId} are new`
    if (isContiguous) expect(printed).not.toContain(said)
    else expect(printed).toContain(said)
    const consumed = own.filter(({ queueOffset }) => queueOffset < before['OracleTopic@OracleGroup'][queueId]).length
    expect(offsets['OracleTopic@OracleGroup'][queueId]).toBe(first + consumed)
  }
  // The queues begin above 0: what is in front of them must not look like messages to a broker of RocketMQ.
  expect(wanted.some(({ queueOffset }) => queueOffset > 0)).toBe(true)
})

test('our broker opens a store that begins in the middle and serves every message', async () => {
  const root = recordedStore('clean')
  const copy = join(scratchFolder(), 'copy')
  const from = records.find(({ topic, queueOffset }) => topic === 'OracleMany' && queueOffset === 400)!
  await inspect('export', root, '--topic', 'OracleMany', '--from', String(from.at), '--to-store', copy)
  expect(readdirSync(join(copy, 'commitlog'))[0]).toBe('00000000000000065536')
  const files = {
    mappedFileSizeCommitLog: 65_536,
    mappedFileSizeConsumeQueue: 6000,
    maxHashSlotNum: 500,
    maxIndexNum: 2000,
  }
  await using broker = await startTestBroker({ folder: copy, config: { ...files, maxMessageSize: 4096 } })
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const messages = await client.drain('OracleMany', 0)
  const expected = units.filter(({ topic, index }) => topic === 'OracleMany' && index >= 400)
  expect(messages.map(({ queueOffset }) => queueOffset)).toEqual(expected.map(({ index }) => index))
  expect((await client.send('OracleMany', 'one more')).ext?.queueOffset).toBe('720')
  const behind = async () => (await client.drain('OracleMany', 0, 720)).map(({ queueOffset }) => queueOffset)
  await expect.poll(behind).toEqual([720])
})

describe('import into a store that is there', () => {
  test('goes on behind its messages, its times and its queue offsets, and keeps its tables', async () => {
    const root = recordedStore('unclean')
    const source = recordedStore('clean')
    const before = parsed(await linesOf(root))
    const { status, printed } = await inspect('import', source, '--topic', 'OracleOrder', '--to-store', root)
    expect(status).toBe(0)
    expect(printed).toContain(
      'queue offsets of OracleOrder/0 are new: 0 to 19 are 20 to 39 now; it has messages of its own',
    )
    const lines = parsed(await linesOf(root))
    expect(lines.slice(0, before.length)).toEqual(before)
    const added = lines.slice(before.length)
    expect(added.map(({ queueOffset }) => queueOffset)).toEqual(Array.from({ length: 20 }, (_, i) => 20 + i))
    expect(added.every(({ storeTime }) => storeTime >= before.at(-1)!.storeTime)).toBe(true)
    await expectWhole(root, records.length + 20)
    // Once more: the marks of the first time are true.
    await inspect('import', source, '--topic', 'OracleOrder', '--to-store', root)
    await expectWhole(root, records.length + 40)
  })

  test('a topic that it lacks is added; lines by hand need topic and body', async () => {
    const root = recordedStore('clean')
    const path = join(scratchFolder(), 'lines')
    writeFileSync(
      path,
      '{"topic":"ByHand","body":"one"}\n\n{"topic":"ByHand","queueId":3,"body":"two","properties":{"KEYS":"k"}}\n',
    )
    expect((await inspect('import', path, '--to-store', root)).status).toBe(0)
    await expectWhole(root, records.length + 2)
    const topics = readTables(root).get('topics.json')?.content?.topicConfigTable as Record<
      string,
      Record<string, unknown>
    >
    expect(topics.ByHand).toMatchObject({ readQueueNums: 4, writeQueueNums: 4, perm: 6 })
    const found = (await inspect('find', root, '--topic', 'ByHand', '--key', 'k', '--json')).objects()
    expect(found[0].message).toMatchObject({ body: 'two', queueId: 3, queueOffset: 0 })
  })

  test('one of ours, whose marks stand at its old end: whole, and its broker goes on behind what was added', async () => {
    const folder = scratchFolder()
    const first = await startTestBroker({ folder })
    const client = new TestClient(first.address)
    for (let i = 0; i < 50; i += 1) await client.send('Ours', `${i}`)
    await client.close()
    await first.close()
    const path = join(scratchFolder(), 'lines')
    const more = Array.from({ length: 30 }, (_, i) => `${50 + i}`)
    writeFileSync(path, more.map((body) => `${JSON.stringify({ topic: 'Ours', body })}\n`).join(''))
    const sizes = ['--set', 'maxMessageSize=4194304']
    expect((await inspect('import', path, '--to-store', folder, ...sizes)).status).toBe(0)
    await expectWhole(folder, 80)
    await using broker = await startTestBroker({ folder })
    const again = new TestClient(broker.address)
    onTestFinished(() => again.close())
    expect((await again.send('Ours', '80')).ext?.queueOffset).toBe('80')
    const bodies = async () => (await again.drain('Ours', 0)).map(({ body }) => Buffer.from(body).toString())
    await expect.poll(bodies).toEqual(Array.from({ length: 81 }, (_, i) => `${i}`))
  })

  test('a store of a broker that runs is refused, and not touched', async () => {
    await using broker = await startTestBroker()
    const path = join(scratchFolder(), 'lines')
    writeFileSync(path, '{"topic":"T","body":"one"}\n')
    const { status, complained } = await inspect(
      'import',
      path,
      '--to-store',
      broker.folder,
      '--set',
      'maxMessageSize=4096',
    )
    expect(status).toBe(1)
    expect(complained).toContain('the store is used by another broker')
    expect((await inspect('export', recordedStore('clean'), '--to-store', broker.folder)).status).toBe(2)
  })
})

describe('what is refused leaves nothing behind', () => {
  const GOOD = '{"topic":"T","body":"one"}'
  test.each([
    ['no JSON', 'hello', 'it is no JSON'],
    ['a line that was cut', GOOD.slice(0, 15), 'it is no JSON'],
    ['a list', '[1]', 'it is no JSON object'],
    ['no topic', '{"body":"x"}', 'it has no topic'],
    ['no body', '{"topic":"T"}', 'it has neither body nor bodyBase64'],
    ['two bodies', '{"topic":"T","body":"x","bodyBase64":"eA=="}', 'both'],
    ['no base64', '{"topic":"T","bodyBase64":"%"}', 'no base64'],
    ['a topic that is a path', '{"topic":"../T","body":"x"}', 'no queue can be'],
    ['an unknown field', '{"topic":"T","body":"x","tags":"A"}', '"tags"'],
    ['a number as text', '{"topic":"T","body":"x","queueOffset":"1"}', 'queueOffset is no integer'],
    ['a queue that nobody has', '{"topic":"T","body":"x","queueId":70000}', 'queueId'],
    ['a host that is none', '{"topic":"T","body":"x","bornHost":"nowhere"}', 'bornHost'],
    ['a property with a separator', '{"topic":"T","body":"x","properties":{"a":"b\\u0002c"}}', 'separates'],
  ])('%s', async (_, line, said) => {
    const [path, target] = [join(scratchFolder(), 'lines'), join(scratchFolder(), 'target')]
    writeFileSync(path, `${GOOD}\n${GOOD}\n${line}\n${GOOD}\n`)
    const { status, complained } = await inspect('import', path, '--to-store', target)
    expect(status).toBe(2)
    expect(complained).toContain('line 3: ')
    expect(complained).toContain(said)
    expect(existsSync(target)).toBe(false)
  })

  test('a record that fits in no segment: the store that was begun is gone, and it is said', async () => {
    const [path, target] = [join(scratchFolder(), 'lines'), join(scratchFolder(), 'target')]
    writeFileSync(path, `${GOOD}\n${JSON.stringify({ topic: 'T', body: 'x'.repeat(200_000) })}\n`)
    const { status, complained } = await inspect('import', path, '--to-store', target, ...SIZES)
    expect(status).toBe(1)
    expect(complained).toContain('does not fit in a segment of 131072; the store that was begun has been removed')
    expect(readdirSync(target)).toEqual([])
  })

  test('a folder with something else in it, an existing store for export, both ways at once', async () => {
    const root = recordedStore('clean')
    const folder = scratchFolder()
    writeFileSync(join(folder, 'letter.txt'), 'dear')
    expect((await inspect('export', root, '--to-store', folder)).status).toBe(2)
    expect([...filesBelow(folder).keys()]).toEqual(['letter.txt'])
    expect((await inspect('export', root, '--to-store', recordedStore('clean'))).complained).toContain(
      'there is a store already',
    )
    expect((await inspect('export', root, '--to-store', join(folder, 'x'), '-o', 'y')).status).toBe(2)
    expect((await inspect('import', root, '--to-store', root)).complained).toContain('source and target are one store')
    const lines = join(folder, 'lines')
    writeFileSync(lines, `${GOOD}\n`)
    expect((await inspect('import', lines, '--to-store', join(folder, 'x'), '--topic', 'T')).status).toBe(2)
    expect((await inspect('import', lines)).status).toBe(2)
  })

  test('a filter that nothing passes writes nothing', async () => {
    const target = join(scratchFolder(), 'target')
    const { status, printed } = await inspect(
      'export',
      recordedStore('clean'),
      '--topic',
      'Nobody',
      '--to-store',
      target,
    )
    expect([status, printed]).toEqual([0, 'no message is wanted: nothing was written\n'])
    expect(existsSync(target)).toBe(false)
  })
})

test('a live store is exported up to where it ended', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  for (let i = 0; i < 300; i += 1) await client.send('Live', `${i}`)
  let isDone = false
  const sending = (async () => {
    while (!isDone) await client.send('Live', 'more')
  })()
  const copy = join(scratchFolder(), 'copy')
  const { status, complained } = await inspect('export', broker.folder, '--to-store', copy)
  isDone = true
  await sending
  expect([status, complained]).toEqual([0, ''])
  expect((await verifyStore(openStore(copy), { threads: 0 })).isWhole).toBe(true)
  expect(
    parsed(await linesOf(copy))
      .slice(0, 300)
      .map(({ body }) => body),
  ).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`))
  cpSync(copy, join(scratchFolder(), 'kept'), { recursive: true })
})
