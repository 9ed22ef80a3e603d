/** `inspect find` on Apache's recorded store: every way leads to the message, and says which one it was. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseProperties } from '../../src/store/commitlog/index.ts'
import { recordedStore } from '../store/scratch.ts'
import { decodedRecords, inspect } from './stores.ts'

const records = decodedRecords()
const keyOf = (properties: string, name: string) => parseProperties(properties).get(name)
const find = async (root: string, ...flags: string[]) => {
  const { status, objects, complained } = await inspect('find', root, '--json', ...flags)
  const found = objects() as { by: string; unit: string; message: { physicalOffset: number; offsetMsgId: string } }[]
  return { status, complained, found, offsets: found.map(({ message }) => message.physicalOffset) }
}
const target = records.find(({ at, properties }) => at > 100_000 && keyOf(properties, 'KEYS') !== undefined)!
const unique = keyOf(target.properties, 'UNIQ_KEY')!

describe('a message is found', () => {
  test('by its place, and by any byte of it', async () => {
    const root = recordedStore('clean')
    expect(await find(root, '--offset', String(target.at))).toMatchObject({
      status: 0,
      offsets: [target.at],
      found: [{ by: 'physical offset', unit: 'in place' }],
    })
    const inside = await find(root, '--offset', String(target.at + 50))
    expect(inside).toMatchObject({ offsets: [target.at], found: [{ by: 'physical offset: byte 50 of it' }] })
  })

  test('by either of its ids, and by a key; with the topic and without', async () => {
    const root = recordedStore('clean')
    const { offsetMsgId } = (await find(root, '--offset', String(target.at))).found[0].message
    expect(await find(root, '--id', offsetMsgId.toLowerCase())).toMatchObject({
      offsets: [target.at],
      found: [{ by: 'offsetMsgId' }],
    })
    const sameId = records.filter(({ properties }) => keyOf(properties, 'UNIQ_KEY') === unique).map(({ at }) => at)
    expect((await find(root, '--id', unique)).offsets).toEqual(sameId)
    const key = keyOf(target.properties, 'KEYS')!.split(' ')[0]
    const sameKey = records
      .filter(({ properties }) => keyOf(properties, 'KEYS')?.split(' ').includes(key))
      .map(({ at }) => at)
    for (const flags of [[], ['--topic', target.topic]]) {
      const { offsets, found } = await find(root, '--key', key, ...flags)
      expect(offsets).toEqual(sameKey)
      expect(found[0].by).toBe(`index of ${target.topic}#${key}`)
    }
  })

  test('by its time', async () => {
    const first = records.find(
      ({ storeTimestamp, topic }) => storeTimestamp >= target.storeTimestamp && topic === 'OracleMany',
    )!
    const { offsets, found } = await find(
      recordedStore('clean'),
      '--time',
      String(target.storeTimestamp),
      '--topic',
      'OracleMany',
    )
    expect([offsets, found[0].by]).toEqual([[first.at], 'store time'])
  })

  test('by a scan when the index is lost, and its lost queue is told', async () => {
    const root = recordedStore('clean')
    rmSync(join(root, 'index'), { recursive: true })
    rmSync(join(root, 'consumequeue', target.topic), { recursive: true })
    const lost = await find(root, '--id', unique, '--topic', target.topic)
    expect(lost).toMatchObject({ status: 1, offsets: [] })
    expect(lost.complained).toContain('the index: there is none; --scan reads the whole log')
    const scanned = await find(root, '--id', unique, '--scan')
    expect(scanned).toMatchObject({ status: 0, offsets: [target.at], found: [{ by: 'scan' }] })
    expect(scanned.found[0].unit).toContain('missing')
  })
})

test('what is not there ends with status 1 and says what was tried; no question at all with 2', async () => {
  const root = recordedStore('clean')
  for (const flags of [
    ['--key', 'nobody'],
    ['--offset', '99999999'],
    ['--time', '2100-01-01'],
    ['--id', '7F0000010000597F00000000000006FB'],
  ]) {
    const { status, complained } = await find(root, ...flags)
    expect(status, flags.join(' ')).toBe(1)
    expect(complained).toContain('not found: ')
  }
  expect((await find(root)).status).toBe(2)
})

test('a folder in the place of a segment holds nothing', async () => {
  const root = recordedStore('clean')
  const path = join(root, 'commitlog/00000000000000065536')
  rmSync(path)
  mkdirSync(path)
  expect(await find(root, '--offset', '65600')).toMatchObject({ status: 1, found: [] })
})

test('--queue leaves out what is in another one', async () => {
  const root = recordedStore('clean')
  const { found } = await find(root, '--key', 'kDelay')
  expect(found.length).toBe(2)
  const queues = await find(root, '--key', 'kDelay', '--queue', '2')
  expect(queues.offsets).toEqual([198_587])
  expect((await find(root, '--key', 'kDelay', '--queue', '1')).status).toBe(1)
  expect((await find(root, '--offset', '198600', '--queue', '1')).complained).toContain(
    'no record of them holds byte 198600',
  )
})
