import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  blockCount,
  changedSince,
  checksumsFolder,
  checksumsPath,
  decodeChecksums,
  encodeChecksums,
  forgetChecksums,
  forgetChecksumsFrom,
  listChecksums,
  readChecksums,
  type SegmentChecksums,
  writeChecksums,
} from '../../../src/store/checksums/checksum-file.ts'
import { scratchFolder } from '../scratch.ts'

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const checksums: fc.Arbitrary<SegmentChecksums> = fc
  .record({
    start: fc.nat(),
    size: fc.integer({ min: 1, max: 20 * 1024 * 1024 }),
    hashedAt: fc.nat(),
    modifiedAt: u64,
    inode: u64,
    seed: u64,
  })
  .map(({ seed, ...rest }) => {
    const hashes = BigUint64Array.from({ length: blockCount(rest.size) }, (_, i) => seed ^ BigInt(i))
    return { ...rest, hashes }
  })

function some(start: number): SegmentChecksums {
  const size = 2 * 1024 * 1024 + 5
  return { start, size, hashedAt: 17, modifiedAt: 4n, inode: 9n, hashes: BigUint64Array.of(1n, 2n, 2n ** 64n - 1n) }
}

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(checksums, (given) => {
      expect(decodeChecksums(encodeChecksums(given))).toEqual({ kind: 'ok', checksums: given })
    }),
  )
})

test('the documented bytes', () => {
  const bytes = encodeChecksums(some(65_536))
  expect(bytes.toString('hex')).toMatch(
    /^42534353000000010010000000000003000000000001000000000000002000050000000000000011000000000000000400000000000000090000000000000001/,
  )
  expect(bytes.length).toBe(56 + 3 * 8 + 4)
})

test('one wrong bit, or a file that is cut or longer, is a reason in words', () => {
  fc.assert(
    fc.property(checksums, fc.nat(), fc.nat(7), fc.integer({ min: -200, max: 200 }), (given, place, bit, change) => {
      const flipped = encodeChecksums(given)
      flipped[place % flipped.length] ^= 1 << bit
      expect(decodeChecksums(flipped)).toMatchObject({ kind: 'bad', problem: expect.stringMatching(/./) })
      if (change === 0) return
      const whole = encodeChecksums(given)
      const other =
        change < 0
          ? whole.subarray(0, Math.max(0, whole.length + change))
          : Buffer.concat([whole, Buffer.alloc(change)])
      expect(decodeChecksums(other).kind).toBe('bad')
    }),
  )
})

test('random bytes are no checksums, and nothing throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decodeChecksums(Buffer.from(bytes)).kind).toBe('bad')
    }),
  )
})

test('written, read, listed, forgotten', () => {
  const root = scratchFolder()
  expect(readChecksums(root, 0)).toEqual({ kind: 'missing' })
  expect(listChecksums(root)).toEqual({ starts: [], strays: [] })
  for (const start of [0, 65_536, 131_072, 196_608]) writeChecksums(root, some(start))
  expect(readChecksums(root, 65_536)).toEqual({ kind: 'ok', checksums: some(65_536) })
  const stray = join(checksumsFolder(root), '00000000000000000000.tmp')
  writeFileSync(stray, 'half')
  expect(listChecksums(root)).toEqual({ starts: [0, 65_536, 131_072, 196_608], strays: [stray] })
  forgetChecksums(root, 0)
  forgetChecksums(root, 0)
  // The log goes on in the middle of the second one.
  forgetChecksumsFrom(root, 140_000, 65_536)
  expect(listChecksums(root).starts).toEqual([65_536])
  expect(readdirSync(checksumsFolder(root)).sort()).toEqual(['00000000000000000000.tmp', '00000000000000065536'])
})

test('a file under the name of another segment, and one that cannot be read, are reasons too', () => {
  const root = scratchFolder()
  writeChecksums(root, some(0))
  writeFileSync(checksumsPath(root, 65_536), readFileSync(checksumsPath(root, 0)))
  expect(readChecksums(root, 65_536)).toMatchObject({ kind: 'bad', problem: expect.stringMatching(/begins at 0/) })
  mkdirSync(checksumsPath(root, 131_072))
  expect(readChecksums(root, 131_072)).toMatchObject({ kind: 'bad', problem: expect.stringMatching(/EISDIR/) })
  symlinkSync(checksumsPath(root, 196_608), checksumsPath(root, 196_608))
  expect(readChecksums(root, 196_608)).toMatchObject({ kind: 'bad', problem: expect.stringMatching(/ELOOP/) })
})

test('a folder that is a file refuses the write with the system’s error', () => {
  const root = scratchFolder()
  mkdirSync(dirname(checksumsFolder(root)))
  writeFileSync(checksumsFolder(root), '')
  expect(() => writeChecksums(root, some(0))).toThrow(/EEXIST/)
})

test('who wrote to the segment after it was hashed is told from a bad disk', () => {
  const root = scratchFolder()
  const path = join(root, 'segment')
  writeFileSync(path, 'bytes')
  const status = statSync(path, { bigint: true })
  const known = { ...some(0), modifiedAt: status.mtimeNs, inode: status.ino }
  expect(changedSince(known, status)).toBeUndefined()
  expect(changedSince({ ...known, modifiedAt: status.mtimeNs - 2_000_000n }, status)).toMatch(/written to at 20/)
  expect(changedSince({ ...known, inode: 1n }, status)).toMatch(/copy/)
})
