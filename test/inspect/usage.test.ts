/** What is typed wrong is told as that, and no option is without effect. */
import { expect, test } from 'vitest'
import { recordedStore } from '../store/scratch.ts'
import { inspect } from './stores.ts'

test('a misspelt command is one, not the store of another', async () => {
  const root = recordedStore('clean')
  for (const words of [['verfy', root], ['verfy'], ['look', root]]) {
    const { status, complained } = await inspect(...words)
    expect([status, complained]).toEqual([2, expect.stringContaining(`unknown command "${words[0]}"`)])
  }
  expect((await inspect('verfy')).complained).toContain('did you mean "verify"?')
  expect((await inspect(root, '--json')).status).toBe(0)
})

test('what is missing or unknown is told with where to look', async () => {
  for (const [words, where] of [
    [[], 'inspect --help'],
    [['queue', 'store'], 'inspect queue --help'],
    [['verify', 'store', '--thread'], 'inspect verify --help'],
  ] as const) {
    const { status, complained } = await inspect(...words)
    expect([status, complained]).toEqual([2, expect.stringContaining(`see "basaltmq ${where}"`)])
  }
})

test('threads are not started by the million', async () => {
  const root = recordedStore('clean')
  for (const words of [
    ['verify', root],
    ['diff', root, root],
    ['hashes', root],
  ]) {
    const { status, complained } = await inspect(...words, '--threads', '1000000')
    expect([status, complained]).toEqual([2, expect.stringContaining('give 0 to 64')])
  }
})

test('a key that no broker knows is told, and the command goes on', async () => {
  const { status, complained } = await inspect('verify', recordedStore('clean'), '--set', 'maxHashSlotNumm=1')
  expect([status, complained]).toEqual([0, expect.stringContaining('unknown key "maxHashSlotNumm"')])
})

test('index --file shows that file, and says when there is none of that name', async () => {
  const root = recordedStore('clean')
  const one = await inspect('index', root, '--file', '20261123093126340', '--json')
  expect(one.objects().map(({ name }) => name)).toEqual(['20261123093126340'])
  for (const more of [[], ['--entries']]) {
    const none = await inspect('index', root, '--file', 'nope', ...more)
    expect([none.status, none.complained]).toEqual([2, expect.stringContaining('there is no index file nope')])
  }
})
