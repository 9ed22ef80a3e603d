/** A queue whose records are all gone goes on at any queue offset; one that has some does not leap. */
import { expect, test } from 'vitest'
import { firstUnitAtOrAbove, listQueueFiles, QueueStore, QueueWriter } from '../../../src/store/consumequeue/index.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'

const FAR = 123_456_789

function queue() {
  const settings = storeSettings(scratchFolder())
  const store = new QueueStore({ settings })
  const writer = new QueueWriter(store, 'T', 0)
  for (let q = 0; q < 700; q += 1) writer.put(q, q * 100, 100, 0, q)
  writer.endBatch()
  return { settings, store, writer }
}

test('all its records have expired: it begins with the file of the next one, and says so', () => {
  const { store, writer } = queue()
  store.logMin = 70_000
  expect(writer.hasBegunAnew).toBe(false)
  expect(writer.put(FAR, 90_000, 100, 0, 1)).toBe('written')
  expect(writer.put(FAR + 1, 90_100, 100, 0, 2)).toBe('written')
  writer.endBatch()
  expect([writer.hasBegunAnew, writer.end]).toEqual([true, FAR + 2])
  expect(listQueueFiles(writer.folder).map(({ start }) => start / 20)).toEqual([FAR - (FAR % 300)])
  expect(firstUnitAtOrAbove(writer.folder, store.fileSize, writer.end, 70_000)).toBe(FAR)
  writer.close()
  const again = new QueueWriter(store, 'T', 0)
  expect([again.end, again.maxPhysical]).toEqual([FAR + 2, 90_200])
  again.close()
})

test('its last record is there: an offset far ahead is damage, one nearby a gap', () => {
  const { store, writer } = queue()
  store.logMin = 69_900
  expect(writer.put(FAR, 90_000, 100, 0, 1)).toBe('misplaced')
  expect(writer.put(800, 90_000, 100, 0, 1)).toBe('written')
  writer.endBatch()
  expect([writer.hasBegunAnew, writer.end]).toEqual([false, 801])
  expect(firstUnitAtOrAbove(writer.folder, store.fileSize, writer.end, 0)).toBe(0)
  writer.close()
})
