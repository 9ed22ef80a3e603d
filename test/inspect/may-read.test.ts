/** A store of another user, and pipes where files should be: one line that says which file, and no command that waits. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { recordedStore, scratchFolder } from '../store/scratch.ts'
import { inspect } from './stores.ts'

const COMMAND = fileURLToPath(new URL('../../bin/basaltmq.js', import.meta.url))
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
const QUEUE = 'consumequeue/OracleTopic/0/00000000000000000000'

/** As somebody who owns nothing of it; elsewhere than scratch folders, which only their user enters. */
function asNobody(root: string, command: string): { status: number | null; told: string } {
  chmodSync(join(root, '..'), 0o755)
  const argv = [COMMAND, 'inspect', command, root]
  const { status, stderr } = spawnSync(process.execPath, argv, { ...NOBODY, cwd: tmpdir(), encoding: 'utf8' })
  return { status, told: stderr }
}

describe('a user who may not read', () => {
  test.each([
    ['', 'verify'],
    ['commitlog', 'log'],
    ['commitlog/00000000000000065536', 'verify'],
    ['config/topics.json', 'summary'],
    ['checkpoint', 'checkpoint'],
    ['index/20261123093121921', 'verify'],
    [QUEUE, 'map'],
  ])('%j is told so, in a line', (name, command) => {
    const root = join(scratchFolder(), 'store')
    cpSync(recordedStore('clean'), root, { recursive: true })
    chmodSync(root, 0o755)
    chmodSync(join(root, name), 0)
    const { status, told } = asNobody(root, command)
    chmodSync(join(root, name), 0o755)
    expect([status, told.trim().split('\n').length]).toEqual([1, 1])
    expect(told).toContain(join(root, name))
    expect(told).toMatch(/may not read it .*; run the command as the user whose store it is/)
  })
})

describe('a pipe', () => {
  test.each([
    ['config/topics.json', 'summary'],
    ['checkpoint', 'checkpoint'],
    ['commitlog/00000000000000262144', 'verify'],
    ['index/20261123093121922', 'index'],
  ])('%s ends the command', async (name, command) => {
    const root = recordedStore('clean')
    mkdirSync(join(root, 'config'), { recursive: true })
    rmSync(join(root, name), { force: true })
    execFileSync('mkfifo', [join(root, name)])
    const { status, complained } = await inspect(command, root)
    expect([status, complained]).toEqual([1, expect.stringContaining(`(${join(root, name)})`)])
  })
})
