/** `inspect verify`: whole stores are whole, also beside a running broker, and each damage is named with file and byte. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Finding, openStore, verifyStore } from '../../src/inspect/index.ts'
import { crcOfBody, FIELD, writeRecord } from '../../src/store/commitlog/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { dispatchAll, LogMaker, patch, rig } from '../store/dispatch/support.ts'
import { recordedStore, scratchFolder, storeSettings } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { decodedRecords, decodedUnits, inspect } from './stores.ts'

const records = decodedRecords()
const units = decodedUnits()
const segmentOf = (at: number) => String(at - (at % 65_536)).padStart(20, '0')
const verify = (root: string, threads = 0) => verifyStore(openStore(root), { threads })
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 1 }
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

describe.each(['clean', 'unclean'] as const)('the store that a broker of 4.9.8 left %s', (kind) => {
  test.each([0, 2])('is whole (%i threads): every record, unit and entry was looked at', async (threads) => {
    const verification = await verify(recordedStore(kind), threads)
    expect(verification).toMatchObject({
      isWhole: true,
      findings: [],
      recordCount: records.length,
      unitCount: units.length,
    })
    expect(verification.indexCount).toBe(1999 + 265)
  })
})

type Damage = [what: string, damage: (root: string) => { code: string; file: string; offset?: number }]
const inLog = (root: string, at: number, bytes: Buffer) => {
  const file = join(root, 'commitlog', segmentOf(at))
  patch(file, at % 65_536, bytes)
  return file
}
const victim = records[300]
const last = records.at(-1)!
const MANY = 'consumequeue/OracleMany/0'

const DAMAGES: Damage[] = [
  [
    'a wrong byte in a body',
    (root) => {
      const record = records.find(({ storedBodyLength, at }) => storedBodyLength > 0 && at > 50_000)!
      return {
        code: 'RECORD_DAMAGED',
        file: inLog(root, record.at + 88, Buffer.from([0xff])),
        offset: record.at % 65_536,
      }
    },
  ],
  [
    'a header that is gone',
    (root) => ({ code: 'RECORD_DAMAGED', file: inLog(root, victim.at, Buffer.alloc(8)), offset: victim.at % 65_536 }),
  ],
  [
    'the queueId of a record',
    (root) => {
      const unit = units.find(({ commitLogOffset }) => commitLogOffset === victim.at)!
      inLog(root, victim.at + FIELD.queueId, int32(7))
      const at = unit.index * 20
      return {
        code: 'UNIT_DANGLING',
        file: join(root, MANY, String(at - (at % 6000)).padStart(20, '0')),
        offset: at % 6000,
      }
    },
  ],
  ['the last record of the log', (root) => ({ code: 'LOG_OR_QUEUE', file: inLog(root, last.at + 4, Buffer.alloc(4)) })],
  [
    'a unit with a wrong size',
    (root) => {
      patch(join(root, MANY, '00000000000000000000'), 20 * 5 + 11, Buffer.from([1]))
      return { code: 'UNIT_SIZE', file: join(root, MANY, '00000000000000000000'), offset: 100 }
    },
  ],
  [
    'a unit with a wrong tag hash',
    (root) => {
      patch(join(root, MANY, '00000000000000000000'), 20 * 5 + 16, Buffer.from([0x55]))
      return { code: 'UNIT_TAG', file: join(root, MANY, '00000000000000000000'), offset: 100 }
    },
  ],
  [
    'a double: a unit that repeats another one',
    (root) => {
      const file = join(root, MANY, '00000000000000000000')
      patch(file, 20 * 5, readFileSync(file).subarray(20 * 6, 20 * 7))
      return { code: 'UNIT_DANGLING', file, offset: 100 }
    },
  ],
  [
    'a hole of zeroed units',
    (root) => {
      patch(join(root, MANY, '00000000000000006000'), 20 * 100, Buffer.alloc(100))
      return { code: 'UNIT_HOLE', file: join(root, MANY, '00000000000000006000'), offset: 2000 }
    },
  ],
  [
    'a queue without its folder',
    (root) => {
      rmSync(join(root, 'consumequeue/OracleOrder'), { recursive: true })
      return { code: 'QUEUE_MISSING', file: join(root, 'consumequeue/OracleOrder/0') }
    },
  ],
  [
    'a queue file that was cut',
    (root) => {
      truncateSync(join(root, MANY, '00000000000000006000'), 1000)
      return { code: 'QUEUE_FILE', file: join(root, MANY, '00000000000000006000'), offset: 1000 }
    },
  ],
  [
    'a missing segment',
    (root) => {
      rmSync(join(root, 'commitlog', '00000000000000065536'))
      return { code: 'SEGMENT_MISSING', file: join(root, 'commitlog', '00000000000000131072') }
    },
  ],
  [
    'a segment that was cut',
    (root) => {
      truncateSync(join(root, 'commitlog', '00000000000000065536'), 30_000)
      return { code: 'SEGMENT_SHORT', file: join(root, 'commitlog', '00000000000000065536'), offset: 30_000 }
    },
  ],
  [
    'a stray file',
    (root) => {
      writeFileSync(join(root, 'commitlog', '.stray'), '')
      return { code: 'STRAY_FILE', file: join(root, 'commitlog', '.stray') }
    },
  ],
  [
    'a slot of the index',
    (root) => {
      patch(join(root, 'index/20261123093121921'), 40 + 4 * 209, int32(3))
      return { code: 'INDEX_CHAIN', file: join(root, 'index/20261123093121921'), offset: 40 + 4 * 209 }
    },
  ],
  [
    'an index entry of a foreign record',
    (root) => {
      patch(join(root, 'index/20261123093121921'), 2060 + 2, Buffer.from([0]))
      return { code: 'INDEX_ENTRY', file: join(root, 'index/20261123093121921'), offset: 2060 }
    },
  ],
  [
    'a lost index',
    (root) => {
      rmSync(join(root, 'index'), { recursive: true })
      return { code: 'INDEX_INCOMPLETE', file: join(root, 'index') }
    },
  ],
  [
    'a checkpoint ahead of the log',
    (root) => {
      patch(join(root, 'checkpoint'), 8, Buffer.from([1]))
      return { code: 'CHECKPOINT', file: join(root, 'checkpoint'), offset: 8 }
    },
  ],
  [
    'a table that is no JSON',
    (root) => {
      writeFileSync(join(root, 'config/topics.json'), '{"topicConfigTable":')
      return { code: 'TABLE', file: join(root, 'config/topics.json') }
    },
  ],
  [
    'a group behind the end of its queue',
    (root) => {
      const path = join(root, 'config/consumerOffset.json')
      writeFileSync(path, readFileSync(path, 'utf8').replace('1:7', '1:700'))
      return { code: 'OFFSET_BEYOND', file: path }
    },
  ],
]

test.each(DAMAGES)('%s is found, with its place, and ends the command with status 3', async (_, damage) => {
  const root = recordedStore('clean')
  const { code, file, offset } = damage(root)
  const { status, objects } = await inspect('verify', root, '--json')
  expect(status).toBe(3)
  const findings = objects().flatMap(({ finding }) => (finding === undefined ? [] : [finding as Finding]))
  if (code === 'LOG_OR_QUEUE') expect(findings.map((each) => each.code)).toContain('UNIT_BEYOND')
  else
    expect(findings).toContainEqual(
      expect.objectContaining({ code, file, ...(offset === undefined ? {} : { offset }) }),
    )
  for (const { what, remedy } of findings) expect([what, remedy]).not.toContain('')
})

test('a torn tail after an unclean stop is what a start cuts; the same after a clean stop too', async () => {
  const root = recordedStore('unclean')
  const end = last.at + last.size
  const torn = readFileSync(join(root, 'commitlog', segmentOf(victim.at))).subarray(
    victim.at % 65_536,
    (victim.at % 65_536) + 60,
  )
  inLog(root, end, torn)
  const { findings } = await verify(root)
  expect(findings.map(({ code, offset }) => [code, offset])).toEqual([['TAIL_TORN', end % 65_536]])
})

test('random bytes without a record are not whole, though nothing says that there were any', async () => {
  const root = join(scratchFolder(), 'store')
  mkdirSync(join(root, 'commitlog'), { recursive: true })
  writeFileSync(join(root, 'commitlog/00000000000000000000'), Buffer.alloc(65_536, 0xa7))
  const { isWhole, findings } = await verify(root)
  expect([isWhole, findings.map(({ code }) => code)]).toEqual([false, ['TAIL_TORN']])
})

test.each([-1_644_140_409, 0x7fff_ffff])(
  'an index file whose header counts %i entries is no more than its size',
  async (count) => {
    const root = recordedStore('clean')
    const path = join(root, 'index/20261123093126340')
    const { bytes, indexCount } = await verify(root)
    patch(path, 36, int32(count))
    const damaged = await verify(root)
    expect(damaged.findings).toContainEqual(expect.objectContaining({ code: 'INDEX_HEADER', file: path, offset: 36 }))
    expect(damaged.bytes).toBeGreaterThan(bytes / 2)
    expect(damaged.bytes).toBeLessThanOrEqual(bytes + statSync(path).size)
    expect(damaged.indexCount).toBeLessThanOrEqual(indexCount + statSync(path).size / 20)
  },
)

test('keys of one record in two index files, of which one is lost: only what was there is missing', async () => {
  const folder = scratchFolder()
  const lines = Array.from({ length: 200 }, (_, i) =>
    JSON.stringify({ topic: 'Keys', body: 'x', properties: { UNIQ_KEY: `u${i}`, KEYS: `a${i} b${i}` } }),
  )
  writeFileSync(join(folder, 'lines'), lines.join('\n'))
  const root = join(folder, 'store')
  const sizes = ['--set', 'maxHashSlotNum=50', '--set', 'maxIndexNum=102', '--set', 'mappedFileSizeCommitLog=4259840']
  expect((await inspect('import', join(folder, 'lines'), '--to-store', root, ...sizes)).status).toBe(0)
  const [first, ...others] = readdirSync(join(root, 'index')).sort()
  expect(others.length).toBeGreaterThan(3)
  expect((await verify(root)).findings).toEqual([])
  rmSync(join(root, 'index', first))
  const { findings } = await verify(root)
  expect(findings).toMatchObject([{ code: 'INDEX_INCOMPLETE', what: expect.stringMatching(/^101 keys /) }])
})

test('the remedy for queues and index holds: moved away, and built again by a start', async () => {
  const root = recordedStore('clean')
  rmSync(join(root, 'consumequeue/OracleOrder'), { recursive: true })
  patch(join(root, 'index/20261123093121921'), 40, Buffer.alloc(2000))
  expect((await verify(root)).isWhole).toBe(false)
  rmSync(join(root, 'consumequeue'), { recursive: true })
  rmSync(join(root, 'index'), { recursive: true })
  const sizes = {
    mappedFileSizeCommitLog: 65_536,
    mappedFileSizeConsumeQueue: 6000,
    maxHashSlotNum: 500,
    maxIndexNum: 2000,
  }
  const broker = await startTestBroker({ folder: root, config: { ...sizes, maxMessageSize: 32_768 } })
  await broker.close()
  const { findings, unitCount, indexCount } = await verify(root)
  expect(findings).toEqual([])
  expect(unitCount).toBeGreaterThanOrEqual(units.length)
  expect(indexCount).toBeGreaterThanOrEqual(1999 + 265)
})

describe('a log in ranges', () => {
  /** A sender that guesses where its message will be: records in its body that say their own offsets. */
  function addForged(maker: LogMaker, queueOffset: number): void {
    const body = Buffer.alloc(1024 * 1024)
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    const place = maker.add({ topic: 'Forged', queueId: 0, queueOffset, bodyLength: body.length })
    for (let at = 0; at + 200 < body.length; ) {
      at += writeRecord(body, view, at, {
        queueId: 0,
        queueOffset: 0,
        physicalOffset: place + 88 + at,
        bornTimestamp: 1,
        bornHost: HOST,
        storeTimestamp: 1,
        storeHost: HOST,
        body: Buffer.alloc(20),
        topic: 'Inner',
        properties: 'TAGS\u0001x',
      })
    }
    maker.overwrite(place + 88, body)
    maker.overwrite(place + FIELD.bodyCRC, int32(crcOfBody(body)))
  }

  test('what a body holds is never taken for a record, wherever a range begins', async () => {
    const root = scratchFolder()
    const settings = storeSettings(root, { mappedFileSizeCommitLog: 16 * 1024 * 1024, maxMessageSize: 8 * 1024 * 1024 })
    const maker = new LogMaker(settings)
    for (let i = 0; maker.end < 40 * 1024 * 1024; i += 1) addForged(maker, i)
    const build = rig(settings)
    dispatchAll(build, 0, maker.end, 1 << 24)
    build.close()
    for (const threads of [0, 2]) {
      const verification = await verify(root, threads)
      expect(verification.findings).toEqual([])
      expect(verification.recordCount).toBe(maker.places.length)
    }
  })
})

describe('a store of ours', () => {
  test('is whole beside the broker that writes it, as often as one looks, and after its stop', async () => {
    await using broker = await startTestBroker({
      config: { mappedFileSizeCommitLog: 256 * 1024, maxMessageSize: 65_536 },
    })
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    let isRunning = true
    let sent = 0
    const send = async () => {
      while (isRunning) {
        const i = sent++
        await client.send(`Load${i % 3}`, Buffer.alloc((i * 37) % 3000, 97), {
          queueId: i % 4,
          properties: { TAGS: `t${i % 5}`, KEYS: `k${i}`, UNIQ_KEY: `U${i}` },
        })
      }
    }
    const senders = Promise.all(Array.from({ length: 8 }, send))
    senders.catch(() => {})
    for (let round = 0; round < 12; round += 1) {
      const { findings, recordCount } = await verify(broker.folder)
      expect(findings, `round ${round}, ${recordCount} records`).toEqual([])
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    isRunning = false
    await senders
    // What a kill leaves: the files as they are, in another place.
    const copy = join(scratchFolder(), 'copy')
    cpSync(broker.folder, copy, { recursive: true })
    expect((await verify(copy)).findings).toEqual([])
    await client.invoke(215, { topic: 'Load1' })
    await broker.handle.close()
    const { findings, recordCount, isWhole } = await verify(broker.folder)
    expect(recordCount).toBeGreaterThanOrEqual(sent)
    expect(isWhole, JSON.stringify(findings)).toBe(true)
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['TOPIC_DELETED']))
    // Positions say how far the log went: a tail that is gone is missed.
    const path = join(broker.folder, 'commitlog', String(recordedEnd(broker.folder)).padStart(20, '0'))
    writeFileSync(path, Buffer.alloc(256 * 1024))
    expect((await verify(broker.folder)).findings.map(({ code }) => code)).toContain('LOG_LOST')
  })
})

function recordedEnd(folder: string): number {
  const { positions } = openStore(folder)
  const { appended, segmentSize } = positions!.slot
  return appended - (appended % segmentSize)
}
