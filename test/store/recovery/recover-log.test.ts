import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listSegments, segmentName } from '../../../src/store/commitlog/index.ts'
import { recoverLog, rewriteRange } from '../../../src/store/recovery/index.ts'
import { capturedLog, recordedStore, scratchFolder, storeSettings } from '../scratch.ts'
import { BuiltLog, SIZE } from './log-builder.ts'

const texts = (log: BuiltLog) => log.records.map((record) => record.text)
const bytesOf = (root: string) =>
  Buffer.concat(listSegments(join(root, 'commitlog'), SIZE).map(({ path }) => readFileSync(path)))

describe('a store that RocketMQ 4.9.8 wrote', () => {
  test.each([
    ['clean', true],
    ['unclean', false],
  ] as const)('%s: the log ends behind its last record, and its bytes stay', (kind, isClean) => {
    const root = recordedStore(kind)
    const before = bytesOf(root)
    const log = capturedLog()
    const result = recoverLog({ settings: storeSettings(root), marks: undefined, isClean, checkpointTime: 0, log })
    expect(result).toMatchObject({ min: 0, end: 200_004, findings: [], allocated: 4 * SIZE })
    expect(result.lastStoreTimestamp).toBeGreaterThan(1_795_426_000_000)
    expect(bytesOf(root).equals(before.subarray(0, 4 * SIZE))).toBe(true)
  })

  test('the last three segments are scanned after a clean stop, those since the checkpoint otherwise', () => {
    const root = recordedStore('clean')
    const from = (isClean: boolean, checkpointTime: number) =>
      recoverLog({ settings: storeSettings(root), marks: undefined, isClean, checkpointTime, log: capturedLog() })
        .scannedFrom
    expect(from(true, 0)).toBe(SIZE)
    expect(from(false, 0)).toBe(0)
    expect(from(false, Number.MAX_SAFE_INTEGER)).toBe(3 * SIZE)
  })
})

describe('a torn tail', () => {
  test('the last record, cut at every length, is cut there and nothing before it', () => {
    const log = new BuiltLog(5, { bodyLength: () => 30 })
    const last = log.records[4]
    const bytes = log.bytes(last.at, last.size)
    for (let length = 0; length < last.size; length++) {
      log.overwrite(last.at, Buffer.concat([bytes.subarray(0, length), Buffer.alloc(last.size - length)]))
      const { end, findings } = log.recover()
      expect(end).toBe(last.at)
      expect(findings.map((finding) => finding.code)).toEqual(
        bytes.subarray(0, length).some((b) => b !== 0) ? ['TAIL_CUT'] : [],
      )
      if (findings.length > 0) expect(findings[0].where).toBe(`${log.path(0)} byte ${last.at}`)
      expect(log.bytes(last.at, last.size).equals(Buffer.alloc(last.size))).toBe(true)
    }
    expect(log.readable()).toEqual(texts(log).slice(0, 4))
  })

  test('a file that ends in the last record, at every length, is filled up again', () => {
    const log = new BuiltLog(3, { bodyLength: () => 10 })
    const last = log.records[2]
    const bytes = log.bytes(0, SIZE)
    for (let length = 0; length < last.size; length += 3) {
      writeFileSync(log.path(0), bytes.subarray(0, last.at + length))
      expect(log.recover().end).toBe(last.at)
      expect(statSync(log.path(0)).size).toBe(SIZE)
    }
  })

  test('a log that is zero from any byte on ends behind the last whole record before it', () => {
    const log = new BuiltLog(300)
    const image = log.whole()
    fc.assert(
      fc.property(fc.nat(log.end), (cut) => {
        const files = Buffer.concat([image.subarray(0, cut), Buffer.alloc(image.length - cut)])
        for (let start = 0; start < image.length; start += SIZE) {
          writeFileSync(join(log.folder, segmentName(start)), files.subarray(start, start + SIZE))
        }
        log.recover()
        const whole = log.records.filter((record) => record.at + record.size <= cut)
        // A record may end in zeros that were cut: it is whole then.
        const found = log.readable()
        expect(found.length).toBeGreaterThanOrEqual(whole.length)
        expect(found).toEqual(texts(log).slice(0, found.length))
        const next = log.records[whole.length]
        if (next !== undefined && cut <= next.at) expect(found.length).toBe(whole.length)
      }),
      { numRuns: 100 },
    )
  })

  test('a record that was copied but not patched yet is not believed', () => {
    const log = new BuiltLog(10)
    const last = log.records[9]
    log.overwrite(last.at + 28, Buffer.alloc(8))
    const { end, findings } = log.recover()
    expect(end).toBe(last.at)
    expect(findings[0]).toMatchObject({ code: 'TAIL_CUT', from: last.at })
    expect(findings[0].what).toContain('the offset of another place')
  })

  test('what looks like a record inside the body of a torn one does not become a message', () => {
    const log = new BuiltLog(10)
    const outer = log.end
    const forged = new BuiltLog(1)
    const inside = outer + 120
    const record = Buffer.from(forged.bytes(0, forged.end))
    record.writeBigInt64BE(BigInt(inside), 28)
    const torn = Buffer.alloc(600)
    log.bytes(log.records[9].at, 120).copy(torn)
    torn.writeInt32BE(900, 0)
    torn.writeBigInt64BE(BigInt(outer), 28)
    torn.writeInt32BE(700, 84)
    record.copy(torn, 120)
    log.overwrite(outer, torn)
    expect(log.recover().end).toBe(outer)
    expect(log.readable()).toEqual(texts(log))
  })

  test('old records behind a cut tail do not come back when new ones are written over them', () => {
    const log = new BuiltLog(40, { bodyLength: () => 100 })
    // As RocketMQ cuts: the bytes stay. The new record ends inside an old one.
    const old = log.records.splice(20)
    log.end = old[0].at
    log.append(1)
    log.overwrite(log.end, Buffer.alloc(40, 'x'))
    const { end, findings } = log.recover()
    expect(end).toBe(log.end)
    expect(findings.map((finding) => finding.code)).toEqual(['TAIL_CUT', 'LEFTOVERS'])
    expect(log.bytes(end, SIZE - end).equals(Buffer.alloc(SIZE - end))).toBe(true)
    expect(log.recover()).toMatchObject({ end, findings: [] })
  })
})

describe('files that are empty, short, missing or too many', () => {
  const segments = (log: BuiltLog) => listSegments(log.folder, SIZE).map((segment) => segment.start)

  test('an empty folder starts at 0 with a segment', () => {
    const root = scratchFolder()
    const log = capturedLog()
    const result = recoverLog({
      settings: storeSettings(root),
      marks: undefined,
      isClean: true,
      checkpointTime: 0,
      log,
    })
    expect(result).toMatchObject({ min: 0, end: 0, allocated: SIZE, findings: [] })
    expect(statSync(join(root, 'commitlog', segmentName(0))).size).toBe(SIZE)
  })

  test.each([0, 1, 8, 4096])('an only file of %i bytes is filled up', (size) => {
    const log = new BuiltLog(0)
    truncateSync(log.path(0), size)
    expect(log.recover()).toMatchObject({ min: 0, end: 0, allocated: SIZE })
    expect(statSync(log.path(0)).size).toBe(SIZE)
  })

  test.each([0, 1, 5000])('a next file of %i bytes that holds nothing yet is no obstacle', (size) => {
    const log = new BuiltLog(1, { bodyLength: () => 60_000 })
    log.append(1)
    log.records.pop()
    log.end = SIZE
    writeFileSync(log.path(SIZE), Buffer.alloc(size))
    const { end, allocated } = log.recover()
    expect(end).toBe(SIZE)
    expect(allocated).toBe(2 * SIZE)
    expect(statSync(log.path(SIZE)).size).toBe(SIZE)
    expect(log.readable()).toEqual(texts(log))
  })

  test('a missing last file: the log ends at the blank before it, and what was lost is said', () => {
    const log = new BuiltLog(300)
    const lastStart = log.end - (log.end % SIZE)
    unlinkSync(log.path(lastStart))
    const kept = log.records.filter((record) => record.at < lastStart)
    const blankAt = kept[kept.length - 1].at + kept[kept.length - 1].size
    const marks = { trust: 'live', appended: log.end, flushed: log.end } as const
    const { end, findings } = log.recover({ marks })
    expect(end).toBe(blankAt)
    expect(findings.map((finding) => finding.code)).toEqual(['MARKS_IGNORED', 'LOG_LOST'])
    expect(log.readable()).toEqual(kept.map((record) => record.text))
  })

  test('segments that were allocated ahead and hold nothing are removed', () => {
    const log = new BuiltLog(10)
    log.allocate(SIZE)
    log.allocate(2 * SIZE)
    log.allocate(5 * SIZE)
    truncateSync(log.path(2 * SIZE), 0)
    expect(log.recover()).toMatchObject({ end: log.end, allocated: SIZE, findings: [] })
    expect(segments(log)).toEqual([0])
  })

  test('a missing file in the middle becomes an empty one, and the rest is served', () => {
    const log = new BuiltLog(900)
    unlinkSync(log.path(SIZE))
    const { end, findings } = log.recover()
    expect(end).toBe(log.end)
    expect(findings).toEqual([
      expect.objectContaining({ code: 'SEGMENT_MISSING', from: SIZE, to: 2 * SIZE, level: 'error' }),
    ])
    expect(log.readable()).toEqual(log.records.filter((r) => r.at < SIZE || r.at >= 2 * SIZE).map((r) => r.text))
    expect(log.recover().findings).toEqual([])
  })

  test('a short file in the middle loses the records behind its end and no others', () => {
    const log = new BuiltLog(900)
    const cut = SIZE + 10_000
    truncateSync(log.path(SIZE), 10_000)
    const { end, findings } = log.recover({ marks: { trust: 'live', appended: log.end, flushed: log.end } })
    expect(end).toBe(log.end)
    expect(findings.map((finding) => finding.code)).toEqual(['SEGMENT_SHORT', 'LOG_DAMAGED'])
    expect(findings[0].where).toBe(`${log.path(SIZE)} byte 10000`)
    const whole = log.records.filter((r) => r.at + r.size <= cut || r.at >= 2 * SIZE)
    expect(log.readable()).toEqual(whole.map((r) => r.text))
  })

  test('a full file of another segment size is refused instead of filled up', () => {
    const log = new BuiltLog(400, { segmentSize: 32_768 })
    for (let start = 32_768; start < log.end; start += 32_768) rmSync(log.path(start))
    const settings = storeSettings(log.root)
    const options = { settings, marks: undefined, isClean: true, checkpointTime: 0, log: capturedLog() }
    expect(() => recoverLog(options)).toThrow('set mappedFileSizeCommitLog=32768')
  })

  test('a segment that a crash left half built is removed', () => {
    const log = new BuiltLog(3)
    mkdirSync(join(log.root, 'basalt'), { recursive: true })
    writeFileSync(join(log.root, 'basalt', `${segmentName(SIZE)}.new`), 'half')
    log.recover()
    expect(readdirSync(join(log.root, 'basalt'))).toEqual([])
  })
})

describe('marks', () => {
  test('of a process that died: only what is above them is read', () => {
    const log = new BuiltLog(500)
    const marks = { trust: 'live', appended: log.records[450].at, flushed: log.records[300].at } as const
    log.overwrite(log.end, Buffer.from('torn'))
    const result = log.recover({ marks })
    expect(result).toMatchObject({
      end: log.end,
      scannedFrom: marks.appended,
      rewrittenFrom: marks.flushed,
      recordCount: 50,
    })
    expect(log.readable()).toEqual(texts(log))
  })

  test('after the machine went down: the durable one is where it starts', () => {
    const log = new BuiltLog(500)
    const marks = { trust: 'durable', appended: log.end + 5000, flushed: log.records[300].at } as const
    expect(log.recover({ marks })).toMatchObject({ end: log.end, scannedFrom: marks.flushed, findings: [] })
  })

  test('at the end of a log that was stopped cleanly: nothing is read, written or cut', () => {
    const log = new BuiltLog(500)
    const marks = { trust: 'live', appended: log.end, flushed: log.end } as const
    const result = log.recover({ marks, isClean: true })
    expect(result).toMatchObject({
      end: log.end,
      scannedFrom: log.end,
      rewrittenFrom: log.end,
      recordCount: 0,
      findings: [],
    })
  })

  test('that stand inside a record are not believed: its segment is read', () => {
    const log = new BuiltLog(500)
    const appended = log.records[450].at + 50
    const marks = { trust: 'live', appended, flushed: 0 } as const
    const result = log.recover({ marks })
    expect(result).toMatchObject({ end: log.end, scannedFrom: appended - (appended % SIZE), findings: [] })
  })

  test('that stand behind the log are not believed: all is read', () => {
    const log = new BuiltLog(200)
    const marks = { trust: 'live', appended: log.end + 3000, flushed: 1000 } as const
    const { end, scannedFrom, findings } = log.recover({ marks })
    expect({ end, scannedFrom }).toEqual({ end: log.end, scannedFrom: 0 })
    expect(findings.map((finding) => finding.code)).toEqual(['MARKS_IGNORED', 'LOG_LOST'])
  })

  test('at which a torn record stands: it is cut', () => {
    const log = new BuiltLog(100)
    const marks = { trust: 'live', appended: log.end, flushed: log.end } as const
    const torn = Buffer.from(log.bytes(log.records[99].at, 60))
    log.overwrite(log.end, torn)
    expect(log.recover({ marks })).toMatchObject({ end: log.end })
    expect(log.readable()).toEqual(texts(log))
  })

  test('say when the log has lost what was on disk', () => {
    const log = new BuiltLog(200)
    const marks = { trust: 'durable', appended: log.end, flushed: log.end } as const
    log.overwrite(log.records[190].at, Buffer.alloc(log.end - log.records[190].at))
    const { end, findings } = log.recover({ marks })
    expect(end).toBe(log.records[190].at)
    expect(findings.at(-1)).toMatchObject({ code: 'LOG_LOST', from: end, to: log.end, level: 'error' })
  })
})

test('a range that is written again has the same bytes', () => {
  const log = new BuiltLog(900)
  const before = log.whole()
  rewriteRange(log.folder, SIZE, log.records[3].at, log.end)
  expect(log.whole().equals(before)).toBe(true)
})
