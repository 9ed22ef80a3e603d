/** Messages of the broker's own, through the real ring and threads: what is stored, when it is told, what is refused. */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { InternalMessage, PutResult } from '../../../src/broker/put/internal-put.ts'
import { internalMessage } from '../../../src/broker/put/stored-message.ts'
import { putRig } from './put-rig.ts'

const HOST = { address: Uint8Array.of(192, 0, 2, 7), port: 40_000 }

function message(body: string | Uint8Array, more: Partial<InternalMessage> = {}): InternalMessage {
  return {
    topic: 'Own',
    queueId: 0,
    body: Buffer.from(body),
    properties: 'TAGS\u0001A',
    flag: 0,
    sysFlag: 0,
    bornTimestamp: 1_795_426_000_000,
    bornHost: HOST,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    ...more,
  }
}

const statusOf = (results: PutResult[]) => results.map(({ status }) => status)

const host = fc.record({
  address: fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
  port: fc.nat(65_535),
})
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const anyMessage = fc.record({
  topic: fc.constantFrom('Own', '%RETRY%group', 'RMQ_SYS_TRANS_HALF_TOPIC'),
  queueId: fc.nat(3),
  body: fc.uint8Array({ maxLength: 3000 }),
  properties: text,
  flag: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  sysFlag: fc.constantFrom(0, 0x1, 0x2, 0x8, 0x301),
  bornTimestamp: fc.nat(2 ** 41),
  bornHost: host,
  storeHost: host,
  reconsumeTimes: fc.nat(1000),
  preparedTransactionOffset: fc.nat(2 ** 40),
})

test('property: what is put is read back field by field, and can be put again', async () => {
  const { puts, stored, control } = await putRig()
  await fc.assert(
    fc.asyncProperty(fc.array(anyMessage, { minLength: 1, maxLength: 20 }), async (messages) => {
      const results = await Promise.all(messages.map((each) => puts.put(each)))
      expect(new Set(statusOf(results))).toEqual(new Set(['ok']))
      for (const [i, result] of results.entries()) {
        expect(control.committed()).toBeGreaterThanOrEqual(result.physicalOffset + result.size)
        const read = (await stored.at(result.physicalOffset))!
        const again = internalMessage(read)
        expect({ ...again, body: Uint8Array.from(again.body) }).toEqual({
          ...messages[i],
          sysFlag: again.sysFlag,
        })
        expect(again.sysFlag & ~0x30).toBe(messages[i].sysFlag)
        expect([read.totalSize, read.queueOffset, read.storeTimestamp, read.bodyIsIntact]).toEqual([
          result.size,
          result.queueOffset,
          result.storeTimestamp,
          true,
        ])
      }
      const again = await puts.put(internalMessage((await stored.at(results[0].physicalOffset))!))
      expect(again).toMatchObject({ status: 'ok', size: results[0].size })
    }),
    { numRuns: 25 },
  )
})

test('the messages of a queue get its offsets in the order of the calls; halves of type 4 get none', async () => {
  const { puts } = await putRig()
  const results = await Promise.all(
    [0, 8, 4, 0, 12, 0].map((sysFlag, i) => puts.put(message(`${i}`, { sysFlag, queueId: 1 }))),
  )
  expect(results.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 0, 2, 0, 3])
  const places = results.map(({ physicalOffset }) => physicalOffset)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
})

test('SYNC_FLUSH: a put is settled when it is on disk, one that does not wait when it is appended', async () => {
  const { puts, faults, control } = await putRig({ flushDiskType: 'SYNC_FLUSH' })
  faults.set('holdSync', 1)
  let isSettled = false
  const waits = puts.put(message('waits')).then((result) => {
    isSettled = true
    return result
  })
  const unwaited = await puts.put(message('unwaited'), { waits: false })
  expect([unwaited.status, unwaited.queueOffset]).toEqual(['ok', 1])
  expect(isSettled).toBe(false)
  faults.set('holdSync', 0)
  const result = await waits
  expect(result.status).toBe('ok')
  expect(control.load('flushed')).toBeGreaterThanOrEqual(result.physicalOffset + result.size)
})

test('SYNC_FLUSH beyond its timeout: flushTimeout, with the place', async () => {
  const { puts, faults, engine, control } = await putRig({ flushDiskType: 'SYNC_FLUSH' })
  faults.set('holdSync', 1)
  const late = puts.put(message('late'))
  await vi.waitFor(() => expect(control.load('appended')).toBeGreaterThan(0))
  engine.moveClock(6000)
  expect(await late).toMatchObject({ status: 'flushTimeout', physicalOffset: 0, queueOffset: 0 })
})

test('a full ring: puts wait for room, in their order, and each is stored once', async () => {
  const { puts, faults, submit, state } = await putRig()
  faults.set('holdAppend', 1)
  const body = Buffer.alloc(100_000)
  const count = Math.ceil((1.5 * submit.capacity) / body.length)
  const all = Array.from({ length: count }, () => puts.put(message(body)))
  expect(puts.waitingCount).toBeGreaterThan(count / 4)
  expect(state.awaited).toBe(1)
  expect(puts.tryPut(message(body), { stored: () => {} })).toBe('later')
  faults.set('holdAppend', 0)
  const results = await Promise.all(all)
  expect(results.map(({ queueOffset }) => queueOffset)).toEqual(all.map((_, i) => i))
  expect(puts.waitingCount).toBe(0)
})

test('a ring that stays full: what waits is refused after a while, and no more waits than the limit', async () => {
  const { puts, faults, submit } = await putRig()
  faults.set('holdAppend', 1)
  const big = Buffer.alloc(submit.maxLength - 1000)
  const taken = Array.from({ length: 5 }, () => puts.put(message(big)))
  const waits = Array.from({ length: 5000 }, () => puts.put(message('small')))
  expect(puts.waitingCount).toBeLessThanOrEqual(4096)
  const refused = await Promise.all(waits)
  expect(new Set(statusOf(refused))).toEqual(new Set(['busy']))
  expect(refused[0].remark).toMatch(/system busy: append has \d+ bytes to take/)
  faults.set('holdAppend', 0)
  expect(statusOf(await Promise.all(taken)).filter((status) => status === 'ok').length).toBeGreaterThan(2)
})

test('a store that takes nothing: refused with its reason, also what already waits', async () => {
  const { puts, faults, submit, state } = await putRig()
  faults.set('holdAppend', 1)
  const taken = Array.from({ length: 5 }, () => puts.put(message(Buffer.alloc(submit.maxLength - 1000))))
  const waits = puts.put(message('waits'))
  state.closed = { code: 14, remark: 'service not available now. the broker is stopping' }
  puts.refuseWaiting()
  expect(await waits).toMatchObject({ status: 'unavailable', remark: state.closed.remark, physicalOffset: -1 })
  expect(await puts.put(message('later'))).toMatchObject({ status: 'unavailable' })
  faults.set('holdAppend', 0)
  expect(statusOf(await Promise.all(taken))).toContain('ok')
})

test('what cannot be stored is illegal, says why, and holds up nothing', async () => {
  const { puts } = await putRig()
  const cases: [Partial<InternalMessage>, RegExp][] = [
    [{ topic: '../../x' }, /illegal characters/],
    [{ topic: '' }, /blank/],
    [{ queueId: -1 }, /queueId is -1/],
    [{ queueId: 0.5 }, /queueId is 0.5/],
    [{ properties: 'x'.repeat(32_768) }, /properties have 32768 bytes/],
    [{ body: Buffer.alloc(9_000_000) }, /bytes of the log, at most/],
    [{ bornHost: { address: new Uint8Array(5), port: 1 } }, /a host of it has 5 bytes/],
  ]
  for (const [more, remark] of cases) {
    const result = await puts.put(message('x', more))
    expect(result.status).toBe('illegal')
    expect(result.remark).toMatch(remark)
  }
  expect(await puts.put(message('next'))).toMatchObject({ status: 'ok', queueOffset: 0 })
})

test('no message where no record starts, nor above what may be seen', async () => {
  const { puts, stored, faults } = await putRig({ flushDiskType: 'SYNC_FLUSH' })
  const { size } = await puts.put(message('first'))
  faults.set('holdSync', 1)
  const { physicalOffset } = await puts.put(message('unseen'), { waits: false })
  expect(physicalOffset).toBe(size)
  for (const offset of [1, size - 1, size, 10 * size, -1, Number.NaN, 0.5, 2 ** 60]) {
    expect(await stored.at(offset)).toBeUndefined()
  }
  faults.set('holdSync', 0)
})
