/** Commands beside the daily ones: units, allocation, probes, traces, producers, cleaning, watching, export and import. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { alarmsIn, allocate, traceSteps } from '../../../src/admin/index.ts'
import { REQUEST } from '../../../src/remoting/request-codes.ts'
import { consumer, rig } from './rig.ts'

const it = rig({ config: { traceTopicEnable: true } })
const PRODUCERS = JSON.stringify({
  clientID: 'the-producer',
  producerDataSet: [{ groupName: 'Sellers' }],
  consumerDataSet: [],
})

describe('topic units', () => {
  test('shows where messages are, and what a group takes', async () => {
    await it.ok('topic create Units -q 2')
    await it.send('Units', 1, 5, { TAGS: 'Paid' })
    const all = await it.json('topic units Units -q 1')
    expect(all).toMatchObject({ topic: 'Units', brokerName: 'broker-a', queueId: 1, min: 0, max: 5 })
    expect(all.units.map(({ queueOffset }: { queueOffset: number }) => queueOffset)).toEqual([0, 1, 2, 3, 4])
    // Java's hash of "Paid".
    expect(all.units[0]).toMatchObject({ tagsCode: '2479852', size: expect.any(Number) })
    const some = await it.json('topic units Units -q 1 --offset 3 -c 1')
    expect(some.units).toEqual([all.units[3]])
    const online = await consumer(it, 'Takers', 'Units', [1])
    expect((await it.ok('topic units Units -q 1 -g Takers')).out).toContain('Takers takes TAG *')
    await online.close()
    expect((await it.ok('topic units Units -q 1 -g Nobody')).out).toContain('Nobody is not online for it')
  })

  test('says which queue and which offset there are', async () => {
    expect((await it.run('topic units Units')).error).toContain('give --queue N')
    expect(await it.run('topic units Units -q 1 --offset 99')).toMatchObject({
      status: 1,
      error: expect.stringContaining('has no offset 99'),
    })
    expect((await it.ok('topic units Units -q 0')).out).toContain('nothing in it')
  })
})

describe('topic allocate', () => {
  test('as clients do', async () => {
    await it.ok('topic create Shared -q 5')
    const list = await it.json('topic allocate Shared b a')
    expect(
      list.map(({ consumer: name, queues }: { consumer: string; queues: unknown[] }) => [name, queues.length]),
    ).toEqual([
      ['a', 3],
      ['b', 2],
    ])
    expect((await it.ok('topic allocate Shared a,b --strategy circle')).out).toMatch(
      /^a +3 +broker-a\/0 broker-a\/2 broker-a\/4$/m,
    )
    expect((await it.run('topic allocate Shared a --strategy nearest')).error).toContain('averagely or circle')
    const queues = Array.from({ length: 2 }, (_, queueId) => ({ topic: 'T', brokerName: 'b', queueId }))
    expect(allocate(queues, ['x', 'y', 'z'], 'averagely').map((one) => one.queues.length)).toEqual([1, 1, 0])
  })
})

describe('probes', () => {
  test('of a broker and of all masters', async () => {
    const [broker] = await it.json('broker probe broker-a -c 5')
    expect(broker).toMatchObject({ target: 'broker-a', count: 5, failed: 0, outcomes: { stored: 5 }, error: '' })
    expect(broker.p50).toBeGreaterThan(0)
    expect(broker.max).toBeGreaterThanOrEqual(broker.p99)
    expect((await it.ok('cluster probe -c 2 -s 4096')).out).toMatch(/broker-a +2 +0 +[\d.]+ ms.* 2 stored/)
    expect((await it.run('cluster probe Nowhere')).error).toContain('cluster Nowhere has no master')
    expect((await it.run('broker probe 127.0.0.1:1')).error).toContain('give the name of a broker')
  })

  test('of a topic asks first, since its consumers get what is sent', async () => {
    await it.ok('topic create Probed -q 2')
    expect((await it.run('message probe Probed -c 4')).error).toContain('its consumers get them')
    expect((await it.ok('message probe Probed -c 4 --dry-run')).out).toContain('would go to 2 queues')
    expect((await it.json('topic describe Probed')).queues.map(({ max }: { max: number }) => max)).toEqual([0, 0])
    expect(await it.json('message probe Probed -c 4 --yes')).toMatchObject([{ count: 4, outcomes: { stored: 4 } }])
    await expect
      .poll(async () => (await it.json('topic describe Probed')).queues.map(({ max }: { max: number }) => max))
      .toEqual([2, 2])
    await it.ok('broker config set broker-a brokerPermission=4')
    const { status, out, error } = await it.run('message probe Probed -c 2 --yes')
    await it.ok('broker config set broker-a brokerPermission=6')
    expect([status, out + error]).toEqual([1, expect.stringContaining('no broker takes messages of Probed')])
  })
})

test('message trace: what clients have written, in order', async () => {
  const [field, record] = ['\u0001', '\u0002']
  const pub = [
    'Pub',
    '1790000000000',
    'R',
    'Sellers',
    'Orders',
    'ID-1',
    'Paid',
    'order-1',
    '10.0.0.1:10911',
    '5',
    '7',
    '0',
  ]
  const before = ['SubBefore', '1790000000100', 'R', 'Readers', 'REQ-1', 'ID-1', '2', 'order-1']
  const after = ['SubAfter', 'REQ-1', 'ID-1', '12', 'false', 'order-1', '2']
  const other = [...before].with(5, 'ID-2').with(7, 'order-2')
  const body = [after, before, other, [...pub, 'OFFSET-ID', 'true']].map((it) => it.join(field)).join(record) + record
  const answer = await it.client.send('RMQ_SYS_TRACE_TOPIC', body, { queueId: 0, properties: { KEYS: 'ID-1 order-1' } })
  expect(answer.code).toBe(0)
  await expect.poll(async () => (await it.run('message trace ID-1')).status).toBe(0)
  const steps = await it.json('message trace order-1')
  expect(steps).toMatchObject([
    { step: 'sent', time: 1790000000000, group: 'Sellers', topic: 'Orders', costMs: 7, isSuccess: true },
    { step: 'received', group: 'Readers', detail: 'REQ-1, retry 2' },
    { step: 'consumed', costMs: 12, isSuccess: false, detail: 'REQ-1, exception' },
  ])
  expect((await it.run('message trace ID-1 --trace-topic Traces')).error).toContain('no broker has the topic Traces')
  expect((await it.run('message trace ID-9')).error).toContain('nobody has written into RMQ_SYS_TRACE_TOPIC about ID-9')
  // Older clients have no offsetMsgId, newer ones an address behind it; what is none is passed over.
  expect(traceSteps([...pub, 'true'].join(field))).toMatchObject([{ isSuccess: true }])
  expect(traceSteps([...pub, 'OFFSET-ID', 'false', '10.0.0.9'].join(field))).toMatchObject([{ isSuccess: false }])
  expect(traceSteps(`nonsense${record}${field}${record}`)).toEqual([])
})

test('broker producers', async () => {
  expect(await it.json('broker producers')).toEqual([])
  await it.client.invoke(REQUEST.HEART_BEAT, {}, Buffer.from(PRODUCERS))
  expect(await it.json('broker producers sell')).toMatchObject([
    {
      group: 'Sellers',
      clientId: 'the-producer',
      brokerName: 'broker-a',
      address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    },
  ])
  expect((await it.ok('broker producers none')).out).toBe('no producer is connected\n')
})

test.each(['queues', 'topics', 'log'])('broker clean %s', async (what) => {
  expect((await it.run(`broker clean ${what} broker-a`)).error).toMatch(/will be deleted.*--yes/)
  expect(await it.json(`broker clean ${what} all --dry-run`)).toEqual({
    done: 'would be asked',
    what,
    brokers: ['broker-a'],
  })
  expect(await it.json(`broker clean ${what} broker-a --yes`)).toMatchObject({ done: 'asked' })
})

describe('group watch', () => {
  test('looks once for those who run it by the clock: status 3 where there is something to tell', async () => {
    await it.ok('topic create Watched -q 1')
    await it.ok('group create Behind')
    await it.send('Watched', 0, 6)
    await it.commit('Behind', 'Watched', 0, 1)
    expect(await it.run('group watch Behind --once --lag 3')).toMatchObject({
      status: 3,
      out: 'Behind: 5 messages behind\nBehind: nobody consumes, 5 messages behind\n',
    })
    const online = await consumer(it, 'Behind', 'Watched', [0])
    expect(await it.run('group watch Behind --once')).toMatchObject({ status: 0, out: 'nothing to tell\n' })
    const watching = it.run('group watch Behind --every 20ms --json', (world) => {
      const { out } = world
      let lines = 0
      world.out = (text) => {
        out(text)
        lines += 1
        if (lines === 1) void it.commit('Behind', 'Watched', 0, 6)
        if (lines === 2) world.signal('SIGINT')
      }
    })
    await online.close()
    const ran = await watching
    expect(
      ran.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { state: 'begins', group: 'Behind', kind: 'nobody consumes', lag: 5 },
      { state: 'ended', group: 'Behind', kind: 'nobody consumes' },
    ])
  })

  test('by thresholds', () => {
    const queue = { topic: 'T', brokerName: 'b', queueId: 0, brokerOffset: 10, consumerOffset: 4, lastTimestamp: 1000 }
    const kinds = (over: Partial<typeof queue>, isOnline = true) =>
      alarmsIn('G', [{ ...queue, ...over }], isOnline, { lag: 5, ageMs: 600_000 }, 601_001).map(({ kind }) => kind)
    expect(kinds({})).toEqual(['lag', 'age'])
    expect(kinds({ consumerOffset: 5, lastTimestamp: 1001 })).toEqual([])
    expect(kinds({ consumerOffset: 5, lastTimestamp: 0 }, false)).toEqual(['nobody consumes'])
    expect(kinds({ consumerOffset: 10 }, false)).toEqual([])
    expect(kinds({ consumerOffset: 11 })).toEqual(['offset beyond end'])
  })
})

describe('export and import', () => {
  test('topics and groups go through a file, and a broker keeps what it has', async () => {
    await it.ok('topic create Exported -q 3 --perm r')
    await it.ok('group create ExportedGroup --retry-max 7')
    const metadata = await it.json('cluster export metadata')
    expect(metadata.topics).toContainEqual(
      expect.objectContaining({ broker: 'broker-a', topicName: 'Exported', readQueueNums: 3, perm: 4 }),
    )
    expect(metadata.topics.map(({ topicName }: { topicName: string }) => topicName)).not.toContain('TBW102')
    await it.ok('topic delete Exported --yes')
    await it.ok('group delete ExportedGroup --yes')
    const put = (line: string, text = JSON.stringify(metadata)) =>
      it.run(line, (world) => writeFileSync(join(world.cwd, 'metadata.json'), text))
    expect((await put('topic import metadata.json')).error).toContain('--yes')
    expect((await put('topic import metadata.json --dry-run')).out).toContain('Exported would be put on broker-a\n')
    expect((await put('topic import metadata.json --yes')).status).toBe(0)
    expect((await put('group import metadata.json --yes')).status).toBe(0)
    expect(await it.json('cluster export metadata')).toEqual(metadata)
    // A list, as mqadmin's files are.
    const list = '[{"topicName":"Listed","readQueueNums":2,"writeQueueNums":2,"perm":6}]'
    expect((await put('topic import metadata.json --yes', list)).status).toBe(0)
    expect(await it.json('topic list Listed')).toMatchObject([{ readQueues: 2, perm: 6 }])
  })

  test.each([
    ['', 'no JSON can be read'],
    ['{}', 'it has no topics'],
    ['[{"topicName":"A"},{"name":"B"}]', 'entry 1 has no topicName'],
    ['[{"topicName":"A","broker":"elsewhere"}]', 'A is for elsewhere, which is no master here'],
    ['[{"topicName":"A","perm":"all"}]', 'perm is "all", no number'],
  ])('of a file with %j', async (text, what) => {
    const ran = await it.run('topic import metadata.json --yes', (world) =>
      writeFileSync(join(world.cwd, 'metadata.json'), text),
    )
    expect(ran.error).toContain(what)
    expect(ran.status).not.toBe(0)
  })

  test('configurations and figures of each broker', async () => {
    expect((await it.json('cluster export configs'))['broker-a'].config.brokerName).toBe('broker-a')
    expect((await it.json('cluster export metrics'))['broker-a'].runtime.bootTimestamp).toMatch(/^\d+$/)
    expect(JSON.parse((await it.ok('cluster export configs')).out)['broker-a'].address).toBe(it.broker.address)
  })
})
