/**
 * Damaged stores in DLedger mode: whatever is done to one, no command crashes or hangs, and verify says "whole" of none in which a byte
 * was changed that it claims to check.
 */
import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { LogRecords } from '../../src/inspect/log-records.ts'
import { decodeRecord } from '../../src/store/commitlog/index.ts'
import { filesBelow } from '../store/dispatch/support.ts'
import { dledgerStore } from '../store/dledger/stores.ts'
import { randomOf } from '../store/recovery/damage-kinds.ts'
import { scratchFolder } from '../store/scratch.ts'
import { MUTATIONS_OF } from './mutate.ts'
import { inspect } from './stores.ts'

const isLong = process.env.BASALT_CAMPAIGN === 'long'
const FLIPS = isLong ? 4000 : 80
const MUTATIONS = isLong ? 700 : 14
const SEED = Number(process.env.SIM_SEED ?? 1)
const SEGMENT = 65_536
const COMMAND_MS_MAX = 10_000

/** The clean store, with an entry index of 32 KiB in the place of 160 MiB. */
function store(): string {
  const root = dledgerStore('rmq-clean-n2')
  truncateSync(join(root, 'dledger-n2', 'index', '00000000000000000000'), 32_768)
  return root
}

interface Entry {
  at: number
  size: number
  bodyFrom: number
  bodyTo: number
}

/** Entries with the place of their bodies in the log. */
function entriesOf(root: string): Entry[] {
  using records = new LogRecords(openStore(root), {})
  const entries: Entry[] = []
  for (const item of records.inPlace()) {
    if (item?.kind !== 'record') continue
    const { record, bytes, entry } = item
    const { position: at, size } = entry!
    const message = decodeRecord(bytes.subarray(record.at, record.at + record.totalSize))!
    const bodyFrom = at + 48 + record.bodyStart - record.at
    entries.push({ at, size, bodyFrom, bodyTo: bodyFrom + message.body.length })
  }
  return entries
}

/** `found`: verify claims that a wrong bit there is found. */
function claimAt(entries: Entry[], place: number): 'found' | 'partly' {
  const entry = entries.find(({ at, size }) => place >= at && place < at + size)
  if (entry === undefined) {
    // A blank says what it is in its first eight bytes.
    const before = entries.findLast(({ at }) => at < place)!
    const end = before.at + before.size
    const isLast = before === entries.at(-1)
    return !isLast && place < end + 8 ? 'found' : 'partly'
  }
  const at = place - entry.at
  // chainCrc is written as 0 and looked at by nobody.
  if (at < 48) return at >= 36 && at < 40 ? 'partly' : 'found'
  const field = at - 48
  const isFrame = field < 8 || (field >= 28 && field < 36) || (field >= 12 && field < 16) || (field >= 20 && field < 28)
  return isFrame || (place >= entry.bodyFrom && place < entry.bodyTo) ? 'found' : 'partly'
}

test(`${FLIPS} wrong bits in data files, entry index and state files: each is found where verify claims so`, async () => {
  const root = store()
  const entries = entriesOf(root)
  expect(entries).toHaveLength(544)
  const random = randomOf(SEED)
  const missed: string[] = []
  for (let round = 0; round < FLIPS; round += 1) {
    const entry = entries[random(entries.length)]
    // Headers and frames half of the time, or all would be in bodies.
    const place = entry.at + (round % 2 === 0 ? random(84) : random(entry.size))
    const start = place - (place % SEGMENT)
    const isIndex = round % 8 === 7
    const path = isIndex
      ? join(root, 'dledger-n2', 'index', '00000000000000000000')
      : join(root, 'dledger-n2', 'data', String(start).padStart(20, '0'))
    const at = isIndex ? random(544 * 32) : place - start
    const claim = isIndex ? 'found' : claimAt(entries, place)
    const bit = 1 << random(8)
    const original = readFileSync(path)[at]
    patch(path, at, original ^ bit)
    const { isWhole } = await verifyStore(openStore(root))
    patch(path, at, original)
    if (claim === 'found' && isWhole) missed.push(`bit ${bit} of byte ${at} of ${path} (entry at ${entry.at})`)
  }
  expect(missed, `SIM_SEED=${SEED}`).toEqual([])
  expect((await verifyStore(openStore(root))).isWhole).toBe(true)
}, 600_000)

function patch(path: string, at: number, byte: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.of(byte), 0, 1, at)
  closeSync(fd)
}

test(`${MUTATIONS} damaged stores through every command: none crashes or hangs`, async () => {
  const root = store()
  const other = dledgerStore('rmq-killed-n0')
  const files = filesBelow(root)
  const random = randomOf(SEED + 1)
  const kinds = ['dledger-n2/data', 'dledger-n2/index', 'dledger-n2/c', 'dledger-n2/data', 'consumequeue', 'index/']
  const failures: string[] = []
  for (let round = 0; round < MUTATIONS; round += 1) {
    const kind = kinds[round % kinds.length]
    const paths = [...files.keys()].filter((path) => path.startsWith(kind)).sort()
    const path = paths[random(paths.length)]
    const [what, mutate] = MUTATIONS_OF[round % MUTATIONS_OF.length]
    const original = files.get(path)!
    mutate(join(root, path), original, random)
    const copies = scratchFolder()
    for (const argv of [
      ['summary', root],
      ['verify', root, '--json'],
      ['log', root, '--json'],
      ['queue', root, 'RaftTopic', '0', '--records', '--json'],
      ['index', root, '--entries', '--json'],
      ['checkpoint', root],
      ['find', root, '--offset', String(random(4 * SEGMENT))],
      ['find', root, '--key', 'none', '--scan'],
      ['map', root],
      ['diff', root, other],
      ['export', root, '--to-store', join(copies, 'copy')],
      ['dry-start', root],
      ['repair', root],
    ]) {
      const began = performance.now()
      const { status, complained } = await inspect(...argv)
      const ms = performance.now() - began
      const told = `round ${round}: ${what}: ${path}, inspect ${argv.join(' ')}\n${complained}`
      if (!(argv[0] === 'find' ? [0, 1] : [0, 2, 3]).includes(status)) failures.push(`status ${status}: ${told}`)
      if (ms > COMMAND_MS_MAX) failures.push(`${Math.round(ms)} ms: ${told}`)
      const isGone = what === 'gone' && !path.endsWith('/00000000000000000000')
      const isClaimed = ['random bytes', 'gone'].includes(what) && /^dledger-n2\/data/.test(path)
      if (argv[0] === 'verify' && status !== 3 && isClaimed && (what !== 'gone' || isGone))
        failures.push(`called whole: ${told}`)
    }
    rmSync(copies, { recursive: true, force: true })
    writeFileSync(join(root, path), original)
  }
  expect(failures, `SIM_SEED=${SEED}`).toEqual([])
}, 600_000)
