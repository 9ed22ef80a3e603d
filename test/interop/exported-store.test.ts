/** A store that was made of messages: Apache's broker opens it, serves every one of them, and goes on behind them. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Acknowledged, differences, hashes, holes, producer, readAll } from './support/programs.ts'
import { apacheIsThere, ORACLE, Scratch, SMALL_FILES, startSystem } from './support/systems.ts'

const COUNT = 900
const COMMAND = join(import.meta.dirname, '../../bin/basaltmq.js')
const inspect = (...argv: string[]) =>
  execFileSync(process.execPath, [COMMAND, 'inspect', ...argv], { encoding: 'utf8' })
/** The same for a new store that is made of lines. */
const SIZES = Object.entries(SMALL_FILES).flatMap(([key, value]) => ['--set', `${key}=${value}`])

describe.skipIf(!apacheIsThere(ORACLE))('a store that was made of messages', () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  test('Apache’s broker serves a whole one, and one whose queues begin in the middle', async () => {
    const first = await startSystem({ scratch, kind: 'basalt', config: SMALL_FILES })
    const sent = new Map<string, Acknowledged[]>()
    try {
      for (const topic of ['OutOne', 'OutTwo']) {
        const options = { namesrv: first.namesrv, topic, count: COUNT, mode: 'sync', threads: 4, seed: 5, max: 6000 }
        sent.set(topic, (await producer(scratch, ORACLE, options).done()).acknowledged)
      }
      expect(await first.stop()).toBe(true)
    } finally {
      await first.close()
    }

    // Out as lines, in as a store.
    const lines = join(scratch.sub('lines'), 'all.jsonl')
    inspect('export', first.store, '-o', lines)
    const whole = scratch.sub('whole')
    inspect('import', lines, '--to-store', whole, ...SIZES)
    expect(inspect('verify', whole)).toMatch(/^whole/m)
    // The second half of one topic.
    const records = inspect('log', first.store, '--topic', 'OutTwo', '--json', '--body', 'none').trim().split('\n')
    const { physicalOffset: from } = JSON.parse(records[COUNT / 2]) as { physicalOffset: number }
    const half = scratch.sub('half')
    inspect('export', first.store, '--topic', 'OutTwo', '--from', String(from), '--to-store', half)
    expect(inspect('verify', half)).toMatch(/^whole/m)

    for (const [store, topics, count] of [
      [whole, 'OutOne,OutTwo', 2 * COUNT],
      [half, 'OutTwo', COUNT / 2],
    ] as const) {
      const apache = await startSystem({ scratch, kind: 'apache', store, port: first.port, config: SMALL_FILES })
      try {
        const read = await readAll(scratch, ORACLE, { namesrv: apache.namesrv, topics, lookup: 0 })
        expect(read.bad.slice(0, 5)).toEqual([])
        expect(read.records.length).toBe(count)
        const acknowledged = topics.split(',').flatMap((topic) => sent.get(topic)!)
        if (store === whole) {
          expect(holes(read.records)).toEqual([])
          expect(differences(hashes(acknowledged), hashes(read.records))).toEqual([])
        }
        // Where they were: in their queues, at their queue offsets.
        const places = new Set(acknowledged.map(({ key, queueId, queueOffset }) => `${key} ${queueId}:${queueOffset}`))
        expect(
          read.records.filter(({ key, queueId, queueOffset }) => !places.has(`${key} ${queueId}:${queueOffset}`)),
        ).toEqual([])
        const more = await producer(scratch, ORACLE, {
          namesrv: apache.namesrv,
          topic: 'OutTwo',
          count: 20,
          seed: 6,
        }).done()
        const lowest = Math.min(...more.acknowledged.map(({ queueOffset }) => queueOffset))
        expect(lowest).toBeGreaterThan(Math.min(...sent.get('OutTwo')!.map(({ queueOffset }) => queueOffset)))
        const after = await readAll(scratch, ORACLE, { namesrv: apache.namesrv, topics: 'OutTwo', lookup: 0 })
        expect(after.records.length).toBe((store === whole ? COUNT : COUNT / 2) + 20)
      } catch (error) {
        console.error(`the log of Apache's broker:\n${apache.log()}`)
        throw error
      } finally {
        await apache.close()
      }
    }
  })
})
