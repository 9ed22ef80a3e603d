/** Stores that DLedger 0.3.1.2 wrote: found as they are, and written again to the same bytes. */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { logSettings } from '../../../src/dledger/log/index.ts'
import type { DLedgerEntry } from '../../../src/dledger/wire/index.ts'
import { digests, lines, openLog, removeScratch, SMALL, scratch, settingsIn, unpack } from './support.ts'

afterEach(removeScratch)

interface Line {
  index: number
  term: number
  pos: number
  size: number
}

/** The index of a broker's store has its full size, which is sparse: here it is made again, small. */
function openVector(name: string) {
  const folder = unpack(name)
  if (name.startsWith('rmq')) rmSync(join(folder, 'index'), { recursive: true })
  return { folder, log: openLog(logSettings(folder, { ...SMALL })) }
}

function all(log: { endIndex: number; beginIndex: number; read(from: number, to: number, max: number): unknown }) {
  const entries: DLedgerEntry[] = []
  for (let next = log.beginIndex; next <= log.endIndex; next = entries[entries.length - 1]!.index + 1)
    entries.push(...(log.read(next, log.endIndex, 100_000) as { entries: DLedgerEntry[] }).entries)
  return entries
}

describe('recovery', () => {
  test.each([
    { name: 'plain-clean-n0', listed: 'plain-clean-n0', term: 3, voteFor: 'n1' },
    { name: 'plain-unclean-n1', listed: 'plain-clean-n0', term: 3, voteFor: 'n1' },
    { name: 'plain-healed-n2', listed: 'plain-clean-n0', term: 4, voteFor: 'n0' },
    { name: 'rmq-clean-n2', listed: 'rmq-clean-n2', term: 2, voteFor: 'n2' },
  ])('$name has the entries that were listed', ({ name, listed, term, voteFor }) => {
    const { log } = openVector(name)
    const expected = lines<Line>(`${listed}.entries.jsonl`)
    expect(log.endIndex).toBe(expected.length - 1)
    expect(log.endTerm).toBe(expected[expected.length - 1]!.term)
    expect(all(log).map(({ index, term, pos, size }) => ({ index, term, pos, size }))).toEqual(
      expected.map(({ index, term, pos, size }) => ({ index, term, pos, size })),
    )
    expect(log.state.loadTerm()).toEqual({ term, voteFor })
    log.close()
  })

  test('bodies are those that the client was answered for', () => {
    const { log } = openVector('plain-clean-n0')
    const answered = lines<{ index: number; pos: number; term: number; sha256: string }>('plain-entries-9-608.jsonl')
    expect(answered).toHaveLength(600)
    for (const { index, pos, term, sha256 } of answered) {
      const found = log.entryAt(index)!
      expect({ pos: found.pos, term: found.term }).toEqual({ pos, term })
      expect(createHash('sha256').update(found.body).digest('hex')).toBe(sha256)
    }
    log.close()
  })

  test('a store that was killed under load, and one that goes on from a classic log', () => {
    const killed = openVector('rmq-killed-n0').log
    expect([killed.beginIndex, killed.endIndex, killed.endTerm]).toEqual([0, 475, 1])
    killed.close()
    const mixed = openVector('rmq-mixed').log
    expect([mixed.beginIndex, mixed.endIndex, mixed.endTerm]).toEqual([0, 5, 0])
    expect(mixed.entryAt(0)!.pos).toBe(65_536)
    mixed.close()
  })

  test('what is whole stays as it is, and the index is that of the data', () => {
    const folder = unpack('plain-clean-n0')
    const before = { data: digests(join(folder, 'data')), index: digests(join(folder, 'index')) }
    openLog(logSettings(folder, SMALL)).close()
    expect({ data: digests(join(folder, 'data')), index: digests(join(folder, 'index')) }).toEqual(before)
    rmSync(join(folder, 'index'), { recursive: true })
    openLog(logSettings(folder, SMALL)).close()
    expect(digests(join(folder, 'index'))).toEqual(before.index)
  })
})

describe('writing', () => {
  test.each(['plain-clean-n0', 'rmq-clean-n2', 'rmq-mixed'])('%s again, as leader and as follower', (name) => {
    const { folder, log } = openVector(name)
    const entries = all(log)
    log.close()
    const expected = { data: digests(join(folder, 'data')), index: digests(join(folder, 'index')) }
    const startPos = entries[0]!.pos
    const asFollower = settingsIn(scratch(), { startPos })
    const follower = openLog(asFollower)
    for (let i = 0; i < entries.length; i += 37) expect(follower.appendBatch(entries.slice(i, i + 37))).toBeUndefined()
    follower.close()
    const asLeader = settingsIn(scratch(), { startPos, fillsBodyCrc: false })
    const leader = openLog(asLeader)
    for (const { term, body } of entries) expect(leader.appendOwn(term, [body]).failure).toBeUndefined()
    leader.close()
    for (const settings of [asFollower, asLeader]) {
      expect(digests(settings.dataFolder)).toEqual(expected.data)
      expect(digests(settings.indexFolder)).toEqual(expected.index)
    }
    expect(basename(asLeader.folder)).toBe('dledger-n0')
  })
})
