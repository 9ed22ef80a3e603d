/** What a round does with a half, by its age, its checks and what its sender asked for. */
import { expect, test } from 'vitest'
import { type CheckSettings, decide } from '../../../src/broker/transaction/check-decision.ts'
import { type Half, halfOf } from '../../../src/broker/transaction/half-message.ts'
import { decodeRecord, recordSize, writeRecord } from '../../../src/store/commitlog/index.ts'

const HOST = { address: Uint8Array.of(127, 0, 0, 1), port: 1 }
const SETTINGS: CheckSettings = { transactionTimeOut: 6000, transactionCheckMax: 15, fileReservedTime: 72 }
const NOW = 1_795_426_000_000
const HOUR = 3_600_000

function half(age: number, properties: Record<string, string> = {}, storedAgo = age): Half {
  const all = { REAL_TOPIC: 'Orders', REAL_QID: '0', PGROUP: 'P', ...properties }
  const text = Object.entries(all).map(([name, value]) => `${name}\u0001${value}`)
  const bytes = Buffer.alloc(recordSize(0, 24, Buffer.byteLength(text.join('\u0002'))))
  writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, {
    ...{ queueId: 0, bornTimestamp: NOW - age, storeTimestamp: NOW - storedAgo, bornHost: HOST, storeHost: HOST },
    ...{ body: new Uint8Array(), topic: 'RMQ_SYS_TRANS_HALF_TOPIC', properties: text.join('\u0002') },
  })
  const found = halfOf(decodeRecord(bytes)!)
  if (typeof found === 'string') throw new Error(found)
  return found
}

const immune = (seconds: string) => ({ CHECK_IMMUNITY_TIME_IN_SECONDS: seconds })
const checked = (times: number) => ({ TRANSACTION_CHECK_TIMES: String(times) })

test.each([
  ['just born', half(5999), 'young'],
  ['as old as transactionTimeOut', half(6000), 'check'],
  ['from a client whose clock is ahead', half(-HOUR, {}, 60_000), 'check'],
  ['stored since the round began', half(60_000, {}, 0), 'young'],
  ['checked once less than the limit', half(60_000, checked(14)), 'check'],
  ['checked to the limit', half(60_000, checked(15)), 'expired'],
  ['checked to the limit, and young', half(0, checked(15)), 'expired'],
  ['as old as the log keeps messages', half(72 * HOUR), 'check'],
  ['older than the log keeps messages', half(72 * HOUR + 1), 'expired'],
  ['immune for longer', half(60_000, immune('100')), 'later'],
  ['immune no more', half(100_000, immune('100')), 'check'],
  ['immune for less than transactionTimeOut', half(2000, immune('1')), 'check'],
  ['immune, from a client whose clock is ahead', half(-HOUR, immune('100'), 60_000), 'later'],
  ['with an immunity that is no number', half(60_000, immune('soon')), 'check'],
  ['young, with an immunity that is no number', half(100, immune('-5')), 'young'],
] as const)('a half %s', (_what, one, decision) => {
  expect(decide(one, NOW, NOW, SETTINGS)).toBe(decision)
})
