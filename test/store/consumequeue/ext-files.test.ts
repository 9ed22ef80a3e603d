/** ConsumeQueueExt: tags codes in files of their own. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { extFolder, QueueReader, queueFolder } from '../../../src/store/consumequeue/index.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { dispatchAll, FIRST_TIME, filesBelow, LogMaker, patch, rig } from '../dispatch/support.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'

const small = {
  mappedFileSizeConsumeQueue: 400,
  messageIndexEnable: false,
  enableConsumeQueueExt: true,
  // Four units of 20 bytes and the mark: 20 + 4 do not fit into what is left behind the fourth.
  mappedFileSizeConsumeQueueExt: 100,
}

function extStore(count = 9, changes: Partial<StoreSettings> = {}) {
  const settings = storeSettings(scratchFolder(), { ...small, ...changes })
  const maker = new LogMaker(settings)
  for (let queueOffset = 0; queueOffset < count; queueOffset += 1) {
    maker.add({ topic: 'T', queueId: 0, queueOffset, properties: 'TAGS\u0001TagA' })
  }
  return { settings, maker }
}

function tagsOf(settings: StoreSettings, count: number): (number | undefined)[] {
  const reader = new QueueReader({ settings, topic: 'T', queueId: 0 })
  const batch = reader.read(0, count, count)
  const tags = []
  for (let index = 0; index < batch.count; index += 1) {
    tags.push(batch.isTagsCodeKnown(index) ? batch.tagsCodeLow(index) : undefined)
  }
  reader.close()
  return tags
}

describe('with enableConsumeQueueExt', () => {
  test('a unit holds the address, the ext file tagsCode and store time, and readers get the tagsCode', () => {
    const { settings, maker } = extStore()
    const build = rig(settings)
    dispatchAll(build, 0, maker.end)
    build.close()
    const unit = readFileSync(join(queueFolder(settings, 'T', 0), '00000000000000000000')).subarray(5 * 20, 6 * 20)
    // The fifth unit went to the second file: byte 100, and the sixth is behind it.
    expect(unit.readBigInt64BE(12)).toBe(-(2n ** 63n) + 120n)
    const first = readFileSync(join(extFolder(settings, 'T', 0), '00000000000000000000'))
    expect(first.subarray(0, 20).toString('hex')).toBe(
      `0014${(2598919).toString(16).padStart(16, '0')}${FIRST_TIME.toString(16).padStart(16, '0')}0000`,
    )
    expect(first.readInt16BE(80)).toBe(-1)
    expect(tagsOf(settings, 9)).toEqual(new Array(9).fill(2598919))
  })

  test('dispatching again changes no byte, and puts a damaged ext unit right', () => {
    const { settings, maker } = extStore()
    const build = rig(settings)
    dispatchAll(build, 0, maker.end)
    build.close()
    const before = filesBelow(settings.storePathRootDir)
    patch(join(extFolder(settings, 'T', 0), '00000000000000000100'), 20, Buffer.alloc(20))
    expect(tagsOf(settings, 9)[5]).toBe(undefined)
    const again = rig(settings)
    dispatchAll(again, maker.places[2].offset, maker.end)
    again.close()
    for (const [path, bytes] of filesBelow(settings.storePathRootDir))
      expect(bytes.equals(before.get(path)!), path).toBe(true)
  })

  test('all ext files missing: built again', () => {
    const { settings, maker } = extStore()
    const build = rig(settings)
    dispatchAll(build, 0, maker.end)
    build.close()
    rmSync(extFolder(settings, 'T', 0), { recursive: true })
    expect(tagsOf(settings, 9)).toEqual(new Array(9).fill(undefined))
    const again = rig(settings)
    dispatchAll(again, 0, maker.end)
    again.close()
    expect(tagsOf(settings, 9)).toEqual(new Array(9).fill(2598919))
  })

  test('files of expired units go, the newest stays', () => {
    const { settings, maker } = extStore(30)
    const build = rig(settings)
    dispatchAll(build, 0, maker.end)
    const starts = () => [...filesBelow(extFolder(settings, 'T', 0)).keys()].map(Number).sort((a, b) => a - b)
    expect(starts()[0]).toBe(0)
    build.dispatcher.queue('T', 0)!.expireExt(9)
    expect(starts()[0]).toBe(200)
    expect(tagsOf(settings, 30).slice(8, 12)).toEqual(new Array(4).fill(2598919))
  })

  test('a store made without it goes on with it, and the other way round', () => {
    const { settings, maker } = extStore(6)
    const plain = { ...settings, enableConsumeQueueExt: false }
    let position = 0
    for (const [each, end] of [
      [plain, 2],
      [settings, 4],
      [plain, 6],
    ] as const) {
      const build = rig(each)
      const to = end === 6 ? maker.end : maker.places[end].offset
      dispatchAll(build, position, to)
      position = to
      build.close()
    }
    expect(tagsOf(settings, 6)).toEqual(new Array(6).fill(2598919))
    expect(tagsOf(plain, 6)).toEqual(new Array(6).fill(2598919))
  })
})
