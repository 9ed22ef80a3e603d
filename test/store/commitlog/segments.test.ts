import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StoreError } from '../../../src/errors.ts'
import {
  allocateSegment,
  listSegments,
  removeUnfinishedSegments,
  segmentName,
  segmentStart,
} from '../../../src/store/commitlog/index.ts'
import { recordedStore, scratchFolder } from '../scratch.ts'

const SIZE = 65_536

function errorOf(action: () => unknown): StoreError {
  try {
    action()
  } catch (error) {
    return error as StoreError
  }
  throw new Error('nothing was thrown')
}

test('a segment is named by its first offset in 20 digits', () => {
  expect(segmentName(0)).toBe('00000000000000000000')
  expect(segmentName(1_073_741_824)).toBe('00000000001073741824')
  expect(segmentStart(131_071, SIZE)).toBe(SIZE)
})

test('the segments of a recorded store are listed in order', () => {
  const starts = listSegments(join(recordedStore('unclean'), 'commitlog'), SIZE).map((segment) => segment.start)
  expect(starts).toEqual([0, SIZE, 2 * SIZE, 3 * SIZE, 4 * SIZE])
})

test('a folder that does not exist has no segments', () => {
  expect(listSegments(join(scratchFolder(), 'none'), SIZE)).toEqual([])
})

test.each(['.nfs0001', 'README', '123', '0000000000000000000x'])('a stray file %s is named, not guessed at', (name) => {
  const folder = join(recordedStore('clean'), 'commitlog')
  writeFileSync(join(folder, name), '')
  const error = errorOf(() => listSegments(folder, SIZE))
  expect(error).toMatchObject({ code: 'STRAY_FILE', where: join(folder, name) })
  expect(error.message).toContain('move it out of the folder')
})

test('a store of another segment size is refused with the key to change', () => {
  const folder = join(recordedStore('clean'), 'commitlog')
  for (const size of [SIZE / 2, 2 * SIZE]) {
    const error = errorOf(() => listSegments(folder, size))
    expect(error.code).toBe('SEGMENT_SIZE')
    expect(error.message).toContain('mappedFileSizeCommitLog')
  }
})

test('a segment is allocated with all its blocks, and nothing else is left behind', () => {
  const root = scratchFolder()
  const options = { folder: join(root, 'commitlog'), ownFolder: join(root, 'basalt'), start: SIZE, size: SIZE }
  expect(allocateSegment(options)).toEqual({
    start: SIZE,
    path: join(root, 'commitlog', segmentName(SIZE)),
    size: SIZE,
  })
  const status = statSync(join(root, 'commitlog', segmentName(SIZE)))
  expect(status.size).toBe(SIZE)
  expect(status.blocks * 512).toBeGreaterThanOrEqual(SIZE)
  expect(readdirSync(join(root, 'basalt'))).toEqual([])
})

test('a segment that is there already is kept as it is', () => {
  const root = scratchFolder()
  const folder = join(root, 'commitlog')
  mkdirSync(folder)
  writeFileSync(join(folder, segmentName(0)), Buffer.alloc(SIZE, 'x'))
  allocateSegment({ folder, ownFolder: join(root, 'basalt'), start: 0, size: SIZE })
  expect(readFileSync(join(folder, segmentName(0))).equals(Buffer.alloc(SIZE, 'x'))).toBe(true)
})

test('a disk without room is an error with path and bytes, before anything is in the log folder', () => {
  const root = scratchFolder()
  const size = 8 * 1024 ** 4 // more than any disk that this runs on has
  const options = { folder: join(root, 'commitlog'), ownFolder: join(root, 'basalt'), start: 0, size }
  const error = errorOf(() => allocateSegment(options))
  expect(error).toMatchObject({ code: 'DISK_FULL', retriable: true, where: join(root, 'commitlog', segmentName(0)) })
  expect(error.message).toContain(`${size} bytes`)
  expect(readdirSync(join(root, 'commitlog'))).toEqual([])
  expect(readdirSync(join(root, 'basalt'))).toEqual([])
})

test('segments that a crash left unfinished are removed, other files are not', () => {
  const own = scratchFolder()
  writeFileSync(join(own, `${segmentName(SIZE)}.new`), 'x')
  writeFileSync(join(own, 'positions'), 'x')
  removeUnfinishedSegments(own, readdirSync(own))
  expect(readdirSync(own)).toEqual(['positions'])
})
