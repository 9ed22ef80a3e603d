/** FAULTS row 8: what is in config/*.json after a crash, a full disk or a foreign hand. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, linkSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MetadataFile } from '../../../src/store/metadata/metadata-file.ts'
import { capturedLog, recordedStore, scratchFolder } from '../scratch.ts'

const table = (counter: number, timestamp = 1_000_000 + counter) =>
  JSON.stringify({ dataVersion: { counter, timestamp }, topicConfigTable: { T: { topicName: 'T', order: false } } })

function tableFile() {
  const path = join(scratchFolder(), 'topics.json')
  const log = capturedLog()
  return { path, log, fresh: () => new MetadataFile(path, log) }
}

describe('writing', () => {
  test('the newest text is in the file, the one before in .bak, and nothing else lies around', () => {
    const { path, fresh } = tableFile()
    const file = fresh()
    expect(file.read()).toBeUndefined()
    for (let counter = 1; counter <= 3; counter += 1) file.write(table(counter))
    expect(readFileSync(path, 'utf8')).toBe(table(3))
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(2))
    expect(readdirSync(join(path, '..')).sort()).toEqual(['topics.json', 'topics.json.bak'])
  })

  test('a process that has not read the file keeps the former one all the same', () => {
    const { path, fresh } = tableFile()
    fresh().write(table(1))
    fresh().write(table(2))
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(1))
  })

  test.each(['', '  \n', 'null', '{"a":', '"text"'])(
    '%j is refused: metadata never becomes empty by accident',
    (text) => {
      const { path, fresh } = tableFile()
      const file = fresh()
      file.write(table(1))
      expect(() => file.write(text)).toThrow(/is not replaced/)
      expect(readFileSync(path, 'utf8')).toBe(table(1))
    },
  )

  test('an older table does not replace a newer one, unless that is meant', () => {
    const { path, fresh } = tableFile()
    fresh().write(table(7))
    expect(() => fresh().write(table(6))).toThrow(/older than 7@1000007/)
    fresh().write(table(6, 9_000_000))
    fresh().write(table(5), { allowOlder: true })
    expect(readFileSync(path, 'utf8')).toBe(table(5))
  })
})

describe('a crash at any step of a write', () => {
  // The states in the order in which write() makes them; each is what a kill at that point leaves.
  const steps: [string, (path: string) => void][] = [
    ['nothing was done', () => {}],
    ['tmp is empty', (path) => writeFileSync(`${path}.tmp`, '')],
    ['tmp is torn', (path) => writeFileSync(`${path}.tmp`, table(3).slice(0, 20))],
    ['tmp is whole', (path) => writeFileSync(`${path}.tmp`, table(3))],
    ['the former file has a second name', (path) => linkSync(path, `${path}.bak.tmp`)],
    [
      '.bak is the present file',
      (path) => {
        writeFileSync(`${path}.tmp`, table(3))
        execFileSync('ln', ['-f', path, `${path}.bak`])
      },
    ],
    [
      '.bak is the present file and the link is left',
      (path) => {
        execFileSync('ln', ['-f', path, `${path}.bak`])
        linkSync(path, `${path}.bak.tmp`)
      },
    ],
  ]

  test.each(steps)('%s: the old table is read, and the next write works', (_, make) => {
    const { path, log, fresh } = tableFile()
    fresh().write(table(1))
    fresh().write(table(2))
    make(path)
    expect(fresh().read()).toEqual({ text: table(2), from: 'file' })
    fresh().write(table(4))
    expect(fresh().read()).toEqual({ text: table(4), from: 'file' })
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(2))
    expect(readdirSync(join(path, '..')).sort()).toEqual(['topics.json', 'topics.json.bak'])
    expect(log.lines).toEqual([])
  })

  test('killed before the rename (failpoint json-rename): the old table is there, whole', () => {
    const { path, fresh } = tableFile()
    fresh().write(table(1))
    fresh().write(table(2))
    const module = fileURLToPath(new URL('../../../dist/store/metadata/metadata-file.js', import.meta.url))
    if (!existsSync(module)) throw new Error('run "npm run build" first')
    const script = `import { MetadataFile } from ${JSON.stringify(module)}
      new MetadataFile(${JSON.stringify(path)}).write(${JSON.stringify(table(3))})`
    const env = { ...process.env, BASALT_FAILPOINT: 'json-rename' }
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env })
    expect(child.signal).toBe('SIGKILL')
    expect(fresh().read()).toEqual({ text: table(2), from: 'file' })
    fresh().write(table(3))
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(2))
  })
})

describe('reading what a crash of RocketMQ, or a bad disk, left', () => {
  const damages: [string, (path: string) => void, RegExp][] = [
    ['truncated', (path) => truncateSync(path, 10), /is no JSON object \(10 bytes\)/],
    ['empty', (path) => truncateSync(path, 0), /is empty/],
    ['garbage', (path) => writeFileSync(path, Buffer.alloc(300, 0xee)), /is no JSON object/],
    ['zeros', (path) => writeFileSync(path, Buffer.alloc(300)), /is no JSON object/],
    ['deleted before the rename', (path) => execFileSync('mv', [path, `${path}.tmp`]), /is missing/],
  ]

  test.each(damages)('%s: the .bak is used, which is said', (_, damage, said) => {
    const { path, log, fresh } = tableFile()
    fresh().write(table(1))
    fresh().write(table(2))
    damage(path)
    expect(fresh().read()).toEqual({ text: table(1), from: 'bak' })
    expect(log.of('warn')).toHaveLength(1)
    expect(log.of('warn')[0]).toMatch(said)
    expect(log.of('warn')[0]).toContain(`${path}.bak`)
  })

  test.each(damages)('%s: the next write keeps the good .bak, and the damaged file aside', (name, damage) => {
    const { path, fresh } = tableFile()
    fresh().write(table(1))
    fresh().write(table(2))
    damage(path)
    const file = fresh()
    file.read()
    file.write(table(3))
    expect(readFileSync(path, 'utf8')).toBe(table(3))
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(1))
    expect(existsSync(`${path}.damaged`)).toBe(!name.startsWith('deleted'))
    file.write(table(4))
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(3))
  })

  test('an older table than the .bak is refused after a fall-back too', () => {
    const { path, fresh } = tableFile()
    fresh().write(table(8))
    fresh().write(table(9))
    truncateSync(path, 0)
    expect(() => fresh().write(table(1))).toThrow(/older than 8/)
  })

  test('both damaged: a start is refused with the names of both, and nothing is written over', () => {
    const { path, fresh } = tableFile()
    fresh().write(table(1))
    fresh().write(table(2))
    writeFileSync(path, 'x')
    writeFileSync(`${path}.bak`, 'y')
    expect(() => fresh().read()).toThrow(
      /topics\.json is no JSON object.*topics\.json\.bak is no JSON object.*restore one/,
    )
    expect(readFileSync(path, 'utf8')).toBe('x')
  })

  test('both empty or missing is an empty table', () => {
    const { path, fresh } = tableFile()
    expect(fresh().read()).toBeUndefined()
    writeFileSync(path, '')
    expect(fresh().read()).toBeUndefined()
  })

  test.each(['clean', 'unclean'] as const)(
    'all tables of the recorded %s store are read and can be replaced',
    (kind) => {
      const folder = join(recordedStore(kind), 'config')
      for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.json'))) {
        const path = join(folder, name)
        const before = readFileSync(path)
        const file = new MetadataFile(path)
        const found = file.read()
        expect(found?.from).toBe('file')
        file.write(found?.text ?? '')
        expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(found?.text ?? ''))
        expect(readFileSync(`${path}.bak`)).toEqual(before)
      }
    },
  )
})

test('a full disk leaves the table as it was, says path and cause, and writes again when there is room', () => {
  const folder = scratchFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'basalt-test', folder], { stdio: 'pipe' })
  } catch (error) {
    console.warn(`SKIPPED: a tmpfs cannot be mounted here, a full disk is not tested (${error})`)
    return
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  const path = join(folder, 'topics.json')
  const file = new MetadataFile(path)
  file.write(table(1))
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(52 * 1024))
  const large = JSON.stringify({ dataVersion: { counter: 2, timestamp: 1_000_002 }, text: 'x'.repeat(30_000) })
  expect(() => file.write(large)).toThrow(expect.objectContaining({ code: 'DISK_FULL', where: path, retriable: true }))
  expect(readFileSync(path, 'utf8')).toBe(table(1))
  expect(readdirSync(folder)).not.toContain('topics.json.tmp')
  truncateSync(join(folder, 'ballast'), 0)
  file.write(large)
  expect(readFileSync(path, 'utf8')).toBe(large)
  expect(readFileSync(`${path}.bak`, 'utf8')).toBe(table(1))
})
