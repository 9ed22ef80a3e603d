/**
 * Lines that were cut, mixed up or overwritten: import takes them whole or says one line and leaves nothing behind. A store that was
 * damaged is exported without what is damaged, and what comes out is whole.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore, verifyStore } from '../../../src/inspect/index.ts'
import { filesBelow } from '../../store/dispatch/support.ts'
import { type Random, randomOf } from '../../store/recovery/damage-kinds.ts'
import { recordedStore, scratchFolder } from '../../store/scratch.ts'
import { inspect } from '../stores.ts'

const ROUNDS = process.env.BASALT_CAMPAIGN === 'long' ? 1000 : 40
const SEED = Number(process.env.SIM_SEED ?? 1)
const SIZES =
  'maxMessageSize=20000 mappedFileSizeCommitLog=131072 mappedFileSizeConsumeQueue=6000 maxHashSlotNum=500 maxIndexNum=2000'
    .split(' ')
    .flatMap((pair) => ['--set', pair])

const MUTATIONS: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  (bytes, random) => {
    const copy = Buffer.from(bytes)
    for (let i = 0; i < 1 + random(4); i += 1) copy[random(copy.length)] = random(256)
    return copy
  },
  (bytes, random) => {
    const copy = Buffer.from(bytes)
    bytes.copy(copy, random(bytes.length), random(bytes.length), random(bytes.length))
    return copy
  },
  (_, random) => Buffer.from(Array.from({ length: random(5000) }, () => random(256))),
  (bytes, random) => {
    const lines = bytes.toString().split('\n')
    lines.splice(random(lines.length), random(20))
    return Buffer.from(lines.sort(() => random(3) - 1).join('\n'))
  },
  (bytes, random) =>
    Buffer.from(
      bytes.toString().replace(/\d+/g, (digits) => (random(4000) === 0 ? '9'.repeat(1 + random(20)) : digits)),
    ),
]

test(`${ROUNDS} damaged files of lines: imported whole, or refused with the line and nothing left`, async () => {
  const lines = Buffer.from((await inspect('export', recordedStore('clean'))).printed)
  const random = randomOf(SEED)
  const folder = scratchFolder()
  for (let round = 0; round < ROUNDS; round += 1) {
    const [path, target] = [join(folder, `lines-${round}`), join(folder, `target-${round}`)]
    writeFileSync(path, MUTATIONS[round % MUTATIONS.length](lines, random))
    const { status, complained } = await inspect('import', path, '--to-store', target, ...SIZES)
    const told = `round ${round}, SIM_SEED=${SEED}: ${complained}`
    if (status === 0) {
      if (!existsSync(target)) continue
      const { isWhole, findings } = await verifyStore(openStore(target), { threads: 0 })
      expect(
        findings.filter(({ severity }) => severity !== 'info'),
        told,
      ).toEqual([])
      expect(isWhole, told).toBe(true)
    } else {
      expect([1, 2], told).toContain(status)
      if (status === 2) expect(complained, told).toMatch(/line \d+: /)
      expect(existsSync(target) ? readdirSync(target) : [], told).toEqual([])
    }
  }
}, 600_000)

test('a damaged store comes out as a whole one, with everything but what is damaged', async () => {
  const random = randomOf(SEED + 1)
  for (let round = 0; round < ROUNDS / 5; round += 1) {
    const root = recordedStore(round % 2 === 0 ? 'clean' : 'unclean')
    const logs = [...filesBelow(root)].filter(([path]) => path.startsWith('commitlog'))
    for (let i = 0; i < 3; i += 1) {
      const [path, bytes] = logs[random(logs.length)]
      for (let at = random(bytes.length), end = at + 1 + random(300); at < end && at < bytes.length; at += 1)
        bytes[at] = random(256)
      writeFileSync(join(root, path), bytes)
    }
    const target = join(scratchFolder(), 'copy')
    const { status, complained } = await inspect('export', root, '--to-store', target)
    const told = `round ${round}, SIM_SEED=${SEED}: ${complained}`
    expect([0, 3], told).toContain(status)
    const { findings } = await verifyStore(openStore(target), { threads: 0 })
    expect(
      findings.filter(({ severity }) => severity === 'error'),
      told,
    ).toEqual([])
  }
}, 600_000)
