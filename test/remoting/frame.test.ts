import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { command, LANGUAGES, type RemotingCommand } from '../../src/remoting/command.ts'
import { decodeCommand, encodeCommand } from '../../src/remoting/frame.ts'
import { framesOf, jsonFrame, SCENARIOS } from './vectors.ts'

describe.each(SCENARIOS)('every frame of %s', (scenario) => {
  const frames = framesOf(scenario)

  test('decodes to the recorded header and body', () => {
    for (const frame of frames) {
      const it = decodeCommand(frame.bytes)
      const { code, version, opaque, flag, remark, extFields } = frame.header
      const language =
        typeof frame.header.language === 'number' ? LANGUAGES[frame.header.language] : frame.header.language
      expect({ ...it, ext: it.ext ?? {}, body: undefined }, `frame ${frame.n}`).toEqual({
        code,
        language,
        version,
        opaque,
        flag,
        remark,
        ext: extFields ?? {},
        body: undefined,
        serialize: scenario.startsWith('wire-json') ? 0 : 1,
      })
      expect(Buffer.from(it.body ?? [])).toEqual(frame.bytes.subarray(frame.bodyOffset))
    }
  })

  test('encodes back to the same bytes', () => {
    for (const frame of frames) {
      expect(encodeCommand(decodeCommand(frame.bytes)).toString('latin1'), `frame ${frame.n}`).toBe(
        frame.bytes.toString('latin1'),
      )
    }
  })
})

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })
const commands = (serialize: 0 | 1, least: number) =>
  fc.record({
    code: fc.integer({ min: -0x8000, max: 0x7fff }),
    language: fc.constantFrom(...LANGUAGES),
    version: fc.integer({ min: 0, max: 0x7fff }),
    opaque: int32,
    flag: int32,
    remark: fc.option(fc.string({ unit: 'grapheme', minLength: least }), { nil: undefined }),
    ext: fc.option(
      fc.dictionary(fc.string({ minLength: least }), fc.string({ unit: 'grapheme', minLength: least }), {
        minKeys: 1,
        noNullPrototype: true,
      }),
      { nil: undefined },
    ),
    body: fc.option(fc.uint8Array({ minLength: 1 }), { nil: undefined }),
    serialize: fc.constant(serialize),
  }) satisfies fc.Arbitrary<RemotingCommand>

test.each([
  { serialize: 0, least: 0 },
  { serialize: 1, least: 1 },
] as const)('any command comes back from a frame of serialize type $serialize', ({ serialize, least }) => {
  fc.assert(
    fc.property(commands(serialize, least), (it) => {
      const back = decodeCommand(encodeCommand(it))
      expect({ ...back, body: back.body && new Uint8Array(back.body) }).toEqual(it)
    }),
  )
})

test('numbers and booleans in extFields become text, null goes, unknown keys are ignored, in any order', () => {
  const it = decodeCommand(
    jsonFrame('{"version":121,"xyz":[1],"opaque":7,"extFields":{"e":0,"k":false,"i":null,"j":"x"},"code":310}'),
  )
  expect(it).toEqual(command(310, 'JAVA', 121, 7, 0, undefined, { e: '0', k: 'false', j: 'x' }, undefined, 0))
})

test('control characters in texts are taken, as Java takes them; nested values become text', () => {
  const it = decodeCommand(jsonFrame('{"code":310,"extFields":{"i":"TAGS\u0001a\u0002KEYS\u0001b","x":{"y":[1]}}}'))
  expect(it.ext).toEqual({ i: 'TAGS\u0001a\u0002KEYS\u0001b', x: '{"y":[1]}' })
  expect(() => decodeCommand(jsonFrame(`{"extFields":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`))).toThrow(
    expect.objectContaining({ code: 'BAD_HEADER' }),
  )
})

test.each([
  ['a serialize type of 7', Buffer.from([0, 0, 0, 4, 7, 0, 0, 0]), 'BAD_SERIALIZE_TYPE'],
  ['a header longer than the frame', Buffer.from([0, 0, 0, 4, 0, 0, 0, 1]), 'BAD_HEADER_LENGTH'],
  ['an empty header', Buffer.from([0, 0, 0, 4, 0, 0, 0, 0]), 'BAD_HEADER'],
  ['a header that is no JSON', jsonFrame('{"code":'), 'BAD_HEADER'],
  ['a header that is a list', jsonFrame('[1]'), 'BAD_HEADER'],
  ['a code that is no number', jsonFrame('{"code":"x"}'), 'BAD_HEADER'],
  ['an opaque beyond 32 bits', jsonFrame('{"code":1,"opaque":4294967296}'), 'BAD_HEADER'],
  ['extFields that are a text', jsonFrame('{"code":1,"extFields":"x"}'), 'BAD_HEADER'],
  ['a binary header that is too short', Buffer.from([0, 0, 0, 8, 1, 0, 0, 4, 0, 0, 0, 0]), 'BAD_HEADER'],
])('a frame with %s is an error with a code', (_, bytes, code) => {
  expect(() => decodeCommand(bytes)).toThrow(expect.objectContaining({ code }))
})

test('any change of any byte of a binary frame decodes or fails with a RemotingError', () => {
  const frame = encodeCommand(command(310, 'JAVA', 409, 1, 0, 'why', { a: 'group', b: 'topic' }, undefined, 1))
  for (let at = 4; at < frame.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const bytes = Buffer.from(frame)
      bytes[at] = value
      try {
        decodeCommand(bytes)
      } catch (error) {
        expect(error).toMatchObject({ name: 'RemotingError' })
      }
    }
  }
})

test('a code of more than 16 bits is refused by a binary header, not cut', () => {
  const it = command(200_050, 'JAVA', 479, 1, 0, undefined, undefined, undefined, 1)
  expect(() => encodeCommand(it)).toThrow('200050')
})
