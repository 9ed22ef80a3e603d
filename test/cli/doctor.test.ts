/** `basaltmq doctor`: what it says of this machine, and of what is wrong. */
import { mkdirSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { resolveConfig } from '../../src/config/index.ts'
import { checkFileSystem, checkStore } from '../../src/doctor/disk.ts'
import { checkFiles, checkMaps, checkMemory } from '../../src/doctor/machine.ts'
import { meaningOf } from '../../src/doctor/meaning.ts'
import { mountOf } from '../../src/native/mounts.ts'
import { PositionsFile } from '../../src/store/checkpoint/positions-file.ts'
import { World } from './support.ts'

const PORTS = [
  '--set',
  'listenPort=0',
  '--set',
  'fastListenPort=0',
  '--set',
  'haListenPort=0',
  '--set',
  'nameServerInsidePort=0',
]

interface Finding {
  check: string
  verdict: string
  what: string
  todo?: string
}

async function doctor(world: World, ...set: string[]): Promise<{ status: number; findings: Finding[] }> {
  const status = await world.run('doctor', '--json', ...PORTS, ...set.flatMap((key) => ['--set', key]))
  return { status, findings: JSON.parse(world.printed) as Finding[] }
}

const of = (findings: Finding[], check: string) => findings.filter((finding) => finding.check === check)

test('has a verdict on everything, measures the disk, and leaves nothing behind', async () => {
  const world = new World()
  const { status, findings } = await doctor(world)
  const checks = [
    'address',
    'ports',
    'NameServer',
    'store',
    'file system',
    'free space',
    'fdatasync',
    'files',
    'maps',
    'memory',
    'clock',
    'native addon',
    'safety',
    'replication',
    'retention',
    'access',
  ]
  expect([...new Set(findings.map(({ check }) => check))]).toEqual(checks)
  expect(of(findings, 'fdatasync')[0].what).toMatch(/^\d+ of 4 KiB in .*: p50 \d+\.\d\d ms, p99 \d+\.\d\d ms/)
  for (const { verdict, todo } of findings) if (verdict === 'bad') expect(todo).toBeDefined()
  const isWrong = findings.some(({ verdict }) => verdict === 'bad' || verdict === 'warn')
  expect(status).toBe(isWrong ? 3 : 0)
  expect(readdirSync(world.cwd)).toEqual([])
  const readable = new World()
  await readable.run('doctor', ...PORTS)
  expect(readable.printed).toMatch(/^(ok|note|WARN|BAD) +address +clients are told /m)
})

test('a taken port, a NameServer that is not there and an address of nobody are found', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const world = new World()
  const { status, findings } = await doctor(
    world,
    `haListenPort=${port}`,
    'bindAddress=127.0.0.1',
    'namesrvAddr=127.0.0.1:1',
    'brokerIP1=192.0.2.77',
  )
  expect(of(findings, 'ports')).toMatchObject([{ verdict: 'bad', what: `haListenPort ${port} is taken` }])
  expect(of(findings, 'NameServer')).toMatchObject([
    { verdict: 'warn', what: expect.stringContaining('127.0.0.1:1 is not reached') },
  ])
  expect(of(findings, 'address')).toMatchObject([{ verdict: 'bad', what: expect.stringContaining('192.0.2.77') }])
  expect(status).toBe(3)
})

test('a configuration that cannot be is status 2', async () => {
  const world = new World()
  expect(await world.run('doctor', '--set', 'listenPort=many')).toBe(2)
})

describe('verdicts', () => {
  const MOUNTS = [
    '20 1 8:1 / / rw - ext4 /dev/sda1 rw',
    '21 20 0:5 / /tmp rw - tmpfs tmpfs rw',
    '22 20 0:6 / /mnt/far\\040disk rw - nfs4 host:/x rw',
  ].join('\n')

  test('of file systems', () => {
    expect(mountOf('/tmpx/store', MOUNTS)).toEqual({ type: 'ext4', point: '/' })
    expect(mountOf('/tmp', MOUNTS)?.type).toBe('tmpfs')
    expect(mountOf('/mnt/far disk/store', MOUNTS)?.type).toBe('nfs4')
    expect(checkFileSystem('/tmp', MOUNTS).verdict).toBe('bad')
    expect(checkFileSystem('/', MOUNTS).verdict).toBe('ok')
  })

  test('of limits', () => {
    const line = (soft: string) => `Max open files            ${soft}                 1048576              files\n`
    expect(checkFiles(line('1024')).verdict).toBe('bad')
    expect(checkFiles(line('8192')).verdict).toBe('warn')
    expect(checkFiles(line('1048576')).verdict).toBe('ok')
    expect(checkMaps('1000\n').verdict).toBe('warn')
    expect(checkMaps('65530\n').verdict).toBe('ok')
    expect(checkMemory('max', 8 * 2 ** 30).verdict).toBe('ok')
    expect(checkMemory(String(128 * 2 ** 20), 8 * 2 ** 30).verdict).toBe('bad')
  })

  test('of a clock that is behind the store, and of a store in use', () => {
    const world = new World()
    const config = resolveConfig({ role: 'broker', set: [`storePathRootDir=${world.cwd}`], env: {} }).config
    mkdirSync(join(world.cwd, 'commitlog'))
    mkdirSync(join(world.cwd, 'basalt'))
    expect(checkStore(config, Date.now()).what).toContain("store of Apache's")
    const file = new PositionsFile(world.cwd)
    file.open()
    const zeros = {
      appended: 0,
      dispatched: 0,
      retained: 0,
      allocated: 0,
      replicated: 0,
      flushed: 0,
      settled: 0,
      segmentSize: 0,
      epoch: 0,
    }
    file.write({ ...zeros, writtenAt: Date.now(), isClean: false })
    file.close()
    expect(checkStore(config, Date.now())).toMatchObject({
      verdict: 'note',
      what: expect.stringContaining(`in use by process ${process.pid}`),
    })
    expect(checkStore(config, Date.now() - 60_000)).toMatchObject({
      verdict: 'bad',
      what: expect.stringContaining('behind'),
    })
  })

  test('of what a configuration means', () => {
    const of = (...set: string[]) => meaningOf(resolveConfig({ role: 'broker', set, env: {} }).config)
    expect(of('flushDiskType=SYNC_FLUSH', 'brokerRole=SYNC_MASTER', 'adminFromLoopbackOnly=true')).toMatchObject([
      { check: 'safety', verdict: 'ok' },
      { check: 'replication', verdict: 'ok' },
      { check: 'retention', verdict: 'note' },
      { check: 'access', verdict: 'ok' },
      { check: 'access', verdict: 'note' },
    ])
    expect(of()[0].what).toContain('ASYNC_FLUSH')
  })
})
