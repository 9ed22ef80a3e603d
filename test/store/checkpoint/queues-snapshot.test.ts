import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readQueuesSnapshot, writeQueuesSnapshot } from '../../../src/store/checkpoint/queues-snapshot.ts'
import { scratchFolder } from '../scratch.ts'

function root(): string {
  const folder = scratchFolder()
  mkdirSync(join(folder, 'basalt'))
  return folder
}

const queue = fc.record({
  topic: fc.oneof(fc.stringMatching(/^[\w|%-]{1,20}$/), fc.constant('__proto__')),
  queueId: fc.nat({ max: 2 ** 31 - 1 }),
  maxOffset: fc.nat({ max: 2 ** 52 }),
})

test('all queues are read back', () => {
  const folder = root()
  fc.assert(
    fc.property(
      fc.uniqueArray(queue, { selector: (one) => `${one.topic}/${one.queueId}` }),
      fc.nat(),
      (queues, position) => {
        writeQueuesSnapshot(folder, { position, countedTo: position, writtenAt: 12, queues })
        const found = readQueuesSnapshot(folder)
        expect(found).toMatchObject({ position, countedTo: position, writtenAt: 12 })
        expect(new Set(found?.queues.map((one) => JSON.stringify(one)))).toEqual(
          new Set(queues.map(({ topic, queueId, maxOffset }) => JSON.stringify({ topic, queueId, maxOffset }))),
        )
      },
    ),
    { numRuns: 40 },
  )
})

test('a missing snapshot is none; a damaged one is none, and said', () => {
  const folder = root()
  const said: string[] = []
  expect(readQueuesSnapshot(folder, (reason) => said.push(reason))).toBeUndefined()
  expect(said).toEqual([])
  const queues = [{ topic: 'T', queueId: 0, maxOffset: 41 }]
  writeQueuesSnapshot(folder, { position: 5, countedTo: 5, writtenAt: 1, queues })
  const path = join(folder, 'basalt', 'queues')
  const text = readFileSync(path, 'utf8')
  for (const damaged of [text.replace('41', '40'), text.slice(0, -8), '', '{}\n', 'x']) {
    writeFileSync(path, damaged)
    expect(readQueuesSnapshot(folder, (reason) => said.push(reason))).toBeUndefined()
  }
  expect(said).toHaveLength(5)
  expect(said[0]).toContain('damaged')
})

test('a wrong bit anywhere in it is noticed; one of the first version is read', () => {
  const folder = root()
  const queues = [{ topic: 'Topic-10', queueId: 0, maxOffset: 4100 }]
  writeQueuesSnapshot(folder, { position: 5010, countedTo: 4000, writtenAt: 1_700_000_000_100, queues })
  const path = join(folder, 'basalt', 'queues')
  const bytes = readFileSync(path)
  const notNoticed: string[] = []
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] ^= 1 << (bit & 7)
    writeFileSync(path, changed)
    if (readQueuesSnapshot(folder) !== undefined) notNoticed.push(changed.toString('latin1'))
  }
  expect(notNoticed).toEqual([])
  const body = '{"T":{"0":41}}'
  const head = { version: 1, crc32: crc32(body), position: 5, countedTo: 5, writtenAt: 1 }
  writeFileSync(path, `${JSON.stringify(head)}\n${body}\n`)
  expect(readQueuesSnapshot(folder)).toMatchObject({ position: 5, queues: [{ topic: 'T', queueId: 0, maxOffset: 41 }] })
})
