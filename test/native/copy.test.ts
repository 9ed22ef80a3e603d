import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copyBytes, copyWithCrc, crc32 } from '../../src/native/index.ts'

const SIZE = 8192
const shared = () => Buffer.from(new SharedArrayBuffer(SIZE) as unknown as ArrayBuffer)
const bytes = fc.uint8Array({ minLength: 0, maxLength: 2000 })
const start = fc.nat(64)
const at = fc.nat(64)

describe('copies into shared memory', () => {
  test.each([
    [
      'copyBytes',
      (to: Buffer, at: number, from: Buffer, start: number, length: number) => copyBytes(to, at, from, start, length),
    ],
    [
      'copyWithCrc',
      (to: Buffer, at: number, from: Buffer, start: number, length: number) => copyWithCrc(to, at, from, start, length),
    ],
  ])('%s writes the range, and nothing beside it', (_, copy) => {
    fc.assert(
      fc.property(bytes, start, at, (body, start, at) => {
        const from = Buffer.concat([Buffer.alloc(start, 0xaa), body, Buffer.alloc(16, 0xbb)])
        const to = shared()
        copy(to, at, from, start, body.length)
        const expected = Buffer.alloc(SIZE)
        expected.set(body, at)
        expect(expected.equals(to)).toBe(true)
      }),
    )
  })

  test('the CRC is that of zlib, at every length around the steps of 8, 16 and 64 bytes', () => {
    const from = Buffer.from(Array.from({ length: 5000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24))
    const to = shared()
    for (const length of [...Array(300).keys(), 1000, 1024, 4096]) {
      const right = zlibCrc32(from.subarray(7, 7 + length)) | 0
      expect(crc32(from, 7, length)).toBe(right)
      expect(copyWithCrc(to, 5, from, 7, length)).toBe(right)
    }
  })

  test('the CRC is that of zlib, for any bytes', () => {
    fc.assert(
      fc.property(bytes, start, (body, start) => {
        const from = Buffer.concat([Buffer.alloc(start), body])
        expect(crc32(from, start, body.length)).toBe(zlibCrc32(body) | 0)
      }),
    )
  })

  test.each([
    ['behind the source', 0, 90, 11],
    ['behind the target', SIZE - 10, 0, 11],
    ['before the source', 0, -1, 2],
    ['before the target', -1, 0, 2],
    ['of a negative length', 0, 0, -1],
  ])('a range %s is refused, and nothing is written', (_, at, start, length) => {
    const to = shared()
    expect(() => copyWithCrc(to, at, Buffer.alloc(100, 1), start, length)).toThrow(RangeError)
    expect(to.every((byte) => byte === 0)).toBe(true)
  })
})
