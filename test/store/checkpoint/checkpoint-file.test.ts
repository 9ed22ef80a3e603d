import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CheckpointFile } from '../../../src/store/checkpoint/checkpoint-file.ts'
import { recordedStore, scratchFolder } from '../scratch.ts'

describe('the checkpoint that RocketMQ 4.9.8 wrote', () => {
  test('after a clean stop it holds the three times of the recording', () => {
    expect(new CheckpointFile(recordedStore('clean')).read()).toEqual({
      physicMsgTimestamp: 0x01a207bf024f,
      logicsMsgTimestamp: 0x01a207bf024f,
      indexMsgTimestamp: 0x01a207befb02,
    })
  })

  test('of a killed broker it says nothing about the CommitLog yet', () => {
    const { physicMsgTimestamp, logicsMsgTimestamp } = new CheckpointFile(recordedStore('unclean')).read()
    expect(physicMsgTimestamp).toBe(0)
    expect(logicsMsgTimestamp).toBeGreaterThan(0)
  })

  test('written again with the same times it is the same file, byte for byte', () => {
    const root = recordedStore('clean')
    const before = readFileSync(join(root, 'checkpoint'))
    const file = new CheckpointFile(root)
    file.write(file.read())
    expect(readFileSync(join(root, 'checkpoint'))).toEqual(before)
  })

  test('the fields that 5.x keeps behind the times stay as they are', () => {
    const root = recordedStore('clean')
    const path = join(root, 'checkpoint')
    const bytes = readFileSync(path)
    bytes.writeBigInt64BE(123_456n, 24)
    bytes.writeBigInt64BE(654_321n, 32)
    writeFileSync(path, bytes)
    new CheckpointFile(root).write({ physicMsgTimestamp: 1, logicsMsgTimestamp: 2, indexMsgTimestamp: 3 })
    expect(readFileSync(path).subarray(24)).toEqual(bytes.subarray(24))
  })
})

test('a missing, empty or short checkpoint counts as zeros, and the next write makes it whole', () => {
  const zeros = { physicMsgTimestamp: 0, logicsMsgTimestamp: 0, indexMsgTimestamp: 0 }
  const times = { physicMsgTimestamp: 5, logicsMsgTimestamp: 6, indexMsgTimestamp: 7 }
  for (const damage of [(path: string) => rmSync(path), (path: string) => truncateSync(path, 0)]) {
    const root = recordedStore('clean')
    damage(join(root, 'checkpoint'))
    const file = new CheckpointFile(root)
    expect(file.read()).toEqual(zeros)
    file.write(times)
    expect(file.read()).toEqual(times)
    expect(readFileSync(join(root, 'checkpoint'))).toHaveLength(4096)
  }
})

test('bytes that are no time are no reason to stop: they count as 0', () => {
  const root = scratchFolder()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      writeFileSync(join(root, 'checkpoint'), bytes)
      for (const time of Object.values(new CheckpointFile(root).read())) {
        expect(Number.isSafeInteger(time) && time >= 0).toBe(true)
      }
    }),
  )
})

test('what is written is read', () => {
  const file = new CheckpointFile(scratchFolder())
  const time = fc.nat({ max: Number.MAX_SAFE_INTEGER })
  const times = fc.record({ physicMsgTimestamp: time, logicsMsgTimestamp: time, indexMsgTimestamp: time })
  fc.assert(
    fc.property(times, (checkpoint) => {
      file.write(checkpoint)
      expect(file.read()).toEqual(checkpoint)
    }),
    { numRuns: 30 },
  )
})
