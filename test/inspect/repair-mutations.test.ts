/** Repairs of stores that were damaged at random: none crashes, "whole" is whole, and the backup gives every byte back. BASALT_CAMPAIGN=long: 500. */
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { filesBelow } from '../store/dispatch/support.ts'
import { damage, randomOf } from '../store/recovery/damage-kinds.ts'
import { recordedStore, scratchFolder } from '../store/scratch.ts'
import { inspect } from './stores.ts'

const ROUNDS = process.env.BASALT_CAMPAIGN === 'long' ? 500 : 12
const SEED = Number(process.env.SIM_SEED ?? 3)

test(`${ROUNDS} stores damaged at random are repaired, or said not to be, and given back`, async () => {
  const random = randomOf(SEED)
  const originals = { clean: recordedStore('clean'), unclean: recordedStore('unclean') }
  let whole = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const root = join(scratchFolder(), 'store')
    cpSync(originals[round % 2 === 0 ? 'clean' : 'unclean'], root, { recursive: true })
    const told = `round ${round}, SIM_SEED=${SEED}: ${damage(root, random)}`
    const before = filesBelow(root)
    const { status, printed, complained } = await inspect('repair', root, '--apply')
    // 2: nothing is left that is a store.
    expect([0, 2, 3], `${told}\n${complained}`).toContain(status)
    if (status === 0) {
      whole += 1
      expect((await verifyStore(openStore(root))).isWhole, told).toBe(true)
      expect((await inspect('repair', root)).printed, told).toContain('nothing to do')
    }
    const backups = readdirSync(dirname(root)).filter((name) => name.startsWith(`${basename(root)}.repair-`))
    for (const backup of backups) {
      const undone = await inspect('repair', root, '--undo', join(dirname(root), backup))
      expect(undone.status, `${told}\n${printed}\n${undone.complained}`).toBe(0)
    }
    const after = filesBelow(root)
    after.delete('lock')
    before.delete('lock')
    expect([...after.keys()].sort(), told).toEqual([...before.keys()].sort())
    for (const [path, bytes] of before) expect(after.get(path)!.equals(bytes), `${told}: ${path}`).toBe(true)
    rmSync(dirname(root), { recursive: true })
  }
  expect(whole).toBeGreaterThan(ROUNDS / 4)
}, 3_600_000)
