import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type MapBackend, mapBackends, mapFile, pageSize } from '../../src/native/index.ts'
import { ownFolder } from './support.ts'

const CONTENT = Buffer.from(Array.from({ length: 3 * pageSize() + 17 }, (_, index) => index % 251))

function file(): string {
  const path = join(ownFolder(), 'file')
  writeFileSync(path, CONTENT)
  return path
}

test('the addon and the copy are always there; mmap-io where it was built', () => {
  expect(mapBackends()).toEqual(expect.arrayContaining(['addon', 'copy']))
})

describe.each(mapBackends())('a file mapped by %s', (backend: MapBackend) => {
  test('is there with all its bytes', () => {
    const map = mapFile(file(), { backend })
    expect(map.backend).toBe(backend)
    expect(map.bytes.equals(CONTENT)).toBe(true)
    expect(map.resident()).toBe(true)
    map.close()
  })

  test('is there in part, never beyond its end', () => {
    const map = mapFile(file(), { backend, offset: pageSize(), length: 100 * pageSize() })
    expect(map.bytes.equals(CONTENT.subarray(pageSize()))).toBe(true)
    map.close()
  })

  test('may be empty', () => {
    const path = file()
    truncateSync(path)
    expect(mapFile(path, { backend }).bytes.length).toBe(0)
  })

  test('that does not exist is ENOENT', () => {
    expect(() => mapFile(join(ownFolder(), 'missing'), { backend })).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    )
  })
})
