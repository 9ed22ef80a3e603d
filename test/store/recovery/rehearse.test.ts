/**
 * A rehearsed start says and does what the start then says and does: on damaged stores of Apache's and of ours, every finding, every
 * position and every byte of every file; and the rehearsal itself changes nothing, not even a time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BasaltError } from '../../../src/errors.ts'
import { PositionsFile, writeQueuesSnapshot } from '../../../src/store/checkpoint/index.ts'
import { rehearseStart } from '../../../src/store/recovery/index.ts'
import { recoverStore } from '../../../src/store/recovery/recover-store.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { dispatchAll, filesBelow, LogMaker, rig } from '../dispatch/support.ts'
import { capturedLog, recordedStore, scratchFolder, storeSettings } from '../scratch.ts'
import { damage, type Random, randomOf } from './damage-kinds.ts'

const isLong = process.env.BASALT_CAMPAIGN === 'long'
const ROUNDS = isLong ? 1500 : 24
const SEED = Number(process.env.SIM_SEED ?? 1)

/** Names, sizes, times and inodes of everything below. */
function traces(root: string): string[] {
  const found: string[] = []
  const walk = (path: string) => {
    const { mtimeNs, ctimeNs, size, ino } = statSync(path, { bigint: true })
    found.push(`${path} ${size} ${mtimeNs} ${ctimeNs} ${ino}`)
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) walk(join(path, name))
  }
  walk(root)
  return found
}

const said = (error: unknown) =>
  error instanceof BasaltError ? `${error.code} ${error.message}` : error === undefined ? undefined : String(error)

function compare(settings: StoreSettings, told: string): void {
  const root = settings.storePathRootDir
  const before = { traces: traces(root), files: filesBelow(root) }
  const dryLog = capturedLog()
  const rehearsal = rehearseStart(settings, dryLog)
  const changes = new Map(rehearsal.disk.changes().map((change) => [change.path.slice(root.length + 1), change]))
  expect(traces(root), told).toEqual(before.traces)
  for (const [path, bytes] of filesBelow(root)) expect(bytes.equals(before.files.get(path)!), told).toBe(true)

  const log = capturedLog()
  let recovered: ReturnType<typeof recoverStore> | undefined
  let error: unknown
  for (const name of ['commitlog', 'consumequeue', 'index', 'config', 'basalt'])
    mkdirSync(join(root, name), { recursive: true })
  try {
    recovered = recoverStore(settings, { root, isUnclean: existsSync(join(root, 'abort')) }, log)
  } catch (thrown) {
    error = thrown
  }
  expect(said(rehearsal.error), told).toBe(said(error))
  expect(rehearsal.recovered, told).toEqual(recovered)
  expect(dryLog.lines, told).toEqual(log.lines)
  // A start that fails half way leaves what it did until then; what it says is all that is promised.
  if (error !== undefined) return
  const after = filesBelow(root)
  for (const path of new Set([...before.files.keys(), ...after.keys()])) {
    const [then, now, change] = [before.files.get(path), after.get(path), changes.get(path)]
    const where = `${told}: ${path}`
    if (then === undefined) expect([change?.kind, change?.size], where).toEqual(['made', now!.length])
    else if (now === undefined) expect(change?.kind, where).toBe('removed')
    else if (then.equals(now)) expect(change, where).toBeUndefined()
    else {
      expect([change?.kind, change?.size], where).toEqual(['changed', now.length])
      for (let at = 0; at < Math.min(then.length, now.length); at += 1) {
        if (then[at] === now[at]) continue
        expect(
          change!.ranges.some(({ from, to }) => at >= from && at < to),
          `${where} byte ${at}`,
        ).toBe(true)
      }
    }
  }
}

/** A store of ours: four segments, marks at some record, a snapshot of the queues, records behind them that are not dispatched. */
function ownStore(random: Random): StoreSettings {
  const settings = storeSettings(scratchFolder())
  const root = settings.storePathRootDir
  const maker = new LogMaker(settings)
  const next = [0, 0, 0, 0]
  const count = 200 + random(300)
  for (let i = 0; i < count; i += 1) {
    const queueId = random(4)
    maker.add({
      topic: queueId < 3 ? 'Alpha' : 'Beta',
      queueId,
      queueOffset: next[queueId]++,
      properties: i % 3 === 0 ? '' : `KEYS\u0001k${i}\u0002TAGS\u0001t${i % 5}`,
      bodyLength: random(700),
    })
  }
  const boundaries = maker.places.map(({ offset }) => offset)
  const places = [0, 0, 0, 0].map(() => boundaries[Math.floor(count / 3) + random(Math.floor((count * 2) / 3))])
  const [settled, flushed, dispatched, appended] = places.sort((a, b) => a - b)
  const { close, ...dispatching } = rig(settings)
  dispatchAll({ close, ...dispatching }, 0, dispatched)
  close()
  const positions = new PositionsFile(root)
  positions.open()
  positions.write({
    writtenAt: 0,
    isClean: false,
    appended,
    dispatched,
    retained: 0,
    allocated: maker.end,
    replicated: 0,
    flushed,
    settled,
    segmentSize: settings.mappedFileSizeCommitLog,
    epoch: 0,
  })
  positions.close()
  const queues = [0, 1, 2, 3].map((queueId) => {
    const before = maker.places.filter(({ offset, record }) => record.queueId === queueId && offset < settled)
    return { topic: queueId < 3 ? 'Alpha' : 'Beta', queueId, maxOffset: before.length }
  })
  writeQueuesSnapshot(root, { position: settled, countedTo: settled, writtenAt: 0, queues })
  writeFileSync(join(root, 'abort'), '1')
  return settings
}

describe('a rehearsed start and the start', () => {
  test.each(['clean', 'unclean'] as const)('agree on the store that a broker of 4.9.8 left %s', (kind) => {
    compare(storeSettings(recordedStore(kind)), kind)
  })

  test(`agree on ${ROUNDS} damaged stores of Apache's`, () => {
    const random = randomOf(SEED)
    for (let round = 0; round < ROUNDS; round += 1) {
      const root = recordedStore(round % 2 === 0 ? 'clean' : 'unclean')
      const told = `round ${round}, SIM_SEED=${SEED}: ${damage(root, random)}`
      compare(storeSettings(root, { checkCRCOnRecover: random(4) > 0, messageIndexEnable: random(8) > 0 }), told)
      rmSync(root, { recursive: true })
    }
  }, 600_000)

  test(`agree on ${ROUNDS} damaged stores of ours`, () => {
    const random = randomOf(SEED + 1)
    for (let round = 0; round < ROUNDS; round += 1) {
      const settings = ownStore(random)
      const told = `round ${round}, SIM_SEED=${SEED}: ${round % 8 === 0 ? 'as it was' : damage(settings.storePathRootDir, random)}`
      compare(settings, told)
      rmSync(settings.storePathRootDir, { recursive: true })
    }
  }, 600_000)

  test('agree on an empty folder, on one with other files, and on other sizes', () => {
    const root = scratchFolder()
    compare(storeSettings(root), 'empty')
    writeFileSync(join(root, 'commitlog', 'notes.txt'), 'x')
    compare(storeSettings(root), 'a stray')
    compare(storeSettings(recordedStore('clean'), { mappedFileSizeCommitLog: 131_072 }), 'another segment size')
    compare(storeSettings(recordedStore('clean'), { mappedFileSizeConsumeQueue: 12_000 }), 'another queue size')
    compare(storeSettings(recordedStore('unclean'), { maxIndexNum: 1000 }), 'another index size')
    expect(readFileSync(join(root, 'commitlog', 'notes.txt'), 'utf8')).toBe('x')
  })
})
