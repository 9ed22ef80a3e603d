/** The command as a user runs it: a process of its own, the built package, real servers on free ports. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'

const BIN = fileURLToPath(new URL('../../bin/basaltmq.js', import.meta.url))
const TIMEOUT_MS = 60_000
const FREE_PORTS = ['listenPort=0', 'nameServerInsidePort=0']
const SMALL = ['mappedFileSizeCommitLog=1048576', 'maxMessageSize=65536', 'maxHashSlotNum=1000', 'maxIndexNum=4000']

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-command-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const environment = { ...process.env, NAMESRV_ADDR: '' }
const settings = (keys: string[]) => keys.flatMap((key) => ['--set', key])

class Running {
  readonly child: ChildProcess
  out = ''
  error = ''
  private readonly ended: Promise<unknown>

  constructor(cwd: string, argv: string[]) {
    this.child = spawn(process.execPath, [BIN, ...argv], { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout!.on('data', (chunk) => {
      this.out += chunk
    })
    this.child.stderr!.on('data', (chunk) => {
      this.error += chunk
    })
    this.ended = once(this.child, 'close')
    onTestFinished(async () => {
      this.child.kill('SIGKILL')
      await this.ended
    })
  }

  /** The start screen, or what was complained of. */
  async ready(): Promise<string> {
    const screen = (async () => {
      while (!this.out.includes('Ctrl-C stops')) await once(this.child.stdout!, 'data')
    })()
    screen.catch(() => {})
    await Promise.race([screen, this.ended])
    expect(this.child.exitCode, this.error).toBeNull()
    return this.out
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    this.child.kill(signal)
    await this.ended
    return this.child.exitCode
  }
}

describe('basaltmq as a process', () => {
  test(
    'starts a broker in ./data, stops at Ctrl-C with status 0, and says at the next start what it found',
    async () => {
      const folder = ownFolder()
      const argv = settings([...FREE_PORTS, ...SMALL])
      const first = new Running(folder, argv)
      const screen = await first.ready()
      expect(screen).toContain(`store        ${join(folder, 'data')}\n`)
      expect(screen).toMatch(/clients {6}\S+:\d+, fast \S+:\d+ \(told to clients; .+\)\n/)
      expect(screen).toMatch(/NameServer {3}\S+:\d+ \(inside\)\n/)
      expect(await first.stop()).toBe(0)
      const second = new Running(folder, argv)
      expect(await second.ready()).toMatch(/found {8}\S/)
      expect(await second.stop('SIGTERM')).toBe(0)
    },
    TIMEOUT_MS,
  )

  test(
    'refuses a second broker on one store with status 1 and one line that names it',
    async () => {
      const folder = ownFolder()
      const argv = settings([...FREE_PORTS, ...SMALL])
      await new Running(folder, argv).ready()
      const second = spawnSync(process.execPath, [BIN, ...argv], { cwd: folder, env: environment, encoding: 'utf8' })
      expect(second.status).toBe(1)
      expect(second.stderr).toContain(join(folder, 'data'))
      expect(second.stderr).not.toMatch(/^ {4}at /m)
    },
    TIMEOUT_MS,
  )

  test(
    'starts a NameServer alone and stops it',
    async () => {
      const running = new Running(ownFolder(), ['namesrv', ...settings(['listenPort=0'])])
      expect(await running.ready()).toMatch(/NameServer {3}\S+:\d+\n/)
      expect(await running.stop()).toBe(0)
    },
    TIMEOUT_MS,
  )

  test('ends with status 0 for --help, --version and -p, and 2 for a wrong flag', () => {
    const run = (...argv: string[]) =>
      spawnSync(process.execPath, [BIN, ...argv], { env: environment, encoding: 'utf8' })
    expect(run('--help')).toMatchObject({ status: 0, stderr: '' })
    expect(run('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
    expect(run('broker', '-p')).toMatchObject({ status: 0, stdout: expect.stringContaining('\nlistenPort=10911\n') })
    expect(run('--wrong')).toMatchObject({ status: 2, stdout: '' })
  })
})

test('output of more than a pipe takes at once arrives whole', () => {
  const { stdout } = spawnSync('sh', ['-c', `"${process.execPath}" "${BIN}" completion fish | cat`], {
    encoding: 'utf8',
  })
  expect(stdout.length).toBeGreaterThan(64 * 1024)
  expect(stdout.endsWith('\n')).toBe(true)
})
