/** A store changes hands: Apache opens ours and we open Apache's, after a clean stop and after kill -9. */
import { afterAll, describe, expect, test } from 'vitest'
import { type Acknowledged, differences, hashes, holes, producer, readAll } from './support/programs.ts'
import { apacheIsThere, KIND, type Kind, ORACLE, Scratch, SMALL_FILES, startSystem } from './support/systems.ts'

const COUNT = 1200
const TOPICS = ['StoreSync', 'StoreBatch', 'StoreAsync'] as const
const MODES = { StoreSync: 'sync', StoreBatch: 'batch', StoreAsync: 'async' } as const
const OTHER: Kind = 'apache'

/** Who wrote the store, how it ended, who opens it. */
const HANDOVERS: { writer: Kind; end: 'a clean stop' | 'kill -9'; reader: Kind; version: string }[] = [
  { writer: KIND, end: 'a clean stop', reader: OTHER, version: ORACLE },
  { writer: KIND, end: 'kill -9', reader: OTHER, version: ORACLE },
  { writer: OTHER, end: 'a clean stop', reader: KIND, version: ORACLE },
  { writer: OTHER, end: 'kill -9', reader: KIND, version: ORACLE },
  { writer: KIND, end: 'a clean stop', reader: OTHER, version: '5.3.3' },
]

describe.skipIf(!apacheIsThere(ORACLE, '5.3.3'))('a store that changes hands', () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  test.each(HANDOVERS)(
    '$reader ($version) serves every message of a store that $writer left by $end',
    async ({ writer, end, reader, version }) => {
      const store = scratch.sub('store')
      const first = await startSystem({ scratch, kind: writer, store, config: SMALL_FILES })
      const sent = new Map<string, Acknowledged[]>()
      try {
        for (const topic of TOPICS) {
          const options = {
            namesrv: first.namesrv,
            topic,
            count: COUNT,
            mode: MODES[topic],
            threads: 8,
            seed: 11,
            max: 12_000,
          }
          sent.set(topic, (await producer(scratch, ORACLE, options).done()).acknowledged)
        }
        if (end === 'a clean stop') expect(await first.stop()).toBe(true)
        else await first.kill()
      } finally {
        await first.close()
      }

      const second = await startSystem({ scratch, kind: reader, version, store, port: first.port, config: SMALL_FILES })
      try {
        const read = await readAll(scratch, ORACLE, { namesrv: second.namesrv, topics: TOPICS.join(','), lookup: 40 })
        expect(read.bad.slice(0, 5)).toEqual([])
        expect(read.lookups).toBeGreaterThan(80)
        expect(holes(read.records)).toEqual([])
        for (const topic of TOPICS) {
          const list = sent.get(topic) ?? []
          const found = read.records.filter((record) => record.topic === topic)
          expect(differences(hashes(list), hashes(found))).toEqual([])
          expect(found.length).toBe(COUNT)
          const ids = new Set(
            found.map((record) => `${record.key} ${record.queueId}:${record.queueOffset} ${record.msgId}`),
          )
          expect(list.filter((one) => !ids.has(`${one.key} ${one.queueId}:${one.queueOffset} ${one.msgId}`))).toEqual(
            [],
          )
        }
        // And it goes on: new messages get the next offsets.
        const more = await producer(scratch, ORACLE, {
          namesrv: second.namesrv,
          topic: 'StoreSync',
          count: 40,
          seed: 12,
        }).done()
        const after = await readAll(scratch, ORACLE, { namesrv: second.namesrv, topics: 'StoreSync', lookup: 0 })
        expect(holes(after.records)).toEqual([])
        expect(after.records.length).toBe(COUNT + 40)
        expect(
          differences(hashes([...(sent.get('StoreSync') ?? []), ...more.acknowledged]), hashes(after.records)),
        ).toEqual([])
      } catch (error) {
        console.error(`the log of the broker that opened the store:\n${second.log()}`)
        throw error
      } finally {
        await second.close()
      }
    },
  )
})
