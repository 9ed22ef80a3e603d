/** The sizes of an index file, told while a broker begins it: each moment of its first entries stands still here. */
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { HEADER, IndexWriter, indexLayout, readHeader, SLOT_SIZE } from '../../src/store/index/index.ts'
import { recordedStore, storeSettings } from '../store/scratch.ts'

/** RocketMQ's four entries a slot, and sizes that no rule tells. */
const USUAL = { maxHashSlotNum: 50_000, maxIndexNum: 200_000 }
const ODD = { maxHashSlotNum: 1001, maxIndexNum: 777 }

/** A store whose only index file holds these key hashes, record after record. */
function storeWith(sizes: typeof USUAL, hashes: number[]): { root: string; path: string } {
  const root = recordedStore('clean')
  const folder = join(root, 'index')
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  const writer = new IndexWriter({ settings: storeSettings(root, sizes), clock: systemClock })
  for (const [i, hash] of hashes.entries()) writer.put(Int32Array.of(hash), 1, i * 200, 1_795_426_000_000 + i)
  const path = writer.currentPath!
  writer.close()
  return { root, path }
}

function change(path: string, patch: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path)
  patch(bytes)
  writeFileSync(path, bytes)
}

const sizesOf = (root: string) => {
  const { maxHashSlotNum, maxIndexNum } = openStore(root).settings
  return { maxHashSlotNum, maxIndexNum }
}

test.each([0, 1])(
  'a file that is there and has no entry yet (indexCount %i): RocketMQ’s four entries a slot',
  async (count) => {
    const { root, path } = storeWith(USUAL, [7])
    change(path, (bytes) => {
      bytes.fill(0)
      bytes.writeInt32BE(count, HEADER.indexCount)
    })
    expect(sizesOf(root)).toEqual(USUAL)
    if (count === 0) return
    const { findings } = await verifyStore(openStore(root), { threads: 0 })
    // The store's checkpoint speaks of the index that was there.
    expect(findings.map(({ code }) => code).sort()).toEqual(['CHECKPOINT', 'INDEX_INCOMPLETE'])
  },
)

test('an entry is counted before the header names its record', () => {
  const { root, path } = storeWith(ODD, [5, 2005, 77, 900])
  change(path, (bytes) => {
    const header = readHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
    bytes.writeBigInt64BE(BigInt(header.endPhyOffset - 200), HEADER.endPhyOffset)
  })
  expect(sizesOf(root)).toEqual(ODD)
})

test('the slot of the newest entry that is counted leads to a newer one already', () => {
  const { root, path } = storeWith(ODD, [5, 2005, 77, 77])
  change(path, (bytes) => {
    bytes.writeInt32BE(4, HEADER.indexCount)
    bytes.writeBigInt64BE(400n, HEADER.endPhyOffset)
  })
  expect(readFileSync(path).readInt32BE(HEADER.size + 77 * SLOT_SIZE)).toBe(4)
  expect(sizesOf(root)).toEqual(ODD)
  // Of a file that nobody has touched for long that is damage, and no reason to believe it.
  const then = Date.now() / 1000 - 3600
  utimesSync(path, then, then)
  expect(readFileSync(path).length).toBe(indexLayout(storeSettings(root, ODD)).fileSize)
  expect(sizesOf(root)).not.toEqual(ODD)
})
