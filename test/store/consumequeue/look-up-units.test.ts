/** Tasks of the pool about units: where records are, when they were stored, and the units themselves. */
import { expect, test } from 'vitest'
import { listUnits, lookUpUnits } from '../../../src/store/consumequeue/index.ts'
import { dispatchAll, LogMaker, rig } from '../dispatch/support.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'

/** Files of 20 units, so that 50 messages are in three. */
const small = { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 400, messageIndexEnable: false }
const FIRST = 1_700_000_000_000

function queueOf(count: number) {
  const settings = storeSettings(scratchFolder(), small)
  const maker = new LogMaker(settings)
  for (let i = 0; i < count; i += 1) {
    maker.add({ topic: 'T', queueId: 0, queueOffset: i, bodyLength: 1, storeTimestamp: FIRST + i * 10 })
  }
  const build = rig(settings)
  dispatchAll(build, 0, maker.end)
  build.close()
  return { settings, maker }
}

test('units are looked up in one go; what is not there, or below the log, is -1', async () => {
  const { settings, maker } = queueOf(50)
  const at = (queueOffset: number, topic = 'T', queueId = 0) => ({ topic, queueId, queueOffset })
  const places = [at(0), at(19), at(20), at(49), at(50), at(-1), at(0, 'T', 7), at(0, 'Unknown'), at(3)]
  const task = { settings, places, logMin: 0, withTimes: true }
  const offsets = [0, 19, 20, 49].map((i) => maker.places[i].offset)
  const found = await lookUpUnits(task)
  expect([...found.physicalOffsets]).toEqual([...offsets, -1, -1, -1, -1, maker.places[3].offset])
  expect([...found.storeTimes]).toEqual([...[0, 190, 200, 490].map((ms) => FIRST + ms), -1, -1, -1, -1, FIRST + 30])
  const later = await lookUpUnits({ ...task, logMin: offsets[1], withTimes: false })
  expect([...later.physicalOffsets].slice(0, 3)).toEqual([-1, offsets[1], offsets[2]])
  expect([...later.storeTimes].every((time) => time === -1)).toBe(true)
})

test('units are listed across files, as far as the queue goes', async () => {
  const { settings, maker } = queueOf(50)
  const task = { settings, topic: 'T', queueId: 0, from: 15, count: 30, max: 50 }
  const listed = await listUnits(task)
  expect(listed).toEqual(
    maker.places.slice(15, 45).map(({ offset, size }) => ({ physicalOffset: offset, size, tagsCode: 0n })),
  )
  expect(await listUnits({ ...task, from: 48 })).toHaveLength(2)
  expect(await listUnits({ ...task, count: 0 })).toEqual([])
  expect(await listUnits({ ...task, topic: 'Unknown' })).toEqual([])
})
