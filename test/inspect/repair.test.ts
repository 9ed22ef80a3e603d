/**
 * `inspect repair`: each kind of damage is planned, mended and whole afterwards, queues byte for byte as Apache's broker wrote them; what
 * is lost is left; a kill -9 anywhere can be gone on from; the backup gives the former state back.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { checksumsPath } from '../../src/store/checksums/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { filesBelow, patch } from '../store/dispatch/support.ts'
import { recordedStore, scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { decodedRecords, hashSealed, inspect } from './stores.ts'

const COMMAND = fileURLToPath(new URL('../../bin/basaltmq.js', import.meta.url))
const MANY = 'consumequeue/OracleMany/0'
const LAST = 'commitlog/00000000000000196608'
const records = decodedRecords()
const last = records.at(-1)!
const END = last.at + last.size

/** The store in a folder of its own, which its backups lie in too. */
function storeIn(kind: 'clean' | 'unclean'): string {
  const root = join(scratchFolder(), 'store')
  cpSync(recordedStore(kind), root, { recursive: true })
  return root
}

/** Without the lock, which whoever opens a store makes. */
function contentOf(root: string): Map<string, Buffer> {
  const files = filesBelow(root)
  files.delete('lock')
  return files
}

function expectSame(found: Map<string, Buffer>, wanted: Map<string, Buffer>, below = ''): void {
  const of = (files: Map<string, Buffer>) => [...files.keys()].filter((path) => path.startsWith(below)).sort()
  expect(of(found)).toEqual(of(wanted))
  for (const path of of(wanted)) expect(found.get(path)!.equals(wanted.get(path)!), path).toBe(true)
}

const backupsOf = (root: string) =>
  readdirSync(dirname(root))
    .filter((name) => name.startsWith(`${basename(root)}.repair-`))
    .map((name) => join(dirname(root), name))
    .sort()

const indexOf = (root: string) =>
  [...filesBelow(root)]
    .filter(([path]) => path.startsWith('index/'))
    .sort()
    .map(([, bytes]) => createHash('sha1').update(bytes).digest('hex'))

const json = (path: string) =>
  JSON.parse(readFileSync(path, 'utf8')) as { offsetTable: Record<string, Record<string, number>> }

interface Damage {
  what: string
  damage: (root: string) => void
  /** What the files do not tell any more. */
  sizes?: string[]
  parts: string[]
  /** The files below are as Apache's broker wrote them afterwards. */
  same?: string[]
  check?: (root: string) => void
}

const DAMAGES: Damage[] = [
  {
    what: 'a queue without its folder',
    damage: (root) => rmSync(join(root, 'consumequeue/OracleOrder'), { recursive: true }),
    parts: ['queues'],
    same: ['consumequeue'],
  },
  {
    what: 'no consumequeue at all',
    damage: (root) => rmSync(join(root, 'consumequeue'), { recursive: true }),
    sizes: ['--set', 'mappedFileSizeConsumeQueue=6000'],
    parts: ['queues'],
    same: ['consumequeue', 'commitlog', 'index', 'config'],
  },
  {
    what: 'a queue file that was cut',
    damage: (root) => truncateSync(join(root, MANY, '00000000000000006000'), 1000),
    parts: ['queues'],
    same: ['consumequeue'],
  },
  {
    what: 'a queue file that is gone',
    damage: (root) => rmSync(join(root, MANY, '00000000000000006000')),
    parts: ['queues'],
    same: ['consumequeue'],
  },
  {
    what: 'a hole, a wrong size and a wrong tag in three queues',
    damage: (root) => {
      patch(join(root, MANY, '00000000000000006000'), 2000, Buffer.alloc(100))
      patch(join(root, 'consumequeue/OracleTopic/1/00000000000000000000'), 11, Buffer.from([1]))
      patch(join(root, 'consumequeue/SCHEDULE_TOPIC_XXXX/0/00000000000000000000'), 16, Buffer.from([0x55]))
    },
    parts: ['queues', 'queues', 'queues'],
    same: ['consumequeue'],
  },
  {
    what: 'no index',
    damage: (root) => rmSync(join(root, 'index'), { recursive: true }),
    sizes: ['--set', 'maxHashSlotNum=500', '--set', 'maxIndexNum=2000'],
    parts: ['index'],
    same: ['consumequeue', 'commitlog', 'config'],
    // Named by the time of their first record, not by that of the file; else the same to the last byte.
    check: (root) => expect(indexOf(root)).toEqual(indexOf(recordedStore('clean'))),
  },
  {
    what: 'a wrong slot of the index',
    damage: (root) => patch(join(root, 'index/20261123093126340'), 40 + 4 * 17, Buffer.from([0, 0, 0, 9])),
    parts: ['index'],
    same: ['consumequeue'],
  },
  {
    what: 'a log cut in its last record',
    damage: (root) => truncateSync(join(root, LAST), last.at + last.size - 196_608 - 40),
    parts: ['tail', 'queues'],
    check: (root) => expect(statSync(join(root, LAST)).size).toBe(65_536),
  },
  {
    what: 'half a record behind the end',
    damage: (root) => {
      writeFileSync(join(root, 'abort'), '')
      patch(join(root, LAST), END - 196_608, readFileSync(join(root, LAST)).subarray(0, 150))
    },
    parts: ['tail'],
    same: ['consumequeue', 'index', 'commitlog'],
  },
  {
    what: 'a checkpoint in the future',
    damage: (root) => patch(join(root, 'checkpoint'), 0, Buffer.from([0, 0, 7])),
    parts: ['checkpoint'],
    same: ['consumequeue', 'index', 'commitlog', 'config'],
  },
  {
    what: 'a torn table that has a .bak',
    damage: (root) => {
      const path = join(root, 'config/subscriptionGroup.json')
      writeFileSync(`${path}.bak`, readFileSync(path))
      truncateSync(path, 100)
    },
    parts: ['tables'],
  },
  {
    what: 'offsets beyond their queues',
    damage: (root) => {
      const offsets = join(root, 'config/consumerOffset.json')
      writeFileSync(offsets, readFileSync(offsets, 'utf8').replace(/("?1"?):7/, '$1:7000'))
      writeFileSync(join(root, 'config/delayOffset.json'), '{"offsetTable":{1:99}}')
    },
    parts: ['offsets', 'offsets'],
    check: (root) => {
      expect(json(join(root, 'config/consumerOffset.json')).offsetTable['OracleTopic@OracleGroup']['1']).toBe(7)
      expect(json(join(root, 'config/delayOffset.json')).offsetTable['1']).toBe(3)
    },
  },
  {
    what: 'a stray file in the log',
    damage: (root) => writeFileSync(join(root, 'commitlog/notes.txt'), 'x'),
    parts: ['strays'],
    same: ['commitlog'],
  },
]

async function applied(root: string, ...more: string[]): Promise<{ status: number; printed: string }> {
  const { status, printed, complained } = await inspect('repair', root, '--apply', ...more)
  expect(complained).toBe('')
  return { status, printed }
}

describe('a damaged store', () => {
  test.each(DAMAGES)(
    'with $what is planned, mended, whole, and given back',
    async ({ damage, sizes = [], parts, same, check }) => {
      const root = storeIn('clean')
      const original = contentOf(root)
      damage(root)
      const damaged = contentOf(root)

      const planned = await inspect('repair', root, '--json', ...sizes)
      expect(planned.status).toBe(3)
      const { plan } = planned.objects()[0] as {
        plan: { actions: { part: string }[]; left: unknown[]; assumed: string[] }
      }
      expect(plan.assumed).toEqual([])
      const found = plan.actions.map(({ part }) => part)
      for (const part of new Set(parts))
        expect(found.filter((each) => each === part).length, part).toBeGreaterThanOrEqual(
          parts.filter((each) => each === part).length,
        )
      expect(plan.left).toEqual([])
      expectSame(contentOf(root), damaged)
      expect(backupsOf(root)).toEqual([])

      const { status, printed } = await applied(root, ...sizes)
      expect(status, printed).toBe(0)
      expect((await verifyStore(openStore(root))).isWhole).toBe(true)
      expect(readdirSync(root)).not.toContain('repair.building')
      const mended = contentOf(root)
      for (const below of same ?? []) expectSame(mended, original, below)
      check?.(root)

      // Again: nothing to do, nothing changes.
      expect((await inspect('repair', root, '--apply')).printed).toContain('nothing to do')
      expectSame(contentOf(root), mended)
      expect(backupsOf(root).length).toBe(1)
      // And back, as often as one likes.
      for (let i = 0; i < 2; i += 1) {
        expect((await inspect('repair', root, '--undo', backupsOf(root)[0])).status).toBe(0)
        expectSame(contentOf(root), damaged)
      }
      expect((await applied(root, ...sizes)).status).toBe(0)
    },
  )

  test('with a lost body keeps it: said, left, and everything else is mended', async () => {
    const root = storeIn('clean')
    const victim = records.find(({ storedBodyLength, at }) => storedBodyLength > 3 && at > 100_000)!
    const path = join(root, `commitlog/${String(victim.at - (victim.at % 65_536)).padStart(20, '0')}`)
    patch(path, (victim.at % 65_536) + 90, Buffer.from([0xff]))
    rmSync(join(root, 'consumequeue/OracleTopic'), { recursive: true })
    const log = readFileSync(path)
    const { status, printed } = await applied(root)
    expect(status).toBe(3)
    expect(printed).toContain('not repaired, left as it is:\n    RECORD_DAMAGED')
    expect(readFileSync(path).equals(log)).toBe(true)
    const { findings } = await verifyStore(openStore(root))
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['RECORD_DAMAGED']))
    expect(existsSync(join(root, 'consumequeue/OracleTopic/3'))).toBe(true)
  })

  test('whose log is shorter than its positions say is not called mended', async () => {
    const broker = await startTestBroker({ folder: join(scratchFolder(), 'store') })
    const root = broker.folder
    const client = new TestClient(broker.address)
    for (let i = 0; i < 20; i += 1) await client.send('Lost', `m${i}`)
    await client.close()
    await broker.close()
    const { positions } = openStore(root)
    const end = positions!.slot.appended
    patch(join(root, 'commitlog/00000000000000000000'), end - 300, Buffer.alloc(300))
    const { status, printed } = await applied(root)
    expect(printed).toContain('LOG_LOST')
    expect(printed).toContain('moved away')
    expect(status).toBe(3)
    expect(printed.trim().split('\n').at(-1)).toMatch(
      /^NOT GIVEN BACK: the log ends at \d+, but went up to \d+: \d+ bytes are lost/,
    )
  })

  test('with a side checksum file that is damaged: it is moved away, and what a cut makes untrue goes with it', async () => {
    const root = storeIn('clean')
    await hashSealed(root)
    const damaged = checksumsPath(root, 0)
    patch(damaged, 60, Buffer.from([0x55, 0xaa]))
    const { status, printed } = await applied(root)
    expect(printed).toMatch(/checksums +move .*00000000000000000000 into the backup: a broker hashes the segment again/)
    expect(status).toBe(0)
    expect(existsSync(damaged)).toBe(false)
    // The log ends in the third segment now, which has checksums: they are of what was there.
    truncateSync(join(root, LAST), 0)
    rmSync(join(root, LAST))
    truncateSync(join(root, 'commitlog/00000000000000131072'), 40_000)
    const before = contentOf(root)
    expect(existsSync(checksumsPath(root, 131_072))).toBe(true)
    const cut = await applied(root)
    expect(cut.printed).toMatch(/moved away: .*checksums\/00000000000000131072/)
    expect(existsSync(checksumsPath(root, 131_072))).toBe(false)
    expect((await inspect('repair', root, '--undo', backupsOf(root).at(-1)!)).status).toBe(0)
    expectSame(contentOf(root), before)
  })

  test('is mended in the parts that are named, into a backup that is named', async () => {
    const root = storeIn('clean')
    rmSync(join(root, 'consumequeue/OracleOrder'), { recursive: true })
    rmSync(join(root, 'index'), { recursive: true })
    const backup = join(dirname(root), 'kept')
    expect((await applied(root, '--only', 'queues', '--backup', backup)).status).toBe(3)
    expect(existsSync(join(root, 'consumequeue/OracleOrder/0'))).toBe(true)
    expect(existsSync(join(root, 'index'))).toBe(false)
    expect(existsSync(join(backup, 'manifest.json'))).toBe(true)
    expect((await inspect('repair', root, '--only', 'index', '--apply', '--backup', backup)).complained).toContain(
      'exists',
    )
    expect((await applied(root, '--only', 'index')).status).toBe(0)
    expect((await inspect('repair', root, '--only', 'nothing')).complained).toContain('is no part')
  })
})

test.skipIf(statSync('/dev/shm', { throwIfNoEntry: false })?.dev === statSync(tmpdir()).dev || !existsSync('/dev/shm'))(
  'a backup on another file system gives the former state back as well',
  async () => {
    const root = storeIn('clean')
    rmSync(join(root, 'index'), { recursive: true })
    patch(join(root, MANY, '00000000000000006000'), 2000, Buffer.alloc(100))
    truncateSync(join(root, LAST), last.at + last.size - 196_608 - 40)
    const damaged = contentOf(root)
    const far = mkdtempSync('/dev/shm/basalt-')
    onTestFinished(() => rmSync(far, { recursive: true }))
    const sizes = ['--set', 'maxHashSlotNum=500', '--set', 'maxIndexNum=2000']
    const { status, printed } = await applied(root, '--backup', join(far, 'kept'), ...sizes)
    expect(status, printed).toBe(0)
    expect(printed).toMatch(/backup {6}\S+: [\d.]+ KiB copied there/)
    expect((await inspect('repair', root, '--undo', join(far, 'kept'))).status).toBe(0)
    expectSame(contentOf(root), damaged)
  },
)

test('a store that a kill left is built up to the end of its log', async () => {
  const root = storeIn('unclean')
  rmSync(join(root, 'consumequeue/OracleMany'), { recursive: true })
  const { status, printed } = await applied(root)
  expect(status, printed).toBe(0)
  const clean = filesBelow(recordedStore('clean'))
  expectSame(contentOf(root), clean, 'consumequeue/OracleMany')
})

test('a store in use is refused, with its process', async () => {
  await using broker = await startTestBroker()
  for (const more of [[], ['--apply'], ['--undo', '/nowhere']]) {
    const { status, complained } = await inspect('repair', broker.folder, ...more)
    expect([status, complained.includes(`process ${process.pid}`)]).toEqual([1, true])
  }
})

describe('kill -9 in the middle', () => {
  /** Something of everything. */
  const damage = (root: string) => {
    rmSync(join(root, 'consumequeue/OracleOrder'), { recursive: true })
    patch(join(root, MANY, '00000000000000006000'), 2000, Buffer.alloc(100))
    patch(join(root, 'index/20261123093126340'), 40 + 4 * 17, Buffer.from([0, 0, 0, 9]))
    truncateSync(join(root, LAST), last.at + last.size - 196_608 - 40)
    writeFileSync(join(root, 'commitlog/notes.txt'), 'x')
    const table = join(root, 'config/subscriptionGroup.json')
    writeFileSync(`${table}.bak`, readFileSync(table))
    truncateSync(table, 10)
    const offsets = join(root, 'config/consumerOffset.json')
    writeFileSync(offsets, readFileSync(offsets, 'utf8').replace(/("?1"?):7/, '$1:7000'))
  }
  const long = process.env.BASALT_CAMPAIGN === 'long'
  const swaps = long ? [1, 2, 3, 4, 5, 6] : [2, 6]
  const steps = long ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] : [1, 3, 9]
  const points = ['repair-built', ...swaps.map((n) => `repair-swap:${n}`), ...steps.map((n) => `repair-step:${n}`)]

  test.each(points)('at %s: the backup is whole, and the repair goes on', async (point) => {
    const root = storeIn('clean')
    damage(root)
    const damaged = contentOf(root)
    const env = { ...process.env, BASALT_FAILPOINT: point }
    const { signal } = spawnSync(process.execPath, [COMMAND, 'inspect', 'repair', root, '--apply'], { env })
    expect(signal).toBe('SIGKILL')

    const copy = join(scratchFolder(), 'copy')
    cpSync(root, copy, { recursive: true })
    for (const backup of backupsOf(root)) expect((await inspect('repair', root, '--undo', backup)).status).toBe(0)
    const undone = contentOf(root)
    for (const path of undone.keys()) if (path.startsWith('repair.building')) undone.delete(path)
    expectSame(undone, damaged)

    const { status, printed } = await applied(copy)
    expect(status, printed).toBe(0)
  })

  test('with a backup that is named, the same command goes on with it; the next repair needs another', async () => {
    const root = storeIn('clean')
    damage(root)
    const damaged = contentOf(root)
    const backup = join(scratchFolder(), 'kept')
    const repair = ['inspect', 'repair', root, '--backup', backup, '--apply']
    for (const point of ['repair-step:5', 'repair-swap:2']) {
      const env = { ...process.env, BASALT_FAILPOINT: point }
      expect(spawnSync(process.execPath, [COMMAND, ...repair], { env }).signal, point).toBe('SIGKILL')
    }
    const again = await inspect(...repair.slice(1))
    expect(again.status, again.complained).toBe(0)
    rmSync(join(root, 'consumequeue/OracleOrder'), { recursive: true })
    const next = await inspect(...repair.slice(1))
    expect([next.status, next.complained]).toEqual([2, expect.stringContaining('name another one')])
    expect((await inspect('repair', root, '--undo', backup)).status).toBe(0)
    expectSame(contentOf(root), damaged)
  })
})

describe('a store of ours', () => {
  test('has no marks of before afterwards, and the broker serves all of it', async () => {
    const root = join(scratchFolder(), 'store')
    const config = {
      mappedFileSizeCommitLog: 512 * 1024,
      maxMessageSize: 65_536,
      maxHashSlotNum: 500,
      maxIndexNum: 2000,
    }
    const first = await startTestBroker({ folder: root, config })
    const client = new TestClient(first.address)
    await Promise.all(
      Array.from({ length: 600 }, (_, i) =>
        client.send('Own', Buffer.from(`body ${i}`), {
          queueId: i % 3,
          properties: { KEYS: `k${i}`, UNIQ_KEY: `U${i}` },
        }),
      ),
    )
    client.close()
    await first.close()
    const whole = filesBelow(root)
    rmSync(join(root, 'consumequeue/Own/1'), { recursive: true })
    rmSync(join(root, 'index'), { recursive: true })
    expect((await applied(root)).status).toBe(0)
    expect(existsSync(join(root, 'basalt/positions'))).toBe(false)
    expectSame(filesBelow(root), whole, 'consumequeue')

    const second = await startTestBroker({ folder: root, config })
    const again = new TestClient(second.address)
    for (const queueId of [0, 1, 2]) {
      const { ext } = await again.invoke(30, { topic: 'Own', queueId: String(queueId) })
      expect(Number(ext?.offset)).toBe(200)
    }
    await again.send('Own', Buffer.from('one more'), { queueId: 1 })
    again.close()
    await second.close()
    const { status, complained } = await inspect('repair', root, '--undo', backupsOf(root)[0])
    expect([status, complained.includes('a broker has written to the store since')]).toEqual([2, true])
  })
})
