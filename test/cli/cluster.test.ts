/** `basaltmq broker --cluster`: what it refuses; as a process whose leader is killed with -9; the guide's three commands. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freeBrokerPort } from '../../src/bench/ports.ts'
import { World } from './support.ts'

const BIN = fileURLToPath(new URL('../../bin/basaltmq.js', import.meta.url))
const GUIDE = fileURLToPath(new URL('../../docs/dledger.md', import.meta.url))
const SMALL =
  '--set mappedFileSizeCommitLog=1048576 --set maxMessageSize=65536 --set maxHashSlotNum=1000 --set maxIndexNum=4000'
const LONG_MS = 60_000

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-cluster-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

class Running {
  out = ''
  readonly pid: number
  private readonly child: ReturnType<typeof spawn>
  private readonly ended: Promise<unknown>

  constructor(cwd: string, line: string) {
    this.child = spawn(process.execPath, [BIN, ...line.split(' ')], {
      cwd,
      env: { ...process.env, NAMESRV_ADDR: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.pid = this.child.pid!
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (chunk) => {
        this.out += chunk
      })
    }
    this.ended = once(this.child, 'close')
    onTestFinished(async () => {
      // Clean: a cluster killed with -9 leaves its members.
      this.child.kill('SIGTERM')
      await this.ended
    })
  }

  /** What stands behind the first match, from `after` on. */
  async says(pattern: RegExp, after = 0): Promise<RegExpExecArray> {
    const found = () => pattern.exec(this.out.slice(after))
    await expect.poll(() => (found() === null ? this.out : 'said'), { timeout: 30_000, interval: 20 }).toBe('said')
    return found()!
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGINT')
    await this.ended
    return this.child.exitCode
  }
}

const isAlive = (pid: number) => spawnSync('kill', ['-0', String(pid)]).status === 0

async function admin(namesrv: string, line: string): Promise<{ status: number; out: string }> {
  const world = new World()
  world.env.NAMESRV_ADDR = namesrv
  const status = await world.run('admin', ...line.split(' '))
  return { status, out: world.printed + world.complained }
}

async function succeeds(namesrv: string, line: string): Promise<string> {
  const { status, out } = await admin(namesrv, line)
  expect(status, out).toBe(0)
  return out
}

describe('refused before anything is started', () => {
  test.each([
    ['broker --cluster 4', '--cluster is "4": a group has 3, 5 or 7 members'],
    ['broker --cluster 3 -c broker.conf', 'takes keys by --set'],
    ['broker --cluster 3 --set dLegerSelfId=n1', '--set dLegerSelfId: each member'],
    ['broker --cluster 3 --set flushDiskTyp=SYNC_FLUSH --set flushDiskType=Never', 'flushDiskType'],
    ['broker --cluster 3 --port 2', '--port is "2"'],
    ['broker --cluster 3 --port 0 --restart soon', '"soon" is no duration'],
    ['broker --store here', '--store goes with --cluster; for one broker: --set storePathRootDir=DIR'],
    ['broker --restart 5s', '--restart goes with --cluster'],
  ])('%s', async (line, said) => {
    const world = new World({ 'broker.conf': '' })
    expect(await world.run(...line.split(' '))).toBe(2)
    expect(world.complained).toContain(said)
    expect(existsSync(join(world.cwd, 'cluster'))).toBe(false)
  })

  test('all ports that are taken are named', async () => {
    const first = await freeBrokerPort()
    const taken = [first + 2, first + 10]
    for (const port of taken) {
      const server = createServer().listen(port, '127.0.0.1')
      await once(server, 'listening')
      onTestFinished(() => {
        server.close()
      })
    }
    const world = new World()
    expect(await world.run('broker', '--cluster', '--port', String(first))).toBe(2)
    expect(world.complained).toContain(`${first + 2} (n0, DLedger), ${first + 10} (n1)`)
    expect(world.complained).toContain('give --port PORT')
  })

  test('another size than the cluster that is there', async () => {
    const world = new World()
    mkdirSync(join(world.cwd, 'cluster'))
    const ports = [1, 2, 3].map((i) => ({ clients: i, dledger: i }))
    writeFileSync(join(world.cwd, 'cluster', 'cluster.json'), JSON.stringify({ namesrvPort: 1, ports, pids: [] }))
    expect(await world.run('broker', '--cluster', '5')).toBe(2)
    expect(world.complained).toContain('has 3 members, not 5')
  })

  test('-p prints each member’s configuration, and that is all', async () => {
    const world = new World()
    const first = await freeBrokerPort()
    const line = `broker --cluster 5 --port ${first} --set flushDiskType=SYNC_FLUSH -p`
    expect(await world.run(...line.split(' ')), world.complained).toBe(0)
    expect(world.printed.match(/^dLegerSelfId=n\d$/gm)).toHaveLength(5)
    expect(world.printed.match(/^flushDiskType=SYNC_FLUSH$/gm)).toHaveLength(5)
    expect(world.printed).toContain(`n4-127.0.0.1:${first + 42}`)
    expect(existsSync(join(world.cwd, 'cluster'))).toBe(false)
  })
})

describe('as processes', () => {
  test('a leader killed with -9 is followed by another, comes back by its own command, and Ctrl-C ends all', {
    timeout: LONG_MS,
  }, async () => {
    const folder = ownFolder()
    const first = new Running(folder, `broker --cluster --port 0 ${SMALL}`)
    const [, namesrv] = await first.says(/NameServer +(\S+) \(in this process\)/)
    const [, leader, pid] = await first.says(/(n\d) LEADS, term \d+, pid (\d+)/)
    await first.says(new RegExp(`${leader} is the master`))
    await succeeds(namesrv!, 'topic create Trying -q 1')
    await succeeds(namesrv!, 'message send Trying --body before')
    const shown = JSON.parse(await succeeds(namesrv!, 'dledger status --json'))
    expect(shown).toMatchObject([{ group: 'cluster', leaderId: leader }])
    expect(await succeeds(namesrv!, 'cluster list')).toContain(`DLedger group cluster: ${leader} leads in term `)
    expect(await succeeds(namesrv!, 'top --once')).toMatch(new RegExp(`cluster +\\S+ +${leader} LEADER \\d+`))

    const killedAt = first.out.length
    process.kill(Number(pid), 'SIGKILL')
    const [, command] = await first.says(/was killed \(SIGKILL\); it comes back with: basaltmq (.+)\n/, killedAt)
    const [, next, gap] = await first.says(/(n\d) is the master: .+, (\d+\.\d\d) s after the last was gone/, killedAt)
    expect(next).not.toBe(leader)
    expect(Number(gap)).toBeLessThan(10)
    await succeeds(namesrv!, 'message send Trying --body after')

    const alone = new Running(folder, command!)
    await first.says(new RegExp(`${leader} is there, and follows ${next}`), killedAt)
    const isWhole = async () => {
      const [group] = JSON.parse((await admin(namesrv!, 'dledger status --json')).out)
      return group.members.map(({ endIndex, role }: { endIndex: number; role: string }) => [
        endIndex > 1,
        role !== 'CANDIDATE',
      ])
    }
    await expect.poll(isWhole, { timeout: 20_000 }).toEqual([
      [true, true],
      [true, true],
      [true, true],
    ])
    // Who was started by hand is asked to lead, and does.
    const after = first.out.length
    expect(await succeeds(namesrv!, `dledger transfer --to ${leader} --yes`)).toContain(
      `${leader} leads cluster in term`,
    )
    await first.says(new RegExp(`${leader} is the master`), after)
    expect(await alone.stop()).toBe(0)

    const pids = (JSON.parse(readFileSync(join(folder, 'cluster', 'cluster.json'), 'utf8')) as { pids: number[] }).pids
    expect(pids).toHaveLength(2)
    expect(pids.every(isAlive)).toBe(true)
    expect(await first.stop()).toBe(0)
    expect(pids.some(isAlive)).toBe(false)

    // The same cluster once more: ports and messages are kept. Now the parent starts again who is killed.
    const second = new Running(folder, 'broker --cluster 3 --restart 200ms')
    const [, again] = await second.says(/NameServer +(\S+) \(in this process\)/)
    expect(again).toBe(namesrv)
    const [, , other] = await second.says(/(n\d) LEADS, term \d+, pid (\d+)/)
    await second.says(/is the master/)
    expect(await succeeds(namesrv!, 'topic describe Trying --json')).toMatch(/"max": 2/)
    process.kill(Number(other), 'SIGKILL')
    await second.says(/(n\d) is started again, pid (\d+)\n[\s\S]*\1 (is there|LEADS)/)
    expect(await second.stop()).toBe(0)
    expect((await new Running(folder, 'broker --cluster 5').says(/basaltmq: .*\n/))[0]).toContain(
      'has 3 members, not 5',
    )
  })
})

describe('docs/dledger.md', () => {
  test('three nodes in three commands', { timeout: LONG_MS }, async () => {
    const [, block] = /```sh\n([\s\S]*?)```/.exec(readFileSync(GUIDE, 'utf8'))!
    const folder = ownFolder()
    // Its ports for free ones, wherever they stand.
    let script = block!
    const ports = new Map<string, number>()
    for (const port of new Set(block!.match(/\b(?:109[0-9]{2}|98[0-9]{2})\b/g))) ports.set(port, await freeBrokerPort())
    for (const [port, free] of ports) script = script.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), `@${free}`)
    script = script.replaceAll('@', '')
    const commands = script.split('\n').filter((line) => line.startsWith('basaltmq broker'))
    expect(commands).toHaveLength(3)
    const shared = script.slice(0, script.indexOf('basaltmq broker'))
    const words = (command: string) => {
      const echo = `${shared}\nprintf '%s\\n' ${command.slice('basaltmq '.length)}`
      return spawnSync('bash', ['-c', echo], { encoding: 'utf8' }).stdout.trim().split('\n').join(' ')
    }
    const members = commands.map((command) => new Running(folder, `${words(command)} ${SMALL}`))
    await Promise.all(members.map((member) => member.says(/Ctrl-C stops/)))
    const names = ['9876', '9877', '9878'].map((port) => `127.0.0.1:${ports.get(port)}`)
    const settled = async (namesrv: string) => {
      const { status, out } = await admin(namesrv, 'dledger status --json')
      const [group] = status === 0 ? JSON.parse(out) : []
      const there = group?.members.filter(({ leaderId }: { leaderId?: string }) => leaderId === group.leaderId)
      return [there?.length, group?.notes]
    }
    // Each NameServer knows all of them.
    for (const namesrv of names) await expect.poll(() => settled(namesrv), { timeout: 20_000 }).toEqual([3, []])
    await succeeds(names[0]!, 'topic create Trying')
    await succeeds(names.join(';'), 'message send Trying --body hello')
    for (const member of members) expect(await member.stop()).toBe(0)
  })
})
