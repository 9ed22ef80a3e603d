/** Stores of real DLedger 0.3.1.2 members: every entry, index unit and state file as they wrote it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  formatCheckpoint,
  formatCurrTerm,
  INDEX_UNIT_SIZE,
  parseCheckpoint,
  parseCurrTerm,
  readIndexUnit,
  scanFile,
  writeIndexUnit,
} from '../../../src/dledger/log/index.ts'
import { type DLedgerEntry, writeEntry } from '../../../src/dledger/wire/index.ts'

const VECTORS = new URL('../../vectors/dledger-0.3.1.2/store/', import.meta.url).pathname
let root = ''

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'dledger-store-'))
  for (const name of ['plain-clean-n0', 'plain-unclean-n1', 'plain-healed-n2'])
    execFileSync('tar', ['xzf', join(VECTORS, `${name}.tar.gz`), '-C', root])
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

function filesOf(folder: string): { pos: number; bytes: Buffer }[] {
  const names = readdirSync(join(root, folder)).sort()
  return names.map((name) => ({ pos: Number(name), bytes: readFileSync(join(root, folder, name)) }))
}

function entriesOf(member: string): DLedgerEntry[] {
  const entries: DLedgerEntry[] = []
  for (const { pos, bytes } of filesOf(`${member}/data`))
    if (!scanFile(bytes, pos, entries.at(-1), (entry) => entries.push(entry)).goesOn) break
  return entries
}

test('every entry is found, with the fields that another reader saw', () => {
  const seen = readFileSync(join(VECTORS, 'plain-clean-n0.entries.jsonl'), 'utf8').trim().split('\n')
  const entries = entriesOf('dledger-n0').map(({ body, ...rest }) => ({ ...rest, bodyLen: body.length }))
  expect(entries).toEqual(seen.map((line) => JSON.parse(line)))
  expect(entries.length).toBe(609)
})

test.each(['dledger-n1', 'dledger-n2'])('%s: the same log after kill -9, damage and truncation', (member) => {
  const key = (it: DLedgerEntry) => `${it.index} ${it.term} ${it.pos} ${Buffer.from(it.body).toString('base64')}`
  expect(entriesOf(member).map(key)).toEqual(entriesOf('dledger-n0').map(key))
})

test('entries and blanks written again give the same files', () => {
  for (const { pos, bytes } of filesOf('dledger-n0/data')) {
    const again = new Uint8Array(bytes.length)
    const view = new DataView(again.buffer)
    const { length, goesOn } = scanFile(bytes, pos, undefined, (entry) =>
      writeEntry(view, again, entry.pos - pos, entry),
    )
    if (goesOn) {
      view.setInt32(length, -1)
      view.setInt32(length + 4, bytes.length - length)
    }
    expect(Buffer.compare(again, bytes)).toBe(0)
  }
})

test('every index unit is that of its entry, and written again the same', () => {
  const units = Buffer.concat(filesOf('dledger-n0/index').map((file) => file.bytes))
  const view = new DataView(units.buffer, units.byteOffset, units.length)
  const again = new DataView(new ArrayBuffer(units.length))
  const entries = entriesOf('dledger-n0')
  for (const { index, term, pos, size } of entries) {
    expect(readIndexUnit(view, index * INDEX_UNIT_SIZE)).toEqual({ index, term, pos, size })
    writeIndexUnit(again, index * INDEX_UNIT_SIZE, { index, term, pos, size })
  }
  expect(readIndexUnit(view, entries.length * INDEX_UNIT_SIZE)).toBeUndefined()
  expect(Buffer.compare(Buffer.from(again.buffer), units)).toBe(0)
})

test('old bytes behind the end are not believed, even where they would parse', () => {
  const { bytes } = filesOf('dledger-n0/data')[0]!
  const copy = Buffer.from(bytes)
  const entries = entriesOf('dledger-n0').slice(0, 8)
  // Entry 5 gets a larger term: 6 and 7, of smaller ones, are what a cut left behind.
  copy.writeBigInt64BE(99n, entries[5]!.pos + 16)
  const found: number[] = []
  const end = scanFile(copy, 0, undefined, (entry) => found.push(entry.index))
  expect(found).toEqual([0, 1, 2, 3, 4, 5])
  expect(end).toEqual({ length: entries[6]!.pos, goesOn: false })
})

test('state files: term, vote and checkpoint; a damaged currterm is refused, a damaged checkpoint is not needed', () => {
  const currTerm = parseCurrTerm(readFileSync(join(root, 'dledger-n0/currterm'), 'utf8'), 'currterm')
  expect(currTerm.term).toBeGreaterThanOrEqual(3)
  expect(parseCurrTerm(formatCurrTerm(currTerm), 'currterm')).toEqual(currTerm)
  expect(parseCurrTerm('voteLeader=\ncurrTerm=7\n', 'currterm')).toEqual({ term: 7, voteFor: undefined })
  expect(() => parseCurrTerm('voteLeader=n1\n', 'a/currterm')).toThrow(/currTerm is "".*a\/currterm.*vote twice/s)
  const checkpoint = parseCheckpoint(readFileSync(join(root, 'dledger-n0/checkpoint'), 'utf8'))
  expect(checkpoint).toEqual({ endIndex: 608, committedIndex: 608 })
  expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint)
  expect(parseCheckpoint('junk')).toEqual({ endIndex: -1, committedIndex: -1 })
})
