/** The log of a member: appends, truncations, ranges, ends of files, torn tails, full disks. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { DLedgerLog } from '../../../src/dledger/log/index.ts'
import type { DLedgerEntry } from '../../../src/dledger/wire/index.ts'
import { recordSize, writeRecord } from '../../../src/store/commitlog/index.ts'
import { digests, entry, openLog, removeScratch, scratch, settingsIn } from './support.ts'

afterEach(removeScratch)

const body = (length: number, fill = 7) => Buffer.alloc(length, fill)

function filled(count: number, term = 1, length = 200) {
  const settings = settingsIn(scratch())
  const log = openLog(settings)
  log.appendOwn(
    term,
    Array.from({ length: count }, (_, i) => body(length, i & 0xff)),
  )
  return { settings, log }
}

/** Every byte behind the end, in all files. */
function behindIsZero(folder: string, endPos: number): boolean {
  return readdirSync(folder).every((name) => {
    const bytes = readFileSync(join(folder, name))
    return bytes.subarray(Math.max(0, endPos - Number(name))).every((it) => it === 0)
  })
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 0xff
  writeFileSync(path, bytes)
}

describe('truncate', () => {
  test('an equal entry stays, what is behind it is erased, also from the disk', () => {
    const { settings, log } = filled(600)
    const kept = log.entryAt(250)!
    expect(log.truncate(kept, true)).toBeUndefined()
    expect([log.endIndex, log.endTerm, log.endPos]).toEqual([250, 1, kept.pos + kept.size])
    expect(behindIsZero(settings.dataFolder, log.endPos)).toBe(true)
    expect(log.read(251, 251, 1)).toBeUndefined()
    log.close()
    const again = openLog(settings)
    expect([again.endIndex, again.endPos]).toEqual([250, kept.pos + kept.size])
    again.close()
  })

  test('another entry takes the place; with mustEqual it does not', () => {
    const { log } = filled(20)
    const other = entry(12, 2, log.entryAt(12)!.pos, Buffer.from('another'))
    expect(log.isDirty).toBe(true)
    expect(log.truncate(other, true)?.code).toBe('ENTRY_DIFFERS')
    expect(log.endIndex).toBe(19)
    expect(log.isDirty).toBe(false)
    expect(log.truncate(other, false)).toBeUndefined()
    expect([log.endIndex, log.endTerm]).toEqual([12, 2])
    expect(log.isEqual([other])).toBe(true)
    log.close()
  })

  test('at a place where the log would have it elsewhere it is refused, and nothing changes', () => {
    const { log } = filled(20)
    expect(log.truncate(entry(12, 2, log.entryAt(12)!.pos + 8, body(3)), false)?.code).toBe('ENTRY_DIFFERS')
    expect(log.truncate(entry(12, 0, log.entryAt(12)!.pos, body(3)), false)?.code).toBe('ENTRY_DIFFERS')
    expect(log.endIndex).toBe(19)
    log.close()
  })

  test.each([
    { what: 'in another file', pos: 65_536 * 9 + 4096 },
    { what: 'at the start of a file', pos: 65_536 * 3 },
    { what: 'in the file of the end', pos: 20_000 },
  ])('one behind a gap, $what, makes the log begin with it, over restarts', ({ pos }) => {
    const { settings, log } = filled(20)
    const first = entry(5000, 3, pos, body(100, 1))
    expect(log.truncate(first, false)).toBeUndefined()
    expect(log.appendBatch([entry(5001, 3, pos + 148, body(50, 2))])).toBeUndefined()
    for (let i = 0; i < 2; i++) {
      expect([log.beginIndex, log.endIndex, log.entryAt(5000)?.pos, log.entryAt(19)]).toEqual([
        5000,
        5001,
        pos,
        undefined,
      ])
      log.close()
      const again = openLog(settings)
      expect([again.beginIndex, again.endIndex, again.endPos]).toEqual([5000, 5001, pos + 246])
      expect(again.isEqual([first])).toBe(true)
      again.close()
      Object.assign(log, openLog(settings))
    }
    log.close()
  })

  test('a crash before the new begin was on disk leaves the log as it was', () => {
    const { settings, log } = filled(20)
    const end = log.endPos
    log.state.saveBegin({ index: 5000, pos: 65_536 * 9, isDone: false })
    log.close()
    copyFileSync(
      join(settings.dataFolder, readdirSync(settings.dataFolder)[0]!),
      join(settings.dataFolder, String(65_536 * 9).padStart(20, '0')),
    )
    const again = openLog(settings)
    expect([again.beginIndex, again.endIndex, again.endPos]).toEqual([0, 19, end])
    expect(readdirSync(settings.dataFolder)).toHaveLength(1)
    again.close()
  })
})

describe('recovery', () => {
  test('a torn body ends the log; the bytes behind it do not come back', () => {
    const { settings, log } = filled(100)
    const torn = log.entryAt(90)!
    log.close()
    flip(join(settings.dataFolder, '0'.repeat(20)), torn.pos + 100)
    const again = openLog(settings)
    expect([again.endIndex, again.endPos]).toEqual([89, torn.pos])
    expect(behindIsZero(settings.dataFolder, torn.pos)).toBe(true)
    again.close()
  })

  test('a file that was cut short is filled up; an index that lies is made again', () => {
    const { settings, log } = filled(600)
    const before = digests(settings.indexFolder)
    const end = log.endPos
    log.close()
    const last = join(settings.dataFolder, readdirSync(settings.dataFolder).sort().pop()!)
    truncateSync(last, (end % 65_536) + 10)
    flip(join(settings.indexFolder, '00000000000000008192'), 3000)
    unlinkSync(join(settings.indexFolder, '00000000000000016384'))
    const again = openLog(settings)
    expect([again.endIndex, again.endPos]).toEqual([599, end])
    again.close()
    expect(digests(settings.indexFolder)).toEqual(before)
    expect(readFileSync(last)).toHaveLength(65_536)
  })

  test('damage with files behind it, and a missing file, stop the start', () => {
    const { settings, log } = filled(1200)
    const [first, second, third] = readdirSync(settings.dataFolder).sort()
    log.close()
    flip(join(settings.dataFolder, second!), 1)
    // From the third last file on all is well: what is before it was judged when it was written.
    openLog(settings).close()
    const copy = settingsIn(scratch())
    mkdirSync(copy.dataFolder, { recursive: true })
    for (const name of [first!, second!, third!])
      copyFileSync(join(settings.dataFolder, name), join(copy.dataFolder, name))
    copyFileSync(join(settings.dataFolder, third!), join(copy.dataFolder, String(65_536 * 3).padStart(20, '0')))
    expect(() => openLog(copy)).toThrow(/damaged/)
    unlinkSync(join(settings.dataFolder, third!))
    expect(() => openLog(settings)).toThrow(/lacks its data file that starts at 131072/)
  })

  test('a log that lost what it knows to be committed does not start; one without files does', async () => {
    const { settings, log } = filled(100)
    await log.state.saveCheckpoint({ committedIndex: 95, endIndex: 99 })
    log.close()
    const path = join(settings.dataFolder, '0'.repeat(20))
    flip(path, log.endPos - 1000)
    flip(path, log.endPos - 1300)
    expect(() => openLog(settings)).toThrow(/entry 95 was committed/)
    unlinkSync(path)
    expect(openLog(settings).endIndex).toBe(-1)
  })
})

describe('reading', () => {
  test('ranges end at the bytes asked for and go over the ends of files', () => {
    const { log } = filled(600)
    const pages: DLedgerEntry[][] = []
    for (let next = 0; next <= 599; ) {
      const page = log.read(next, 599, 3000)!
      expect(page.bytes).toBeLessThanOrEqual(3000)
      expect(page.count === 12 || next + page.count === 600).toBe(true)
      pages.push([...page.entries])
      next += page.count
    }
    expect(pages.flat().map((it) => it.index)).toEqual(Array.from({ length: 600 }, (_, i) => i))
    expect(log.read(3, 5, 1_000_000)!.count).toBe(3)
    expect(log.read(3, 500, 1)!.count).toBe(1)
    expect(log.read(600, 700, 1)).toBeUndefined()
    log.close()
  })

  test('an entry that fills its file exactly, and one too long for any', () => {
    const settings = settingsIn(scratch())
    const log = openLog(settings)
    expect(log.appendOwn(1, [body(65_536 - 48 - 8)]).failure).toBeUndefined()
    expect(log.appendOwn(1, [body(65_536 - 48 - 7)]).failure?.code).toBe('ENTRY_TOO_LONG')
    expect(log.endPos).toBe(65_528)
    expect(log.appendOwn(1, [body(0)]).entries[0]!.pos).toBe(65_536)
    log.close()
    const bytes = readFileSync(join(settings.dataFolder, '0'.repeat(20)))
    expect([bytes.readInt32BE(65_528), bytes.readInt32BE(65_532)]).toEqual([-1, 8])
    expect(openLog(settings).endIndex).toBe(1)
  })
})

test('a full disk leaves whole entries, and the log goes on when there is room', () => {
  const settings = settingsIn(scratch())
  const log = openLog(settings)
  const files = (log as unknown as { data: { ensure(pos: number): void } }).data
  const ensure = files.ensure.bind(files)
  files.ensure = (pos) => {
    if (pos >= 65_536)
      throw Object.assign(new (Object.getPrototypeOf(failure).constructor)('DISK_FULL', { what: 'full' }))
    ensure(pos)
  }
  const failure = log.appendOwn(1, [body(70_000)]).failure!
  const taken = log.appendOwn(
    1,
    Array.from({ length: 100 }, () => body(1000)),
  )
  expect(taken.failure?.code).toBe('DISK_FULL')
  expect(log.endIndex).toBe(taken.entries.length - 1)
  files.ensure = ensure
  expect(log.appendOwn(1, [body(1000)]).entries[0]!.pos).toBe(65_536)
  log.close()
  expect(openLog(settings).endIndex).toBe(taken.entries.length)
})

test('whatever is appended, cut and reopened: the log is what a list would be', () => {
  const settings = settingsIn(scratch())
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('append' as const),
      lengths: fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 12 }),
    }),
    fc.record({ kind: fc.constant('cut' as const), back: fc.integer({ min: 0, max: 30 }), replace: fc.boolean() }),
    fc.record({ kind: fc.constant('reopen' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const here = { ...settings, ...settingsIn(scratch()) }
      let log: DLedgerLog = openLog(here)
      let list: DLedgerEntry[] = []
      let term = 1
      for (const it of steps) {
        if (it.kind === 'append')
          list.push(
            ...log.appendOwn(
              term,
              it.lengths.map((length) => body(length, length & 0xff)),
            ).entries,
          )
        else if (it.kind === 'cut' && list.length > 0) {
          const index = Math.max(0, list.length - 1 - it.back)
          const own = list[index]!
          list = list.slice(0, index + 1)
          term++
          const next = it.replace ? entry(index, term, own.pos, own.body) : own
          expect(log.truncate(next, !it.replace)).toBeUndefined()
          list[index] = next
        } else if (it.kind === 'reopen') {
          log.close()
          log = openLog(here)
        }
        expect(log.endIndex).toBe(list.length - 1)
      }
      log.close()
      log = openLog(here)
      expect(log.endIndex).toBe(list.length - 1)
      expect(log.isEqual(list)).toBe(true)
      expect(behindIsZero(here.dataFolder, log.endPos)).toBe(true)
      log.close()
      removeScratch()
    }),
    { numRuns: 60 },
  )
})

test('term and vote are the largest that any whole file of them says', async () => {
  const { settings, log } = filled(1)
  await log.state.saveTerm({ term: 12, voteFor: 'n1' })
  expect(log.state.loadTerm()).toEqual({ term: 12, voteFor: 'n1' })
  expect(readFileSync(join(settings.folder, 'currterm'), 'utf8')).toBe('voteLeader=n1\ncurrTerm=12\n')
  // The original was killed between the delete and the rename.
  unlinkSync(join(settings.folder, 'currterm'))
  writeFileSync(join(settings.folder, 'currterm.bak'), 'voteLeader=\ncurrTerm=11\n')
  writeFileSync(join(settings.folder, 'currterm.tmp'), 'currTerm=13\nvoteLeader=n2\n')
  expect(log.state.loadTerm()).toEqual({ term: 13, voteFor: 'n2' })
  writeFileSync(join(settings.folder, 'currterm.tmp'), 'currTerm=13\nvoteLead')
  expect(log.state.loadTerm()).toEqual({ term: 11, voteFor: undefined })
  expect(existsSync(join(settings.folder, 'checkpoint'))).toBe(false)
  log.close()
})

test('a record that is torn is found without the CRC of its entry, in its body and in its properties', () => {
  const settings = settingsIn(scratch(), { fillsBodyCrc: false })
  const log = openLog(settings)
  const host = { address: new Uint8Array([127, 0, 0, 1]), port: 1 }
  const properties = `KEYS\u0001${'k'.repeat(200)}`
  const record = Buffer.alloc(recordSize(100, 5, properties.length))
  const view = new DataView(record.buffer, record.byteOffset, record.length)
  const fields = { queueId: 0, bornTimestamp: 1, bornHost: host, storeHost: host, topic: 'Topic', properties }
  writeRecord(record, view, 0, { ...fields, body: body(100) })
  log.appendOwn(1, [record, record, record])
  const second = log.entryAt(1)!
  log.close()
  const path = join(settings.dataFolder, '0'.repeat(20))
  const whole = readFileSync(path)
  for (const at of [100, second.size - 30, second.size - 1]) {
    const torn = Buffer.from(whole)
    torn.fill(0, second.pos + at, second.pos + second.size)
    writeFileSync(path, torn)
    const again = openLog(settings)
    expect(again.endIndex, `zeros from ${at} on`).toBe(0)
    again.close()
  }
})

test('whatever the index holds, it is that of the data after a start', () => {
  const { settings, log } = filled(500)
  const whole = digests(settings.indexFolder)
  log.close()
  const names = Object.keys(whole)
  const damage = fc.record({ name: fc.nat(names.length), at: fc.nat(8100), bytes: fc.uint8Array({ maxLength: 90 }) })
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (list) => {
      for (const { name, at, bytes } of list) {
        // One more than there are: a file that nobody made.
        const path = join(settings.indexFolder, names[name] ?? String(8192 * names.length).padStart(20, '0'))
        const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(8192)
        content.set(bytes, at)
        writeFileSync(path, content)
      }
      const again = openLog(settings)
      expect(again.endIndex).toBe(499)
      expect(again.entryAt(321)?.index).toBe(321)
      again.close()
      expect(digests(settings.indexFolder)).toEqual(whole)
    }),
    { numRuns: 30 },
  )
})
