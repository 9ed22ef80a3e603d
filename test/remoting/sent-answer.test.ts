/** What is read of an answer to a send without the decoder is what the decoder reads. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resultOf, resultOfSent } from '../../src/client/producer/send-result.ts'
import { command } from '../../src/remoting/command.ts'
import { decodeCommand, encodeCommand } from '../../src/remoting/frame.ts'
import { SentReader, sendAnswerRoom, writeSendAnswer } from '../../src/remoting/hot/index.ts'
import { framesOf, jsonFrame, SCENARIOS } from './vectors.ts'

const queue = { topic: 'T', brokerName: 'b', queueId: 1 }

/** Whether the frame was read in place; if so, it is what the decoder makes of it. The next one may be like it. */
function agrees(reader: SentReader, frame: Buffer, start = 0): boolean {
  const isRead = reader.read(frame, start, frame.length)
  const decoded = decodeCommand(frame, start)
  if (isRead) {
    expect(decoded).toMatchObject({ code: 0, flag: 1, opaque: reader.sent.opaque, body: undefined })
    expect(resultOfSent(reader.sent, 'id', queue)).toEqual(resultOf('SEND_OK', decoded, 'id', queue))
  } else if (decoded.flag === 1) reader.learn(frame, start, frame.length, decoded)
  return isRead
}

const answer = (ext: Record<string, string> | undefined, opaque = 7, code = 0, serialize: 0 | 1 = 0, remark?: string) =>
  encodeCommand(command(code, 'JAVA', 409, opaque, 1, remark, ext, undefined, serialize))

const id = '7F0000010000614F0000000000000000'
const plain = { queueId: '0', TRACE_ON: 'true', MSG_REGION: 'DefaultRegion', msgId: id, queueOffset: '5' }

const isToSend = ({ answers }: { answers?: number }) => [10, 310, 320].includes(answers ?? 0)

describe.each(SCENARIOS.filter((it) => framesOf(it).some(isToSend)))('%s', (scenario) => {
  test('the recorded answers to sends, all but the first of a kind in place', () => {
    const reader = new SentReader()
    const answers = framesOf(scenario).filter(isToSend)
    const read = answers.filter(({ bytes }) => agrees(reader, bytes))
    if (scenario.startsWith('wire-json')) expect(read.length).toBeGreaterThan(0)
    else expect(read).toEqual([])
  })
})

test("this broker's answers, with numbers of any length", () => {
  const reader = new SentReader()
  const host = Buffer.from('7F0000010000614F')
  const number = fc.oneof(fc.nat(20), fc.nat(), fc.constant(0x7fff_ffff))
  let count = 0
  fc.assert(
    fc.property(number, number, fc.integer({ min: 0, max: 2 ** 45 }), number, (opaque, queueId, physical, offset) => {
      const out = Buffer.alloc(sendAnswerRoom(1, 16, 'DefaultRegion') + 3)
      const asked = { opaque, serialize: 0 }
      const length = writeSendAnswer(out, 3, asked, 0, host, queueId, physical, offset, 'DefaultRegion', true)
      expect(agrees(reader, out.subarray(0, 3 + length), 3)).toBe(count++ > 0)
    }),
  )
})

test('answers of any broker, with values of any kind', () => {
  const word = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.constantFrom('', '0', '00', '-1', '1e3', 'null', `${2 ** 60}`, '"', '\\', '","msgId":"', 'true', 'false'),
  )
  const ext = fc.record(
    {
      queueId: fc.oneof(fc.nat(12).map(String), word),
      queueOffset: fc.oneof(fc.nat().map(String), word),
      msgId: fc.oneof(fc.constantFrom(id, `${id},${id}`), word),
      transactionId: fc.oneof(fc.constant(id), word),
      MSG_REGION: fc.oneof(fc.constantFrom('DefaultRegion', 'naïve'), word),
      TRACE_ON: fc.constantFrom('true', 'false'),
      other: word,
    },
    { requiredKeys: [] },
  )
  const one = fc.record({
    ext: fc.oneof({ weight: 3, arbitrary: fc.constant(plain) }, ext),
    more: ext,
    opaque: fc.integer({ min: -5, max: 0x7fff_ffff }),
    code: fc.constantFrom(0, 0, 0, 10, 1),
    serialize: fc.constantFrom(0 as const, 0 as const, 1 as const),
  })
  fc.assert(
    fc.property(fc.array(one, { minLength: 2, maxLength: 60 }), (answers) => {
      const reader = new SentReader()
      for (const { ext, more, opaque, code, serialize } of answers) {
        agrees(reader, answer({ ...ext, ...(opaque % 3 === 0 ? more : {}) }, opaque, code, serialize))
      }
    }),
  )
})

test('one byte that differs is never overlooked', () => {
  const frame = answer(plain)
  fc.assert(
    fc.property(fc.nat(frame.length - 9), fc.nat(255), (at, byte) => {
      const reader = new SentReader()
      agrees(reader, frame)
      const other = Buffer.from(frame)
      other[8 + at] = byte
      let decodes = true
      try {
        decodeCommand(other)
      } catch {
        decodes = false
      }
      if (decodes) agrees(reader, other)
      else expect(reader.read(other, 0, other.length)).toBe(false)
    }),
    { numRuns: 2000 },
  )
})

test.each([
  [
    'a key twice',
    '{"code":0,"extFields":{"queueId":"1","queueId":"0","msgId":"A","queueOffset":"5"},"flag":1,"opaque":7,"version":1}',
  ],
  [
    'escapes',
    '{"code":0,"extFields":{"a\\"queueId":"1","msgId":"A","queueOffset":"5"},"flag":1,"opaque":7,"version":1}',
  ],
  [
    'numbers without quotes',
    '{"code":0,"extFields":{"queueId":1,"msgId":"A","queueOffset":5},"flag":1,"opaque":7,"version":1}',
  ],
  [
    'values outside of extFields',
    '{"code":0,"msgId":"B","extFields":{"queueId":"1","queueOffset":"5"},"flag":1,"opaque":7,"version":1}',
  ],
  ['no extFields', '{"code":0,"flag":1,"opaque":7,"version":1}'],
])('%s: not kept', (_, header) => {
  const reader = new SentReader()
  const frame = jsonFrame(header)
  expect(agrees(reader, frame)).toBe(false)
  expect(agrees(reader, frame)).toBe(false)
})

test('a broker whose answers change is learnt anew', () => {
  const reader = new SentReader()
  expect([0, 1, 2].map((i) => agrees(reader, answer(plain, i)))).toEqual([false, true, true])
  const other = { ...plain, MSG_REGION: 'elsewhere' }
  const read = Array.from({ length: 30 }, (_, i) => agrees(reader, answer(other, i)))
  expect(read[0]).toBe(false)
  expect(read.slice(16).every((it) => it)).toBe(true)
})
