/**
 * Row 5: one bit is wrong, in a record's body or header, a ConsumeQueue unit, the index, the checkpoint, the marks.
 *
 * It is found where a checksum or a second number covers it (by recovery when it reads the log; by each pull, between unit
 * and record; by the inspector over the whole store), named with file and byte, costs no message but the one it is in, and
 * never a start. What is built from the log is right again after it was deleted.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { decodeRecord, FIELD } from '../../src/store/commitlog/index.ts'
import { verifyLog } from '../../src/store/recovery/index.ts'
import type { BrokerProcess } from './support/broker-process.ts'
import {
  bytesAt,
  complaints,
  type FilledStore,
  filledStore,
  flipBit,
  keysNotFound,
  killIdle,
  numbersByKey,
  placeInLog,
  sizeOf,
} from './support/filled-store.ts'
import { type Place, readBack, TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const UNIT_SIZE = 20
const INDEX_HEADER = 40
const FLIPS = isLong ? 150 : 6

/** Fields of a record that something else vouches for. In bytes from its start; negative: from its end. */
const RECORD_FIELDS: [what: string, at: (record: Buffer) => number][] = [
  ['size', () => 2],
  ['magic', () => FIELD.magic],
  ['CRC', () => FIELD.bodyCRC + 1],
  ['physical offset', () => FIELD.physicalOffset + 6],
  ['body', () => 88 + 100],
  ['last byte of the body', (record) => 87 + record.readInt32BE(84)],
  ['length of the body', () => 84 + 2],
  ['length of the topic', (record) => 88 + record.readInt32BE(84)],
]

test('a start that reads the log names the record with the wrong bit, and serves all others', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 1200 })
  const victims = victimsOf(store, RECORD_FIELDS.length)
  for (const [index, [, at]] of RECORD_FIELDS.entries()) {
    const { path, at: start } = placeOf(store, victims[index])
    flipBit(path, start + at(bytesAt(path, start, 2048)))
  }
  // Nothing vouches for the log then: a start reads all of it.
  rmSync(join(folder.path, 'basalt', 'positions'))

  await using broker = await store.start()
  const said = complaints(broker).join('\n')
  for (const [index, [what]] of RECORD_FIELDS.entries()) {
    const { path, at } = placeOf(store, victims[index])
    expect(said, what).toContain(`${path} byte ${at}`)
  }
  expect(othersAreServed(store, await readBack(broker.address), victims)).toEqual([])
  await store.fill(broker, 50)
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

test('damage that no start reads is found by the inspector, and by the pull that meets it', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 1200, end: 'stop' })
  const victims = victimsOf(store, RECORD_FIELDS.length)
  for (const [index, [, at]] of RECORD_FIELDS.entries()) {
    const { path, at: start } = placeOf(store, victims[index])
    flipBit(path, start + at(bytesAt(path, start, 2048)))
  }
  const places = new Set(victims.map(([, { physicalOffset }]) => physicalOffset))
  const settings = {
    storePathCommitLog: join(folder.path, 'commitlog'),
    mappedFileSizeCommitLog: store.config.mappedFileSizeCommitLog!,
  }
  const { damaged } = verifyLog(settings, 0, endOf(store))
  expect(new Set(damaged.map(({ from }) => from))).toEqual(places)

  await using broker = await store.start()
  expect(complaints(broker)).toEqual([])
  expect(othersAreServed(store, await readBack(broker.address), victims)).toEqual([])
  const said = complaints(broker).join('\n')
  for (const [index, [what]] of RECORD_FIELDS.entries()) {
    // A pull computes no CRC.
    if (['CRC', 'body', 'last byte of the body'].includes(what)) continue
    const { path, at } = placeOf(store, victims[index])
    expect(said, what).toContain(`${path} byte ${at}`)
  }
})

const UNIT_BITS: [what: string, at: number][] = [
  ['offset, far behind the log', 2],
  ['offset, elsewhere in the log', 6],
  ['size', 10],
  ['sign of the size', 8],
]

test.each(isLong ? UNIT_BITS : UNIT_BITS.slice(0, 2))(
  'a ConsumeQueue unit with a wrong bit in its %s is passed and named; others are served; a rebuild mends it',
  async (_, at) => {
    using folder = storeFolder()
    const store = await filledStore(folder.path, { count: 1200, end: 'stop' })
    const [victim] = victimsOf(store, 1)
    const [, { queueId, queueOffset }] = victim
    const file = queueOffset * UNIT_SIZE - ((queueOffset * UNIT_SIZE) % store.config.mappedFileSizeConsumeQueue!)
    const path = join(folder.path, 'consumequeue', TOPIC, String(queueId), String(file).padStart(20, '0'))
    flipBit(path, queueOffset * UNIT_SIZE - file + at, at === 8 ? 7 : 3)
    {
      await using broker = await store.start()
      const read = await readBack(broker.address)
      const isMended = read.some(({ number }) => number === victim[0])
      expect(othersAreServed(store, read, [victim])).toEqual([])
      const where = `${path} byte ${queueOffset * UNIT_SIZE - file}`
      if (!isMended) expect(complaints(broker).join('\n')).toContain(where)
      expect(await broker.stop()).toEqual({ status: 0, signal: null })
    }
    rmSync(join(folder.path, 'consumequeue', TOPIC, String(queueId)), { recursive: true })
    await using broker = await store.start()
    expect(await store.problems(broker)).toEqual([])
  },
)

test('a wrong bit in the index gives no foreign message, and a rebuild finds every key', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 1200, end: 'stop' })
  const [path] = store.files('index')
  const slots = INDEX_HEADER + 4 * store.config.maxHashSlotNum!
  for (let entry = 100; entry < 300; entry += 7) {
    flipBit(path, slots + entry * UNIT_SIZE + (entry % UNIT_SIZE), entry % 8)
    flipBit(path, INDEX_HEADER + 4 * entry + 3, entry % 8)
  }
  const numbers = [...store.ledger.acknowledged.keys()].slice(0, 200)
  {
    await using broker = await store.start()
    for (const number of numbers) {
      for (const found of await numbersByKey(broker.address, String(number))) expect(found).toBe(number)
    }
    expect(await store.problems(broker)).toEqual([])
    await broker.stop()
  }
  rmSync(join(folder.path, 'index'), { recursive: true })
  await using broker = await store.start()
  expect(await keysNotFound(broker.address, store.ledger)).toEqual([])
})

test(`${FLIPS} wrong bits anywhere, one after the other: every start succeeds, and only what was hit is missing`, async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 1500, end: 'stop' })
  const hitSoFar: Victim[] = []
  let broker: BrokerProcess = await store.start()
  try {
    for (let flip = 0; flip < FLIPS; flip += 1) {
      await store.fill(broker, 20)
      await killIdle(broker)
      const { what, hit } = flipSomewhere(store, flip)
      hitSoFar.push(...hit)
      broker = await store.start()
      const read = await readBack(broker.address)
      expect(othersAreServed(store, read, hitSoFar), `flip ${flip}: ${what}\n${complaints(broker).join('\n')}`).toEqual(
        [],
      )
    }
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
  } finally {
    await broker.kill()
  }
})

type Victim = [number: number, place: Place]

/** Flips a bit in a file of the store; `hit` are the messages that it may cost. */
function flipSomewhere(store: FilledStore, round: number): { what: string; hit: Victim[] } {
  const bit = Math.floor(Math.random() * 8)
  const any = (limit: number) => Math.floor(Math.random() * limit)
  const small = ['checkpoint', 'basalt/positions', 'basalt/queues', 'abort', 'lock']
  const kinds = ['record', 'unit', 'index', 'small', 'record', 'unit'] as const
  const kind = kinds[round % kinds.length]
  if (kind === 'record') {
    const victim = victimsOf(store, 1, true)[0]
    const { path, at } = placeOf(store, victim)
    const byte = any(bytesAt(path, at, 4).readInt32BE())
    flipBit(path, at + byte, bit)
    // No checksum covers the header: the record may claim another one's place, if it is dispatched again.
    const claimed = decodeRecord(bytesAt(path, at, 4096))
    const others = [...store.ledger.acknowledged].filter(
      ([, place]) => place.queueId === claimed?.queueId && place.queueOffset === claimed.queueOffset,
    )
    const what = `bit ${bit} of byte ${byte} of the record at ${victim[1].physicalOffset}`
    return { what, hit: [victim, ...others] }
  }
  if (kind === 'unit') {
    const victim = victimsOf(store, 1, true)[0]
    const [, { queueId, queueOffset }] = victim
    const at = queueOffset * UNIT_SIZE
    const file = at - (at % store.config.mappedFileSizeConsumeQueue!)
    const path = join(store.folder, 'consumequeue', TOPIC, String(queueId), String(file).padStart(20, '0'))
    const byte = any(UNIT_SIZE)
    flipBit(path, at - file + byte, bit)
    return { what: `bit ${bit} of byte ${byte} of unit ${queueOffset} of queue ${queueId}`, hit: [victim] }
  }
  const path = kind === 'index' ? store.files('index').at(-1)! : join(store.folder, small[any(small.length)])
  const at = any(Math.min(sizeOf(path), kind === 'index' ? 40_000 : 4096))
  if (sizeOf(path) > 0) flipBit(path, at, bit)
  return { what: `bit ${bit} of byte ${at} of ${path}`, hit: [] }
}

/** Acknowledged messages, spread over the log; none near its end, which a start cannot tell from a torn one. */
function victimsOf(store: FilledStore, count: number, random = false): Victim[] {
  const all = [...store.ledger.acknowledged].sort(([, a], [, b]) => a.physicalOffset - b.physicalOffset).slice(0, -50)
  const step = Math.floor(all.length / (count + 1))
  return Array.from({ length: count }, (_, i) => all[random ? Math.floor(Math.random() * all.length) : (i + 1) * step])
}

function placeOf(store: FilledStore, [, { physicalOffset }]: Victim) {
  return placeInLog(store.folder, store.config, physicalOffset)
}

/** Every problem with messages other than the victims. */
function othersAreServed(store: FilledStore, read: Awaited<ReturnType<typeof readBack>>, victims: Victim[]): string[] {
  const problems: string[] = []
  const hit = new Set(victims.map(([number]) => number))
  const places = new Map(read.map((message) => [message.number, message]))
  for (const [number, { queueId, physicalOffset }] of store.ledger.acknowledged) {
    if (hit.has(number)) continue
    const found = places.get(number)
    if (found?.queueId !== queueId || found.physicalOffset !== physicalOffset)
      problems.push(`message ${number} of queue ${queueId} at ${physicalOffset} is not served`)
  }
  const strange = read.filter(({ number }) => Number.isNaN(number)).length
  if (strange > victims.length) problems.push(`${strange} messages are not what was sent`)
  return problems.slice(0, 10)
}

function endOf(store: FilledStore): number {
  const { physicalOffset } = [...store.ledger.acknowledged.values()].reduce((a, b) =>
    a.physicalOffset > b.physicalOffset ? a : b,
  )
  const { path, at } = placeInLog(store.folder, store.config, physicalOffset)
  const last = decodeRecord(bytesAt(path, at, 4096))
  expect(readdirSync(join(store.folder, 'commitlog')).length).toBeGreaterThan(0)
  return physicalOffset + last!.totalSize
}
