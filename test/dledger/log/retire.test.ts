/** Retention: the oldest files go, the log begins later, whatever a crash leaves of it. The next file is made before it is needed. */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../support.ts'
import { entry, openLog, removeScratch, scratch, settingsIn } from './support.ts'

afterEach(removeScratch)

const FILE = 65_536
const numbersIn = (folder: string) =>
  readdirSync(folder)
    .map(Number)
    .sort((a, b) => a - b)

/** Entries of 1,000 bytes: 65 a file of data, 256 a file of the index. */
function filled(count: number) {
  const settings = settingsIn(scratch())
  const log = openLog(settings)
  for (let i = 0; i < count; i += 10)
    log.appendOwn(
      1,
      Array.from({ length: 10 }, (_, k) => Buffer.alloc(952, (i + k) & 0xff)),
    )
  return { settings, log }
}

describe('retire', () => {
  test('whole files below the position go, with their index; the log begins with the first entry that is left', () => {
    const { settings, log } = filled(1000)
    expect(log.retire(FILE * 10 + 5)).toBe(10)
    expect(numbersIn(settings.dataFolder)[0]).toBe(FILE * 10)
    expect(numbersIn(settings.indexFolder)[0]).toBe(16_384)
    for (const again of [log, undefined]) {
      const now = again ?? openLog(settings)
      expect([now.beginIndex, now.endIndex, now.read(649, 649, 1)]).toEqual([650, 999, undefined])
      expect(now.entryAt(650)).toMatchObject({ index: 650, pos: FILE * 10, body: Buffer.alloc(952, 650 & 0xff) })
      expect([now.positionOf(3), now.positionOf(650), now.positionOf(651)]).toEqual([
        FILE * 10,
        FILE * 10,
        FILE * 10 + 1000,
      ])
      expect(now.positionOf(1000)).toBe(now.endPos)
      now.close()
    }
  })

  test('the file of the end stays, also when it is asked for; a second time nothing is left to do', () => {
    const { settings, log } = filled(200)
    const file = log.endPos - (log.endPos % FILE)
    expect(log.retire(Number.MAX_SAFE_INTEGER)).toBe(file / FILE)
    expect(log.retire(Number.MAX_SAFE_INTEGER)).toBe(0)
    expect(numbersIn(settings.dataFolder)).toEqual([file])
    expect(log.appendOwn(1, [Buffer.from('goes on')]).entries[0]).toMatchObject({ index: 200 })
    // Its last entries can still be cut, down to where it begins now.
    expect(log.truncate(log.entryAt(log.beginIndex)!, true)).toBeUndefined()
    log.close()
    const again = openLog(settings)
    expect([again.beginIndex, again.endIndex]).toEqual([195, 195])
    again.close()
  })

  test('an empty log, and one that fits in a file, stay as they are', () => {
    expect(openLog(settingsIn(scratch())).retire(FILE * 9)).toBe(0)
    expect(filled(20).log.retire(FILE * 9)).toBe(0)
  })

  test.each([
    { what: 'after some data files', data: 4, index: 0 },
    { what: 'before the index files', data: 10, index: 0 },
    { what: 'between the index files', data: 10, index: 1 },
  ])('a crash $what leaves a log that begins earlier, or an index that is tidied', ({ data, index }) => {
    const { settings, log } = filled(1000)
    const before = scratch()
    cpSync(settings.folder, before, { recursive: true })
    log.retire(FILE * 10)
    log.close()
    const crashed = settingsIn(scratch())
    cpSync(settings.folder, crashed.folder, { recursive: true })
    const restore = (part: 'data' | 'index', gone: number) => {
      for (const name of readdirSync(join(before, part)).sort().slice(gone))
        cpSync(join(before, part, name), join(crashed.folder, part, name))
    }
    restore('data', data)
    restore('index', index)
    writeFileSync(join(crashed.ownFolder, '00000000000000000000-1-1.old'), 'half gone')
    const found = openLog(crashed)
    expect([found.beginIndex, found.endIndex]).toEqual([data * 65, 999])
    for (let i = data * 65; i < 1000; i += 50) expect(found.entryAt(i)?.body[0]).toBe(i & 0xff)
    expect(numbersIn(crashed.indexFolder)[0]).toBe(Math.floor((data * 65) / 256) * 8192)
    expect(readdirSync(crashed.ownFolder)).not.toContain('00000000000000000000-1-1.old')
    expect(found.retire(FILE * 12)).toBe(12 - data)
    found.close()
  })

  test('a log that began in the middle of a file begins at a file once that one is gone', () => {
    const { settings, log } = filled(20)
    expect(log.truncate(entry(5000, 3, FILE * 9 + 4096, Buffer.alloc(100, 1)), false)).toBeUndefined()
    log.appendOwn(
      3,
      Array.from({ length: 100 }, () => Buffer.alloc(952, 2)),
    )
    expect(log.beginIndex).toBe(5000)
    expect(log.retire(FILE * 10)).toBe(1)
    const begin = log.beginIndex
    expect(log.entryAt(begin)?.pos).toBe(FILE * 10)
    log.close()
    const again = openLog(settings)
    expect([again.beginIndex, again.endIndex]).toEqual([begin, 5100])
    again.close()
  })
})

describe('the next file', () => {
  const spares = (folder: string) => readdirSync(folder).filter((it) => it.startsWith('spare-'))

  test('is made when half of the last one is full, outside of the log, and moved in when it is needed', async () => {
    const { settings, log } = filled(30)
    expect(spares(settings.ownFolder)).toEqual([])
    log.appendOwn(
      1,
      Array.from({ length: 10 }, () => Buffer.alloc(952, 5)),
    )
    const spare = (log as unknown as { data: { spare: { state: string } } }).data.spare
    await eventually(() => spare.state === 'ready', 'the spare file is ready')
    expect(numbersIn(settings.dataFolder)).toEqual([0])
    const [made] = spares(settings.ownFolder)
    expect(made).toBeDefined()
    for (let i = 0; i < 60; i += 10)
      log.appendOwn(
        1,
        Array.from({ length: 10 }, () => Buffer.alloc(952, 6)),
      )
    expect(numbersIn(settings.dataFolder)).toEqual([0, FILE])
    expect(spares(settings.ownFolder)).not.toContain(made)
    await log.sync()
    expect(log.entryAt(99)?.body[0]).toBe(6)
    log.close()
    const again = openLog(settings)
    expect([again.endIndex, again.entryAt(70)?.body[0]]).toEqual([99, 6])
    again.close()
  })

  test('leaves nothing behind: neither after close nor after a crash', async () => {
    const { settings, log } = filled(60)
    await eventually(() => spares(settings.ownFolder).length === 1, 'a spare file is in the making')
    log.close()
    await eventually(() => spares(settings.ownFolder).length === 0, 'it is gone')
    expect(numbersIn(settings.dataFolder)).toEqual([0])
    mkdirSync(settings.ownFolder, { recursive: true })
    writeFileSync(join(settings.ownFolder, 'spare-4711-0.new'), 'of a process that was killed')
    const again = openLog(settings)
    expect(spares(settings.ownFolder)).toEqual([])
    again.close()
  })
})
