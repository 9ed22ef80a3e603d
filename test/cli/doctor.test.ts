/** `basaltmq doctor`: what it says of this machine, and of what is wrong. */
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { resolveConfig } from '../../src/config/index.ts'
import { checkFileSystem, checkSpace, checkStore, verdictOnSync } from '../../src/doctor/disk.ts'
import { checkFilesOf } from '../../src/doctor/files.ts'
import { checkClock, checkFiles, checkMaps, checkMemory } from '../../src/doctor/machine.ts'
import { meaningOf } from '../../src/doctor/meaning.ts'
import { checkAddress, checkMaster, checkNamesrv, checkPorts } from '../../src/doctor/network.ts'
import { mountOf } from '../../src/native/mounts.ts'
import { PositionsFile } from '../../src/store/checkpoint/positions-file.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { certificate, PemFolder } from '../remoting/tls-certificates.ts'
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
    'TLS',
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

test.each([
  [['listenPort=many'], ['listenPort is "many"']],
  [
    ['listenPort=many', 'flushDiskType=NEVER', 'deleteWhen=99'],
    ['listenPort is "many"', 'flushDiskType is', 'deleteWhen is'],
  ],
  [['brokerRole=SLAVE'], ['brokerRole is SLAVE and brokerId 0']],
  [['nonsense'], ['"nonsense" is not key=value']],
])('a configuration that cannot be is status 2, each value of it a line: %j', async (set, wrong) => {
  const world = new World()
  const { status, findings } = await doctor(world, ...set)
  expect(status).toBe(2)
  const bad = of(findings, 'configuration')
  expect(bad.map(({ what }) => wrong.some((text) => what.includes(text)))).toEqual(wrong.map(() => true))
  for (const { verdict, todo, what } of bad)
    expect([verdict, todo, what]).toEqual(['bad', expect.any(String), expect.stringContaining('--set')])
  expect(world.complained).toBe('')
})

test('every value of a file that cannot be is told with its line, and what it does not know', async () => {
  const world = new World({ 'broker.conf': '# mine\nlistenPort=abc\nbrokerName=a\ndeleteWhen=77\nlistenPrt=1\n' })
  expect(await world.run('doctor', '-c', 'broker.conf', '--json')).toBe(2)
  const found = of(JSON.parse(world.printed) as Finding[], 'configuration')
  expect(found.map(({ verdict, what }) => [verdict, what.replace(world.cwd, '')])).toEqual([
    ['bad', 'listenPort is "abc" (/broker.conf:2)'],
    ['bad', 'deleteWhen is "77" (/broker.conf:4)'],
    ['warn', expect.stringMatching(/broker\.conf:5: unknown key "listenPrt", did you mean "listenPort"\?/)],
  ])
  for (const { todo } of found) expect(todo).toBeDefined()
  expect(await new World().run('doctor', '-c', 'none.conf')).toBe(2)
})

/** What listens and says `answer` to whatever comes. */
async function listener(answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}

describe('what is on the other side', () => {
  const config = (...set: string[]) => resolveConfig({ role: 'broker', set, env: {} }).config

  test('of namesrvAddr: a NameServer, a broker, a web server, nobody', async () => {
    await using broker = await startTestBroker()
    const web = await listener((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const found = await checkNamesrv(
      config(`namesrvAddr=${broker.namesrv};${broker.address};127.0.0.1:${web};127.0.0.1:1`),
    )
    expect(found.map(({ verdict, what }) => [verdict, what.replace(/^\S+ /, '')])).toEqual([
      ['ok', 'answers'],
      ['warn', 'is no NameServer: it answers 3 to what each of them knows'],
      ['warn', expect.stringContaining('is reached, but does not answer as a NameServer')],
      ['warn', expect.stringContaining('is not reached: connect ECONNREFUSED')],
    ])
    for (const { verdict, todo } of found) expect(todo === undefined).toBe(verdict === 'ok')
  })

  test('none is named', async () => {
    expect(await checkNamesrv(config('nameServerInside=always'))).toMatchObject([{ verdict: 'note' }])
    expect(await checkNamesrv(config('nameServerInside=never'))).toMatchObject([
      { verdict: 'warn', todo: expect.stringContaining('namesrvAddr') },
    ])
  })

  test('of haMasterAddress', async () => {
    const slave = ['brokerRole=SLAVE', 'brokerId=1']
    const port = await listener(() => {})
    expect(await checkMaster(config())).toEqual([])
    expect(await checkMaster(config(...slave))).toEqual([])
    expect(await checkMaster(config(...slave, `haMasterAddress=127.0.0.1:${port}`))).toMatchObject([{ verdict: 'ok' }])
    expect(await checkMaster(config(...slave, 'haMasterAddress=127.0.0.1:1'))).toMatchObject([
      { verdict: 'warn', todo: expect.stringContaining('haMasterAddress') },
    ])
  })

  test('of the address that clients are told', async () => {
    const port = await listener(() => {})
    const told = (...set: string[]) => checkAddress(config(`listenPort=${port}`, 'bindAddress=127.0.0.1', ...set))
    expect(await told('brokerIP1=127.0.0.1')).toMatchObject({
      verdict: 'warn',
      what: expect.stringContaining('only clients on this machine'),
      todo: expect.any(String),
    })
    expect(await told('brokerIP1=no.such.name.invalid')).toMatchObject({
      verdict: 'bad',
      what: expect.not.stringContaining(';'),
      todo: expect.stringContaining('give the ip address'),
    })
    expect(await told('brokerIP1=127.0.0.2')).toMatchObject({
      verdict: 'bad',
      what: expect.stringContaining('nobody is reached'),
    })
  })

  test('ports that are free, taken, or of an address that is not here', async () => {
    const port = await listener(() => {})
    const ports = ['fastListenPort=0', 'haListenPort=0', 'nameServerInside=never']
    const at = (...set: string[]) => checkPorts(config(...ports, ...set))
    expect(await at('listenPort=0', 'bindAddress=127.0.0.1')).toMatchObject([{ verdict: 'ok' }])
    // Somebody else may have the ports beside it.
    expect(await at(`listenPort=${port}`, 'bindAddress=127.0.0.1')).toContainEqual({
      ...{ check: 'ports', verdict: 'bad', what: `listenPort ${port} is taken` },
      todo: expect.stringContaining('stop whoever has it'),
    })
    for (const found of await at('listenPort=0', 'bindAddress=192.0.2.99')) {
      expect(found).toMatchObject({ verdict: 'bad', todo: expect.stringContaining('bindAddress') })
    }
  })
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

  test('of file systems: all kinds', () => {
    const on = (type: string) => checkFileSystem('/', `20 1 8:1 / / rw - ${type} /dev/x rw`)
    expect([on('ext4'), on('xfs')].map(({ verdict }) => verdict)).toEqual(['ok', 'ok'])
    expect([on('nfs4'), on('overlay')].map(({ verdict }) => verdict)).toEqual(['warn', 'warn'])
    expect(on('reiserfs').verdict).toBe('note')
    expect(on('tmpfs')).toMatchObject({ verdict: 'bad', todo: 'set storePathRootDir to a disk' })
    expect(checkFileSystem('/', '').verdict).toBe('note')
  })

  test('of free space', () => {
    const world = new World()
    const set = [`storePathRootDir=${world.cwd}`, 'mappedFileSizeCommitLog=8388608', 'mappedFileSizeConsumeQueue=6000']
    const { config } = resolveConfig({ role: 'broker', set, env: {} })
    const GIB = 2 ** 30
    const space = (blocks: number, bfree: number) => checkSpace(config, { bsize: 4096, blocks, bfree, bavail: bfree })
    expect(space(GIB, GIB / 2)).toMatchObject({ verdict: 'ok' })
    expect(space(GIB, GIB / 5)).toMatchObject({
      verdict: 'warn',
      what: expect.stringContaining('diskMaxUsedSpaceRatio'),
    })
    expect(space(GIB, GIB / 20)).toMatchObject({ verdict: 'bad', what: expect.stringContaining('sends are refused') })
    expect(space(4096, 4096)).toMatchObject({ verdict: 'bad', what: expect.stringContaining('the first files need') })
    expect(space(0, 0)).toMatchObject({ verdict: 'bad', what: expect.stringContaining('no room at all') })
    // Those files are there already.
    mkdirSync(join(world.cwd, 'commitlog'))
    expect(space(4096, 4096).verdict).toBe('ok')
  })

  test('of syncs', () => {
    const of = (ms: number, isSync = true) => verdictOnSync('/x', Array<number>(100).fill(ms), isSync)
    expect(of(2)).toMatchObject({ verdict: 'ok', what: '100 of 4 KiB in /x: p50 2.00 ms, p99 2.00 ms' })
    expect(of(0.001)).toMatchObject({ verdict: 'warn', what: expect.stringContaining('no disk is that fast') })
    expect(of(50)).toMatchObject({ verdict: 'warn', what: expect.stringContaining('every sender waits') })
    expect(of(50, false)).toMatchObject({ verdict: 'note', todo: 'use a faster disk' })
  })

  test('of a store that is a file, or below one', async () => {
    for (const root of ['file', 'file/below']) {
      const world = new World({ file: '' })
      const { status, findings } = await doctor(world, `storePathRootDir=${join(world.cwd, root)}`)
      expect(status).toBe(3)
      expect(of(findings, 'fdatasync')).toMatchObject([
        {
          verdict: 'bad',
          what: `${join(world.cwd, 'file')} is a file: no store can be below it`,
          todo: expect.any(String),
        },
      ])
    }
  })

  test('of TLS and access rules', async () => {
    const world = new World({ 'plain_acl.yml': 'accounts: []\n' })
    const of = (...set: string[]) => checkFilesOf(resolveConfig({ role: 'broker', set, env: {} }).config)
    const verdicts = async (...set: string[]) => (await of(...set)).map(({ verdict }) => verdict)
    expect(await verdicts()).toEqual(['note'])
    expect(await verdicts('tls.server.mode=disabled')).toEqual(['note'])
    expect(await verdicts('tls.server.mode=enforcing')).toEqual(['warn'])
    expect(await of('tls.server.keyPath=/none', 'tls.server.certPath=/none')).toMatchObject([
      { verdict: 'bad', what: expect.stringContaining('/none'), todo: 'check tls.server.keyPath' },
    ])
    const pems = new PemFolder()
    onTestFinished(() => pems.remove())
    const { keyPath, certPath } = pems.put('server', certificate('server'))
    const given = [`tls.server.keyPath=${keyPath}`, `tls.server.certPath=${certPath}`]
    expect(await verdicts(...given)).toEqual(['ok'])
    const rules = async () => (await of('aclEnable=true', `aclConfigPath=${world.cwd}`))[1]
    chmodSync(join(world.cwd, 'plain_acl.yml'), 0o644)
    expect(await rules()).toMatchObject({ verdict: 'warn', todo: expect.stringContaining('chmod 600') })
    chmodSync(join(world.cwd, 'plain_acl.yml'), 0o600)
    expect((await rules()).verdict).toBe('ok')
    rmSync(join(world.cwd, 'plain_acl.yml'))
    expect(await rules()).toMatchObject({ verdict: 'bad', todo: expect.stringContaining('aclConfigPath') })
  })

  test('of the clock', async () => {
    expect((await checkClock()).verdict).toBe('ok')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('1999-12-31') })
    onTestFinished(() => void vi.useRealTimers())
    expect(await checkClock()).toMatchObject({ verdict: 'bad', todo: expect.stringContaining('set it') })
    vi.setSystemTime(Date.parse('2026-01-01'))
    setTimeout(() => vi.setSystemTime(Date.parse('2026-01-01T00:00:05Z')), 20)
    expect(await checkClock()).toMatchObject({ verdict: 'warn', what: expect.stringContaining('it jumped by') })
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
    expect(checkMemory(String(512 * 2 ** 20), 8 * 2 ** 30).verdict).toBe('warn')
    expect(checkMemory('max', 2 ** 20).verdict).toBe('bad')
    expect([checkFiles('').verdict, checkFiles(line('unlimited')).verdict]).toEqual(['note', 'ok'])
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
    const verdicts = (...set: string[]) => of(...set).map(({ check, verdict }) => `${check} ${verdict}`)
    expect(verdicts('fileReservedTime=0')).toContain('retention warn')
    expect(verdicts('brokerRole=SLAVE', 'brokerId=1')).toContain('replication ok')
    expect(verdicts('autoCreateTopicEnable=false', 'autoCreateSubscriptionGroup=false', 'aclEnable=true')).toEqual([
      'safety note',
      'replication note',
      'retention note',
      'access ok',
    ])
  })
})
