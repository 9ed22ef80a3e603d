/** The header that is kept for a queue is, byte for byte, what the schema's encoder writes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Outgoing } from '../../../src/client/producer/outgoing.ts'
import { SendFrames } from '../../../src/client/producer/send-frame.ts'
import type { Connection } from '../../../src/remoting/connection.ts'
import { encodeCommand } from '../../../src/remoting/frame.ts'

/** As much of a connection as a frame is written to. */
class Paper {
  out = Buffer.alloc(0)
  written: Buffer[] = []
  reserve(length: number): number {
    this.out = Buffer.alloc(length + 3, 0xee)
    return 3
  }
  advance(length: number): void {
    this.written.push(this.out.subarray(3, 3 + length))
  }
  sendFrame(header: Uint8Array, chunks: Uint8Array[]): void {
    this.written.push(Buffer.from(header), ...chunks.map((chunk) => Buffer.from(chunk)))
  }
}

const name = fc.stringMatching(/^[%|a-zA-Z0-9_-]{1,40}$/)
const outgoing: fc.Arbitrary<Outgoing> = fc.record({
  kind: fc.constantFrom('message' as const, 'batch' as const, 'reply' as const),
  topic: fc.constantFrom('T', 'ns%Topic', '%RETRY%g'),
  body: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(40_000))),
  sysFlag: fc.constantFrom(0, 4, 0x301),
  flag: fc.integer(),
  bornTimestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }), fc.constantFrom(1_764_000_000_000, 1_764_000_000_001)),
  properties: fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('\u0001', '\u0002', '\u0003', 'a', ' ', '~', '"', '\\', '\u007f', 'é') }),
    fc.string({ unit: fc.constantFrom('\u0001', '\u0002', 'a', ' ', '~') }),
    fc.constant('KEYS\u0001a\u0002WAIT\u0001true'),
  ),
  msgId: fc.constant('id'),
  reconsumeTimes: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(20)),
  maxReconsumeTimes: fc.option(fc.nat(20), { nil: undefined, freq: 1 }),
})

test('any send', () => {
  fc.assert(
    fc.property(
      name,
      fc.boolean(),
      fc.array(fc.tuple(outgoing, fc.nat(7), fc.integer(), fc.constantFrom(0, 2)), { minLength: 1 }),
      (group, unitMode, sends) => {
        const frames = new SendFrames({ group, createTopicKey: 'TBW102', defaultTopicQueueNums: 4, unitMode })
        for (const [out, queueId, opaque, flag] of sends) {
          const paper = new Paper()
          frames.write(paper as unknown as Connection, out, queueId, opaque, flag)
          const general = encodeCommand({ ...frames.command(out, queueId), opaque, flag })
          expect(Buffer.concat(paper.written).equals(general)).toBe(true)
        }
      },
    ),
  )
})
