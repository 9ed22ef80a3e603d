import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isForbiddenToSend, type TopicChange, topicNameFault } from '../../../src/broker/topics/index.ts'
import { silentLog } from '../../../src/log.ts'
import { directMetadataStore, quoteIntegerKeys } from '../../../src/store/metadata/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { ManualClock, MemoryFiles, rig, SETTINGS } from '../rig.ts'
import { BrokerState } from '../tables.ts'

const folder = mkdtempSync(join(tmpdir(), 'basalt-topics-'))
afterAll(() => rmSync(folder, { recursive: true }))

const wish = (topic: string, more: object = {}) => ({
  topic,
  defaultTopic: 'TBW102',
  queueNums: 4,
  unitMode: false,
  remote: '192.0.2.1:5',
  ...more,
})

describe('the topics of a new broker', () => {
  test('are those of 4.9.8, with its queues and permissions', () => {
    const rows = [...rig().state.topics.values()].map((t) => [
      t.topicName,
      t.readQueueNums,
      t.writeQueueNums,
      t.perm,
      t.topicFilterType,
      t.topicSysFlag,
      t.order,
    ])
    const row = (name: string, queues: number, perm: number) => [name, queues, queues, perm, 'SINGLE_TAG', 0, false]
    expect(rows).toEqual([
      row('SELF_TEST_TOPIC', 1, 6),
      row('BenchmarkTest', 1024, 6),
      row('LabCluster', 16, 7),
      row('broker-a', 1, 7),
      row('OFFSET_MOVED_EVENT', 1, 6),
      row('SCHEDULE_TOPIC_XXXX', 18, 6),
      row('LabCluster_REPLY_TOPIC', 1, 6),
      row('TBW102', 8, 7),
    ])
  })

  test('follow the switches of the configuration', () => {
    const { topics } = rig({
      autoCreateTopicEnable: false,
      clusterTopicEnable: false,
      brokerTopicEnable: false,
      traceTopicEnable: true,
    }).state
    expect(topics.get('TBW102')).toBe(undefined)
    expect(topics.get('LabCluster')?.perm).toBe(1)
    expect(topics.get('broker-a')?.perm).toBe(1)
    expect(topics.get('RMQ_SYS_TRACE_TOPIC')?.readQueueNums).toBe(1)
  })
})

describe('names', () => {
  test.each([
    ['', 'The specified topic is blank.'],
    ['  ', 'The specified topic is blank.'],
    ['../../x', 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'],
    ['a b', 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'],
    ['a\n', 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'],
    ['ü', 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'],
    ['a'.repeat(128), 'The specified topic is longer than topic max length.'],
  ])('"%s" is refused: %s', (name, fault) => {
    expect(topicNameFault(name)).toBe(fault)
    expect(rig().state.topics.autoCreate(wish(name))).toBe(undefined)
    expect(rig().state.topics.createInternal({ topic: name, queueNums: 1, perm: 6 })).toBe(undefined)
  })

  test.each(['a', 'A-b_c|9', '%RETRY%G', 'a'.repeat(127)])('"%s" is allowed', (name) => {
    expect(topicNameFault(name)).toBe(undefined)
  })

  test('only the broker writes to its own topics, and to nothing else', () => {
    const forbidden = [
      'SCHEDULE_TOPIC_XXXX',
      'RMQ_SYS_TRANS_HALF_TOPIC',
      'RMQ_SYS_TRANS_OP_HALF_TOPIC',
      'TRANS_CHECK_MAX_TIME_TOPIC',
      'SELF_TEST_TOPIC',
      'OFFSET_MOVED_EVENT',
    ]
    for (const name of forbidden) expect(isForbiddenToSend(name), name).toBe(true)
    for (const name of ['T', 'TBW102', 'BenchmarkTest', '%DLQ%G']) expect(isForbiddenToSend(name), name).toBe(false)
  })
})

describe('a send to an unknown topic', () => {
  test.each([
    ['the client wishes fewer queues than TBW102 has', {}, 4],
    ['the client wishes more', { queueNums: 100 }, 8],
    ['the client wishes a negative number', { queueNums: -3 }, 0],
  ])('creates it with the smaller number of queues: %s', (_, more, queues) => {
    const { topics } = rig().state
    const topic = topics.autoCreate(wish('T', more))
    expect(topic).toEqual({
      order: false,
      perm: 6,
      readQueueNums: queues,
      topicFilterType: 'SINGLE_TAG',
      topicName: 'T',
      topicSysFlag: 0,
      writeQueueNums: queues,
    })
    expect(topics.get('T')).toBe(topic)
  })

  test('creates nothing where TBW102 is gone or lost its inherit bit', () => {
    expect(rig({ autoCreateTopicEnable: false }).state.topics.autoCreate(wish('T'))).toBe(undefined)
    const { topics } = rig().state
    expect(topics.autoCreate(wish('T', { defaultTopic: 'BenchmarkTest' }))).toBe(undefined)
    expect(topics.autoCreate(wish('T', { defaultTopic: 'nowhere' }))).toBe(undefined)
    expect(topics.autoCreate(wish('T', { defaultTopic: 'LabCluster' }))?.perm).toBe(6)
  })

  test('that is not created is told why, behind RocketMQ’s words; the log says it five times a second', async () => {
    const lines: string[] = []
    const log = { info() {}, error() {}, warn: (line: string) => void lines.push(line) }
    await using broker = await startTestBroker({ config: { autoCreateTopicEnable: false, brokerName: 'b' }, log })
    const client = new TestClient(broker.address)
    const words = (topic: string) =>
      `topic[${topic}] not exist, apply first please!\nSee http://rocketmq.apache.org/docs/faq/ for further details.\n`
    const why = 'b does not create it: autoCreateTopicEnable is false'
    for (let i = 0; i < 20; i += 1) {
      expect(await client.send('Nowhere', 'x')).toMatchObject({ code: 17, remark: words('Nowhere') + why })
    }
    expect(lines.filter((line) => line === `topic Nowhere is not created: ${why}`)).toHaveLength(5)
    expect((await client.pull('Nowhere', 0, 0)).remark).toBe(
      'topic[Nowhere] not exist, apply first please! \nSee http://rocketmq.apache.org/docs/faq/ for further details.',
    )
    await client.close()
    const { topics } = rig().state
    expect(topics.whyNotCreated('Gone')).toMatch(
      /is true, and the default topic Gone that the producer names is not there$/,
    )
    expect(topics.whyNotCreated('BenchmarkTest')).toMatch(/BenchmarkTest .* has perm 6, without inherit \(1\)$/)
  })

  test('creates nothing with autoCreateTopicEnable=false, though an older topics.json still has TBW102', async () => {
    const files = new MemoryFiles()
    await rig({}, { files }).state.topics.put({ ...rig().state.topics.get('TBW102')! })
    const { topics } = rig({ autoCreateTopicEnable: false }, { files }).state
    expect(topics.get('TBW102')?.perm).toBe(7)
    expect(topics.autoCreate(wish('T'))).toBe(undefined)
    expect(topics.get('TBW102')?.perm).toBe(6)
  })

  test('creates %RETRY% topics also where nothing may be inherited, with one queue', () => {
    const { topics } = rig({ autoCreateTopicEnable: false }).state
    expect(topics.autoCreate(wish('%RETRY%G'))).toMatchObject({ readQueueNums: 1, writeQueueNums: 1, perm: 6 })
    expect(topics.autoCreate(wish('%RETRY%H', { unitMode: true }))?.topicSysFlag).toBe(2)
  })

  test('marks topics of unit mode', () => {
    const { topics } = rig().state
    expect(topics.autoCreate(wish('T', { unitMode: true }))?.topicSysFlag).toBe(1)
    expect(topics.autoCreate(wish('%RETRY%G', { unitMode: true }))?.topicSysFlag).toBe(2)
  })

  test('changes nothing where the topic is known', () => {
    const { topics } = rig().state
    const first = topics.autoCreate(wish('T'))
    const { counter } = topics.dataVersion
    expect(topics.autoCreate(wish('T', { queueNums: 1 }))).toBe(first)
    expect(topics.dataVersion.counter).toBe(counter)
  })
})

describe('a change', () => {
  test('raises the data version, is told, and is on disk when put() is settled', async () => {
    const { state, clock, files } = rig()
    const changes: TopicChange[] = []
    state.topics.onChange((change) => {
      changes.push(change)
    })
    clock.ms += 500
    await state.topics.put({ ...state.topics.get('SELF_TEST_TOPIC')!, topicName: 'T' })
    expect(state.topics.dataVersion.toJSON()).toEqual({ counter: 1, timestamp: clock.ms })
    state.topics.autoCreate(wish('U'))
    await state.topics.saved()
    expect(state.topics.saved()).toBe(undefined)
    await state.topics.remove('T')
    expect(await state.topics.remove('T')).toBe(false)
    expect(changes.map((it) => [it.kind, it.topic.topicName, it.incremental])).toEqual([
      ['created', 'T', true],
      ['created', 'U', false],
      ['deleted', 'T', true],
    ])
    const again = rig({}, { files }).state.topics
    expect(again.get('U')).toEqual(state.topics.get('U'))
    expect(again.get('T')).toBe(undefined)
    expect(again.dataVersion.counter).toBe(3)
  })

  test('that an administrator makes is answered after the listeners are done with it', async () => {
    const { topics } = rig().state
    let isRegistered = false
    topics.onChange(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      isRegistered = true
      throw new Error('no NameServer')
    })
    await topics.put({ ...topics.get('SELF_TEST_TOPIC')!, topicName: 'T' })
    expect(isRegistered).toBe(true)
  })

  test('shares one write with the thousand others that were made meanwhile', async () => {
    const { state, files } = rig()
    for (let i = 0; i < 1000; i++) state.topics.autoCreate(wish(`T${i}`))
    await state.topics.saved()
    expect(files.saves).toBeLessThan(4)
    expect(rig({}, { files }).state.topics.size).toBe(state.topics.size)
  })

  test('that could not be written is said, kept, and written by a later tick', async () => {
    const { state, files, log, clock } = rig()
    files.failure = new Error('no space left')
    await expect(state.topics.put({ ...state.topics.get('SELF_TEST_TOPIC')!, topicName: 'T' })).rejects.toThrow(
      'no space',
    )
    expect(log.lines.join()).toContain('topics.json could not be written, it is tried again: no space left')
    files.failure = undefined
    clock.ms += 10_000
    state.tick()
    await state.topics.saved()
    expect(rig({}, { files }).state.topics.get('T')).toBeDefined()
  })
})

describe('topics.json', () => {
  test.each(['store-clean', 'store-unclean'])(
    'of %s, which 4.9.8 wrote, is loaded and saved with equal values',
    async (name) => {
      execFileSync(
        'tar',
        ['xzf', new URL(`../../vectors/rocketmq-4.9.8/store/${name}.tar.gz`, import.meta.url).pathname],
        {
          cwd: folder,
        },
      )
      const config = join(
        folder,
        execFileSync('find', ['.', '-name', 'topics.json'], { cwd: folder }).toString().trim(),
        '..',
      )
      const files = ['topics.json', 'subscriptionGroup.json', 'consumerOffset.json']
      const read = (file: string) => JSON.parse(quoteIntegerKeys(readFileSync(join(config, file), 'utf8')))
      const before = files.map(read)
      const log = silentLog
      const store = directMetadataStore(config, log)
      const state = new BrokerState({
        settings: { ...SETTINGS, brokerName: 'x' },
        store,
        clock: new ManualClock(),
        log,
      })
      state.load()
      const { counter, timestamp } = state.topics.dataVersion
      expect({ counter, timestamp }).toEqual(before[0].dataVersion)
      // One change each, so that all three are written anew.
      await state.topics.put({ ...state.topics.get('OracleTopic')! })
      await state.groups.put({ ...state.groups.get('OracleGroup')! })
      state.offsets.commit('OracleGroup', 'OracleTopic', 0, 5, '')
      await state.offsets.flush()
      state.offsets.commit('OracleGroup', 'OracleTopic', 0, 4, '')
      await state.offsets.flush()
      const after = files.map(read)
      for (const own of ['x']) delete after[0].topicConfigTable[own]
      expect(after[0].topicConfigTable).toMatchObject(before[0].topicConfigTable)
      expect(after[1].subscriptionGroupTable).toEqual(before[1].subscriptionGroupTable)
      expect(after[2]).toEqual(before[2])
      rmSync(config, { recursive: true })
    },
  )

  test('of 5.x keeps its attributes and state version', async () => {
    const files = new MemoryFiles()
    const topic = {
      attributes: { 'message.type': 'FIFO' },
      order: true,
      perm: 6,
      readQueueNums: 4,
      topicFilterType: 'SINGLE_TAG',
      topicName: 'T',
      topicSysFlag: 0,
      writeQueueNums: 4,
    }
    const dataVersion = { counter: 7, stateVersion: 2, timestamp: 1_795_000_000_000 }
    files.files.set('topics.json', JSON.stringify({ dataVersion, topicConfigTable: { T: topic } }))
    const { topics } = rig({}, { files }).state
    expect(topics.get('T')).toEqual(topic)
    expect(JSON.parse(JSON.stringify(topics)).dataVersion).toEqual(dataVersion)
  })

  test('with a bad entry starts without it, and says which and why', () => {
    const files = new MemoryFiles()
    const good = { topicName: 'Good', perm: 6, readQueueNums: 1, writeQueueNums: 1 }
    const table = {
      Good: good,
      '../../x': good,
      Null: null,
      Many: { ...good, writeQueueNums: 1e9 },
      Perm: { ...good, perm: 'rw' },
      Filter: { ...good, topicFilterType: 'SOME' },
    }
    files.files.set('topics.json', JSON.stringify({ topicConfigTable: table }))
    const { state, log } = rig({}, { files })
    expect(state.topics.get('Good')?.topicFilterType).toBe('SINGLE_TAG')
    expect([...state.topics.names()]).not.toContain('../../x')
    for (const name of ['"../../x"', '"Null"', '"Many"', '"Perm"', '"Filter"']) {
      expect(
        log.lines.filter((line) => line.includes(`topic ${name} of topics.json is left out`)),
        name,
      ).toHaveLength(1)
    }
  })
})
