/** ConsumeQueues and indexes that are built from Apache's CommitLog, against those that its broker 4.9.8 wrote. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { decodeRecord, LogReader } from '../../../src/store/commitlog/index.ts'
import { QueueReader, QueueReaders } from '../../../src/store/consumequeue/index.ts'
import { indexLayout, queryByKey } from '../../../src/store/index/index.ts'
import { recordedStore, storeSettings } from '../scratch.ts'
import { dispatchAll, endOfLog, filesBelow, rig } from './support.ts'

const MANIFEST = fileURLToPath(new URL('../../vectors/rocketmq-4.9.8/store/manifest.json', import.meta.url))
/** The levels of RocketMQ: the recorded schedule units have them. */
const LEVELS = { messageDelayLevel: '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h' }

interface Stored {
  commitLogOffset: number
  topic: string
  queueId: number
  queueOffset: number
  msgId: string
  storeTimestamp: number
  properties: Record<string, string>
}

const { stored } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { stored: Stored[] }

describe.each(['clean', 'unclean'] as const)('the store that a broker of 4.9.8 left %s', (kind) => {
  function rebuilt(slotCount = 256) {
    const root = recordedStore(kind)
    const settings = storeSettings(root, LEVELS)
    const theirs = { queues: filesBelow(join(root, 'consumequeue')), index: filesBelow(join(root, 'index')) }
    rmSync(join(root, 'consumequeue'), { recursive: true })
    rmSync(join(root, 'index'), { recursive: true })
    const build = rig(settings, { slotCount })
    const end = endOfLog(settings)
    dispatchAll(build, 0, end)
    build.close()
    return { root, settings, theirs, end, build }
  }

  test.each([0, 3, 256])('its ConsumeQueues come out byte for byte from its log (%i maps)', (slotCount) => {
    const { root, theirs, build } = rebuilt(slotCount)
    const ours = filesBelow(join(root, 'consumequeue'))
    expect([...ours.keys()].sort()).toEqual([...theirs.queues.keys()].sort())
    for (const [path, bytes] of theirs.queues) expect(ours.get(path)!.equals(bytes), path).toBe(true)
    expect(build.dispatcher.damagedCount).toBe(0)
  })

  test('its index files come out byte for byte from its log, but for their names', () => {
    const { root, theirs, settings } = rebuilt()
    const ours = [...filesBelow(join(root, 'index'))].sort().map(([, bytes]) => bytes)
    const apaches = [...theirs.index].sort().map(([, bytes]) => bytes)
    expect(ours.length).toBe(apaches.length)
    for (const [file, bytes] of ours.entries()) {
      expect(bytes.length).toBe(indexLayout(settings).fileSize)
      expect(bytes.equals(apaches[file]), `index file ${file}`).toBe(true)
    }
  })

  test('dispatching it again over its own files changes no byte', () => {
    const root = recordedStore(kind)
    const settings = storeSettings(root, LEVELS)
    const before = filesBelow(root)
    const build = rig(settings)
    dispatchAll(build, 0, endOfLog(settings))
    build.close()
    const after = filesBelow(root)
    expect([...after.keys()].filter((path) => !before.has(path))).toEqual([])
    for (const [path, bytes] of before) expect(after.get(path)!.equals(bytes), path).toBe(true)
  })

  test('every message that a consumer pulled is found by its queue and offset', () => {
    const root = recordedStore(kind)
    const settings = storeSettings(root)
    const shared = new QueueReaders(settings)
    using log = new LogReader(settings)
    for (const message of stored) {
      const { topic, queueId, queueOffset } = message
      const reader = new QueueReader({ settings, topic, queueId, shared })
      const batch = reader.read(queueOffset, 1, queueOffset + 1)
      expect(batch.count).toBe(1)
      expect(batch.physicalOffset(0)).toBe(message.commitLogOffset)
      const record = decodeRecord(log.readCold(batch.physicalOffset(0), batch.size(0))!)!
      expect(record.properties.get('UNIQ_KEY')).toBe(message.properties.UNIQ_KEY)
    }
    shared.close()
  })

  test('every message that a consumer pulled is found by its unique key and by each of its keys', async () => {
    const root = recordedStore(kind)
    const settings = storeSettings(root)
    const logEnd = endOfLog(settings)
    for (const message of stored) {
      const { topic, properties, commitLogOffset } = message
      for (const key of [properties.UNIQ_KEY, ...(properties.KEYS ?? '').split(' ')]) {
        if (key === undefined || key === '') continue
        // An entry knows its time in whole seconds behind the first of its file. One key has 72 messages, 64 come at most.
        const isShared = key.startsWith('mod')
        const endTimestamp = isShared ? message.storeTimestamp : Number.MAX_SAFE_INTEGER
        const query = { topic, key, maxNum: 64, beginTimestamp: 0, endTimestamp }
        const { records } = await queryByKey({ settings, query, logMin: 0, logEnd })
        const offsets = records.map((record) => decodeRecord(record)!.physicalOffset)
        if (records.length < 64) expect(offsets, `${topic}#${key}`).toContain(commitLogOffset)
        else expect(isShared).toBe(true)
      }
    }
  })
})
