/**
 * Damaged stores: whatever is done to one, no command crashes or hangs, and verify says "whole" of none in which a byte was
 * changed that it claims to check (fields.ts). BASALT_CAMPAIGN=long: 5,000 of them
 * through every command, and a table of how those ended.
 */
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { filesBelow } from '../store/dispatch/support.ts'
import { randomOf } from '../store/recovery/damage-kinds.ts'
import { recordedStore, scratchFolder } from '../store/scratch.ts'
import { claimInCheckpoint, claimInIndex, claimInLog, claimInQueue, claimInSealed, type Place } from './fields.ts'
import { MUTATIONS_OF } from './mutate.ts'
import { decodedRecords, hashSealed, inspect } from './stores.ts'

const isLong = process.env.BASALT_CAMPAIGN === 'long'
const FLIPS = isLong ? { clean: 2000, unclean: 2000, sealed: 2000 } : { clean: 1000, unclean: 80, sealed: 80 }
/** In sealed segments. One verify a flip in the long form, one for a flip in each segment else: each has blocks of its own. */
const SEALED_FLIPS = 1000
const MUTATIONS = isLong ? 5000 : 60
const SEED = Number(process.env.SIM_SEED ?? 1)
const SEGMENT = 65_536
const SLOTS = 500
/** The log of the clean store ends in the segment that begins here. */
const SEALED_END = 196_608
const COMMAND_MS_MAX = 10_000

const records = decodedRecords()

function claimOf(path: string, bytes: Buffer, at: number, isHashed = false): Place {
  const [kind, ...rest] = path.split('/')
  if (path.startsWith('basalt/checksums/')) return claimInSealed('side checksums')
  if (kind === 'commitlog' && isHashed && Number(rest[0]) < SEALED_END) return claimInSealed('sealed segment')
  if (kind === 'commitlog') return claimInLog(records, SEGMENT, Number(rest[0]) + at)
  if (kind === 'consumequeue') return claimInQueue()
  if (kind === 'index') return claimInIndex(SLOTS, bytes.readInt32BE(36), at)
  if (kind === 'checkpoint') return claimInCheckpoint(at)
  return { name: kind, claim: 'partly' }
}

/** Not the places by size, or all would be in the log: the kinds in turn. */
function pick(
  files: Map<string, Buffer>,
  round: number,
  random: (limit: number) => number,
): { path: string; at: number } {
  const kinds = ['commitlog', 'consumequeue', 'index', 'commitlog', 'checkpoint', 'commitlog', 'consumequeue', 'config']
  if (files.has('basalt/checksums/00000000000000000000')) kinds.push('basalt/checksums')
  const kind = kinds[round % kinds.length]
  const paths = [...files.keys()].filter((path) => path.startsWith(kind)).sort()
  const path = paths[random(paths.length)]
  return { path, at: random(files.get(path)!.length) }
}

describe.each(['clean', 'unclean', 'sealed'] as const)('one wrong bit in the %s store', (kind) => {
  test(`${FLIPS[kind]} of them, one after the other: found where verify claims so, none where it says that nothing can tell`, async () => {
    const root = recordedStore(kind === 'sealed' ? 'clean' : kind)
    if (kind === 'sealed') await hashSealed(root)
    const files = filesBelow(root)
    const random = randomOf(SEED)
    const disagreements: string[] = []
    for (let round = 0; round < FLIPS[kind]; round += 1) {
      const { path, at } = pick(files, round, random)
      const original = files.get(path)!
      const { name, claim } = claimOf(path, original, at, kind === 'sealed')
      const bit = random(8)
      const changed = Buffer.from(original)
      changed[at] ^= 1 << bit
      writeFileSync(join(root, path), changed)
      const { isWhole, findings } = await verifyStore(openStore(root))
      writeFileSync(join(root, path), original)
      const isWrong = (claim === 'found' && isWhole) || (claim === 'none' && !isWhole)
      if (isWrong) {
        const said = findings.map(({ what }) => what).join('; ')
        disagreements.push(`bit ${bit} of byte ${at} of ${path} (${name}: ${claim}) is ${isWhole ? 'not found' : said}`)
      }
    }
    expect(disagreements, `SIM_SEED=${SEED}`).toEqual([])
    expect((await verifyStore(openStore(root))).isWhole).toBe(true)
  }, 3_600_000)
})

test(`${SEALED_FLIPS} wrong bits in sealed segments with side checksums: each is found`, async () => {
  const root = recordedStore('clean')
  await hashSealed(root)
  const random = randomOf(SEED + 3)
  const paths = [0, SEGMENT, 2 * SEGMENT].map((start) => join(root, 'commitlog', String(start).padStart(20, '0')))
  const originals = paths.map((path) => readFileSync(path))
  const times = paths.map((path) => statSync(path).mtimeMs / 1000)
  const write = (segment: number, bytes: Buffer) => {
    writeFileSync(paths[segment], bytes)
    // As a disk does it: nobody wrote.
    utimesSync(paths[segment], times[segment], times[segment])
  }
  const notFound: string[] = []
  for (let flips = 0; flips < SEALED_FLIPS; ) {
    const hit = isLong ? [flips % 3] : [0, 1, 2]
    const places = hit.map((segment) => {
      const at = random(SEGMENT)
      const bit = random(8)
      const changed = Buffer.from(originals[segment])
      changed[at] ^= 1 << bit
      write(segment, changed)
      return { segment, at, bit }
    })
    const { findings, isWhole } = await verifyStore(openStore(root))
    for (const { segment, at, bit } of places) {
      flips += 1
      write(segment, originals[segment])
      const found = findings.some(
        ({ code, file, offset }) => code === 'SIDE_CHECKSUM' && file === paths[segment] && offset === 0,
      )
      if (!found || isWhole) notFound.push(`bit ${bit} of byte ${at} of ${paths[segment]}`)
    }
  }
  expect(notFound, `SIM_SEED=${SEED}`).toEqual([])
  expect(await verifyStore(openStore(root))).toMatchObject({ isWhole: true, findings: [] })
}, 3_600_000)

test(`${MUTATIONS} damaged stores through every command: none crashes or hangs`, async () => {
  const roots = { clean: recordedStore('clean'), unclean: recordedStore('unclean') }
  const originals = { clean: filesBelow(roots.clean), unclean: filesBelow(roots.unclean) }
  const random = randomOf(SEED + 1)
  const failures: string[] = []
  const tally = new Tally()
  for (let round = 0; round < MUTATIONS; round += 1) {
    const kind = round % 2 === 0 ? 'clean' : 'unclean'
    const root = roots[kind]
    const files = originals[kind]
    const [what, mutate] = MUTATIONS_OF[round % MUTATIONS_OF.length]
    const { path } = pick(files, random(8), random)
    const original = files.get(path)!
    mutate(join(root, path), original, random)
    const changed = tryRead(join(root, path))
    const copies = scratchFolder()
    for (const argv of commandsFor(root, roots[kind === 'clean' ? 'unclean' : 'clean'], copies)) {
      const began = performance.now()
      const { status, complained } = await inspect(...argv)
      const ms = performance.now() - began
      const told = `round ${round}: ${what}: ${path}, inspect ${argv.join(' ')}\n${complained}`
      tally.add(argv[0], status, ms)
      if (!(argv[0] === 'find' ? [0, 1] : [0, 2, 3]).includes(status)) failures.push(`status ${status}: ${told}`)
      if (ms > COMMAND_MS_MAX) failures.push(`${Math.round(ms)} ms: ${told}`)
      if (argv[0] === 'verify' && status !== 3 && isClaimed(path, original, changed, kind))
        failures.push(`called whole: ${told}`)
    }
    rmSync(copies, { recursive: true, force: true })
    writeFileSync(join(root, path), original)
  }
  if (isLong) console.log(tally.table())
  expect(failures, `SIM_SEED=${SEED}`).toEqual([])
}, 3_600_000)

/** How often a command ran, how it ended, how long it took. */
class Tally {
  private readonly rows = new Map<string, { runs: number; ended: Map<number, number>; ms: number; slowest: number }>()

  add(command: string, status: number, ms: number): void {
    const row = this.rows.get(command) ?? { runs: 0, ended: new Map<number, number>(), ms: 0, slowest: 0 }
    this.rows.set(command, row)
    row.runs += 1
    row.ended.set(status, (row.ended.get(status) ?? 0) + 1)
    row.ms += ms
    row.slowest = Math.max(row.slowest, ms)
  }

  table(): string {
    const lines = [...this.rows].map(([command, { runs, ended, ms, slowest }]) => {
      const statuses = [...ended].sort(([a], [b]) => a - b).map(([status, times]) => `${times} × status ${status}`)
      const [mean, longest] = [(ms / runs).toFixed(1), Math.round(slowest)]
      return `${command.padEnd(11)} ${runs} runs: ${statuses.join(', ')}; ${mean} ms each, ${longest} ms at most`
    })
    return lines.join('\n')
  }
}

/** `other`: a whole store with the same log. */
function commandsFor(root: string, other = root, copies = scratchFolder()): string[][] {
  return [
    ['summary', root],
    ['verify', root, '--json'],
    ['log', root, '--json'],
    ['queue', root, 'OracleMany', '0', '--records', '--json'],
    ['index', root, '--entries', '--json'],
    ['checkpoint', root],
    ['config', root],
    ['find', root, '--key', 'mod7', '--scan', '--json'],
    ['map', root],
    ['map', root, '--json', '--svg', join(root, '..', 'map.svg'), '--html', join(root, '..', 'map.html')],
    ['dry-start', root, '--json'],
    ['repair', root, '--json'],
    ['diff', root, other],
    ['hashes', root],
    ['export', root, '--to-store', join(copies, 'copy')],
    ['import', root, '--to-store', join(copies, 'imported')],
  ]
}

/** A byte that verify claims to check is another one now, or is gone. */
function isClaimed(path: string, original: Buffer, changed: Buffer | undefined, kind: 'clean' | 'unclean'): boolean {
  // After a crash the last record may have no unit yet: a start gives it one.
  const isLast = path.startsWith(`consumequeue/${records.at(-1)!.topic}/`)
  if (kind === 'unclean' && isLast && (changed === undefined || changed.subarray(0, 20).every((byte) => byte === 0)))
    return false
  // Without its oldest segment a log looks as if that had expired; one that was made ahead holds nothing.
  if (changed === undefined) return /^(consumequeue|index)\//.test(path) || /0(65536|131072|196608)$/.test(path)
  for (let at = 0; at < original.length; at += 1) {
    if (changed[at] === original[at]) continue
    // Which byte was meant cannot be told of a file that was cut, but for those in use.
    if (claimOf(path, original, at).claim === 'found') return true
  }
  return false
}

function tryRead(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

test('random bytes in place of every file: no command crashes', async () => {
  const root = recordedStore('clean')
  const random = randomOf(SEED + 2)
  for (const [path, bytes] of filesBelow(root))
    writeFileSync(join(root, path), Buffer.from(bytes.map(() => random(256))))
  for (const argv of commandsFor(root)) {
    const { status, complained } = await inspect(...argv)
    expect(argv[0] === 'find' ? [0, 1] : [0, 2, 3], `${argv[0]}: ${complained}`).toContain(status)
    if (argv[0] === 'verify') expect(status).toBe(3)
  }
})
