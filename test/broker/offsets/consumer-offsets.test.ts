import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ConsumerOffsets } from '../../../src/broker/offsets/index.ts'
import { silentLog } from '../../../src/log.ts'
import { quoteIntegerKeys } from '../../../src/store/metadata/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { bodyOf, MemoryFiles, rig } from '../rig.ts'

const table = (files = new MemoryFiles()) => {
  const offsets = new ConsumerOffsets({ store: files, log: silentLog })
  offsets.load()
  return offsets
}

test('on a slave: what is ahead of the master is told after a restart too, until the master has it; a master takes it as its own', async () => {
  const files = new MemoryFiles()
  const start = (brokerRole: string) => {
    const offsets = new ConsumerOffsets({ store: files, log: silentLog, settings: { brokerRole } })
    offsets.load()
    return offsets
  }
  const slave = start('SLAVE')
  slave.follow({ 'T@G': { 0: 3, 1: 5 } })
  slave.commit('G', 'T', 0, 9, 'h')
  slave.commit('G', 'T', 1, 4, 'h')
  await slave.flush()
  // Killed between the two files.
  files.files.set('consumerOffset.json', '{"offsetTable":{"T@G":{"0":3,"1":5}}}')
  const again = start('SLAVE')
  expect([again.query('G', 'T', 0), again.query('G', 'T', 1)]).toEqual([9, 4])
  const ahead = again.follow({ 'T@G': { 0: 3, 1: 5 } })
  expect(ahead).toEqual([{ group: 'G', topic: 'T', queueId: 0, offset: 9 }])
  expect(again.query('G', 'T', 1)).toBe(5)
  const master = start('ASYNC_MASTER')
  expect(master.query('G', 'T', 0)).toBe(9)
  again.masterTook(ahead[0])
  await again.flush()
  // An administrator's reset of the master counts now.
  const last = start('SLAVE')
  expect(last.follow({ 'T@G': { 0: 1 } })).toEqual([])
  expect(last.query('G', 'T', 0)).toBe(1)
  // What is deleted is not told of.
  last.commit('H', 'T', 0, 2, 'h')
  last.removeGroup('H')
  expect(last.follow({})).toEqual([])
})

test('after any commits, removals and restarts the table is the last commit of each queue', async () => {
  const name = fc.constantFrom('G', 'H', '%RETRY%G')
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('commit' as const),
      group: name,
      topic: name,
      queueId: fc.integer({ min: 0, max: 3 }),
      offset: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    }),
    fc.record({ kind: fc.constant('remove' as const), group: name }),
    fc.record({ kind: fc.constant('restart' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const files = new MemoryFiles()
      let offsets = table(files)
      const model = new Map<string, number>()
      for (const it of steps) {
        if (it.kind === 'commit') {
          offsets.commit(it.group, it.topic, it.queueId, it.offset, 'h')
          model.set(`${it.topic}@${it.group}@${it.queueId}`, it.offset)
        } else if (it.kind === 'remove') {
          offsets.removeGroup(it.group)
          for (const key of model.keys()) if (key.split('@')[1] === it.group) model.delete(key)
        } else {
          await offsets.flush()
          offsets = table(files)
        }
        for (const topic of ['G', 'H', '%RETRY%G']) {
          for (const group of ['G', 'H', '%RETRY%G']) {
            for (let queueId = 0; queueId < 4; queueId++) {
              const expected = model.get(`${topic}@${group}@${queueId}`) ?? -1
              expect(offsets.query(group, topic, queueId)).toBe(expected)
            }
          }
        }
      }
    }),
    { numRuns: 60 },
  )
})

describe('consumerOffset.json', () => {
  test.each([
    ['bare integer keys, as fastjson writes them', '{"offsetTable":{"T@G":{0:5,1:7}}}'],
    ['quoted keys', '{"offsetTable":{"T@G":{"0":5,"1":"7"}}}'],
    ['the keys of 5.x beside', '{"dataVersion":{"counter":1},"groupTopicMap":{},"offsetTable":{"T@G":{0:5,1:7}}}'],
  ])('is read with %s', (_, text) => {
    const files = new MemoryFiles()
    files.files.set('consumerOffset.json', text)
    const offsets = table(files)
    expect([offsets.query('G', 'T', 0), offsets.query('G', 'T', 1), offsets.query('G', 'T', 2)]).toEqual([5, 7, -1])
    expect(offsets.topicsOf('G')).toEqual(['T'])
    expect(offsets.groupsOf('T')).toEqual(['G'])
  })

  test('is written with bare integer keys', async () => {
    const files = new MemoryFiles()
    const offsets = table(files)
    offsets.commit('G', 'T', 1, 7, 'h')
    offsets.commit('G', 'T', 0, 5, 'h')
    await offsets.flush()
    const text = files.files.get('consumerOffset.json')!
    expect(text).toContain('"T@G":{0:5,1:7}')
    expect(JSON.parse(quoteIntegerKeys(text))).toEqual(JSON.parse(JSON.stringify(offsets)))
  })

  test('with bad entries gives the good ones', () => {
    const files = new MemoryFiles()
    const bad = '{"T@G":{"0":5,"-1":3,"x":1,"1":null,"2":"many","3":""},"noGroup":{"0":1},"U@G":null}'
    files.files.set('consumerOffset.json', `{"offsetTable":${bad}}`)
    const offsets = table(files)
    expect([...offsets.queryAll('G', 'T')!]).toEqual([[0, 5]])
  })

  test('is written every flushConsumerOffsetInterval, only when something changed, and at the stop', async () => {
    const { state, clock, files } = rig()
    const settle = () => new Promise((resolve) => setImmediate(resolve))
    state.offsets.commit('G', 'T', 0, 1, 'h')
    clock.ms += 9_000
    state.tick()
    expect(files.saves).toBe(0)
    clock.ms += 1_000
    state.tick()
    await settle()
    expect(files.saves).toBe(1)
    clock.ms += 5_000
    state.tick()
    state.offsets.commit('G', 'T', 0, 1, 'h')
    clock.ms += 5_000
    state.tick()
    await settle()
    expect(files.saves).toBe(1)
    state.offsets.commit('G', 'T', 0, 2, 'h')
    await state.close()
    expect(table(files).query('G', 'T', 0)).toBe(2)
  })

  test('that could not be written is written by the next flush', async () => {
    const files = new MemoryFiles()
    const offsets = table(files)
    offsets.commit('G', 'T', 0, 1, 'h')
    files.failure = new Error('no space left')
    await offsets.flush()
    files.failure = undefined
    await offsets.flush()
    expect(table(files).query('G', 'T', 0)).toBe(1)
  })
})

describe('a query of a group without an offset (14)', () => {
  const ask14 = (it: ReturnType<typeof rig>, more = {}) =>
    it.ask(14, { consumerGroup: 'G', topic: 'T', queueId: '0', ...more })

  test('starts at 0 on a queue that is empty, unknown, or whole and in memory', async () => {
    const it = rig()
    expect(await ask14(it)).toMatchObject({ code: 0, ext: { offset: '0' } })
    it.store.inMemory = false
    expect(await ask14(it)).toMatchObject({ code: 0, ext: { offset: '0' } })
    it.store.inMemory = true
    it.store.put('T', 0, 1)
    expect(await ask14(it)).toMatchObject({ code: 0, ext: { offset: '0' } })
  })

  test('is answered 22 where the first message is on disk only, or gone', async () => {
    const it = rig()
    it.store.put('T', 0, 1)
    it.store.inMemory = false
    expect(await ask14(it)).toMatchObject({ code: 22 })
    it.store.inMemory = true
    it.store.minimum.set('T-0', 1)
    expect(await ask14(it)).toMatchObject({ code: 22 })
  })

  test('is answered 22 where a 5.x client asks for it', async () => {
    expect(await ask14(rig(), { setZeroIfNotFound: 'false' })).toMatchObject({ code: 22 })
  })

  test('gives what was committed, also backwards, and says so in the log', async () => {
    const it = rig()
    for (const offset of ['9', '4']) {
      const commit = { consumerGroup: 'G', topic: 'T', queueId: '0', commitOffset: offset }
      expect(await it.ask(15, commit)).toMatchObject({ code: 0 })
      expect(await ask14(it)).toMatchObject({ code: 0, ext: { offset } })
    }
    expect(it.log.lines).toEqual(['warn offset of group G on T queue 0 goes back from 9 to 4'])
    expect(bodyOf(await it.ask(43))).toEqual({ offsetTable: { 'T@G': { 0: 4 } } })
  })
})

test('a running broker writes the offsets every five seconds of its clock, and at its stop', async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const path = join(broker.folder, 'config', 'consumerOffset.json')
  const commit = (commitOffset: number) =>
    client.invoke(15, { consumerGroup: 'G', topic: 'T', queueId: '3', commitOffset: String(commitOffset) })
  const written = () => (existsSync(path) ? readFileSync(path, 'utf8') : '')
  await commit(7)
  expect(written()).not.toContain('T@G')
  broker.advance('5s')
  await vi.waitFor(() => expect(written()).toContain('"T@G":{3:7}'), 10_000)
  await commit(9)
  await broker.handle.close()
  expect(written()).toContain('"T@G":{3:9}')
})
