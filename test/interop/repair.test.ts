/**
 * Stores that were damaged and mended by `inspect repair` are opened by Apache's brokers, which serve every message of them by queue, by
 * key and by offset, and go on from there.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore } from '../../src/inspect/index.ts'
import { logBounds } from '../../src/inspect/log-end.ts'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { patch } from '../store/dispatch/support.ts'
import { type Acknowledged, differences, hashes, holes, producer, readAll } from './support/programs.ts'
import {
  apacheIsThere,
  type Kind,
  ORACLE,
  Scratch,
  SMALL_FILES,
  type System,
  type SystemOptions,
  startSystem,
} from './support/systems.ts'

const COMMAND = fileURLToPath(new URL('../../bin/basaltmq.js', import.meta.url))
const TOPIC = 'Mended'
const COUNT = 900
const SEGMENT = 1 << 20
const SIZES = ['mappedFileSizeConsumeQueue=6000', 'maxHashSlotNum=500', 'maxIndexNum=2000'].flatMap((size) => [
  '--set',
  size,
])

interface Written {
  store: string
  port: number
  acknowledged: Acknowledged[]
}

const queueOf = (store: string) => join(store, 'consumequeue', TOPIC, '0')

/** A record that a crash left half written: the first bytes of another one. */
function tear(store: string): void {
  writeFileSync(join(store, 'abort'), '')
  const { end } = logBounds(openStore(store))
  const path = join(store, 'commitlog', String(end - (end % SEGMENT)).padStart(20, '0'))
  patch(path, end % SEGMENT, readFileSync(join(store, 'commitlog', '00000000000000000000')).subarray(0, 300))
}

/** A broker on a store that was mended; where it does not serve what it should, its log is shown. */
async function served(options: SystemOptions, check: (system: System) => Promise<void>): Promise<void> {
  const system = await startSystem(options)
  try {
    await check(system)
  } catch (error) {
    console.error(`the log of the broker that opened the store:\n${system.log()}`)
    throw error
  } finally {
    await system.close()
  }
}

const DAMAGES: { what: string; writer: Kind; reader: string; damage: (store: string) => void }[] = [
  {
    what: 'no ConsumeQueue and no checkpoint that can be',
    writer: 'apache',
    reader: ORACLE,
    damage: (store) => {
      rmSync(join(store, 'consumequeue'), { recursive: true })
      patch(join(store, 'checkpoint'), 0, Buffer.from([0, 0, 9]))
    },
  },
  {
    what: 'a torn tail and half an index',
    writer: 'apache',
    reader: ORACLE,
    damage: (store) => {
      tear(store)
      const [oldest] = readdirSync(join(store, 'index')).sort()
      rmSync(join(store, 'index', oldest))
    },
  },
  {
    what: 'holes and cut files in queues, offsets beyond them, a torn table and a stray file',
    writer: 'apache',
    reader: '5.3.3',
    damage: (store) => {
      patch(join(queueOf(store), '00000000000000000000'), 400, Buffer.alloc(400))
      const other = join(store, 'consumequeue', TOPIC, '1')
      truncateSync(join(other, readdirSync(other).sort()[0]), 100)
      writeFileSync(
        join(store, 'config/consumerOffset.json'),
        JSON.stringify({ offsetTable: { [`${TOPIC}@Somebody`]: { 0: 99_999 } } }),
      )
      const table = join(store, 'config/topics.json')
      writeFileSync(`${table}.bak`, readFileSync(table))
      truncateSync(table, 50)
      writeFileSync(join(store, 'commitlog/notes.txt'), 'x')
    },
  },
  {
    what: 'no index, a queue that is gone and a torn tail',
    writer: 'basalt',
    reader: ORACLE,
    damage: (store) => {
      tear(store)
      rmSync(join(store, 'index'), { recursive: true })
      rmSync(queueOf(store), { recursive: true })
    },
  },
]

describe.skipIf(!apacheIsThere(ORACLE, '5.3.3'))('a store that was mended', () => {
  const scratch = new Scratch()
  const written = new Map<Kind, Written>()
  afterAll(() => scratch.remove())

  beforeAll(async () => {
    for (const kind of ['apache', 'basalt'] as const) {
      const store = scratch.sub(`${kind}-store`)
      const system = await startSystem({ scratch, kind, store, config: SMALL_FILES })
      try {
        const options = {
          namesrv: system.namesrv,
          topic: TOPIC,
          count: COUNT,
          mode: 'sync',
          threads: 8,
          seed: 5,
          max: 6000,
        }
        const { acknowledged } = await producer(scratch, ORACLE, options).done()
        const refused = spawnSync(process.execPath, [COMMAND, 'inspect', 'repair', store, '--apply'])
        expect([refused.status, /used by another broker, process \d+/.test(String(refused.stderr))]).toEqual([1, true])
        written.set(kind, { store, port: system.port, acknowledged })
        expect(await system.stop()).toBe(true)
      } finally {
        await system.close()
      }
    }
  })

  test.each(DAMAGES)(
    '($what, written by $writer) is served whole by Apache $reader',
    async ({ writer, reader, damage }) => {
      const { store: original, port, acknowledged } = written.get(writer)!
      const store = scratch.sub('damaged')
      cpSync(original, store, { recursive: true })
      damage(store)
      const { status, stdout } = spawnSync(process.execPath, [COMMAND, 'inspect', 'repair', store, '--apply', ...SIZES])
      expect(status, String(stdout)).toBe(0)
      expect(String(stdout)).toContain('\nwhole: ')

      await served(
        { scratch, kind: 'apache', version: reader, store, port, config: SMALL_FILES },
        async ({ namesrv }) => {
          const read = await readAll(scratch, ORACLE, { namesrv, topics: TOPIC, lookup: 10 })
          expect(read.bad.slice(0, 5)).toEqual([])
          expect(read.lookups).toBeGreaterThan(80)
          expect(holes(read.records)).toEqual([])
          expect(differences(hashes(acknowledged), hashes(read.records))).toEqual([])
          const ids = new Set(read.records.map((one) => `${one.key} ${one.queueId}:${one.queueOffset} ${one.msgId}`))
          expect(
            acknowledged.filter((one) => !ids.has(`${one.key} ${one.queueId}:${one.queueOffset} ${one.msgId}`)),
          ).toEqual([])
          // And it goes on: new messages get the next offsets.
          const more = await producer(scratch, ORACLE, { namesrv, topic: TOPIC, count: 40, seed: 6 }).done()
          const after = await readAll(scratch, ORACLE, { namesrv, topics: TOPIC, lookup: 0 })
          expect(holes(after.records)).toEqual([])
          expect(differences(hashes([...acknowledged, ...more.acknowledged]), hashes(after.records))).toEqual([])
        },
      )
    },
  )

  test('a member of a DLedger group that was killed, without a queue and an index file', async () => {
    const store = scratch.sub('member')
    const dLegerPeers = `n0-127.0.0.1:${await freeBrokerPort()}`
    const member = { enableDLegerCommitLog: true, dLegerGroup: 'broker-a', dLegerPeers, dLegerSelfId: 'n0' }
    const options = { scratch, kind: 'apache', store, config: { ...SMALL_FILES, ...member } } as const
    const first = await startSystem(options)
    const { port } = first
    const send = { topic: TOPIC, mode: 'sync', threads: 8, max: 6000 }
    let acknowledged: Acknowledged[] = []
    try {
      ;({ acknowledged } = await producer(scratch, ORACLE, {
        ...send,
        namesrv: first.namesrv,
        count: 600,
        seed: 7,
      }).done())
      await first.kill()
    } finally {
      await first.close()
    }
    rmSync(queueOf(store), { recursive: true })
    const [newest] = readdirSync(join(store, 'index')).sort().reverse()
    rmSync(join(store, 'index', newest))
    const { status, stdout } = spawnSync(process.execPath, [COMMAND, 'inspect', 'repair', store, '--apply', ...SIZES])
    expect(status, String(stdout)).toBe(0)

    await served({ ...options, port }, async ({ namesrv }) => {
      const more = await producer(scratch, ORACLE, { ...send, namesrv, count: 40, seed: 8 }).done()
      const read = await readAll(scratch, ORACLE, { namesrv, topics: TOPIC, lookup: 10 })
      expect(read.bad.slice(0, 5)).toEqual([])
      expect(holes(read.records)).toEqual([])
      expect(differences(hashes([...acknowledged, ...more.acknowledged]), hashes(read.records))).toEqual([])
    })
  })
})
