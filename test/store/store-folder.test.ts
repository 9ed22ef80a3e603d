import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { abandonStoreFolder, closeStoreFolder, openStoreFolder } from '../../src/store/store-folder.ts'
import { recordedStore, scratchFolder, storeSettings } from './scratch.ts'

/** Another process that holds the store at `root`, as a broker does. */
async function holder(root: string): Promise<ChildProcess> {
  const module = fileURLToPath(new URL('../../dist/store/store-folder.js', import.meta.url))
  if (!existsSync(module)) throw new Error('run "npm run build" first')
  const script = `import { openStoreFolder } from ${JSON.stringify(module)}
    openStoreFolder(${JSON.stringify(storeSettings(root))})
    console.log('holds')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
  expect(child.exitCode).toBeNull()
  return child
}

test('a new store gets its folders, the lock file and abort; a clean close removes abort', () => {
  const root = join(scratchFolder(), 'some', 'where')
  const folder = openStoreFolder(storeSettings(root, { enableConsumeQueueExt: true }))
  expect(folder.isUnclean).toBe(false)
  expect(readdirSync(root).sort()).toEqual([
    'abort',
    'basalt',
    'commitlog',
    'config',
    'consumequeue',
    'consumequeue_ext',
    'index',
    'lock',
  ])
  expect(readFileSync(join(root, 'lock'), 'latin1')).toBe('lock')
  expect(readFileSync(join(root, 'abort'), 'latin1')).toBe(String(process.pid))
  closeStoreFolder(folder, true)
  expect(existsSync(join(root, 'abort'))).toBe(false)
  expect(existsSync(join(root, 'lock'))).toBe(true)
})

describe('clean or unclean', () => {
  test('a store that was not closed cleanly says so at each start, until it was', () => {
    const settings = storeSettings(scratchFolder())
    closeStoreFolder(openStoreFolder(settings), false)
    const second = openStoreFolder(settings)
    expect(second.isUnclean).toBe(true)
    closeStoreFolder(second, true)
    const third = openStoreFolder(settings)
    expect(third.isUnclean).toBe(false)
    closeStoreFolder(third, true)
  })

  test('a start that gives up leaves the store as it was found', () => {
    const settings = storeSettings(scratchFolder())
    for (const isClean of [true, false]) {
      closeStoreFolder(openStoreFolder(settings), isClean)
      abandonStoreFolder(openStoreFolder(settings))
      const after = openStoreFolder(settings)
      expect(after.isUnclean).toBe(!isClean)
      closeStoreFolder(after, true)
    }
  })

  test.each(['clean', 'unclean'] as const)('the recorded %s store of RocketMQ 4.9.8 is what its name says', (kind) => {
    const root = recordedStore(kind)
    const before = readFileSync(join(root, 'lock'))
    const folder = openStoreFolder(storeSettings(root))
    expect(folder.isUnclean).toBe(kind === 'unclean')
    closeStoreFolder(folder, true)
    expect(readFileSync(join(root, 'lock'))).toEqual(before)
    // RocketMQ looks only whether abort exists; nothing of ours may lie in its folders.
    expect(readdirSync(join(root, 'commitlog')).every((name) => /^\d{20}$/.test(name))).toBe(true)
  })

  test('a process that was killed leaves an unclean store that can be opened at once', async () => {
    const root = scratchFolder()
    const child = await holder(root)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const folder = openStoreFolder(storeSettings(root))
    expect(folder.isUnclean).toBe(true)
    closeStoreFolder(folder, true)
  })
})

describe('two brokers on one store', () => {
  test('the second process is refused with the folder and the pid of the first', async () => {
    const root = scratchFolder()
    const child = await holder(root)
    expect(() => openStoreFolder(storeSettings(root))).toThrow(
      expect.objectContaining({
        code: 'STORE_IN_USE',
        where: root,
        message: expect.stringMatching(
          new RegExp(`another broker, process ${child.pid} \\(.*node.*\\).*storePathRootDir`),
        ),
      }),
    )
    // The refused one changed nothing: the store is still held and in use.
    expect(existsSync(join(root, 'abort'))).toBe(true)
    expect(() => openStoreFolder(storeSettings(root))).toThrow('another broker')
  })

  test('so is a second broker in the same process, and the first keeps its lock', async () => {
    const root = scratchFolder()
    const first = openStoreFolder(storeSettings(root))
    expect(() => openStoreFolder(storeSettings(root))).toThrow(/another broker, process \d+ \(this one\)/)
    expect(() => openStoreFolder(storeSettings(root))).toThrow('another broker')
    closeStoreFolder(first, true)
    closeStoreFolder(openStoreFolder(storeSettings(root)), true)
  })
})

test('segments that a crash left half built are gone, other files of ours stay', () => {
  const settings = storeSettings(scratchFolder())
  const own = join(settings.storePathRootDir, 'basalt')
  mkdirSync(own)
  writeFileSync(join(own, '00000000000000065536.new'), 'half')
  writeFileSync(join(own, 'positions'), 'x')
  closeStoreFolder(openStoreFolder(settings), true)
  expect(readdirSync(own)).toEqual(['positions'])
})

test('a path that is a file is refused with what, where and what to do', () => {
  const root = scratchFolder()
  writeFileSync(join(root, 'commitlog'), 'a file')
  expect(() => openStoreFolder(storeSettings(root))).toThrow(
    expect.objectContaining({
      code: 'STORE_FOLDER',
      where: join(root, 'commitlog'),
      todo: expect.stringContaining('storePathRootDir'),
    }),
  )
  expect(existsSync(join(root, 'abort'))).toBe(false)
  expect(statSync(join(root, 'commitlog')).isFile()).toBe(true)
})
