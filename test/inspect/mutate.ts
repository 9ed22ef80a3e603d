/** Damage for the files of a store. */
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import type { Random } from '../store/recovery/damage-kinds.ts'

/** What a crash, a bad disk or a hand may do to a file. */
export const MUTATIONS_OF: [what: string, mutate: (path: string, bytes: Buffer, random: Random) => void][] = [
  ['cut', (path, bytes, random) => truncateSync(path, random(bytes.length + 1))],
  ['gone', (path) => rmSync(path)],
  ['random bytes', (path, bytes, random) => writeFileSync(path, Buffer.from(bytes.map(() => random(256))))],
  [
    'a zeroed piece',
    (path, bytes, random) => {
      const at = random(bytes.length + 1)
      writeFileSync(path, Buffer.from(bytes).fill(0, at, Math.min(bytes.length, at + 1 + random(4096))))
    },
  ],
  [
    'a piece of itself elsewhere',
    (path, bytes, random) => {
      const copy = Buffer.from(bytes)
      bytes.copy(copy, random(bytes.length + 1), random(bytes.length + 1), random(bytes.length + 1))
      writeFileSync(path, copy)
    },
  ],
  [
    'several wrong bytes',
    (path, bytes, random) => {
      const copy = Buffer.from(bytes)
      for (let i = 0; i < 8 && copy.length > 0; i += 1) copy[random(copy.length)] = random(256)
      writeFileSync(path, copy)
    },
  ],
  ['longer', (path, bytes) => writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(4096, 0xa7)]))],
]
