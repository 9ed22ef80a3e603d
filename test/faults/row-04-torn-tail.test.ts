/**
 * Row 4: the last record of the log is torn, at every length.
 *
 * Twice: a record that the process was still copying when it was killed (behind `appended`, never acknowledged), and one
 * that was there and whose end a power cut took. The log ends before it and never earlier, its bytes are gone, the cut is
 * logged with file and byte, and the next message takes its place.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { recordSize, writeRecord } from '../../src/store/commitlog/index.ts'
import type { BrokerProcess } from './support/broker-process.ts'
import {
  bytesAt,
  complaints,
  type FilledStore,
  filledStore,
  killIdle,
  overwrite,
  placeInLog,
} from './support/filled-store.ts'
import { bodyOf, TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const QUEUE = 1
const LOCALHOST = { address: Uint8Array.of(127, 0, 0, 1), port: 40_000 }
const PROPERTIES = 'KEYS\u0001torn\u0002UNIQ_KEY\u00010123456789'
/** What is left of a record: ends of its fields, and places in their middle. */
const KEPT_IN_SHORT = [20, 64, 90]
const CONFIG = { mappedFileSizeCommitLog: 8 * 1024 * 1024 }

test('a record that was being copied when the broker was killed is cut, and nothing before it', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 300, config: CONFIG, end: 'stop' })
  await eachTear(store, tornRecord(0, 0).length, (end, kept) => {
    const place = placeInLog(store.folder, store.config, end)
    const offsets = [...store.ledger.acknowledged.values()].filter(({ queueId }) => queueId === QUEUE)
    const torn = tornRecord(end, offsets.length)
    overwrite(place.path, place.at, torn.subarray(0, kept))
    return { from: end, size: torn.length }
  })
})

test('an acknowledged record whose end a power cut took is cut, and nothing before it', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 300, config: CONFIG, end: 'stop' })
  const { acknowledged } = store.ledger
  await eachTear(store, tornRecord(0, 0).length, (end, kept) => {
    const [number, { physicalOffset }] = [...acknowledged].toSorted(
      ([, a], [, b]) => b.physicalOffset - a.physicalOffset,
    )[0]
    const place = placeInLog(store.folder, store.config, physicalOffset)
    const size = end - physicalOffset
    overwrite(place.path, place.at + kept, Buffer.alloc(size - kept))
    // After a power cut nothing says that more was there.
    rmSync(join(store.folder, 'basalt', 'positions'))
    acknowledged.delete(number)
    return { from: physicalOffset, size }
  })
})

/** Tears the last record at one length after the other; `tear` says where it begins and how long it was. */
async function eachTear(
  store: FilledStore,
  size: number,
  tear: (end: number, kept: number) => { from: number; size: number },
): Promise<void> {
  const all = Array.from({ length: size - 1 }, (_, index) => index + 1)
  const lengths = isLong ? all : [...KEPT_IN_SHORT, size - 1]
  let broker: BrokerProcess = await store.start()
  try {
    for (const kept of lengths) {
      await store.fill(broker, 1)
      const { from, size } = tear(await killIdle(broker), kept)
      const hint = `${kept} bytes of the record at ${from}`
      const place = placeInLog(store.folder, store.config, from)
      const isVisible = bytesAt(place.path, place.at, kept).some((byte) => byte !== 0)
      broker = await store.start()
      const said = complaints(broker).join('\n')
      if (isVisible) expect(said, hint).toContain(`${place.path} byte ${place.at}`)
      expect(bytesAt(place.path, place.at, size), hint).toEqual(Buffer.alloc(size))
      expect(await store.problems(broker), hint).toEqual([])
      await store.fill(broker, 1)
      const next = [...store.ledger.acknowledged.values()].some(({ physicalOffset }) => physicalOffset === from)
      expect(next, `${hint}: the next message takes its place`).toBe(true)
    }
    expect(await store.problems(broker)).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
  } finally {
    await broker.kill()
  }
  expect(store.damage()).toEqual([])
}

/** A record as the append thread writes it at `physicalOffset`. */
function tornRecord(physicalOffset: number, queueOffset: number): Buffer {
  const body = bodyOf(0, 20)
  const bytes = Buffer.alloc(recordSize(body.length, TOPIC.length, PROPERTIES.length, 4, 4))
  writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, {
    queueId: QUEUE,
    queueOffset,
    physicalOffset,
    bornTimestamp: Date.now(),
    bornHost: LOCALHOST,
    storeTimestamp: Date.now(),
    storeHost: LOCALHOST,
    body,
    topic: TOPIC,
    properties: PROPERTIES,
  })
  return bytes
}
