/** What requests 25 and 318 do to a configuration, its files, and the next start. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Change,
  decodeText,
  editProperties,
  parseProperties,
  type ResolveOptions,
  RunningConfig,
  resolveConfig,
} from '../../src/config/index.ts'
import { TestLog } from '../remoting/sockets.ts'

let folder: string
let log: TestLog
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'basalt-config-'))
  log = new TestLog()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const path = (name: string) => join(folder, name)
const text = (name: string) => readFileSync(path(name), 'utf8')
const resolved = (options: Partial<ResolveOptions<'broker'>> = {}) =>
  resolveConfig({ role: 'broker', env: {}, cwd: folder, ...options })
function running(options: Partial<ResolveOptions<'broker'>> = {}) {
  const config = new RunningConfig(resolved(options), { log, now: () => 5 })
  const changes: Change[] = []
  config.onChange((some) => changes.push(...some))
  return { config, changes, values: config.running }
}
const warnings = () => log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)
/** As Java reads the answer to 26. */
const shown = (config: RunningConfig<'broker'>) =>
  new Map(parseProperties(config.text()).map(({ key, value }) => [key, value]))
function conf(content: string): string {
  writeFileSync(path('broker.conf'), content)
  return path('broker.conf')
}

describe('a change', () => {
  test('of a live key is in force at once, told, shown, kept, and found by the next start', async () => {
    const file = conf('# mine\r\nbrokerPermission = 6\r\nbrokerName=b')
    const { config, changes, values } = running({ file })
    expect(await config.update('brokerPermission=4\nfileReservedTime=24\n')).toEqual({
      kind: 'done',
      remark: undefined,
    })
    expect(values).toMatchObject({ brokerPermission: 4, fileReservedTime: 24 })
    expect(changes).toEqual([
      { key: 'brokerPermission', from: 6, to: 4 },
      { key: 'fileReservedTime', from: 72, to: 24 },
    ])
    expect(text('broker.conf')).toBe('# mine\r\nbrokerPermission=4\r\nbrokerName=b\r\nfileReservedTime=24\r\n')
    expect(text('broker.conf.bak')).toBe('# mine\r\nbrokerPermission = 6\r\nbrokerName=b')
    expect(resolved({ file }).config).toMatchObject({ brokerPermission: 4, fileReservedTime: 24 })
    expect(config.version).toEqual({ counter: 1, timestamp: 5 })
  })

  test('of another key is kept for the next start, shown with a comment, and touches nothing that runs', async () => {
    const { config, changes, values } = running({ file: conf('') })
    expect(await config.update('flushDiskType=SYNC_FLUSH')).toEqual({
      kind: 'done',
      remark: 'flushDiskType: from the next start on',
    })
    expect([values.flushDiskType, changes]).toEqual(['ASYNC_FLUSH', []])
    expect(shown(config).get('flushDiskType')).toBe('SYNC_FLUSH')
    expect(config.text()).toMatch(
      /^# flushDiskType=SYNC_FLUSH takes effect at the next start, until then flushDiskType=ASYNC_FLUSH$/m,
    )
    expect(resolved({ file: path('broker.conf') }).config.flushDiskType).toBe('SYNC_FLUSH')
    await config.update('flushDiskType=ASYNC_FLUSH')
    expect(config.text()).not.toContain('#')
    expect(resolved({ file: path('broker.conf') }).config.flushDiskType).toBe('ASYNC_FLUSH')
  })

  test('without -c goes into a file of our own in the store, below --set and options', async () => {
    const { config } = running()
    await config.update('fileReservedTime=24\nbrokerPermission=4')
    expect(readdirSync(path('data/basalt'))).toEqual(['broker.properties'])
    const { config: next, origins } = resolved({ set: ['brokerPermission=2'] })
    expect(next).toMatchObject({ fileReservedTime: 24, brokerPermission: 2 })
    expect(origins.get('fileReservedTime')?.text).toBe(`${path('data/basalt/broker.properties')}:1`)
    expect(resolved({ overrides: { fileReservedTime: 1 } }).config.fileReservedTime).toBe(1)
  })

  test('that --set holds down at the next start is said to be so', async () => {
    const { config, values } = running({ file: conf(''), set: ['fileReservedTime=48'] })
    expect(await config.update('fileReservedTime=24')).toMatchObject({ kind: 'done' })
    expect(values.fileReservedTime).toBe(24)
    expect(warnings()).toEqual(['fileReservedTime is given by --set too, which holds again at the next start'])
  })

  test.each([
    ['unknownKey=1\nanother=2', 'unknown keys in a change of the configuration: unknownKey, another'],
    ['brokerPermission=6', undefined],
    ['# nothing', undefined],
    ['', undefined],
  ])('of nothing (%j) is taken, as by Java, and writes nothing', async (body, warning) => {
    const { config } = running({ file: conf('# mine\n') })
    expect(await config.update(body)).toEqual({ kind: 'done', remark: undefined })
    expect(readdirSync(folder)).toEqual(['broker.conf'])
    expect(warnings()).toEqual(warning === undefined ? [] : [warning])
    expect(config.version.counter).toBe(1)
  })

  test('of many at once is kept by all', async () => {
    const { config } = running({ file: conf('') })
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        config.update(`fileReservedTime=${i + 1}\nmaxTransferCountOnMessageInDisk=${i + 1}`),
      ),
    )
    expect(resolved({ file: path('broker.conf') }).config).toMatchObject({
      fileReservedTime: 50,
      maxTransferCountOnMessageInDisk: 50,
    })
  })
})

describe('refused, with nothing changed and a line in the log, is', () => {
  const refused = async (body: string) => {
    const { config, values } = running({ file: conf('# mine\n') })
    const before = JSON.stringify(values)
    const outcome = await config.update(`brokerPermission=4\n${body}`)
    expect([JSON.stringify(values), text('broker.conf'), config.version.counter]).toEqual([before, '# mine\n', 0])
    expect(warnings()).toHaveLength(1)
    return outcome
  }

  test.each([
    'brokerConfigPath=/etc/passwd',
    'rocketmqHome=/tmp;id',
    'configBlackList=',
    'broker\\u0043onfigPath=x',
    'rocketmqHome=',
  ])('a key of the black list: %j', async (line) => {
    expect(await refused(line)).toEqual({ kind: 'refused', remark: 'Can not update config in black list.' })
  })

  test.each([
    ...[
      'storePathRootDir=/tmp/x',
      'storePathCommitLog=/tmp/x',
      'logFile=/etc/cron.d/x',
      'messageStorePlugIn=Evil',
      'filterServerNums=1',
    ],
    ...[
      'bindAddress=127.0.0.2',
      'listenPort=1234',
      'aclEnable=true',
      'adminFromLoopbackOnly=true',
      'aclConfigPath=/tmp',
    ],
    ...[
      'tls.server.mode=disabled',
      'tls.server.keyPath=/tmp/key',
      'tls.config.file=/tmp/tls',
      'mappedFileSizeCommitLog=8388608',
    ],
  ])('what no request may change: %s', async (line) => {
    const key = line.split('=')[0]
    expect(await refused(line)).toEqual({
      kind: 'refused',
      remark: `${key} cannot be changed by a request: set it in the file and restart`,
    })
  })

  test.each([
    ['brokerPermission=9', 'brokerPermission is "9" (request); allowed: whole numbers 0 to 7'],
    ['flushDiskType=SYNC', 'ASYNC_FLUSH or SYNC_FLUSH'],
    ['a\\u00zz=1', 'without four hexadecimal digits'],
    ['maxMessageSize=33554432', 'submitRingSize is 33554432'],
    ['maxFrameSize=4096', 'maxFrameSize is 4096, too small'],
  ])('what does not do: %s', async (line, remark) => {
    expect(await refused(line)).toEqual({ kind: 'failed', remark: expect.stringContaining(remark) })
  })

  test('what the next start could not live with, also where our own file keeps it', async () => {
    const { config } = running()
    expect(await config.update('maxFrameSize=4096')).toEqual({
      kind: 'failed',
      remark: expect.stringMatching(/maxFrameSize is 4096, too small/),
    })
    mkdirSync(path('data/basalt'), { recursive: true })
    writeFileSync(path('data/basalt/broker.properties'), 'maxFrameSize=4096\nbrokerPermission=4\n')
    const { config: next, warnings: said } = resolved()
    expect([next.maxFrameSize, next.brokerPermission]).toEqual([16_777_216, 6])
    expect(said).toEqual([
      expect.stringMatching(/what requests changed is left out, .*broker\.properties: maxFrameSize is 4096/),
    ])
  })

  test('a change after which a file that somebody spoiled meanwhile would not start', async () => {
    const { config } = running({ file: conf('brokerName=b\n') })
    conf('brokerName=b\nlistenPort=abc\n')
    expect(await config.update('fileReservedTime=24')).toEqual({
      kind: 'failed',
      remark: expect.stringMatching(/listenPort is "abc".*broker\.conf:2/),
    })
  })
})

describe('the file', () => {
  test('keeps its mode, and a link stays a link', async () => {
    mkdirSync(path('real'))
    writeFileSync(path('real/broker.conf'), 'tls.server.keyPassword=secret\n')
    chmodSync(path('real/broker.conf'), 0o600)
    symlinkSync(path('real/broker.conf'), path('broker.conf'))
    const { config } = running({ file: path('broker.conf') })
    await config.update('fileReservedTime=24')
    expect(readdirSync(folder).sort()).toEqual(['broker.conf', 'real'])
    expect(text('real/broker.conf')).toBe('tls.server.keyPassword=secret\nfileReservedTime=24\n')
    for (const name of readdirSync(path('real'))) expect(statSync(path(`real/${name}`)).mode & 0o777).toBe(0o600)
  })

  test('keeps its encoding', async () => {
    writeFileSync(path('broker.conf'), Buffer.from('# Gr\xfc\xdfe\nbrokerName=b\n', 'latin1'))
    const { config } = running({ file: path('broker.conf') })
    await config.update('fileReservedTime=24')
    expect(readFileSync(path('broker.conf'), 'latin1')).toBe('# Gr\xfc\xdfe\nbrokerName=b\nfileReservedTime=24\n')
  })

  test('that cannot be written leaves the change in memory, and says so', async () => {
    const { config, values } = running({ file: conf('') })
    mkdirSync(path('broker.conf.tmp'))
    expect(await config.update('fileReservedTime=24')).toEqual({
      kind: 'failed',
      remark: expect.stringMatching(/^changed in memory, but not on disk: EISDIR/),
    })
    expect(values.fileReservedTime).toBe(24)
  })

  test('of our own never ends a start: what is wrong in it is left out, and a damaged one gives way to its .bak', async () => {
    mkdirSync(path('data/basalt'), { recursive: true })
    const kept = 'data/basalt/broker.properties'
    writeFileSync(
      path(kept),
      'fileReservedTime=abc\nunknown=1\nstorePathRootDir=/tmp/evil\n\0\0\0=\n=\nbrokerPermission=4\n',
    )
    const { config, warnings: said } = resolved()
    expect(config).toMatchObject({ fileReservedTime: 72, brokerPermission: 4, storePathRootDir: path('data') })
    expect(said.length).toBeGreaterThanOrEqual(3)
    writeFileSync(path(`${kept}.bak`), 'brokerPermission=2\n')
    for (const damage of ['a\\uzzzz=1\n', Buffer.alloc(100, 0xff)]) {
      writeFileSync(path(kept), damage)
      expect(() => resolved()).not.toThrow()
    }
    writeFileSync(path(kept), 'a\\uzzzz=1\n')
    expect(resolved().config.brokerPermission).toBe(2)
    rmSync(path(kept))
    mkdirSync(path(kept))
    expect(resolved().config.brokerPermission).toBe(2)
  })

  test('of any content never ends a start', () => {
    mkdirSync(path('data/basalt'), { recursive: true })
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('fileReservedTime=', 'maxFrameSize=4096', 'maxMessageSize=1', 'flushDiskType=x', '\\'),
    )
    fc.assert(
      fc.property(fc.array(line), fc.boolean(), (lines, asBytes) => {
        const content = lines.join('\n')
        writeFileSync(path('data/basalt/broker.properties'), asBytes ? Buffer.from(content, 'latin1') : content)
        expect(() => resolved()).not.toThrow()
      }),
      { numRuns: 300 },
    )
  })
})

describe('secrets', () => {
  test('are not shown, and their mask sent back means what is there', async () => {
    const file = conf('tls.server.keyPassword=secret\n')
    const { config, values } = running({ file })
    expect(config.text()).not.toContain('secret')
    const all = config.text()
    expect(await config.update(`${all}\nfileReservedTime=24\n`)).toMatchObject({ kind: 'refused' })
    const withoutBlackList = all
      .split('\n')
      .filter((line) => !/^(configBlackList|brokerConfigPath|rocketmqHome)=/.test(line))
    expect(await config.update(`${withoutBlackList.join('\n')}\nfileReservedTime=24\n`)).toMatchObject({ kind: 'done' })
    expect(values['tls.server.keyPassword']).toBe('secret')
  })
})

describe('edited properties', () => {
  test.each([
    ['', { a: '1' }, 'a=1\n'],
    ['a=0', { a: '1' }, 'a=1\n'],
    ['b=0', { a: '1' }, 'b=0\na=1\n'],
    ['a=0\nb=2\na=3\n', { a: '1' }, 'a=0\nb=2\na=1\n'],
    ['a = x \\\n  y \\\n  z\nb=2\n', { a: '1' }, 'a=1\nb=2\n'],
    ['#a=0\n!a=0\n a 0\n', { a: '1' }, '#a=0\n!a=0\na=1\n'],
    ['a=0\r\n', { a: '1', c: 'ü \\' }, 'a=1\r\nc=\\u00FC \\\\\r\n'],
  ])('%j with %j', (before, values, after) => {
    expect(editProperties(before, new Map(Object.entries(values)))).toBe(after)
  })

  test('read as the former with the changes', () => {
    const key = fc.stringMatching(/^[a-z. ]{1,8}$/)
    const file = fc
      .array(
        fc.oneof(
          fc.tuple(key, fc.string()).map(([k, v]) => `${k.replace(/ /g, '\\ ')}=${v.replace(/\\/g, '')}`),
          fc.constantFrom('', '# c', 'x=\\', ' '),
        ),
      )
      .map((it) => it.join('\n'))
    const read = (content: string) => Object.fromEntries(parseProperties(content).map((it) => [it.key, it.value]))
    fc.assert(
      fc.property(file, fc.dictionary(key, fc.string()), (content, changes) => {
        const edited = editProperties(content, new Map(Object.entries(changes)))
        expect(read(edited)).toEqual({ ...read(content), ...changes })
        expect(decodeText(Buffer.from(edited))).toBe(edited)
      }),
    )
  })
})
