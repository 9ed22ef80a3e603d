/** docs/complaints.md says where each line is proved: the files are there, and the quoted names are in them. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const text = readFileSync(join(ROOT, 'docs', 'complaints.md'), 'utf8')
/** The last column of each row. */
const proofs = text
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| complaint'))
  .map((line) => line.split(' | ').at(-1)!)

test('every row names a proof that is there', () => {
  expect(proofs.length).toBeGreaterThan(20)
  const missing: string[] = []
  for (const proof of proofs) {
    const places = proof.split(';')
    for (const place of places) {
      const file = /(test|bench)\/[\w/.-]+\.(ts|md)/.exec(place)?.[0]
      if (file === undefined || !existsSync(join(ROOT, file))) {
        missing.push(`no file in: ${place}`)
        continue
      }
      const content = readFileSync(join(ROOT, file), 'utf8')
      for (const [, name] of place.matchAll(/"([^"]+)"/g)) {
        if (!content.includes(name)) missing.push(`${file} has no "${name}"`)
      }
    }
  }
  expect(missing).toEqual([])
})
