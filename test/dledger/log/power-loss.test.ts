/**
 * Power losses: of what was not synced each page is on the disk or is not, in any mix. Pages are made so by hand, from copies of the
 * files before and after. Bodies carry a CRC, as those of our leaders do: of a raw body without one (a leader of the JVM, no broker)
 * nobody can say whether it is torn.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { DLedgerLog, LogSettings } from '../../../src/dledger/log/index.ts'
import type { DLedgerEntry } from '../../../src/dledger/wire/index.ts'
import { crcOfBody } from '../../../src/store/commitlog/index.ts'
import { entry, openLog, removeScratch, scratch, settingsIn } from './support.ts'

afterEach(removeScratch)

const PAGE = 4096
/** Each one syncs some files: most of the time is the disk's. */
const RUNS = 15

function snapshot(settings: LogSettings): string {
  const copy = scratch()
  cpSync(settings.folder, copy, { recursive: true })
  return copy
}

/** Folder `before`, in which the pages that differ in `after` are replaced where `takes` says so. New files are there, of zeros or more. */
function mixed(before: string, after: string, takes: () => boolean): LogSettings {
  const settings = settingsIn(scratch())
  cpSync(before, settings.folder, { recursive: true })
  for (const part of ['data', 'index']) {
    for (const name of readdirSync(join(after, part))) {
      const path = join(settings.folder, part, name)
      const fresh = readFileSync(join(after, part, name))
      const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(fresh.length)
      for (let at = 0; at < fresh.length; at += PAGE) if (takes()) fresh.copy(bytes, at, at, at + PAGE)
      writeFileSync(path, bytes)
    }
    // A removal may have been seen or not.
    for (const name of readdirSync(join(before, part)))
      if (!existsSync(join(after, part, name)) && takes()) rmSync(join(settings.folder, part, name))
  }
  return settings
}

const bodies = (lengths: readonly number[], fill: number) => lengths.map((length, i) => Buffer.alloc(length, fill + i))
const upTo = (max: number) => fc.array(fc.integer({ min: 1, max }), { minLength: 1, maxLength: 12 })
/** Of files of 64 KiB: what is not synced lies in two at most, as the log sees to it (DataFiles). */
const LESS_THAN_A_FILE = upTo(4_000)
const LESS_THAN_TWO_FILES = upTo(9_000)
const coin = fc.infiniteStream(fc.boolean())

/** Everything up to `synced`, and of the rest a beginning: nothing that was never written. */
function expectPrefix(log: DLedgerLog, written: readonly DLedgerEntry[], synced: number): void {
  expect(log.endIndex).toBeGreaterThanOrEqual(synced)
  expect(log.endIndex).toBeLessThan(written.length)
  expect(log.isEqual(written.slice(0, log.endIndex + 1))).toBe(true)
}

test('appends: what was synced is there, and of the rest whole entries only', async () => {
  await fc.assert(
    fc.asyncProperty(upTo(12_000), LESS_THAN_A_FILE, coin, async (first, second, coins) => {
      const settings = settingsIn(scratch())
      const log = openLog(settings)
      const written = log.appendOwn(1, bodies(first, 1)).entries
      await log.sync()
      const before = snapshot(settings)
      const synced = log.endIndex
      written.push(...log.appendOwn(1, bodies(second, 101)).entries)
      const found = openLog(mixed(before, snapshot(settings), () => coins.next().value))
      expectPrefix(found, written, synced)
      // It goes on from there as if nothing had been.
      expect(found.appendOwn(2, bodies([77], 9)).failure).toBeUndefined()
      found.close()
      log.close()
      removeScratch()
    }),
    { numRuns: RUNS },
  )
})

test('truncations: the log is the old one or ends earlier; nothing of the tail stands behind the new entry', () => {
  fc.assert(
    fc.property(LESS_THAN_TWO_FILES, fc.nat(19), fc.boolean(), coin, (list, at, isEqualSize, coins) => {
      const settings = settingsIn(scratch())
      const log = openLog(settings)
      const written = log.appendOwn(1, bodies(list, 1)).entries
      const own = written[at % written.length]!
      const body = isEqualSize ? own.body : Buffer.alloc(33, 200)
      const next = { ...entry(own.index, 2, own.pos, body), bodyCrc: crcOfBody(body) }
      const files = (log as unknown as { data: { syncNow(): void; cut(pos: number): void } }).data
      files.syncNow()
      const before = snapshot(settings)
      let cut: string | undefined
      const cutTo = files.cut.bind(files)
      files.cut = (pos) => {
        cutTo(pos)
        cut = snapshot(settings)
      }
      expect(log.truncate(next, false)).toBeUndefined()
      const after = snapshot(settings)
      const during = openLog(mixed(before, cut!, () => coins.next().value))
      expectPrefix(during, written, own.index - 1)
      during.close()
      const behind = openLog(mixed(cut!, after, () => coins.next().value))
      const expected = [...written.slice(0, own.index), next]
      expect([own.index - 1, own.index]).toContain(behind.endIndex)
      expect(behind.isEqual(expected.slice(0, behind.endIndex + 1))).toBe(true)
      behind.close()
      log.close()
      removeScratch()
    }),
    { numRuns: RUNS },
  )
})
