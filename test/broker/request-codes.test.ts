/**
 * Every request code that a broker of RocketMQ 4.9.7 serves, and those of 5.x that the specification lists, sent without a header
 * to a running broker: served, or refused (3) for a reason that stands here.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REQUEST, type RequestName } from '../../src/remoting/request-codes.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { RawPeer } from '../support/raw-peer.ts'

/** As a 4.9.7 broker answered each of the codes 10 to 60, 200 to 230 and 300 to 380 with something else than 3. */
const OF_4_9 = [
  ...[10, 11, 12, 14, 15, 17, 21, 25, 26, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 41, 42, 43, 45, 46],
  ...[50, 51, 52, 53, 54, 200, 201, 202, 203, 204, 207, 208, 215, 222, 223],
  ...[300, 303, 305, 306, 307, 308, 309, 310, 314, 315, 316, 317, 320, 321, 323, 324, 325, 328, 329],
]
/** Of RocketMQ 5, for what its clients and tools ask a broker. */
const OF_5 = [18, 225, 343, 345, 351, 352, 353, 361]

const REFUSED = new Map<number, string>([
  [54, 'answers all secrets on 4.9 (CVE-2024-23321), and no version of 5 has it: the files are where they can be read'],
])

/** 5.x: clients and tools that get 3 do without. */
const OF_5_REFUSED = new Map<RequestName, string>([
  ['QUERY_ASSIGNMENT', 'pop: Java clients rebalance themselves'],
  ['SET_MESSAGE_REQUEST_MODE', 'pop'],
  ['GET_ALL_MESSAGE_REQUEST_MODE', 'pop'],
  ['POP_MESSAGE', 'pop'],
  ['ACK_MESSAGE', 'pop'],
  ['PEEK_MESSAGE', 'pop'],
  ['CHANGE_MESSAGE_INVISIBLETIME', 'pop'],
  ['NOTIFICATION', 'pop'],
  ['POLLING_INFO', 'pop'],
  ['POP_ROLLBACK', 'pop'],
  ['BATCH_ACK_MESSAGE', 'pop'],
  ['RECALL_MESSAGE', 'timer messages'],
])

let broker: TestBroker
let peer: RawPeer

beforeAll(async () => {
  broker = await startTestBroker()
  peer = await RawPeer.connect(broker.address)
})
afterAll(async () => {
  peer.close()
  await broker.close()
})

const codeOf = async (code: number) => (await peer.invoke(code, {})).code

test.each(OF_4_9)('%i of RocketMQ 4.9 is served, or refused for a reason', async (code) => {
  const answered = await codeOf(code)
  if (REFUSED.has(code)) expect(answered).toBe(3)
  else expect(answered).not.toBe(3)
})

test.each(OF_5)('%i of RocketMQ 5 is served', async (code) => {
  expect(await codeOf(code)).not.toBe(3)
})

test('what is refused is refused, and is not forgotten when it is served one day', async () => {
  for (const name of OF_5_REFUSED.keys()) expect([name, await codeOf(REQUEST[name])]).toEqual([name, 3])
})

test('codes of NameServers and clients, and those that nobody has, are answered 3', async () => {
  for (const code of [13, 39, 40, 100, 103, 105, 216, 220, 221, 301, 302, 318, 319, 326, 327, 399, 1001, 99_999]) {
    expect([code, await codeOf(code)]).toEqual([code, 3])
  }
})
