/** `inspect log`, `queue`, `index`, `checkpoint`, `config` against what an independent decoder read from the same stores. */
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseProperties } from '../../src/store/commitlog/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { World } from '../cli/support.ts'
import { patch } from '../store/dispatch/support.ts'
import { recordedStore } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { type DecodedRecord, decodedRecords, decodedUnits, inspect } from './stores.ts'

const records = decodedRecords()
const propertiesOf = (record: DecodedRecord) => parseProperties(record.properties)
const offsets = (objects: Record<string, unknown>[]) => objects.map(({ physicalOffset }) => physicalOffset)

describe('inspect log', () => {
  test('every record of Apache’s store, field by field', async () => {
    const found = (await inspect('log', recordedStore('clean'), '--json')).objects()
    expect(found.length).toBe(records.length)
    for (const [i, record] of records.entries()) {
      const { at, size, storeTimestamp, bornTimestamp, storedBodyLength, properties, bodyBase64 } = record
      const { topic, queueId, queueOffset, flag, sysFlag, bodyCRC, bornHost, storeHost } = record
      expect(found[i]).toMatchObject({
        physicalOffset: at,
        size,
        topic,
        queueId,
        queueOffset,
        flag,
        sysFlag,
        bodyCRC,
        bornHost,
        storeHost,
        storeTime: storeTimestamp,
        bornTime: bornTimestamp,
        storedBodySize: storedBodyLength,
        reconsumeTimes: record.reconsumeTimes,
        preparedTransactionOffset: record.preparedTransactionOffset,
        bodyIsIntact: true,
        properties: Object.fromEntries(parseProperties(properties)),
      })
      const { body, bodyBase64: encoded } = found[i] as { body?: string; bodyBase64?: string }
      if (bodyBase64 !== undefined && (sysFlag & 1) === 0) {
        expect(encoded ?? Buffer.from(body!).toString('base64')).toBe(bodyBase64)
      }
    }
  })

  const time = records[400].storeTimestamp
  const FILTERS: [what: string, flags: string[], wanted: (record: DecodedRecord) => boolean][] = [
    ['topic', ['--topic', 'OracleTopic'], ({ topic }) => topic === 'OracleTopic'],
    ['queue', ['--topic', 'OracleTopic', '--queue', '1'], (r) => r.topic === 'OracleTopic' && r.queueId === 1],
    ['tag', ['--tag', 'AaAa'], (r) => propertiesOf(r).get('TAGS') === 'AaAa'],
    ['key', ['--key', 'mod7'], (r) => propertiesOf(r).get('KEYS')?.split(' ').includes('mod7') === true],
    [
      'time',
      ['--after', String(time), '--before', String(time + 5)],
      (r) => r.storeTimestamp >= time && r.storeTimestamp <= time + 5,
    ],
    ['offsets', ['--from', '100001', '--to', '150000'], ({ at }) => at >= 100_001 && at < 150_000],
    ['size', ['--min-size', '300', '--max-size', '1000'], ({ size }) => size >= 300 && size <= 1000],
    [
      'expression',
      ['--where', "TAGS IN ('TagA', 'TagDelay') AND KEYS IS NOT NULL"],
      (r) => ['TagA', 'TagDelay'].includes(propertiesOf(r).get('TAGS') ?? '') && propertiesOf(r).has('KEYS'),
    ],
  ]
  test.each(FILTERS)('%s decides as a test of every record would', async (_, flags, wanted) => {
    const expected = records.filter(wanted).map(({ at }) => at)
    expect(expected.length).toBeGreaterThan(0)
    const { status, objects } = await inspect('log', recordedStore('clean'), '--json', ...flags)
    expect(status).toBe(0)
    expect(offsets(objects())).toEqual(expected)
  })

  test('an id of either kind finds its message and where it came from', async () => {
    const root = recordedStore('clean')
    const all = (await inspect('log', root, '--json')).objects() as { offsetMsgId: string; msgId: string }[]
    expect(offsets((await inspect('log', root, '--json', '--id', all[300].offsetMsgId)).objects())).toEqual([
      records[300].at,
    ])
    const byUnique = (await inspect('log', root, '--json', '--id', all[300].msgId)).objects()
    expect(offsets(byUnique)).toEqual(
      records.filter((r) => propertiesOf(r).get('UNIQ_KEY') === all[300].msgId).map(({ at }) => at),
    )
  })

  test('damage is shown where it is, and what is behind it too', async () => {
    const root = recordedStore('clean')
    const victim = records[100]
    patch(join(root, 'commitlog', '00000000000000000000'), victim.at + 4, Buffer.from([0, 0, 0, 0]))
    const found = (await inspect('log', root, '--json')).objects()
    expect(found[100]).toEqual({ damage: { from: victim.at, to: victim.at + victim.size, problem: 'no record' } })
    expect(found.length).toBe(records.length)
    expect(found[101]).toMatchObject({ physicalOffset: records[101].at })
  })

  test('for eyes: bodies as text, hex or JSON, and nothing that steers the terminal', async () => {
    const root = recordedStore('clean')
    const hello = records.find(({ bodyBase64 }) => bodyBase64 === 'aGVsbG8=')!
    const at = ['--from', String(hello.at), '--limit', '1']
    expect((await inspect('log', root, ...at)).printed).toMatch(
      /^1786 {2}OracleTopic 0:0 {2}201 B .*\n.*\n {4}hello\n$/,
    )
    expect((await inspect('log', root, ...at, '--body', 'hex')).printed).toContain('6865 6c6c 6f')
    expect((await inspect('log', root, ...at, '--body', 'none')).printed).not.toContain('hello')
    patch(join(root, 'commitlog', '00000000000000000000'), hello.at + 88, Buffer.from('\u001b[2J!'))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect((await inspect('log', root, ...at)).printed).not.toMatch(/\u001b/)
  })

  test('what cannot be understood ends with status 2', async () => {
    const root = recordedStore('clean')
    for (const flags of [
      ['--where', 'a = = 1'],
      ['--limit', 'ten'],
      ['--after', 'noon'],
      ['--body', 'xml'],
    ]) {
      expect((await inspect('log', root, ...flags)).status, flags.join(' ')).toBe(2)
    }
  })

  test('--follow gives each message of a running broker once, in order, until it is stopped', async () => {
    await using broker = await startTestBroker()
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    await client.send('Followed', 'before')
    const world = new World()
    const done = world.run('inspect', 'log', broker.folder, '--follow', '--json', '--topic', 'Followed')
    const bodies = () =>
      world.printed
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { body?: string }).body)
    await expect.poll(() => world.listens).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (let i = 0; i < 500; i += 1) await client.send('Followed', `body ${i}`)
    const expected = Array.from({ length: 500 }, (_, i) => `body ${i}`)
    await expect.poll(bodies).toEqual(expected)
    world.signal('SIGINT')
    expect(await done).toBe(0)
  })
})

describe('inspect queue', () => {
  test('every unit of every queue, with its record', async () => {
    const root = recordedStore('clean')
    const units = decodedUnits()
    const queues = new Set(units.map(({ topic, queueId }) => `${topic} ${queueId}`))
    for (const queue of queues) {
      const [topic, queueId] = queue.split(' ')
      const found = (await inspect('queue', root, topic, queueId, '--json')).objects()
      const expected = units.filter((unit) => unit.topic === topic && unit.queueId === Number(queueId))
      expect(
        found.map(({ queueOffset, physicalOffset, size, tagsCode }) => ({
          queueOffset,
          physicalOffset,
          size,
          tagsCode,
        })),
      ).toEqual(
        expected.map(({ index, commitLogOffset, size, tagsCode }) => ({
          queueOffset: index,
          physicalOffset: commitLogOffset,
          size,
          tagsCode,
        })),
      )
      for (const unit of found)
        expect(unit).toMatchObject({ kind: 'record', record: { topic, physicalOffset: unit.physicalOffset } })
    }
  })

  test('a unit that points elsewhere says so; a range and a limit are kept', async () => {
    const root = recordedStore('clean')
    patch(join(root, 'consumequeue/OracleMany/0/00000000000000006000'), 20 * 10 + 7, Buffer.from([0xff]))
    const found = (await inspect('queue', root, 'OracleMany', '0', '--json', '--from', '309', '--limit', '3')).objects()
    expect(found.map(({ queueOffset, problem }) => [queueOffset, problem])).toEqual([
      [309, undefined],
      [310, 'no record is there'],
      [311, undefined],
    ])
  })

  test('a queue that is not there ends with status 2 and names those that are', async () => {
    const { status, complained } = await inspect('queue', recordedStore('clean'), 'OracleTopic', '9')
    expect(status).toBe(2)
    expect(complained).toContain('the topic has the queues 0, 1, 2, 3')
  })
})

test('inspect index: files, all entries, and those of one key, which lead to its records', async () => {
  const root = recordedStore('clean')
  const files = (await inspect('index', root, '--json')).objects() as { name: string; header: Record<string, number> }[]
  expect(files.map(({ header }) => header.indexCount)).toEqual([2000, 266])
  const entries = (await inspect('index', root, '--entries', '--json')).objects()
  expect(entries.length).toBe(1999 + 265)
  expect(entries[0]).toMatchObject({ entry: 1, keyHash: 779_143_709, physicalOffset: 0, previous: 0 })
  const found = (await inspect('index', root, '--topic', 'OracleMany', '--key', 'mod7', '--json')).objects()
  expect(offsets(found)).toEqual(
    records.filter((r) => propertiesOf(r).get('KEYS')?.split(' ').includes('mod7')).map(({ at }) => at),
  )
})

test('inspect checkpoint and config: times, abort, and tables as strict JSON', async () => {
  const clean = JSON.parse((await inspect('checkpoint', recordedStore('clean'), '--json')).printed)
  expect(clean).toMatchObject({
    checkpoint: {
      physicMsgTimestamp: 1_795_426_288_207,
      logicsMsgTimestamp: 1_795_426_288_207,
      indexMsgTimestamp: 1_795_426_286_338,
    },
    isUnclean: false,
  })
  expect((await inspect('checkpoint', recordedStore('unclean'))).printed).toContain('not stopped cleanly')
  const root = recordedStore('clean')
  const tables = (await inspect('config', root, '--json')).objects()
  expect(tables.map(({ table, from }) => [table, from])).toEqual([
    ['topics.json', 'file'],
    ['subscriptionGroup.json', 'file'],
    ['consumerOffset.json', 'file'],
    ['delayOffset.json', 'file'],
    ['consumerFilter.json', 'file'],
  ])
  expect(tables[3].content).toEqual({ offsetTable: { '1': 3 } })
  patch(join(root, 'config/delayOffset.json'), 0, Buffer.from('x'))
  const [damaged] = (await inspect('config', root, 'delayOffset', '--json')).objects()
  expect(damaged).toMatchObject({ from: 'bak', content: { offsetTable: { '1': 3 } } })
  expect(damaged.problem).toContain('is no JSON object')
})
