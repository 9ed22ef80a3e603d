import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RemotingError } from '../../src/errors.ts'
import { answerTo, command, type RemotingCommand } from '../../src/remoting/command.ts'
import { decodeCommand, encodeCommand } from '../../src/remoting/frame.ts'
import {
  genericPull,
  genericSend,
  PULL_ANSWER_ROOM,
  PullFields,
  SendFields,
  scanPull,
  scanSend,
  sendAnswerRoom,
  writePullAnswerHeader,
  writeSendAnswer,
} from '../../src/remoting/hot/index.ts'
import { decodeHeader } from '../../src/remoting/schema.ts'
import { PULL_MESSAGE, PULL_MESSAGE_ANSWER, SEND_MESSAGE_V2 } from '../../src/remoting/schemas/index.ts'
import { framesOf, jsonFrame, SCENARIOS } from './vectors.ts'

/** Fields with the texts in place of their ranges. */
function sendTexts(bytes: Buffer, it: SendFields) {
  const { topicStart, topicEnd, groupStart, groupEnd, defaultTopicStart, defaultTopicEnd, ...rest } = it
  const { bodyStart, bodyEnd, properties, propertiesLength, separators, separatorCount, ...numbers } = rest
  return {
    ...numbers,
    topic: bytes.toString('latin1', topicStart, topicEnd),
    group: bytes.toString('latin1', groupStart, groupEnd),
    defaultTopic: bytes.toString('latin1', defaultTopicStart, defaultTopicEnd),
    body: bytes.toString('latin1', bodyStart, bodyEnd),
    properties: properties.toString('latin1', 0, propertiesLength),
    separators: [...separators.subarray(0, separatorCount)],
  }
}

function pullTexts(bytes: Buffer, it: PullFields) {
  const { topicStart, topicEnd, groupStart, groupEnd, subscriptionStart, subscriptionEnd, ...rest } = it
  const { expressionTypeStart, expressionTypeEnd, ...numbers } = rest
  const optional = (from: number, to: number) => (from < 0 ? undefined : bytes.toString('latin1', from, to))
  return {
    ...numbers,
    topic: bytes.toString('latin1', topicStart, topicEnd),
    group: bytes.toString('latin1', groupStart, groupEnd),
    subscription: optional(subscriptionStart, subscriptionEnd),
    expressionType: optional(expressionTypeStart, expressionTypeEnd),
  }
}

/** Whether the hot path took the frame; if so it read what the generic path reads. */
function sendAgrees(frame: Buffer): boolean {
  const hot = new SendFields()
  if (!scanSend(frame, 0, frame.length, hot)) return false
  const generic = new SendFields()
  const bytes = genericSend(decodeCommand(frame), generic)
  expect(sendTexts(frame, hot)).toEqual(sendTexts(bytes, generic))
  return true
}

function pullAgrees(frame: Buffer): boolean {
  const hot = new PullFields()
  if (!scanPull(frame, 0, frame.length, hot)) return false
  const generic = new PullFields()
  const bytes = genericPull(decodeCommand(frame), generic)
  expect(pullTexts(frame, hot)).toEqual(pullTexts(bytes, generic))
  return true
}

describe.each(SCENARIOS)('%s', (scenario) => {
  const frames = framesOf(scenario)

  test('every recorded V2 send and batch is read in place, equal to the generic way; nothing else is', () => {
    for (const { n, code, kind, bytes } of frames) {
      expect(sendAgrees(bytes), `frame ${n}`).toBe(kind !== 'response' && (code === 310 || code === 320))
    }
  })

  test('every recorded pull is read in place, equal to the generic way; nothing else is', () => {
    for (const { n, code, kind, bytes } of frames) {
      expect(pullAgrees(bytes), `frame ${n}`).toBe(kind !== 'response' && code === 11)
    }
  })

  test('the recorded answers to sends are written byte for byte', () => {
    const answers = frames.filter((it) => [10, 310, 320].includes(it.answers ?? 0) && it.code === 0)
    for (const { n, bytes, opaque, header } of answers) {
      const ext = header.extFields!
      const ids = ext.msgId.split(',')
      const offsets = ids.map((id) => Number.parseInt(id.slice(16), 16))
      const host = Buffer.from(ids[0].slice(0, 16))
      const asked = { opaque, serialize: scenario.startsWith('wire-json') ? 0 : 1 }
      const out = Buffer.alloc(sendAnswerRoom(ids.length, 16, ext.MSG_REGION))
      const length = writeSendAnswer(
        out,
        0,
        asked,
        0,
        host,
        Number(ext.queueId),
        offsets[0],
        Number(ext.queueOffset),
        ext.MSG_REGION,
        ext.TRACE_ON === 'true',
        ids.length === 1 ? undefined : [...offsets.slice(1).map((offset, i) => offset - offsets[i]), 100],
      )
      expect(out.toString('latin1', 0, length), `frame ${n}`).toBe(bytes.toString('latin1'))
    }
  })

  test('the recorded answers to pulls have the header that is written', () => {
    const answers = frames.filter((it) => it.answers === 11 && it.header.extFields?.nextBeginOffset !== undefined)
    for (const { n, bytes, opaque, header, code } of answers) {
      const answer = {
        opaque,
        serialize: scenario.startsWith('wire-json') ? 0 : 1,
        ...decodeHeader(PULL_MESSAGE_ANSWER, header.extFields),
      }
      const body = decodeCommand(bytes).body
      const out = Buffer.alloc(PULL_ANSWER_ROOM)
      const length = writePullAnswerHeader(out, 0, answer, code, header.remark!, body?.length ?? 0)
      const ours = decodeCommand(Buffer.concat([out.subarray(0, length), body ?? Buffer.alloc(0)]))
      expect(ours, `frame ${n}`).toEqual(decodeCommand(bytes))
    }
  })
})

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })
const name = fc.oneof(
  { weight: 30, arbitrary: fc.stringMatching(/^[%|a-zA-Z0-9_-]{0,30}$/) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme' }) },
)
const property = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u0001', '\u0002', '"', '\\', '/', '\n', 'é', '中', 'a', 'b', 'c'),
    fc.string({ minLength: 1, maxLength: 1 }),
  ),
})
const asText = (value: fc.Arbitrary<number | boolean>) => value.map(String)
/** Numbers and booleans as Java writes them, as ali-ons does, and as nobody should. */
const number = fc.oneof(
  { weight: 60, arbitrary: asText(int32) },
  { weight: 30, arbitrary: int32 as fc.Arbitrary<unknown> },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' 5',
      '+5',
      '007',
      '1.5',
      '1e3',
      1.5,
      '2147483648',
      2147483648,
      null,
      true,
      '-',
      '-0',
      -0,
      '٣',
    ),
  },
)
const long = fc.oneof(
  { weight: 60, arbitrary: asText(fc.integer({ min: -1, max: 2 ** 41 })) as fc.Arbitrary<unknown> },
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 2 ** 49 - 1 }) },
  { weight: 1, arbitrary: fc.constantFrom('9223372036854775807', '123456789012345678', 'x', '') },
)
const bool = fc.oneof(
  { weight: 60, arbitrary: asText(fc.boolean()) as fc.Arbitrary<unknown> },
  { weight: 30, arbitrary: fc.boolean() },
  { weight: 1, arbitrary: fc.constantFrom('TRUE', '', 'yes', 1, null) },
)
const shuffled = (ext: fc.Arbitrary<Record<string, unknown>>) =>
  ext.chain((it) => fc.shuffledSubarray(Object.entries(it), { minLength: Object.keys(it).length }))

const rarely = <T>(it: fc.Arbitrary<T>) => fc.option(it, { nil: undefined, freq: 40 })
const seldom = <T>(it: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: it })
const sendExt = shuffled(
  fc.record({
    a: rarely(name),
    b: rarely(name),
    c: rarely(name),
    d: rarely(number),
    e: rarely(number),
    f: rarely(number),
    g: rarely(long),
    h: rarely(number),
    i: fc.option(
      fc.oneof({ weight: 9, arbitrary: property }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) }),
      { nil: undefined },
    ),
    j: fc.option(number, { nil: undefined }),
    k: fc.option(bool, { nil: undefined }),
    l: fc.option(number, { nil: undefined }),
    m: fc.option(bool, { nil: undefined }),
    n: fc.option(name, { nil: undefined }),
    other: seldom(fc.jsonValue()),
    o: fc.option(number, { nil: undefined }),
  }),
)
const pullExt = shuffled(
  fc.record({
    consumerGroup: rarely(name),
    topic: rarely(name),
    queueId: rarely(number),
    queueOffset: rarely(long),
    maxMsgNums: rarely(number),
    sysFlag: rarely(number),
    commitOffset: rarely(long),
    suspendTimeoutMillis: rarely(long),
    subscription: fc.option(
      fc.oneof(fc.constant('TagA || TagB'), fc.constant('*'), fc.constant("a > 5 AND b = '中'"), property),
      { nil: undefined },
    ),
    subVersion: rarely(long),
    expressionType: fc.option(fc.constantFrom('TAG', 'SQL92', ''), { nil: undefined }),
    bname: fc.option(name, { nil: undefined }),
    ReqT: fc.option(fc.constant('0'), { nil: undefined }),
    maxMsgBytes: fc.option(number, { nil: undefined }),
    requestSource: fc.option(number, { nil: undefined }),
    proxyFrowardClientId: fc.option(name, { nil: undefined }),
  }),
)

/** JSON text of entries in the order given; repeats and escapes as asked for. */
const objectText = (entries: [string, unknown][], ascii: boolean) => {
  const members = entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${JSON.stringify(key)}:${Object.is(value, -0) ? '-0' : JSON.stringify(value)}`)
  const text = `{${members.join(',')}}`
  const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  return ascii ? text.replace(/[\u0080-\uffff]/g, escaped) : text
}

const headerText = (codes: number[], ext: fc.Arbitrary<[string, unknown][]>) =>
  fc
    .record({
      ext,
      ascii: fc.boolean(),
      repeat: seldom(fc.constantFrom('code', 'opaque', 'extFields', 'inner')),
      top: fc.record({
        code: fc.oneof(
          { weight: 9, arbitrary: fc.constantFrom(...codes) as fc.Arbitrary<unknown> },
          { weight: 1, arbitrary: fc.constantFrom('310', 11.5, 17) },
        ),
        flag: fc.constantFrom<unknown>(0, 2, 2, 0, 0, 0, 0, 2, 1, '2'),
        language: fc.constantFrom<unknown>('JAVA', 'OTHER', 7),
        opaque: fc.oneof<fc.Arbitrary<unknown>[]>(int32, int32, int32, int32, int32, fc.constantFrom('5', -0, 1.5)),
        remark: fc.option(property, { nil: undefined }),
        version: fc.constantFrom(121, 409, 479),
        odd: seldom(fc.jsonValue()),
      }),
      order: seldom(fc.integer({ min: 0, max: 7 })),
      end: fc.constantFrom('', '', '', '', '', '', '\n', ' x'),
    })
    .map(({ ext, ascii, repeat, top, order, end }) => {
      const inner = repeat === 'inner' && ext.length > 0 ? [...ext, ext[0]] : ext
      const { code, ...rest } = top
      const members: [string, string][] = Object.entries({ code, ...rest })
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => [key, Object.is(value, -0) ? '-0' : JSON.stringify(value)])
      members.splice(order ?? 1, 0, ['extFields', objectText(inner, ascii)])
      if (repeat === 'code') members.push(['code', '310'])
      if (repeat === 'opaque') members.push(['opaque', '77'])
      if (repeat === 'extFields') members.push(['extFields', '{}'])
      return `{${members.map(([key, value]) => `"${key}":${value}`).join(',')}}${end}`
    })

/** Runs the property; the share of frames that the hot path took must not be nothing. */
function holds(texts: fc.Arbitrary<string>, agrees: (frame: Buffer) => boolean): void {
  let taken = 0
  fc.assert(
    fc.property(texts, fc.uint8Array({ maxLength: 20 }), (text, body) => {
      if (agrees(jsonFrame(text, body))) taken++
    }),
    { numRuns: 3000 },
  )
  expect(taken).toBeGreaterThan(30)
}

test('any JSON send that is read in place is read as the generic way reads it', () => {
  holds(headerText([310, 320], sendExt), sendAgrees)
})

test('any JSON pull that is read in place is read as the generic way reads it', () => {
  holds(headerText([11, 361], pullExt), pullAgrees)
})

test('any change of a byte of a send or pull gives what the generic way gives, or goes there', () => {
  const send = framesOf('wire-json/send').find((it) => it.code === 310)!.bytes
  const pull = framesOf('wire-json/pull').find((it) => it.code === 11)!.bytes
  const binary = framesOf('wire-rocketmq/send').find((it) => it.code === 310)!.bytes
  const binaryPull = framesOf('wire-rocketmq/pull').find((it) => it.code === 11)!.bytes
  for (const frame of [send, pull, binary, binaryPull]) {
    const headerEnd = 8 + (frame.readInt32BE(4) % 0x100_0000)
    for (let at = 8; at < headerEnd; at++) {
      for (const value of [
        0x00,
        0x20,
        0x22,
        0x2c,
        0x2d,
        0x30,
        0x5c,
        0x61,
        0x7b,
        0x7d,
        0x80,
        0xc3,
        0xff,
        frame[at] ^ 1,
      ]) {
        const bytes = Buffer.from(frame)
        bytes[at] = value
        try {
          sendAgrees(bytes)
          pullAgrees(bytes)
        } catch (error) {
          expect(error, `byte ${at} = ${value}: ${bytes.toString('latin1')}`).toBeInstanceOf(RemotingError)
          throw error
        }
      }
    }
  }
})

test.each([0, 1] as const)('any command with the fields of a send or pull agrees, serialize type %i', (serialize) => {
  const ext = (keys: string[], texts: string[]) =>
    fc.record(
      Object.fromEntries(
        keys.map((key) => [key, rarely(texts.includes(key) ? property : asText(fc.integer({ min: -1, max: 9 })))]),
      ),
    )
  const sends = ext([...'abcdefghijlno'], ['a', 'b', 'c', 'i', 'n', 'o'])
  const pulls = ext(Object.keys(PULL_MESSAGE.fields), ['topic', 'consumerGroup', 'subscription', 'expressionType'])
  fc.assert(
    fc.property(sends, pulls, int32, (sendFields, pullFields, opaque) => {
      const clean = (fields: object) =>
        Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<string, string>
      const send = command(310, 'JAVA', 409, opaque, 2, undefined, clean(sendFields), undefined, serialize)
      const pull = command(361, 'GO', 409, opaque, 0, undefined, clean(pullFields), undefined, serialize)
      sendAgrees(encodeCommand(send))
      pullAgrees(encodeCommand(pull))
    }),
    { numRuns: 1000 },
  )
})

test('what clients really send is read in place: ali-ons numbers, jsoncpp line ends, Chinese text, escapes', () => {
  const required = '"a":"g","b":"T","c":"TBW102","d":4,"e":-1,"f":0,"g":1795426768209,"h":0'
  const text = (ext: string, end = '') =>
    `{"code":310,"extFields":{${required}${ext}},"flag":0,"opaque":7,"version":121}${end}`
  expect(sendAgrees(jsonFrame(text(',"i":"TAGS\\u0001中\\u4e2d\\n\\/","k":false')))).toBe(true)
  expect(sendAgrees(jsonFrame(text(',"k":"true","m":"true","l":"3","zone":"x","y":5,"w":true', '\n')))).toBe(true)
  expect(sendAgrees(jsonFrame(text(',"i":""')))).toBe(true)
})

test('a header that ends early, or lies about its length, is not read beyond its end', () => {
  const frame = framesOf('wire-json/send').find((it) => it.code === 310)!.bytes
  const headerLength = frame.readInt32BE(4)
  for (let length = 0; length < headerLength; length++) {
    const bytes = Buffer.from(frame)
    bytes.writeInt32BE(length, 4)
    expect(scanSend(bytes, 0, bytes.length, new SendFields())).toBe(false)
  }
})

test('a header like one that was read before is read as the generic way reads it, whatever byte of it differs', () => {
  const frame = framesOf('wire-json/send').find((it) => it.code === 310)!.bytes
  const headerEnd = 8 + frame.readUIntBE(5, 3)
  for (let at = 8; at < headerEnd; at++) {
    for (const byte of [0x30, 0x39, 0x22, 0x5c, 0x2d, 0x2c, 0x7d, 0x41, frame[at] ^ 1]) {
      expect(sendAgrees(frame)).toBe(true)
      const other = Buffer.from(frame)
      other[at] = byte
      try {
        sendAgrees(other)
      } catch (error) {
        // What no JSON parser takes, or misses a field, is not read in place either.
        if (!(error instanceof RemotingError)) throw error
        expect(scanSend(other, 0, other.length, new SendFields())).toBe(false)
      }
    }
  }
})

test('an answer is nobody’s send or pull', () => {
  const send = decodeCommand(framesOf('wire-json/send').find((it) => it.code === 310)!.bytes)
  expect(
    scanSend(encodeCommand({ ...send, flag: 1 }), 0, encodeCommand({ ...send, flag: 1 }).length, new SendFields()),
  ).toBe(false)
})

test('properties beyond what fits are refused by the generic way, with a code', () => {
  const ext = { a: 'g', b: 'T', c: 'c', d: '4', e: '0', f: '0', g: '1', h: '0', i: 'x'.repeat(70_000) }
  const send = command(310, 'JAVA', 409, 1, 0, undefined, ext, undefined, 0)
  const frame = encodeCommand(send)
  expect(scanSend(frame, 0, frame.length, new SendFields())).toBe(false)
  expect(() => genericSend(send, new SendFields())).toThrow(expect.objectContaining({ code: 'PROPERTIES_TOO_LONG' }))
  expect(decodeHeader(SEND_MESSAGE_V2, ext).properties).toHaveLength(70_000)
})

const position = fc.integer({ min: 0, max: 2 ** 53 - 1 })

test.each([0, 1] as const)('any answer to a send is the generic encoding of it, serialize type %i', (serialize) => {
  fc.assert(
    fc.property(
      int32,
      fc.constantFrom(0, 10, 11, 12),
      fc.constantFrom('7F0000010000614F', 'FE80000000000000020000FFFE00000100002A9F'),
      fc.nat(),
      fc.integer({ min: 0, max: 2 ** 52 }),
      position,
      fc.constantFrom('DefaultRegion', 'r', 'köln "1"'),
      fc.boolean(),
      fc.option(fc.array(fc.integer({ min: 90, max: 5_000_000 }), { minLength: 1, maxLength: 40 }), { nil: undefined }),
      (opaque, code, host, queueId, physicalOffset, queueOffset, region, traceOn, sizes) => {
        const asked = command(310, 'JAVA', 409, opaque, 0, undefined, undefined, undefined, serialize)
        const ids = (sizes ?? [0]).map((_, i) => {
          const offset = (sizes ?? []).slice(0, i).reduce((sum, size) => sum + size, physicalOffset)
          return host + offset.toString(16).toUpperCase().padStart(16, '0')
        })
        const texts = { queueId: `${queueId}`, queueOffset: `${queueOffset}` }
        const generic: RemotingCommand = {
          ...answerTo(asked, code),
          ext:
            serialize === 0
              ? {
                  queueId: texts.queueId,
                  TRACE_ON: String(traceOn),
                  MSG_REGION: region,
                  msgId: ids.join(','),
                  queueOffset: texts.queueOffset,
                }
              : { msgId: ids.join(','), ...texts, TRACE_ON: String(traceOn), MSG_REGION: region },
        }
        const hostHex = Buffer.from(host)
        const out = Buffer.alloc(3 + sendAnswerRoom(ids.length, hostHex.length, region))
        const length = writeSendAnswer(
          out,
          3,
          asked,
          code,
          hostHex,
          queueId,
          physicalOffset,
          queueOffset,
          region,
          traceOn,
          sizes,
        )
        expect(out.toString('utf8', 3, 3 + length)).toBe(encodeCommand(generic).toString('utf8'))
      },
    ),
  )
})

test.each([0, 1] as const)(
  'the answers of one broker, one after the other, are each their own, serialize type %i',
  (serialize) => {
    const hostHex = Buffer.from('7F00000100002A9F')
    const out = Buffer.alloc(1024)
    const few = fc.oneof(fc.integer({ min: 0, max: 99 }), fc.maxSafeNat())
    const opaque = fc.oneof(fc.integer({ min: 10, max: 99 }), int32)
    fc.assert(
      fc.property(fc.array(fc.tuple(opaque, fc.nat(12), few, few, fc.boolean()), { minLength: 20 }), (answers) => {
        for (const [opaque, queueId, physicalOffset, queueOffset, traceOn] of answers) {
          out.fill(0xee)
          const asked = { opaque, serialize }
          const length = writeSendAnswer(
            out,
            5,
            asked,
            0,
            hostHex,
            queueId,
            physicalOffset,
            queueOffset,
            'DefaultRegion',
            traceOn,
          )
          const { ext, ...rest } = decodeCommand(out, 5, 5 + length)
          expect(rest).toMatchObject({ code: 0, opaque, flag: 1, serialize, remark: undefined, body: undefined })
          expect(ext).toEqual({
            queueId: `${queueId}`,
            TRACE_ON: String(traceOn),
            MSG_REGION: 'DefaultRegion',
            msgId: `${hostHex}${physicalOffset.toString(16).toUpperCase().padStart(16, '0')}`,
            queueOffset: `${queueOffset}`,
          })
        }
      }),
    )
  },
)

test.each([0, 1] as const)('any answer to a pull is the generic encoding of it, serialize type %i', (serialize) => {
  fc.assert(
    fc.property(
      int32,
      fc.nat({ max: 3000 }),
      position,
      position,
      position,
      fc.nat({ max: 16e6 }),
      (opaque, code, next, min, max, bodyLength) => {
        const answer = {
          opaque,
          serialize,
          suggestWhichBrokerId: 0,
          nextBeginOffset: next,
          minOffset: min,
          maxOffset: max,
        }
        const asked = command(11, 'JAVA', 409, opaque, 0, undefined, undefined, undefined, serialize)
        const texts = { next: `${next}`, min: `${min}`, max: `${max}` }
        const generic: RemotingCommand = {
          ...answerTo(asked, code, 'OFFSET_OVERFLOW_BADLY'),
          ext:
            serialize === 0
              ? { suggestWhichBrokerId: '0', nextBeginOffset: texts.next, maxOffset: texts.max, minOffset: texts.min }
              : { suggestWhichBrokerId: '0', nextBeginOffset: texts.next, minOffset: texts.min, maxOffset: texts.max },
        }
        const out = Buffer.alloc(PULL_ANSWER_ROOM)
        const length = writePullAnswerHeader(out, 0, answer, code, 'OFFSET_OVERFLOW_BADLY', bodyLength)
        expect(out.readInt32BE(0)).toBe(length - 4 + bodyLength)
        out.writeInt32BE(length - 4, 0)
        expect(out.toString('latin1', 0, length)).toBe(encodeCommand(generic).toString('latin1'))
      },
    ),
  )
})
