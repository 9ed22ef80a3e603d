/** A command answers at once because it loads little: nothing of the broker, its threads or its NameServer. */
import { readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const SRC = resolve(import.meta.dirname, '../../../src')

/** Every file that is loaded with `entry`: values only, types are erased; what import() loads is loaded when it is run. */
function loadedWith(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen
  seen.add(entry)
  const text = readFileSync(entry, 'utf8')
  for (const [, what, path] of text.matchAll(/^(?:import|export) ([^'"]*?from )?['"](\.[^'"]+)['"]/gm)) {
    const isType = what?.startsWith('type ') === true
    if (!isType) loadedWith(resolve(dirname(entry), path), seen)
  }
  return seen
}

test('admin loads nothing of the broker', () => {
  const loaded = [...loadedWith(resolve(SRC, 'cli/main.ts')), ...loadedWith(resolve(SRC, 'cli/admin/tree.ts'))]
  const folders = new Set(loaded.map((path) => relative(SRC, path).split('/').slice(0, -1).join('/')))
  expect([...folders]).toEqual(expect.arrayContaining(['cli/admin', 'admin', 'remoting']))
  const forbidden = ['broker', 'stages', 'namesrv', 'ha', 'filter', 'testing']
  expect([...folders].filter((folder) => forbidden.includes(folder.split('/')[0]))).toEqual([])
  expect(new Set(loaded).size).toBeLessThan(155)
})

test('what admin dledger needs beside is the codec', () => {
  const all = loadedWith(resolve(SRC, 'cli/admin/dledger-run.ts'))
  const loaded = [...all].map((path) => relative(SRC, path)).filter((path) => path.startsWith('dledger/'))
  expect(loaded).toContain('dledger/wire/read.ts')
  const others = loaded.filter((path) => !path.startsWith('dledger/wire/'))
  expect(others.sort()).toEqual(['dledger/core/codes.ts', 'dledger/core/messages.ts'])
})

test("the admin client needs the remoting protocol, and the store's record codec", () => {
  const loaded = [...loadedWith(resolve(SRC, 'admin/index.ts'))].map((path) => relative(SRC, path))
  const folders = new Set(loaded.map((path) => path.split('/')[0]).filter((folder) => !folder.endsWith('.ts')))
  expect([...folders].sort()).toEqual(['admin', 'native', 'remoting', 'store'])
  expect(loaded.filter((path) => path.startsWith('store/')).every((path) => path.startsWith('store/commitlog/'))).toBe(
    true,
  )
})
