/**
 * The inspector on stores in DLedger mode: those that members of the JVM and brokers of 4.9.8 left, with what an independent decoder
 * found in them, and those of our own members.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { type DLedgerVector, dledgerStore } from '../store/dledger/stores.ts'
import { scratchFolder } from '../store/scratch.ts'
import { inspect } from './stores.ts'

interface DecodedEntry {
  size: number
  index: number
  term: number
  pos: number
  rec: { total: number; queueId: number; queueOffset: number; physical: number }
}

const decoded = (name: string): DecodedEntry[] =>
  readFileSync(
    fileURLToPath(new URL(`../vectors/dledger-0.3.1.2/store/${name}.entries.jsonl`, import.meta.url)),
    'utf8',
  )
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DecodedEntry)

const ALL: DLedgerVector[] = [
  'rmq-clean-n2',
  'rmq-killed-n0',
  'rmq-mixed',
  'plain-clean-n0',
  'plain-unclean-n1',
  'plain-healed-n2',
]

test.each(ALL)('%s is whole', async (name) => {
  const { isWhole, findings } = await verifyStore(openStore(dledgerStore(name)))
  expect(findings.filter(({ severity }) => severity !== 'info').map(({ code, what }) => `${code} ${what}`)).toEqual([])
  expect(isWhole).toBe(true)
})

describe('a store of a broker of 4.9.8', () => {
  test('log: every record with its entry, as the independent decoder has them', async () => {
    const root = dledgerStore('rmq-clean-n2')
    const { objects, status } = await inspect('log', root, '--json', '--body', 'none')
    expect(status).toBe(0)
    const found = objects().map((it) => {
      const { physicalOffset, size, queueId, queueOffset, entry } = it as Record<string, number> & {
        entry: DecodedEntry & { position: number }
      }
      const { index, term, position: pos } = entry
      return {
        size: entry.size,
        index,
        term,
        pos,
        rec: { total: size, queueId, queueOffset, physical: physicalOffset },
      }
    })
    const expected = decoded('rmq-clean-n2').map(({ size, index, term, pos, rec }) => {
      const { total, queueId, queueOffset, physical } = rec
      return { size, index, term, pos, rec: { total, queueId, queueOffset, physical } }
    })
    expect(found).toEqual(expected)
  })

  test('log: one entry, one term', async () => {
    const root = dledgerStore('rmq-clean-n2')
    const all = decoded('rmq-clean-n2')
    const one = await inspect('log', root, '--index', '17')
    expect(one.printed).toContain('entry 17 of term 1')
    expect(one.printed.match(/entry \d+ of term/g)).toHaveLength(1)
    const second = await inspect('log', root, '--term', '2', '--json')
    expect(second.objects()).toHaveLength(all.filter(({ term }) => term === 2).length)
  })

  test('summary: mode, term, vote, entries', async () => {
    const { printed } = await inspect('summary', dledgerStore('rmq-clean-n2'))
    expect(printed).toMatch(/mode +DLedger, member n2: term 2, vote for n\d/)
    expect(printed).toMatch(/entries +0 to 543 \(term 2\); committed 543 by its checkpoint; 4 data files/)
    const mixed = await inspect('summary', dledgerStore('rmq-mixed'), '--json')
    expect(mixed.objects()[0].dledger).toMatchObject({
      ...{ selfId: 'n0', beginIndex: 0, endTerm: 0, dataBegin: 65_536, divide: 65_536, dataFiles: 1, indexFiles: 1 },
    })
  })

  test('find: by id, key, offset of a record and of its header, on both sides of the divide', async () => {
    const root = dledgerStore('rmq-mixed')
    const log = (await inspect('log', root, '--json')).objects() as unknown as {
      physicalOffset: number
      offsetMsgId: string
      topic: string
      msgId?: string
    }[]
    const messages = log.filter(({ topic }) => topic === 'MixTopic')
    for (const message of [messages[3], messages.at(-1)!]) {
      const { offsetMsgId, physicalOffset } = message
      const byId = await inspect('find', root, '--id', offsetMsgId)
      expect(byId.printed, byId.complained).toContain(String(physicalOffset))
      const byOffset = await inspect('find', root, '--offset', String(physicalOffset + 5))
      expect(byOffset.printed).toContain(String(physicalOffset))
    }
    const header = await inspect('find', root, '--offset', String(messages.at(-1)!.physicalOffset - 7))
    expect(header.printed).toContain('its entry')
  })

  test.each(['queue', 'index', 'config', 'checkpoint', 'map'])('%s', async (command) => {
    const root = dledgerStore('rmq-clean-n2')
    const more = command === 'queue' ? ['RaftTopic', '0'] : []
    const { status, printed, complained } = await inspect(command, root, ...more)
    expect(complained).toBe('')
    expect(status).toBe(0)
    expect(printed).not.toContain('no record is there')
  })

  test('map: each segment has the time of its first record', async () => {
    const { objects } = await inspect('map', dledgerStore('rmq-clean-n2'), '--json')
    const [{ segments }] = objects() as unknown as [{ segments: { firstTime: number }[] }]
    expect(segments.length).toBe(4)
    for (const { firstTime } of segments) expect(firstTime).toBeGreaterThan(Date.parse('2026-11-23'))
  })

  test('export: its messages are those of a classic store', async () => {
    const root = dledgerStore('rmq-clean-n2')
    const target = join(scratchFolder(), 'classic')
    const { status, complained } = await inspect('export', root, '--to-store', target)
    expect(complained).toBe('')
    expect(status).toBe(0)
    const ours = (await inspect('log', target, '--json')).objects().map(({ msgId, topic }) => `${topic} ${msgId}`)
    const theirs = (await inspect('log', root, '--json')).objects().map(({ msgId, topic }) => `${topic} ${msgId}`)
    expect(ours).toEqual(theirs)
    expect((await verifyStore(openStore(target))).isWhole).toBe(true)
  })

  test('import leaves it alone, and says what to do', async () => {
    const root = dledgerStore('rmq-clean-n2')
    const source = dledgerStore('rmq-mixed')
    const { status, complained } = await inspect('import', source, '--to-store', root)
    expect(status).toBe(2)
    expect(complained).toContain('sends to the leader')
  })
})

test('diff: members of a group are equal, or one is behind', async () => {
  const [n2, n0] = [dledgerStore('rmq-clean-n2'), dledgerStore('rmq-killed-n0')]
  const { printed } = await inspect('diff', n0, n2)
  expect(printed).toContain('behind')
  const equal = await inspect('diff', dledgerStore('plain-clean-n0'), dledgerStore('plain-healed-n2'))
  expect(equal.printed).toContain('equal')
})

test('entries of plain nodes, which hold no records, are shown as they are', async () => {
  const { objects } = await inspect('log', dledgerStore('plain-clean-n0'), '--json')
  const all = objects() as unknown as { entry: { index: number; term: number } }[]
  expect(all.map(({ entry }) => entry.index)).toEqual(Array.from({ length: 609 }, (_, i) => i))
  expect(new Set(all.map(({ entry }) => entry.term))).toEqual(new Set([1, 3]))
})
