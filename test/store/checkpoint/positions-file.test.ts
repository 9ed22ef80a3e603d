import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bootId, type Marks, PositionsFile, trustOf } from '../../../src/store/checkpoint/positions-file.ts'
import { decodeSlot, encodeSlot, type PositionsSlot, SLOT_SIZE } from '../../../src/store/checkpoint/positions-slot.ts'
import { scratchFolder } from '../scratch.ts'

const SLOT_STEP = 4096

function marks(appended: number, changes: Partial<Marks> = {}): Marks {
  return {
    writtenAt: 1_700_000_000_000,
    isClean: false,
    appended,
    dispatched: appended,
    retained: 0,
    allocated: 196_608,
    replicated: 0,
    flushed: appended,
    settled: 0,
    segmentSize: 65_536,
    epoch: 0,
    ...changes,
  }
}

function positionsIn(root: string): PositionsFile {
  mkdirSync(join(root, 'basalt'), { recursive: true })
  const file = new PositionsFile(root)
  file.open()
  return file
}

/** Overwrites bytes of one slot, as a torn write leaves it. */
function tear(path: string, slot: 0 | 1, from: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, slot * SLOT_STEP + from)
  closeSync(fd)
}

const offset = fc.nat({ max: 2 ** 52 })
const slot: fc.Arbitrary<PositionsSlot> = fc
  .record({
    sequence: offset,
    writtenAt: offset,
    pid: fc.nat({ max: 2 ** 22 }),
    isClean: fc.boolean(),
    bootId: fc.uuid(),
    inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    birthTime: fc.bigInt({ min: 0n, max: 2n ** 63n }),
    appended: offset,
    dispatched: offset,
    retained: offset,
    allocated: offset,
    replicated: offset,
    flushed: offset,
    settled: offset,
    segmentSize: offset,
    epoch: fc.nat({ max: 2 ** 31 - 1 }),
  })
  .map((one) => ({
    ...one,
    flushed: Math.min(one.flushed, one.appended),
    settled: Math.min(one.settled, one.dispatched),
  }))

describe('a slot', () => {
  test('decodes to what was encoded', () => {
    fc.assert(
      fc.property(slot, (one) => {
        expect(decodeSlot(encodeSlot(one))).toEqual(one)
      }),
    )
  })

  test('with any bit flipped is no slot', () => {
    fc.assert(
      fc.property(slot, fc.nat({ max: SLOT_SIZE * 8 - 1 }), (one, bit) => {
        const bytes = encodeSlot(one)
        bytes[bit >> 3] ^= 1 << (bit & 7)
        expect(decodeSlot(bytes)).toBeUndefined()
      }),
    )
  })

  test('never holds a flushed position above appended', () => {
    const good = fc.sample(slot, 1)[0]
    expect(() => encodeSlot({ ...good, flushed: good.appended + 1 })).toThrow('flushed above appended')
    expect(() => encodeSlot({ ...good, settled: good.dispatched + 1 })).toThrow('settled above dispatched')
  })
})

describe('two slots', () => {
  test('the newest is read, however many were written', () => {
    const root = scratchFolder()
    const file = positionsIn(root)
    expect(file.read()).toBeUndefined()
    for (let appended = 1000; appended <= 7000; appended += 1000) {
      file.write(marks(appended))
      expect(file.read()?.slot.appended).toBe(appended)
    }
    expect(readFileSync(file.path)).toHaveLength(2 * SLOT_STEP)
    file.close()
  })

  test('a torn write of the newest slot gives the one before it; both torn give nothing', () => {
    const root = scratchFolder()
    const file = positionsIn(root)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat({ max: SLOT_SIZE - 1 }), (writes, from) => {
        for (let write = 1; write <= writes; write += 1) file.write(marks(write * 100))
        file.write(marks(5000))
        file.write(marks(6000))
        const newest = (file.read()!.slot.sequence % 2) as 0 | 1
        // The rest of the sector as it might have been: zeros do for the CRC.
        tear(file.path, newest, from, Buffer.alloc(SLOT_SIZE - from, 0xa5))
        expect(file.read()?.slot.appended).toBe(5000)
        tear(file.path, newest === 0 ? 1 : 0, 0, Buffer.alloc(SLOT_SIZE))
        expect(file.read()).toBeUndefined()
      }),
      { numRuns: 50 },
    )
    file.close()
  })

  test('a new process goes on behind the newest slot and does not write over it', () => {
    const root = scratchFolder()
    const first = positionsIn(root)
    first.write(marks(1000))
    first.write(marks(2000))
    const kept = (first.read()!.slot.sequence % 2) as 0 | 1
    first.close()
    const second = positionsIn(root)
    second.write(marks(3000))
    tear(second.path, kept === 0 ? 1 : 0, 0, Buffer.alloc(SLOT_SIZE))
    expect(second.read()?.slot.appended).toBe(2000)
    second.close()
  })

  test.each([
    ['empty', 0],
    ['short', 4096],
    ['long', 10_000],
  ])('a file that is %s is read as far as it goes and made anew', (_, size) => {
    const root = scratchFolder()
    const file = positionsIn(root)
    file.write(marks(1000))
    file.close()
    truncateSync(file.path, size)
    expect(() => file.read()).not.toThrow()
    const again = positionsIn(root)
    again.write(marks(4000))
    expect(again.read()?.slot.appended).toBe(4000)
    again.close()
  })

  test('garbage is no positions', () => {
    const root = scratchFolder()
    mkdirSync(join(root, 'basalt'))
    const file = new PositionsFile(root)
    expect(file.read()).toBeUndefined()
    writeFileSync(file.path, Buffer.alloc(2 * SLOT_STEP, 0x42))
    expect(file.read()).toBeUndefined()
  })
})

describe('what a start may believe', () => {
  test('after the death of a process on the same boot: everything', () => {
    const file = positionsIn(scratchFolder())
    file.write(marks(1000))
    file.close()
    expect(file.read()).toMatchObject({ trust: 'live', reason: undefined })
  })

  test('after another boot: only what was on disk', () => {
    const identity = { bootId: bootId(), inode: 7n, birthTime: 9n }
    expect(trustOf(identity, identity).trust).toBe('live')
    expect(trustOf(identity, { ...identity, bootId: 'another' }).trust).toBe('durable')
    expect(trustOf({ ...identity, bootId: '' }, { ...identity, bootId: '' }).trust).toBe('durable')
  })

  test('of a copied store: nothing, for its files were not copied in one moment', () => {
    const root = scratchFolder()
    const file = positionsIn(root)
    file.write(marks(1000))
    file.close()
    const copy = scratchFolder()
    mkdirSync(join(copy, 'basalt'))
    copyFileSync(file.path, join(copy, 'basalt', 'positions'))
    expect(new PositionsFile(copy).read()).toMatchObject({ trust: 'none', slot: { appended: 1000 } })
  })

  test('of a store that was removed and restored: nothing, though the inode number may be the same', () => {
    const root = scratchFolder()
    const file = positionsIn(root)
    file.write(marks(1000))
    file.close()
    const content = readFileSync(file.path)
    rmSync(file.path)
    writeFileSync(file.path, content)
    expect(file.read()?.trust).toBe('none')
  })

  test('of a store whose folder was renamed: everything', () => {
    const parent = scratchFolder()
    const file = positionsIn(join(parent, 'a'))
    file.write(marks(1000))
    file.close()
    renameSync(join(parent, 'a'), join(parent, 'b'))
    expect(new PositionsFile(join(parent, 'b')).read()?.trust).toBe('live')
  })
})
