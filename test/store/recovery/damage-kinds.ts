/** What a crash, a bad disk or a hand may do to a store: at random, and again with the same seed. */
import { existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { filesBelow } from '../dispatch/support.ts'

/** mulberry32: a failure prints the seed, and runs again with it. */
export function randomOf(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }
}
export type Random = ReturnType<typeof randomOf>

const DAMAGES: [what: string, damage: (path: string, bytes: Buffer, random: Random) => void][] = [
  ['cut', (path, bytes, random) => truncateSync(path, random(bytes.length + 1))],
  ['gone', (path) => rmSync(path)],
  ['its folder gone', (path) => rmSync(dirname(path), { recursive: true })],
  [
    'bits flipped',
    (path, bytes, random) => {
      const copy = Buffer.from(bytes)
      for (let i = 0; i < 1 + random(6) && copy.length > 0; i += 1) copy[random(copy.length)] ^= 1 << random(8)
      writeFileSync(path, copy)
    },
  ],
  [
    'a zeroed piece',
    (path, bytes, random) => {
      const at = random(bytes.length + 1)
      writeFileSync(path, Buffer.from(bytes).fill(0, at, Math.min(bytes.length, at + 1 + random(9000))))
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
  ['random bytes', (path, bytes, random) => writeFileSync(path, Buffer.from(bytes.map(() => random(256))))],
  ['longer', (path, bytes) => writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(4096, 0xa7)]))],
]

/** One to three kinds of damage, weighted to the files that a start looks at. */
export function damage(root: string, random: Random): string {
  const told: string[] = []
  for (let i = 0; i < 1 + random(3); i += 1) {
    const files = filesBelow(root)
    const kinds = ['commitlog', 'consumequeue', 'index', 'commitlog', 'consumequeue', 'checkpoint', 'basalt', 'abort']
    const kind = kinds[random(kinds.length)]
    const paths = [...files.keys()].filter((path) => path.startsWith(kind)).sort()
    const path = paths[random(paths.length)]
    if (path === undefined) continue
    const [what, change] = DAMAGES[random(DAMAGES.length)]
    if (what === 'its folder gone' && dirname(path) === '.') continue
    change(join(root, path), files.get(path)!, random)
    told.push(`${what}: ${path}`)
  }
  if (random(3) === 0 && existsSync(join(root, 'abort'))) {
    rmSync(join(root, 'abort'))
    told.push('no abort')
  } else if (random(3) === 0) {
    writeFileSync(join(root, 'abort'), '')
    told.push('abort')
  }
  return told.join(', ')
}
