/** Descriptors of a log's files: whatever is forgotten meanwhile, a sync is of its own file, and nothing stays open. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { OpenFiles } from '../../../src/dledger/log/open-files.ts'
import { scratchFolder } from '../../store/scratch.ts'
import { openBelow } from '../../support/open-files.ts'

test('one that is forgotten while the pool syncs it is closed behind that', async () => {
  const folder = scratchFolder()
  const pathOf = (start: number) => join(folder, String(start))
  for (const start of [0, 1]) writeFileSync(pathOf(start), 'x'.repeat(100_000))
  const files = new OpenFiles(pathOf)
  const fd = files.fd(0)
  const synced = files.syncSoon(0)
  files.forget(0)
  const other = openSync(pathOf(1), 'r')
  expect(other).not.toBe(fd)
  expect(openBelow(folder)).toContain(pathOf(0))
  await synced
  expect(openBelow(folder)).toEqual([pathOf(1)])
  closeSync(other)
  files.close()
})

test('many files: no more than 16 stay open, and each is found again', () => {
  const folder = scratchFolder()
  const pathOf = (start: number) => join(folder, String(start))
  const files = new OpenFiles(pathOf)
  for (let start = 0; start < 40; start += 1) {
    writeFileSync(pathOf(start), '')
    files.syncNow(start)
  }
  expect(openBelow(folder)).toHaveLength(16)
  files.syncNow(0)
  expect(openBelow(folder)).toContain(pathOf(0))
  files.close()
  expect(openBelow(folder)).toEqual([])
})
