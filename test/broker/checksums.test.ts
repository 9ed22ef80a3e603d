/**
 * Side checksums of a broker that runs: written behind its back, right after kill -9, read again, and gone with their segments.
 */
import { existsSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadBlockHash } from '../../src/store/checksums/block-hash.ts'
import { listChecksums, readChecksums } from '../../src/store/checksums/checksum-file.ts'
import { segmentPath } from '../../src/store/commitlog/index.ts'
import { type BrokerProcess, until } from '../faults/support/broker-process.ts'
import { filledStore, flipBit } from '../faults/support/filled-store.ts'
import { readBack } from '../faults/support/load.ts'
import { storeFolder } from '../faults/support/scratch.ts'
import { TestClient } from '../support/client.ts'
import { bodyOf } from './rig.ts'

const KIB = 1024
const SIZE = 256 * KIB
const SMALL_SEGMENTS = {
  mappedFileSizeCommitLog: SIZE,
  maxMessageSize: 64 * KIB,
  cleanResourceInterval: 1000,
} as const
const RUNTIME_INFO = 28
const UPDATE_CONFIG = 25
const DELETE_EXPIRED = 329
const WAIT_MS = 20_000

function clientOf(broker: BrokerProcess): TestClient {
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  return client
}

async function rowsOf(client: TestClient): Promise<Record<string, string>> {
  return (bodyOf(await client.invoke(RUNTIME_INFO)) as { table: Record<string, string> }).table
}

async function configure(client: TestClient, text: string): Promise<void> {
  expect((await client.invoke(UPDATE_CONFIG, {}, Buffer.from(text))).code).toBe(0)
}

/** Polls the runtime table. */
async function untilRows(client: TestClient, holds: (rows: Record<string, string>) => boolean) {
  const end = performance.now() + WAIT_MS
  for (;;) {
    const rows = await rowsOf(client)
    if (holds(rows)) return rows
    if (performance.now() > end) throw new Error(`never: ${JSON.stringify(rows, undefined, 1)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const filesIn = (folder: string, name: string) =>
  existsSync(join(folder, name)) ? readdirSync(join(folder, name)).sort() : []

test('written for what is sealed, through kill -9; a flipped bit is found, told, and served around; retention removes them', async () => {
  using folder = storeFolder()
  const root = folder.path
  const store = await filledStore(root, { config: SMALL_SEGMENTS, count: 4000 })
  const sealedCount = (end: number) => Math.floor(end / SIZE)

  // Slowly enough to be killed between two segments.
  const slow = { ...store.config, sideChecksumRate: 2 * SIZE }
  {
    await using broker = await store.start({ config: slow })
    await until(() => listChecksums(root).starts.length >= 2, WAIT_MS)
    await broker.kill()
  }
  const before = listChecksums(root).starts
  expect(before.length).toBeLessThan(5)

  await using broker = await store.start()
  const client = clientOf(broker)
  const rows = await untilRows(client, (each) => Number(each.basalt_checksums_segments) >= 5)
  const flushed = Number(rows.basalt_position_flushed)
  const hash = await loadBlockHash()
  const { starts, strays } = listChecksums(root)
  expect(starts.length).toBe(sealedCount(flushed))
  expect(strays).toEqual([])
  for (const start of starts) {
    const hashes = BigUint64Array.of(hash(readFileSync(segmentPath(join(root, 'commitlog'), start))))
    expect(readChecksums(root, start)).toMatchObject({ kind: 'ok', checksums: { start, size: SIZE, hashes } })
  }

  // Behind its back, as a disk does it: the file's time stays.
  const [, victim] = [...store.ledger.acknowledged].find(([, { physicalOffset }]) => physicalOffset > SIZE + 1000)!
  const path = segmentPath(join(root, 'commitlog'), SIZE)
  const { atimeMs, mtimeMs } = statSync(path)
  flipBit(path, (victim.physicalOffset % SIZE) + 150)
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000)
  await configure(client, 'scrubInterval=1000')
  const found = await untilRows(client, (each) => each.basalt_scrub_mismatches === '1')
  expect(found).toMatchObject({ basalt_scrub_damaged: '00000000000000262144:0', basalt_checksums_problem: '' })
  await untilRows(client, (each) => Number(each.basalt_scrub_lastPass) > 0)
  const said = broker.log.split('\n').filter((line) => line.includes('bit rot'))
  expect(said.length).toBe(1)
  expect(JSON.parse(said[0])).toMatchObject({
    code: 'BIT_ROT',
    file: path,
    offset: 0,
    msg: expect.stringContaining(`damaged: the record at ${victim.physicalOffset}`),
  })
  const others = [...store.ledger.acknowledged].filter(([, place]) => place !== victim)
  const served = new Set((await readBack(broker.address)).map(({ number }) => number))
  expect(others.filter(([number]) => !served.has(number))).toEqual([])

  await configure(client, 'fileReservedTime=0\ndeleteCommitLogFilesInterval=1')
  await client.invoke(DELETE_EXPIRED)
  await until(() => filesIn(root, 'commitlog').length < starts.length - 1, WAIT_MS)
  await untilRows(client, (each) => each.basalt_scrub_mismatches === '0')
  const left = filesIn(root, 'commitlog')
  await until(() => filesIn(root, 'basalt/checksums').every((name) => left.includes(name)), WAIT_MS)
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
}, 60_000)

test('a broker with nothing sealed has no thread of it and no rows', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 10 })
  await using broker = await store.start()
  const client = clientOf(broker)
  await new Promise((resolve) => setTimeout(resolve, 3100))
  const names = Object.keys(await rowsOf(client))
  expect(names.filter((name) => /checksums|scrub/.test(name))).toEqual([])
  expect(existsSync(join(folder.path, 'basalt', 'checksums'))).toBe(false)
  expect(existsSync(join(folder.path, 'basalt', 'scrub.json'))).toBe(false)
})
