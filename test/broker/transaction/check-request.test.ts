/** CHECK_TRANSACTION_STATE against the one that a broker of 4.9.8 sent: header and record, field by field. */
import { expect, test } from 'vitest'
import { checkRequest } from '../../../src/broker/transaction/check-request.ts'
import { checkedCopyOf, halfOf } from '../../../src/broker/transaction/half-message.ts'
import { decodeRecord, type Message } from '../../../src/store/commitlog/index.ts'
import { offsetMsgId, physicalOffsetOf } from '../../../src/store/commitlog/offset-msg-id.ts'
import { framesOf, type RecordedFrame } from '../../remoting/vectors.ts'

const bodyOf = (frame: RecordedFrame) => frame.bytes.subarray(frame.bodyOffset, frame.bodyOffset + frame.bodyLength)
const plain = (message: Message) => ({
  ...message,
  body: Buffer.from(message.body).toString(),
  properties: Object.fromEntries(message.properties),
  // The order of a Java map there, that of the sender here.
  propertiesText: undefined,
})

test.each(['wire-json/transaction', 'wire-rocketmq/transaction'])('%s: as recorded', (scenario) => {
  const recorded = framesOf(scenario).find(({ kind, code }) => kind === 'oneway' && code === 39)!
  const asked = decodeRecord(bodyOf(recorded))!
  // The half in the store, before its check.
  const properties = new Map(asked.properties)
  properties.delete('TRANSACTION_CHECK_TIMES')
  const propertiesText = [...properties].map(([name, value]) => `${name}\u0001${value}`).join('\u0002')
  const half = halfOf({ ...asked, topic: 'RMQ_SYS_TRANS_HALF_TOPIC', properties, propertiesText, queueOffset: 2 })
  if (typeof half === 'string') throw new Error(half)

  const { queueOffset, physicalOffset } = asked
  const stored = { status: 'ok' as const, physicalOffset, queueOffset, storeTimestamp: 0, size: 0 }
  const request = checkRequest(half, checkedCopyOf(half), stored)
  expect(request.ext).toEqual(recorded.header.extFields)
  const body = decodeRecord(request.body!)!
  expect(plain(body)).toEqual(plain(asked))
})

test('an offsetMsgId names its offset, and nothing else is one', () => {
  for (const address of [Uint8Array.of(10, 0, 0, 1), new Uint8Array(16).fill(7)]) {
    for (const offset of [0, 1, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER]) {
      expect(physicalOffsetOf(offsetMsgId({ address, port: 10_911 }, offset))).toBe(offset)
    }
  }
  expect(offsetMsgId({ address: Uint8Array.of(127, 0, 0, 1), port: 24_911 }, 11_848)).toBe(
    '7F0000010000614F0000000000002E48',
  )
  for (const id of [undefined, '', 'x', '7F'.repeat(15), 'F'.repeat(32), 'G'.repeat(32)]) {
    expect(physicalOffsetOf(id)).toBeUndefined()
  }
})
