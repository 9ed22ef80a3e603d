/**
 * Row 2: kill -9 at each named failpoint, then on with what is left to send. Log, ConsumeQueues and index are afterwards,
 * byte for byte, those of a run that nobody interrupted; but for the fields that clocks and sockets fill.
 */
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FAILPOINTS } from '../../src/faults.ts'
import { BLANK_MAGIC, FIELD, listSegments } from '../../src/store/commitlog/index.ts'
import { TestClient } from '../support/client.ts'
import { type BrokerProcess, startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { bytesAt, filesOf, maxOffsets, sizeOf, whenIdle } from './support/filled-store.ts'
import { bodyOf } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { positionsIn, verifyStore } from './support/verify-store.ts'

/** Everything rolls several times within the run. */
const CONFIG = {
  ...TINY,
  maxMessageSize: 4096,
  mappedFileSizeCommitLog: 128 * 1024,
  mappedFileSizeConsumeQueue: 20 * 40,
  maxHashSlotNum: 16,
  maxIndexNum: 100,
  flushConsumeQueueThoroughInterval: 100,
}
const TOPIC = 'Steps'
const QUEUES = 3
const MESSAGES = 360
const UNIT_SIZE = 20

/** Which pass of a point kills. */
const PASSES: Record<(typeof FAILPOINTS)[number], number[]> = {
  'after-append': isLong ? [1, 2, 50, 170, 333] : [50],
  'before-flush': isLong ? [1, 2, 50, 170, 333] : [51],
  'after-flush': isLong ? [1, 2, 50, 170, 333] : [52],
  'mid-dispatch': isLong ? [1, 2, 10, 25] : [10],
  'segment-roll': isLong ? [1, 2, 3] : [2],
  'index-roll': isLong ? [1, 2, 3, 5] : [3],
  checkpoint: isLong ? [1, 2] : [1],
  'json-rename': [1],
}

test('killed at each failpoint, a store ends as that of a run that was not interrupted', async () => {
  using whole = storeFolder()
  {
    await using broker = await startBrokerProcess({ folder: whole.path, config: CONFIG })
    expect(await sendFrom(broker, 0)).toBe(MESSAGES)
    await whenIdle(broker)
    await broker.stop()
  }
  const expected = contentOf(whole.path)
  expect(expected.segments).toBeGreaterThan(3)
  expect(expected.index.length).toBeGreaterThan(5)

  for (const point of FAILPOINTS) {
    for (const pass of PASSES[point]) {
      using folder = storeFolder()
      const hint = `${point}:${pass}`
      // Each message is a pass of these then.
      const flushDiskType = point.endsWith('-flush') ? ('SYNC_FLUSH' as const) : ('ASYNC_FLUSH' as const)
      const config = { ...CONFIG, flushDiskType }
      let sent = 0
      {
        const env = { BASALT_FAILPOINT: hint }
        await using broker = await startBrokerProcess({ folder: folder.path, config, env })
        sent = await sendFrom(broker, 0)
        // The message after it ended the broker, or something beside the messages did.
        await until(
          () => broker.hasExited,
          10_000,
          () => expect.fail(`${hint} was not passed`),
        )
        expect((await broker.exit).signal, hint).toBe('SIGKILL')
      }
      await using broker = await startBrokerProcess({ folder: folder.path, config })
      const stored = (await maxOffsets(broker.address, TOPIC, QUEUES)).reduce((sum, max) => sum + max, 0)
      expect([sent, sent + 1], `${hint}: acknowledged, or under way`).toContain(stored)
      await whenIdle(broker)
      const now = contentOf(folder.path)
      expect(now.log.equals(expected.log.subarray(0, now.log.length)), `${hint}: log after the kill`).toBe(true)
      expect(await sendFrom(broker, stored), hint).toBe(MESSAGES)
      await whenIdle(broker)
      expect(await broker.stop(), hint).toEqual({ status: 0, signal: null })

      const found = contentOf(folder.path)
      expect(found.log.equals(expected.log), `${hint}: log`).toBe(true)
      expect(found.queues, `${hint}: ConsumeQueues`).toEqual(expected.queues)
      expect(found.index, `${hint}: index`).toEqual(expected.index)
      expect(verifyStore(folder.path, CONFIG as Required<typeof CONFIG>), hint).toEqual([])
    }
  }
})

/** Sends the messages from `first` on, one after the other, until one has no answer; returns the number of that one. */
async function sendFrom(broker: BrokerProcess, first: number): Promise<number> {
  const client = new TestClient(broker.address)
  try {
    for (let number = first; number < MESSAGES; number += 1) {
      const properties = {
        KEYS: `k${number}`,
        UNIQ_KEY: `U${String(number).padStart(31, '0')}`,
        TAGS: `T${number % 5}`,
      }
      const options = { queueId: number % QUEUES, defaultTopicQueueNums: QUEUES, properties }
      const answer = await client
        .send(TOPIC, bodyOf(number, 200 + ((number * 37) % 2000)), options)
        .catch((error: Error) => ({ code: -1, remark: error.message }))
      if (answer.code !== 0) {
        if (answer.code !== -1) throw new Error(`message ${number}: ${answer.code} ${answer.remark}`)
        return number
      }
    }
    return MESSAGES
  } finally {
    await client.close()
  }
}

/** What must be equal in two runs. */
function contentOf(folder: string) {
  const { path, size } = { path: `${folder}/commitlog`, size: CONFIG.mappedFileSizeCommitLog }
  const { appended } = positionsIn(folder)!
  const segments = listSegments(path, size)
  const log = Buffer.concat(segments.map((segment) => bytesAt(segment.path, 0, size))).subarray(0, appended)
  maskOpenFields(log, size)
  const queues = Array.from({ length: QUEUES }, (_, queueId) => {
    const queue = `${folder}/consumequeue/${TOPIC}/${queueId}`
    const files = existsSync(queue) ? filesOf(queue) : []
    return files.map((file) => bytesAt(file, 0, sizeOf(file)).toString('hex').replace(/0+$/, ''))
  })
  const index = filesOf(`${folder}/index`).map(indexEntries)
  return { log, queues, index, segments: segments.filter(({ start }) => start < appended).length }
}

/** Clears store and born time, and ports. */
function maskOpenFields(log: Buffer, segmentSize: number): void {
  for (let at = 0; at < log.length; ) {
    if (log.readInt32BE(at + FIELD.magic) === BLANK_MAGIC) {
      at += segmentSize - (at % segmentSize)
      continue
    }
    const size = log.readInt32BE(at)
    log.fill(0, at + FIELD.bornTimestamp, at + FIELD.bornHost)
    log.fill(0, at + FIELD.bornHost + 4, at + FIELD.bornHost + 16)
    log.fill(0, at + FIELD.bornHost + 20, at + FIELD.bornHost + 24)
    at += size
  }
}

/** Key hash, offset and chain of every entry, and all slots. */
function indexEntries(path: string): string {
  const slots = bytesAt(path, 40, 4 * CONFIG.maxHashSlotNum)
  const count = bytesAt(path, 36, 4).readInt32BE()
  const entries = Array.from({ length: count }, (_, entry) => {
    const bytes = bytesAt(path, 40 + slots.length + entry * UNIT_SIZE, UNIT_SIZE)
    return `${bytes.subarray(0, 12).toString('hex')} ${bytes.readInt32BE(16)}`
  })
  return `${slots.toString('hex')} ${entries.join(', ')}`
}
