import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  configText,
  KEYS,
  parseProperties,
  printConfig,
  type ResolveOptions,
  resolveConfig,
  runsNameServer,
} from '../../src/config/index.ts'

/** A broker's configuration without this machine's environment. */
function broker(options: Partial<ResolveOptions<'broker'>> = {}) {
  return resolveConfig({ role: 'broker', env: {}, cwd: '/srv', ...options })
}

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'broker.conf')
  writeFileSync(path, text)
  return path
}

const refusal = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error as Error & { code: string; where: string }
  }
  throw new Error('nothing was refused')
}

describe('the configuration of a broker', () => {
  test("has Apache's defaults, but its store in ./data", () => {
    const { config, warnings } = broker()
    expect(config).toMatchObject({
      listenPort: 10_911,
      fastListenPort: 10_909,
      haListenPort: 10_912,
      brokerClusterName: 'DefaultCluster',
      flushDiskType: 'ASYNC_FLUSH',
      mappedFileSizeCommitLog: 1_073_741_824,
      fileReservedTime: 72,
      deleteWhen: '04',
      storePathRootDir: '/srv/data',
      storePathCommitLog: '/srv/data/commitlog',
      submitRingSize: 32 * 1024 * 1024,
    })
    expect(warnings).toEqual([])
  })

  test('takes the later of environment, file, --set and options, and knows where each came from', () => {
    const path = file('brokerName=from-file\nnamesrvAddr=file:1\nlistenPort = 20911\nfileReservedTime:48\n')
    const { config, origins } = broker({
      file: path,
      env: { NAMESRV_ADDR: 'environment:1' },
      set: ['brokerName=from-set', 'fileReservedTime=24'],
      overrides: { brokerName: 'from-options' },
    })
    expect(config).toMatchObject({
      brokerName: 'from-options',
      namesrvAddr: 'file:1',
      listenPort: 20_911,
      fileReservedTime: 24,
    })
    expect(config).toMatchObject({ haListenPort: 20_912, fastListenPort: 20_909 })
    const originOf = (name: string) => origins.get(name)?.text
    expect(['brokerName', 'namesrvAddr', 'fileReservedTime', 'haListenPort', 'deleteWhen'].map(originOf)).toEqual([
      'options',
      `${path}:2`,
      '--set',
      'from listenPort',
      'default',
    ])
  })

  test('runs a NameServer inside unless it is told of others', () => {
    expect(runsNameServer(broker().config)).toBe(true)
    expect(runsNameServer(broker({ env: { NAMESRV_ADDR: 'a:9876' } }).config)).toBe(false)
    expect(runsNameServer(broker({ set: ['namesrvAddr=a:9876;b:9876', 'nameServerInside=always'] }).config)).toBe(true)
    expect(runsNameServer(broker({ set: ['nameServerInside=never'] }).config)).toBe(false)
  })

  test('takes free ports everywhere when listenPort is 0', () => {
    const { config } = broker({ set: ['listenPort=0', 'nameServerInsidePort=0'] })
    expect([config.fastListenPort, config.haListenPort, config.nameServerInsidePort]).toEqual([0, 0, 0])
  })

  test('of the recorded Apache broker is taken as it is', () => {
    const vectors = new URL('../vectors/rocketmq-4.9.8/store/broker.conf', import.meta.url)
    const { config, warnings } = broker({ file: vectors.pathname })
    expect(config).toMatchObject({ brokerName: 'broker-a', mappedFileSizeCommitLog: 65_536, maxMessageSize: 60_000 })
    expect(warnings).toEqual([expect.stringContaining('does not fit')])
  })
})

describe('a mistake in the configuration', () => {
  test.each([
    ['brokerNmae', 'brokerName'],
    ['flushdisktype', 'flushDiskType'],
    ['mapedFileSizeCommitLog', 'mappedFileSizeCommitLog'],
    ['namesvrAddr', 'namesrvAddr'],
  ])('%s is a warning that names %s and the line', (unknown, known) => {
    const path = file(`# mine\n${unknown}=x\n`)
    expect(broker({ file: path }).warnings).toEqual([`${path}:2: unknown key "${unknown}", did you mean "${known}"?`])
  })

  test('a key like no other is only unknown; one of the NameServer is named as that', () => {
    expect(broker({ set: ['zzz=1', 'kvConfigPath=x'] }).warnings).toEqual([
      '--set: unknown key "zzz"',
      '--set: kvConfigPath is a key of the NameServer and has no effect here',
    ])
  })

  test.each([
    ['listenPort=abc', 'listenPort is "abc"', 'whole numbers 0 to 65535'],
    ['listenPort=65536', 'listenPort is "65536"', 'whole numbers 0 to 65535'],
    ['listenPort=10911.5', 'listenPort is "10911.5"', 'whole numbers'],
    ['flushDiskType=SYNC', 'flushDiskType is "SYNC"', 'ASYNC_FLUSH or SYNC_FLUSH'],
    ['autoCreateTopicEnable=yes', 'autoCreateTopicEnable is "yes"', 'true or false'],
    ['deleteWhen=24', 'deleteWhen is "24"', '00 to 23'],
    ['deleteWhen=04,05', 'deleteWhen is "04,05"', 'separated by ";"'],
    ['messageDelayLevel=1s 5x', 'messageDelayLevel is "1s 5x"', 's, m, h or d'],
    ['messageDelayLevel=1s  5s', 'messageDelayLevel is "1s  5s"', 'separated by a blank'],
    ['messageDelayLevel=0s', 'messageDelayLevel is "0s"', 's, m, h or d'],
    ['messageDelayLevel=36501d', 'messageDelayLevel is "36501d"', 'at most 36500d'],
    ['namesrvAddr=a:1,b:2', 'namesrvAddr is "a:1,b:2"', 'separated by ";"'],
    ['mappedFileSizeCommitLog=1048576', 'too small for a message of maxMessageSize 4194304', 'at least'],
    ['maxMessageSize=33554432', 'maxFrameSize', 'at least 33685504'],
    ['submitRingSize=1048576', 'submitRingSize is 1048576', 'powers of two from 33554432'],
    ['submitRingSize=40000000', 'submitRingSize is 40000000', 'powers of two'],
    ['maxIndexNum=99999999\nmaxHashSlotNum=99999999', 'make files of', 'less than 2 GiB'],
    ['listenPort=2', 'listenPort is 2', 'set fastListenPort'],
    ['listenPort=9876', 'nameServerInsidePort is 9876, as is listenPort', 'its own port'],
    ['listenPort=65535', 'haListenPort would be 65536', 'set haListenPort'],
    ['haListenPort=10909', 'haListenPort is 10909, as is fastListenPort', 'its own port'],
    ['brokerRole=SLAVE', "a slave's is above 0", 'set brokerId'],
    ['brokerRole=SLAVE\nbrokerId=0', "a slave's is above 0", 'set brokerId'],
    ['enableDLegerCommitLog=true', 'dLegerPeers is not set', 'write n0-host:port'],
  ])('%j is an error with key, value, what is allowed, file and line', (text, what, allowed) => {
    const path = file(`# a comment\n${text}\n`)
    const error = refusal(() => broker({ file: path }))
    expect(error.name).toBe('ConfigError')
    expect(error.message).toContain(what)
    expect(error.message).toContain(allowed)
    expect(error.where).toMatch(/broker\.conf:[23]$/)
  })

  test('a switch is true or false in any case and with blanks around, as it often is in files', () => {
    expect(broker({ file: file('traceOn=FALSE  \nlistenPort= 20911 \nbrokerName=b \n') }).config).toMatchObject({
      traceOn: false,
      listenPort: 20_911,
      brokerName: 'b',
    })
  })

  test('a key that is set twice is a warning and the last one holds', () => {
    const path = file('brokerName=a\nbrokerName=b\n')
    const { config, warnings } = broker({ file: path })
    expect(config.brokerName).toBe('b')
    expect(warnings).toEqual([`${path}:2: brokerName is set twice, first in ${path}:1; the last one holds`])
  })

  test('a key that does nothing here is a warning that says why, unless it is at its default', () => {
    const { warnings } = broker({ set: ['sendMessageThreadPoolNums=16', 'useReentrantLockWhenPutMessage=true'] })
    expect(warnings).toEqual(['--set: sendMessageThreadPoolNums has no effect here: threads are fixed stages'])
  })

  test('a master with an id is told that it has none', () => {
    const { config, warnings } = broker({ set: ['brokerId=3'] })
    expect(config.brokerId).toBe(0)
    expect(warnings).toEqual(["--set: brokerId is 3, but a master's is always 0"])
  })

  test('a file that is not there is named', () => {
    const error = refusal(() => broker({ file: '/nowhere/broker.conf' }))
    expect(error).toMatchObject({ code: 'FILE_UNREADABLE', where: '/nowhere/broker.conf' })
  })

  test('--set without a value is refused', () => {
    expect(refusal(() => broker({ set: ['brokerName'] }))).toMatchObject({ code: 'BAD_SET' })
    expect(broker({ set: ['brokerName='] }).config.brokerName).toBe('DEFAULT_BROKER')
  })

  test('options of code are checked too', () => {
    expect(refusal(() => broker({ overrides: { listenPort: -1 } }))).toMatchObject({ where: 'options' })
  })
})

describe('the table of keys', () => {
  test.each(Object.entries(KEYS))('has for a %s rows whose defaults are allowed, with a line of help', (_, table) => {
    for (const [name, key] of Object.entries(table)) {
      expect(key.help.length, name).toBeGreaterThan(4)
      if (key.kind === 'int') {
        expect(key.value, name).toBeGreaterThanOrEqual(key.min!)
        expect(key.value, name).toBeLessThanOrEqual(key.max!)
      }
      if (key.effect === 'none') expect(key.why, name).toBeTruthy()
    }
  })

  test('knows every key of a real 4.9.8 broker, as request 26 answered it', async () => {
    const { readFileSync } = await import('node:fs')
    const frames = readFileSync(
      new URL('../vectors/rocketmq-4.9.8/wire-json/admin/frames.bin', import.meta.url),
      'latin1',
    )
    const start = frames.indexOf('shortPollingTimeMills=')
    const body = frames.slice(start, frames.indexOf('\0', start))
    const names = parseProperties(body).map(({ key }) => key)
    expect(names.length).toBeGreaterThan(150)
    const unknown = names.filter((name) => !Object.hasOwn(KEYS.broker, name) && name !== 'isEnableBatchPush')
    expect(unknown).toEqual([])
  })
})

describe('a configuration as text', () => {
  test('of -p names the origin of every value and can be read again', () => {
    const path = file('brokerName=b\n')
    const resolved = broker({ file: path, set: ['listenPort=20911'] })
    const text = printConfig(resolved)
    expect(text).toContain(`# ${path}:1\nbrokerName=b\n`)
    expect(text).toContain('# --set\nlistenPort=20911\n')
    expect(text).toMatch(/# from listenPort\n(.*\n)*haListenPort=20912\n/)
    const again = broker({ file: file(text) })
    expect({ ...again.config, brokerConfigPath: '' }).toEqual({ ...resolved.config, brokerConfigPath: '' })
    expect(again.warnings).toEqual([])
  })

  test('of request 26 holds every key once', () => {
    const text = configText('broker', broker().config)
    const keys = parseProperties(text).map(({ key }) => key)
    expect(keys).toEqual(Object.keys(KEYS.broker))
  })

  test('of a NameServer has its own port', () => {
    const { config } = resolveConfig({ role: 'namesrv', env: {}, set: ['orderMessageEnable=true'] })
    expect(config).toMatchObject({ listenPort: 9876, orderMessageEnable: true, configStorePath: '' })
  })
})

describe('the folder of the access rules', () => {
  test.each<[Partial<ResolveOptions<'broker'>>, string]>([
    [{}, '/srv/conf'],
    [{ set: ['aclConfigPath=rules'] }, '/srv/rules'],
    [{ env: { ROCKETMQ_HOME: '/opt/rocketmq' } }, '/opt/rocketmq/conf'],
    [{ env: { ROCKETMQ_HOME: '/opt/rocketmq' }, set: ['rocketmqHome=/home/mq'] }, '/home/mq/conf'],
  ])('%j is %s', (options, expected) => {
    expect(broker(options).config.aclConfigPath).toBe(expected)
  })

  test('is that of the -c file where nothing else is said', () => {
    const path = file('brokerName=b\n')
    expect(broker({ file: path }).config.aclConfigPath).toBe(join(path, '..'))
  })
})

describe('the TLS keys', () => {
  const certificate = ['tls.server.keyPath=/k', 'tls.server.certPath=/c']
  const tls = (set: string[], texts = new Map<string, string>()) => broker({ set, texts })

  test("have RocketMQ's defaults: both kinds of peers, a certificate for tests, plain to other servers", () => {
    const { config, warnings } = tls([])
    expect(config).toMatchObject({ 'tls.server.mode': 'permissive', 'tls.test.mode.enable': true, 'tls.enable': false })
    expect(warnings).toEqual([])
  })

  test('a certificate that is given is used, unless the test mode is switched on', () => {
    expect(tls(certificate).config['tls.test.mode.enable']).toBe(false)
    const { config, warnings } = tls([...certificate, 'tls.test.mode.enable=true'])
    expect(config['tls.test.mode.enable']).toBe(true)
    expect(warnings).toEqual([expect.stringContaining('tls.server.certPath is not used')])
  })

  test('enforcing means TLS to other servers too, unless it is said otherwise', () => {
    const enabled = (...set: string[]) => tls(['tls.server.mode=enforcing', ...set]).config['tls.enable']
    expect([enabled(), enabled('tls.enable=false'), enabled('useTLS=false')]).toEqual([true, false, false])
    expect(tls(['useTLS=true']).config['tls.enable']).toBe(true)
  })

  test('enforcing without a certificate is an error, permissive serves no TLS then', () => {
    const noTest = 'tls.test.mode.enable=false'
    expect(() => tls([noTest, 'tls.server.mode=enforcing'])).toThrow(/tls\.server\.keyPath is empty/)
    const { config, warnings } = tls([noTest, 'tls.server.mode=permissive'])
    expect([config['tls.server.mode'], warnings.length]).toEqual(['disabled', 1])
  })

  test('come from tls.config.file too, below --set, and only those that RocketMQ reads there', () => {
    const text = 'tls.server.keyPath=/file/k\ntls.server.certPath=/file/c\ntls.server.mode=enforcing\nlistenPort=1\n'
    const texts = new Map([['/etc/rocketmq/tls.properties', text]])
    const { config, origins } = tls(['tls.server.keyPath=/set/k'], texts)
    expect(config).toMatchObject({
      ...{ 'tls.server.keyPath': '/set/k', 'tls.server.certPath': '/file/c', 'tls.server.mode': 'permissive' },
      listenPort: 10_911,
    })
    expect(origins.get('tls.server.certPath')?.text).toBe('/etc/rocketmq/tls.properties:2')
    expect(tls(['tls.config.file=/nowhere']).warnings).toEqual([
      expect.stringContaining('tls.config.file cannot be read'),
    ])
  })
})
