import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { realDisk, type StoreDisk } from '../../../src/store/disk.ts'
import { nextRecordBehind, verifyLog } from '../../../src/store/recovery/index.ts'
import { storeSettings } from '../scratch.ts'
import { BuiltLog, SIZE } from './log-builder.ts'

const PAGE = 4096
const textsOutside = (log: BuiltLog, from: number, to: number) =>
  log.records.filter((r) => r.at + r.size <= from || r.at >= to).map((r) => r.text)

test('a flipped bit costs at most its own record, is named by offset when it can be seen, and once only', () => {
  fc.assert(
    fc.property(fc.nat(248), fc.nat(10_000), fc.nat(7), (index, position, bit) => {
      const log = new BuiltLog(250)
      const record = log.records[index]
      const at = record.at + (position % record.size)
      log.flip(at, bit)
      const { end, findings } = log.recover()
      expect(end).toBe(log.end)
      const others = (found: string[]) => found.filter((text) => text !== record.text)
      const expected = log.records.filter((r) => r !== record).map((r) => r.text)
      const found = log.readable()
      expect(others(found).filter((text) => expected.includes(text))).toEqual(expected)
      const next = log.records[index + 1].at
      for (const finding of findings) {
        expect(finding).toMatchObject({ level: 'error', from: record.at })
        // Behind the last record of a segment there is a blank, which goes with it.
        expect([record.at + record.size, next]).toContain(finding.to)
        expect(finding.where).toBe(`${log.path(record.at)} byte ${record.at % SIZE}`)
      }
      const inBody = at >= record.at + 88 && at < record.at + 88 + record.text.length
      const inLengths = at < record.at + 8 || (at >= record.at + 84 && at < record.at + 88)
      const inOffset = at >= record.at + 28 && at < record.at + 36
      if (inBody || inLengths || inOffset) expect(findings.length).toBe(1)
      // The next start finds a log that it can follow: nothing is cut, nothing is sealed twice.
      const again = log.recover()
      expect(again.end).toBe(end)
      expect(again.findings.filter((finding) => finding.code === 'LOG_DAMAGED')).toEqual([])
      expect(log.readable()).toEqual(found)
    }),
    { numRuns: 150 },
  )
}, 60_000)

test('a flipped bit in a blank does not hide the next segment', () => {
  const log = new BuiltLog(400)
  const before = log.records.filter((r) => r.at < SIZE).at(-1)!
  const blankAt = before.at + before.size
  for (const position of [0, 3, 4, 7]) {
    log.flip(blankAt + position)
    const { end, findings } = log.recover()
    expect(end).toBe(log.end)
    expect(findings).toEqual([expect.objectContaining({ code: 'LOG_DAMAGED', from: blankAt, to: SIZE })])
    expect(log.readable()).toEqual(log.records.map((r) => r.text))
  }
})

describe('a zeroed range', () => {
  test('anywhere before the end costs the records that it touches', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (first, count) => {
        const log = new BuiltLog(700)
        const lastRecord = log.records.at(-1)!
        const from = Math.min(first * PAGE, lastRecord.at - count * PAGE)
        const to = Math.min(from + count * PAGE, lastRecord.at - 500)
        for (let at = from; at < to; ) {
          const end = Math.min(to, at - (at % SIZE) + SIZE)
          log.overwrite(at, Buffer.alloc(end - at))
          at = end
        }
        const { end } = log.recover()
        expect(end).toBe(log.end)
        expect(log.readable()).toEqual(textsOutside(log, from, to))
        expect(log.recover().findings).toEqual([])
      }),
      { numRuns: 40 },
    )
  }, 60_000)

  test('that takes whole segments in the middle is passed', () => {
    const log = new BuiltLog(1200)
    for (const start of [SIZE, 2 * SIZE]) log.overwrite(start, Buffer.alloc(SIZE))
    const { end, findings } = log.recover()
    expect(end).toBe(log.end)
    expect(findings.at(-1)).toMatchObject({ code: 'LOG_DAMAGED', to: 3 * SIZE })
    expect(log.readable()).toEqual(textsOutside(log, SIZE, 3 * SIZE))
  })
})

test('what was damaged is kept, byte for byte', () => {
  const log = new BuiltLog(50)
  const record = log.records[20]
  log.flip(record.at + 5)
  const bytes = Buffer.from(log.bytes(record.at, record.size))
  const { findings } = log.recover()
  expect(findings[0].what).toContain('kept in basalt/damaged and sealed')
  const folder = join(log.root, 'basalt', 'damaged')
  const [name] = readdirSync(folder)
  expect(name).toBe(`${String(record.at).padStart(20, '0')}-${record.size}`)
  expect(readFileSync(join(folder, name)).equals(bytes)).toBe(true)
})

test('damage of more than a filler’s size is sealed with several records', () => {
  const log = new BuiltLog(40, { segmentSize: 4 * 1024 * 1024, bodyLength: () => 60_000 })
  const from = log.records[3].at
  const to = log.records[30].at
  log.overwrite(from, Buffer.alloc(to - from, 0xff))
  expect(log.recover().end).toBe(log.end)
  expect(log.readable()).toEqual(textsOutside(log, from, to))
})

test('after power loss: whatever sectors above the durable mark are missing, all below it is there, and the log is whole', () => {
  fc.assert(
    fc.property(fc.nat(249), fc.array(fc.nat(200), { maxLength: 6 }), (index, sectors) => {
      const log = new BuiltLog(250)
      const flushed = log.records[index].at
      const first = Math.ceil(flushed / 512)
      for (const sector of sectors) {
        const at = (first + sector) * 512
        if (at + 512 <= SIZE * 2) log.overwrite(at, Buffer.alloc(512))
      }
      const { end } = log.recover({ marks: { trust: 'durable', appended: log.end, flushed } })
      expect(end).toBeGreaterThanOrEqual(flushed)
      const found = log.readable()
      const known = log.records.map((r) => r.text)
      expect(found.slice(0, index)).toEqual(known.slice(0, index))
      expect(found.filter((text) => known.includes(text))).toEqual(known.filter((text) => found.includes(text)))
      const again = log.recover()
      expect(again.end).toBe(end)
      expect(log.readable()).toEqual(found)
    }),
    { numRuns: 60 },
  )
}, 60_000)

describe('looking without touching', () => {
  test('verifyLog names what is not what was written and counts the rest', () => {
    const log = new BuiltLog(500)
    const settings = storeSettings(log.root)
    expect(verifyLog(settings, 0, log.end)).toEqual({ recordCount: 500, damaged: [], next: log.end })
    const [a, b] = [log.records[100], log.records[400]]
    log.flip(a.at + 90)
    log.flip(b.at + 4)
    const before = log.whole()
    expect(verifyLog(settings, 0, log.end)).toEqual({
      recordCount: 498,
      damaged: [
        { from: a.at, to: a.at + a.size, problem: 'a body that differs from its CRC' },
        { from: b.at, to: b.at + b.size, problem: 'no record' },
      ],
      next: log.end,
    })
    expect(log.whole().equals(before)).toBe(true)
  })

  test('nextRecordBehind leads a stage over damage, at most to its limit', () => {
    const log = new BuiltLog(500)
    const settings = storeSettings(log.root)
    const [a, b] = [log.records[100], log.records[103]]
    log.overwrite(a.at, Buffer.alloc(b.at - a.at))
    expect(nextRecordBehind(settings, a.at, log.end)).toBe(b.at)
    expect(nextRecordBehind(settings, a.at, b.at - 10)).toBe(b.at - 10)
  })
})

test('400 broken records cost a few syncs, not some each: copies first, then one a segment', () => {
  const log = new BuiltLog(1200, { bodyLength: () => 300 })
  const victims = log.records.filter((_, i) => i % 3 === 1)
  for (const { at } of victims) log.overwrite(at, Buffer.alloc(8, 0xee))
  const broken = log.whole()
  const calls: string[] = []
  const names = new Map<number, string>()
  const disk: StoreDisk = {
    ...realDisk,
    open(path, flags) {
      const fd = realDisk.open(path, flags)
      names.set(fd, path.includes('damaged') ? 'copy' : 'log')
      return fd
    },
    write(fd, ...rest) {
      if (names.get(fd) === 'log') calls.push('write')
      return realDisk.write(fd, ...rest)
    },
    sync(fd) {
      calls.push(`sync ${names.get(fd)}`)
      realDisk.sync(fd)
    },
    syncFolder(path) {
      calls.push('sync folder')
      realDisk.syncFolder(path)
    },
  }
  const { end, findings } = log.recover({ disk })
  expect(end).toBe(log.end)
  expect(findings.filter(({ code }) => code === 'LOG_DAMAGED')).toHaveLength(victims.length)
  expect(log.readable()).toEqual(log.records.map(({ text }) => text).filter((_, i) => i % 3 !== 1))
  const syncs = calls.filter((call) => call.startsWith('sync'))
  const segments = Math.ceil(log.end / SIZE)
  expect(syncs.length).toBeLessThanOrEqual(segments + 4)
  // The copies are on disk before a byte of the log changes.
  expect(calls.indexOf('sync copy')).toBeLessThan(calls.indexOf('write'))
  expect(calls.indexOf('sync folder')).toBeLessThan(calls.indexOf('write'))
  const folder = join(log.root, 'basalt', 'damaged')
  const [name, ...others] = readdirSync(folder)
  expect(others).toEqual([])
  const kept = readFileSync(join(folder, name))
  let ranges = 0
  for (let at = 0; at < kept.length; ranges += 1) {
    const line = kept.indexOf(10, at)
    const [from, length] = kept.toString('latin1', at, line).split(' ').map(Number)
    expect(kept.subarray(line + 1, line + 1 + length).equals(broken.subarray(from, from + length))).toBe(true)
    at = line + 1 + length
  }
  expect(ranges).toBe(victims.length)
})
