import { describe, expect, test } from 'vitest'
import { version } from '../../src/cli/index.ts'
import { StoreError } from '../../src/errors.ts'
import type { FaultSwitches } from '../../src/faults.ts'
import { pretendedBroker, World } from './support.ts'

const CONF = { 'broker.conf': 'brokerName=broker-z\n', 'namesrv.conf': 'orderMessageEnable=true\n' }

/** "$ basaltmq …" lines of a help text, without what follows two blanks. */
function examplesOf(help: string): string[] {
  return [...help.matchAll(/^ {2}\$ basaltmq ?(.*)$/gm)].map(([, line]) => line.split(/ {2,}/)[0].trim())
}

async function helpOf(...argv: string[]): Promise<string> {
  const world = new World()
  expect(await world.run(...argv, '--help')).toBe(0)
  return world.printed
}

describe('the command', () => {
  test('without arguments starts a broker, prints one screen, and stops at a signal with status 0', async () => {
    const world = new World()
    const status = world.run()
    await world.ready()
    expect(world.started).toEqual([{ role: 'broker', config: expect.objectContaining({ listenPort: 10_911 }) }])
    expect(world.printed).toBe(
      [
        `basaltmq ${version()}, Node ${process.versions.node}, pid ${process.pid}`,
        '',
        `  broker       ${world.started[0].config.brokerName} in DefaultCluster`,
        '  clients      192.0.2.1:10911, fast 192.0.2.1:10909',
        '  slaves       192.0.2.1:10912',
        '  NameServer   0.0.0.0:9876 (inside)',
        `  store        ${world.cwd}`,
        '  found        an empty folder',
        '  flush        ASYNC_FLUSH',
        '  replication  ASYNC_MASTER',
        '',
        expect.stringMatching(/^store recovered in 12 ms, ready in \d+ ms; Ctrl-C stops$/),
        '',
      ]
        .map((line) => (typeof line === 'string' ? line : world.printed.split('\n').at(-2)))
        .join('\n'),
    )
    world.signal('SIGINT')
    expect(await status).toBe(0)
    expect(world.listens).toBe(false)
  })

  test('takes flags of the broker without the word broker', async () => {
    const world = new World(CONF)
    const status = world.run('-c', 'broker.conf', '--set', 'listenPort=20911', '--set', 'fileReservedTime=1')
    await world.ready()
    expect(world.started[0].config).toMatchObject({ brokerName: 'broker-z', listenPort: 20_911, fileReservedTime: 1 })
    world.signal('SIGTERM')
    expect(await status).toBe(0)
  })

  test('prints its version', async () => {
    const world = new World()
    expect(await world.run('--version')).toBe(0)
    expect(world.printed).toBe(`${version()}\n`)
  })

  test('lists keys by a word', async () => {
    const world = new World()
    expect(await world.run('keys', 'flushdisk')).toBe(0)
    expect(world.printed).toContain('flushDiskType=ASYNC_FLUSH\n')
    expect(world.printed).toContain('ASYNC_FLUSH or SYNC_FLUSH')
    expect(world.printed).not.toContain('listenPort')
  })
})

describe.each([[[]], [['broker']], [['namesrv']]])('the help of %j', (command) => {
  test('names every flag or command, and its examples run', async () => {
    const help = await helpOf(...command)
    const words =
      command.length === 0 ? ['broker', 'namesrv', 'keys', '--version'] : ['--config', '--set', '--print-config']
    for (const word of words) expect(help).toContain(word)
    const examples = examplesOf(help)
    expect(examples.length).toBeGreaterThanOrEqual(3)
    for (const example of examples) {
      const world = new World(CONF)
      const status = world.run(...example.split(' ').filter((word) => word !== ''))
      const endsAlone = /(^| )-p$|^keys/.test(example)
      if (!endsAlone) {
        await world.ready()
        world.signal('SIGINT')
      }
      expect(await status, example).toBe(0)
      expect(world.started.length, example).toBe(endsAlone ? 0 : 1)
      expect(world.printed, example).not.toBe('')
      if (endsAlone) expect(world.complained, example).toBe('')
    }
  })
})

describe('usage and configuration', () => {
  test.each([
    [['--nonsense'], "unknown option '--nonsense'"],
    [['brokr'], 'unknown command "brokr", did you mean "broker"?'],
    [['broker', 'nonsense'], 'too many arguments'],
    [['broker', '-c'], 'argument missing'],
    [['broker', '--set', 'brokerName'], '"brokerName" is not key=value'],
    [['broker', '--set', 'listenPort=x'], 'listenPort is "x" (--set); allowed: whole numbers 0 to 65535'],
    [['broker', '-c', '/nowhere/at.all'], 'cannot be read'],
    [['namesrv', '--set', 'listenPort=70000'], 'listenPort is "70000"'],
  ])('%j ends with status 2 and says what is wrong', async (argv, complaint) => {
    const world = new World()
    expect(await world.run(...argv)).toBe(2)
    expect(world.complained).toContain(complaint)
    expect(world.started).toEqual([])
  })

  test('an unknown key is a warning, and the broker starts', async () => {
    const world = new World({ 'broker.conf': 'brokerNam=x\n' })
    const status = world.run('broker', '-c', 'broker.conf')
    await world.ready()
    expect(world.complained).toContain('broker.conf:1: unknown key "brokerNam", did you mean "brokerName"?')
    world.signal('SIGINT')
    expect(await status).toBe(0)
  })

  test('-p prints every value with its origin and starts nothing', async () => {
    const world = new World(CONF)
    expect(await world.run('broker', '-c', 'broker.conf', '-p')).toBe(0)
    expect(world.printed).toMatch(/^# .*broker\.conf:1\nbrokerName=broker-z\n/)
    expect(world.printed).toContain('# default\n')
    expect(world.started).toEqual([])
  })
})

describe('a server', () => {
  test('that cannot start ends the command with status 1 and one line', async () => {
    const world = new World()
    world.servers.startBroker = () =>
      Promise.reject(
        new StoreError('STORE_LOCKED', { what: 'another broker uses the store', where: '/data', todo: 'stop it' }),
      )
    expect(await world.run()).toBe(1)
    expect(world.complained).toBe('basaltmq: another broker uses the store (/data); stop it\n')
  })

  test('that fails while it runs ends the command with status 1', async () => {
    const world = new World()
    let fail: (error: Error) => void = () => {}
    const closed = new Promise<void>((_, reject) => {
      fail = reject
    })
    world.servers.startBroker = async () => pretendedBroker(world.cwd, { closed, close: () => Promise.resolve() })
    const status = world.run()
    await world.ready()
    fail(new StoreError('FLUSH_FAILED', { what: 'fdatasync failed', where: '/data/commitlog' }))
    expect(await status).toBe(1)
    expect(world.complained).toContain('fdatasync failed (/data/commitlog)')
  })

  test('that closes slowly is ended at once by a second signal', async () => {
    const world = new World()
    let finish: () => void = () => {}
    const closing = new Promise<void>((resolve) => {
      finish = resolve
    })
    world.servers.startBroker = async () => pretendedBroker(world.cwd, { closed: closing, close: () => closing })
    const status = world.run()
    await world.ready()
    world.signal('SIGINT')
    expect(world.exited).toEqual([])
    world.signal('SIGINT')
    expect(world.exited).toEqual([1])
    finish()
    expect(await status).toBe(0)
  })

  test('that was told to stop while it started closes without a screen', async () => {
    const world = new World()
    let started: () => void = () => {}
    const starting = new Promise<void>((resolve) => {
      started = resolve
    })
    world.servers.startBroker = async () => {
      await starting
      return pretendedBroker(world.cwd)
    }
    const status = world.run()
    while (world.started.length === 0) await new Promise((resolve) => setImmediate(resolve))
    world.signal('SIGTERM')
    started()
    expect(await status).toBe(0)
    expect(world.printed).toBe('')
  })
})

describe('BASALT_FAULTS', () => {
  test('gives the broker its switches, and the screen says so', async () => {
    const world = new World()
    world.env.BASALT_FAULTS = 'slowSync=5, failSync=0'
    let given: FaultSwitches | undefined
    world.servers.startBroker = async (_resolved, _log, faults) => {
      given = faults
      return pretendedBroker(world.cwd)
    }
    const status = world.run()
    await world.ready()
    expect(given?.get('slowSync')).toBe(5)
    expect(world.printed).toContain('FAULTS       slowSync=5, failSync=0 (on purpose: BASALT_FAULTS)')
    world.signal('SIGINT')
    expect(await status).toBe(0)
  })

  test.each(['slow=5', 'slowSync', 'slowSync=x', 'slowSync=-1'])('%j ends with status 2', async (text) => {
    const world = new World()
    world.env.BASALT_FAULTS = text
    expect(await world.run()).toBe(2)
    expect(world.complained).toContain(`${JSON.stringify(text)} is no fault (environment BASALT_FAULTS)`)
    expect(world.started).toEqual([])
  })

  test('none without it', async () => {
    const world = new World()
    let given: unknown = 'nothing yet'
    world.servers.startBroker = async (_resolved, _log, faults) => {
      given = faults
      return pretendedBroker(world.cwd)
    }
    const status = world.run()
    await world.ready()
    expect(given).toBeUndefined()
    expect(world.printed).not.toContain('FAULTS')
    world.signal('SIGINT')
    await status
  })
})

test('every example of bench modes is understood', async () => {
  const examples = examplesOf(await helpOf('bench', 'modes'))
  expect(examples.length).toBeGreaterThanOrEqual(5)
  for (const example of examples) {
    const world = new World()
    // The last of the flags that are checked is wrong: nothing before it was, and nothing is measured.
    expect(await world.run(...example.split(' '), '--connections', 'x'), example).toBe(2)
    expect(world.complained, example).toBe('basaltmq: --connections is "x"; allowed: whole numbers 1 to 1000\n')
  }
})
