/** LZ4 and ZSTD: what we pack, what the Java client packed, and what was made to hurt. With Java itself: test/interop. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CompressType, compress, decompress } from '../../src/client/message/compression.ts'
import { lz4SizeMax } from '../../src/client/message/lz4-frame.ts'
import { decodeMessages } from '../../src/client/message/message-ext.ts'
import { recordedStore } from '../store/scratch.ts'

const hasZstd = 'zstdCompressSync' in zlib
if (!hasZstd) {
  console.error(`\n*** SKIPPED: no ZSTD in Node ${process.version}: 22.15 or later has it (npm run test:nodes) ***\n`)
}
const TYPES: CompressType[] = hasZstd ? ['ZLIB', 'LZ4', 'ZSTD'] : ['ZLIB', 'LZ4']

test.each(TYPES)('what %s packs it unpacks, of any size', (type) => {
  const bodies = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 5000 }),
    fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 20_000 }))
      .map(([part, times]) => Buffer.concat(Array<Uint8Array>(times).fill(part))),
  )
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 9 }), (body, level) => {
      const packed = compress(body, type, level)
      expect(decompress(packed, type).equals(body)).toBe(true)
      if (type === 'LZ4') expect(lz4SizeMax(packed)).toBeGreaterThanOrEqual(body.length)
    }),
    { numRuns: 60 },
  )
})

test.each([
  [0, 1281, 'LZ4'],
  [1281, 505, 'ZSTD'],
])('a record of the Java client, at %i of its store (%i bytes, %s), is read', (at, size, type) => {
  if (type === 'ZSTD' && !hasZstd) return
  const log = readFileSync(join(recordedStore('clean'), 'commitlog', '00000000000000000000'))
  const [message] = decodeMessages(log.subarray(at, at + size), 'broker-a')
  expect(message.keys).toEqual([`k${type}`])
  expect(message.body.length).toBe(8000)
  expect(createHash('sha256').update(message.body).digest('hex')).toBe(
    '7aabf9f5b83955a9bbd758ec97ac2cbc963ae94454323b24858514edf71d1b48',
  )
})

test('a small body that would unpack to more than 256 MiB is refused before any of it is unpacked', () => {
  const frame = compress(Buffer.alloc(4 << 20), 'LZ4', 5)
  expect(lz4SizeMax(frame)).toBe(4 << 20)
  // A frame of the old kind says nothing of its size.
  expect(lz4SizeMax(Buffer.concat([frame, Buffer.from('02214c1800', 'hex')]))).toBe(Number.POSITIVE_INFINITY)
  const hurts = Buffer.concat(Array<Buffer>(65).fill(frame))
  expect(hurts.length).toBeLessThan(2 << 20)
  const bombs: [CompressType, Buffer][] = [
    ['LZ4', hurts],
    ['ZLIB', zlib.deflateSync(Buffer.alloc(257 << 20), { level: 1 })],
  ]
  for (const [type, body] of bombs) {
    expect(() => decompress(body, type)).toThrow(expect.objectContaining({ code: 'COMPRESSION' }))
  }
})

test.each(TYPES)('bytes that are no %s are an error of ours, wherever they go wrong', (type) => {
  const packed = compress(Buffer.from('some text, and some more. '.repeat(500)), type, 5)
  fc.assert(
    fc.property(fc.nat(packed.length - 1), fc.nat(255), fc.boolean(), (at, byte, isCut) => {
      const damaged = Buffer.from(isCut ? packed.subarray(0, at) : packed)
      if (!isCut) damaged[at] = byte
      try {
        decompress(damaged, type)
      } catch (error) {
        expect(error).toMatchObject({ code: 'COMPRESSION' })
      }
    }),
    { numRuns: 200 },
  )
})
