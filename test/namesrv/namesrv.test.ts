import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type NamesrvHandle, type NamesrvOptions, startNamesrv } from '../../src/namesrv/index.ts'
import { ArrayLog, FakeClock } from './helpers.ts'
import { jsonOf, Peer, textOf } from './peer.ts'

let namesrv: NamesrvHandle
let log: ArrayLog
let clock: FakeClock
let folder: string
const peers: Peer[] = []

async function start(options: NamesrvOptions = {}): Promise<void> {
  namesrv = await startNamesrv({ port: 0, host: '127.0.0.1', log, clock, ...options })
}
async function peer(): Promise<Peer> {
  const made = await Peer.to(namesrv.port)
  peers.push(made)
  return made
}
beforeEach(async () => {
  log = new ArrayLog()
  clock = new FakeClock()
  folder = await mkdtemp(join(tmpdir(), 'basalt-namesrv-'))
  await start()
})
afterEach(async () => {
  for (const one of peers.splice(0)) await one.end()
  await namesrv.close()
  await rm(folder, { recursive: true })
})

const header = (given: Record<string, string> = {}) => ({
  brokerName: 'a',
  brokerAddr: '10.0.0.1:10911',
  clusterName: 'C',
  haServerAddr: '10.0.0.1:10912',
  brokerId: '0',
  ...given,
})
const config = (topicName: string, perm = 6) => ({
  order: false,
  perm,
  readQueueNums: 4,
  topicFilterType: 'SINGLE_TAG',
  topicName,
  topicSysFlag: 0,
  writeQueueNums: 4,
})
const bodyOf = (names: string[], counter = 1) =>
  JSON.stringify({
    filterServerList: [],
    topicConfigSerializeWrapper: {
      dataVersion: { counter, timestamp: 1000 },
      topicConfigTable: Object.fromEntries(names.map((name) => [name, config(name)])),
    },
  })
const register = (to: Peer, names = ['T', 'U'], given: Record<string, string> = {}, counter = 1) =>
  to.ask(103, header(given), bodyOf(names, counter))
const topics = () => [...namesrv.tables.topicQueueTable.keys()]

describe('routes', () => {
  test('senders below version 401 get integer keys bare, others and those who ask for it get standard JSON', async () => {
    const client = await peer()
    await register(await peer(), ['T', 'Ünicode<b>'])
    expect(textOf(await client.ask(105, { topic: 'T' }, undefined, 399))).toContain(
      '"brokerAddrs":{0:"10.0.0.1:10911"}',
    )
    const quoted = '"brokerAddrs":{"0":"10.0.0.1:10911"}'
    expect(textOf(await client.ask(105, { topic: 'T' }, undefined, 401))).toContain(quoted)
    expect(textOf(await client.ask(105, { topic: 'T', acceptStandardJsonOnly: 'true' }, undefined, 121))).toContain(
      quoted,
    )
  })

  test('the order configuration is in a route only when orderMessageEnable says so', async () => {
    const client = await peer()
    await register(client)
    await client.ask(100, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a:4' })
    expect(jsonOf(await client.ask(105, { topic: 'T' }))).not.toHaveProperty('orderTopicConf')
    expect((await client.ask(318, undefined, 'orderMessageEnable=true\n')).code).toBe(0)
    expect(jsonOf(await client.ask(105, { topic: 'T' }))).toMatchObject({ orderTopicConf: 'a:4' })
  })

  test('a broker is answered with ORDER_TOPIC_CONFIG when there is one', async () => {
    const broker = await peer()
    expect((await register(broker)).body).toBeUndefined()
    await broker.ask(100, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a:4;b:2' })
    expect(jsonOf(await register(broker))).toEqual({ table: { T: 'a:4;b:2' } })
  })

  test('lists: cluster, topics, unit topics, system topics, member group', async () => {
    const broker = await peer()
    await register(broker)
    expect(jsonOf(await broker.ask(106))).toEqual({
      brokerAddrTable: { a: { brokerAddrs: { 0: '10.0.0.1:10911' }, brokerName: 'a', cluster: 'C' } },
      clusterAddrTable: { C: ['a'] },
    })
    expect(jsonOf(await broker.ask(206))).toEqual({ topicList: ['T', 'U'] })
    expect(jsonOf(await broker.ask(224, { cluster: 'nowhere' }))).toEqual({ topicList: [] })
    expect(jsonOf(await broker.ask(304))).toEqual({ brokerAddr: '10.0.0.1:10911', topicList: ['C', 'a'] })
    for (const code of [311, 312, 313]) expect(jsonOf(await broker.ask(code))).toEqual({ topicList: [] })
    expect(jsonOf(await broker.ask(901, { clusterName: 'C', brokerName: 'a' }))).toEqual({
      brokerMemberGroup: { brokerAddrs: { 0: '10.0.0.1:10911' }, brokerName: 'a', cluster: 'C' },
    })
    expect(jsonOf(await broker.ask(901, { clusterName: 'C', brokerName: 'x' }))).toMatchObject({
      brokerMemberGroup: { brokerAddrs: {} },
    })
    await broker.ask(318, undefined, 'enableAllTopicList=false\nenableTopicList=false\n')
    expect(await broker.ask(206)).toMatchObject({ code: 1, remark: 'disable' })
    expect(await broker.ask(224, { cluster: 'C' })).toMatchObject({ code: 1, remark: 'disable' })
  })

  test('a code that nobody serves is answered with code 3', async () => {
    expect(await (await peer()).ask(9999)).toMatchObject({ code: 3, remark: ' request type 9999 not supported' })
  })
})

describe('registration bodies', () => {
  const compressedBody = (items: string[], tail: Buffer = Buffer.alloc(0)) => {
    const text = (value: string) => {
      const length = Buffer.alloc(4)
      length.writeInt32BE(Buffer.byteLength(value))
      return Buffer.concat([length, Buffer.from(value)])
    }
    const count = Buffer.alloc(4)
    count.writeInt32BE(items.length)
    const parts = [text('{"counter":1,"timestamp":1000}'), count, ...items.map(text), text('[]'), tail]
    return deflateSync(Buffer.concat(parts), { level: 9 })
  }
  const send = async (body: Uint8Array, given: Record<string, string>) => (await peer()).ask(103, header(given), body)

  test('a compressed body is read with five items a topic (4.9) and with six and a tail (5.x)', async () => {
    const tail = Buffer.from([0, 0, 0, 1, 0, 0, 0, 2, 0x7b, 0x7d])
    const body = compressedBody(['Five 4 4 6 SINGLE_TAG', 'Six 4 2 6 SINGLE_TAG {"+a":"b"}', 'Four 4 4 6'], tail)
    const bodyCrc32 = String(crc32(body) & 0x7fffffff)
    expect((await send(body, { compressed: 'true', bodyCrc32 })).code).toBe(0)
    expect(topics()).toEqual(['Five', 'Six'])
    expect(namesrv.tables.topicQueueTable.get('Six')?.get('a')).toMatchObject({
      readQueueNums: 4,
      writeQueueNums: 2,
      perm: 6,
    })
    expect(log.matching(/"Four": 4 items, expected 5 or 6; not registered/)).toHaveLength(1)
  })

  test('a wrong checksum is refused and nothing changes', async () => {
    expect(await send(Buffer.from(bodyOf(['T'])), { bodyCrc32: '1' })).toMatchObject({
      code: 1,
      remark: 'crc32 not match',
    })
    expect(namesrv.tables.brokerAddrTable.size).toBe(0)
  })

  test('no body registers a broker without topics; a sender below version 37 sends the bare wrapper', async () => {
    const broker = await peer()
    expect((await broker.ask(103, header())).code).toBe(0)
    expect(topics()).toEqual([])
    const wrapper = JSON.stringify({
      dataVersion: { counter: 9, timestamp: 1 },
      topicConfigTable: { Old: { ...config('Old'), topicSysFlag: undefined, topicSynFlag: 1 } },
    })
    expect((await broker.ask(103, header(), wrapper, 36)).code).toBe(0)
    expect(namesrv.tables.topicQueueTable.get('Old')?.get('a')?.topicSysFlag).toBe(1)
  })

  test('what 5.x adds to a body is passed over, integer keys and attributes included', async () => {
    const body = `{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"stateVersion":3,"timestamp":1},
      "mappingDataVersion":{"counter":0,"stateVersion":0,"timestamp":1},"topicQueueMappingDetailMap":{"S":{"hostedQueues":{0:[{"bname":"a"}]}}},"topicQueueMappingInfoMap":{},
      "topicConfigTable":{"U":{"topicName":"U","perm":6,"readQueueNums":1,"writeQueueNums":1},"T":{"attributes":{"+message.type":"NORMAL"},"order":false,"perm":6,"readQueueNums":"4","topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":4}}}}`
    const broker = await peer()
    expect(
      (await broker.ask(103, header({ enableActingMaster: 'false', heartbeatTimeoutMillis: '10000' }), body, 479)).code,
    ).toBe(0)
    expect(namesrv.tables.topicQueueTable.get('T')?.get('a')?.readQueueNums).toBe(4)
    expect(namesrv.tables.brokerLiveTable.get('10.0.0.1:10911')).toMatchObject({
      expiryMs: 10_000,
      dataVersion: { stateVersion: 3 },
    })
    const known = await broker.ask(322, header(), '{"counter":1,"stateVersion":3,"timestamp":1}')
    expect(known.ext).toEqual({ changed: 'false' })
    expect(jsonOf(known)).toEqual({ counter: 1, stateVersion: 3, timestamp: 1 })
  })

  test('a topic whose name could be a path, or with impossible numbers, is left out and named; the others are registered', async () => {
    const table = {
      '../../x': config('x'),
      'a/b': config('b'),
      '': config(''),
      Much: { ...config('Much'), readQueueNums: 1e9 },
      Perm: config('Perm', 99),
      Null: null,
      Good: config('Good'),
      '%RETRY%g|1': config('g'),
      'host.example.com': config('h'),
    }
    const body = JSON.stringify({
      topicConfigSerializeWrapper: { dataVersion: { counter: 1, timestamp: 1 }, topicConfigTable: table },
    })
    expect((await (await peer()).ask(103, header(), body)).code).toBe(0)
    expect(topics()).toEqual(['Good', '%RETRY%g|1', 'host.example.com'])
    expect(log.matching(/^error .*not registered/)).toHaveLength(6)
  })

  test.each([
    ['not JSON', Buffer.from('{"topic'), {}, /body cannot be read/],
    ['an array', Buffer.from('[1,2]'), {}, /not a JSON object/],
    [
      'a table that is a text',
      Buffer.from('{"topicConfigSerializeWrapper":{"topicConfigTable":"x"}}'),
      {},
      /topicConfigTable is not an object/,
    ],
    [
      'a version that is a text',
      Buffer.from('{"topicConfigSerializeWrapper":{"dataVersion":{"counter":"x"}}}'),
      {},
      /counter of its dataVersion/,
    ],
    ['nothing compressed', Buffer.from('hello'), { compressed: 'true' }, /incorrect header check/],
    [
      'a bomb of 100 MiB',
      deflateSync(Buffer.alloc(100 * 1024 * 1024)),
      { compressed: 'true' },
      /larger than 67108864 bytes/,
    ],
    [
      'a negative length',
      deflateSync(Buffer.from([0xff, 0xff, 0xff, 0xff])),
      { compressed: 'true' },
      /declares -1 bytes/,
    ],
    [
      'a huge length',
      deflateSync(Buffer.from([0x7f, 0xff, 0xff, 0xff])),
      { compressed: 'true' },
      /declares 2147483647 bytes/,
    ],
    [
      'a huge topic count',
      deflateSync(Buffer.from([0, 0, 0, 2, 0x7b, 0x7d, 0x7f, 0xff, 0xff, 0xff])),
      { compressed: 'true' },
      /ends at 10/,
    ],
  ])('%s as body is one clear error, and the next request is answered', async (_, body, given, remark) => {
    const broker = await peer()
    const answer = await broker.ask(103, header(given), body)
    expect(answer.code).toBe(1)
    expect(answer.remark).toMatch(remark)
    expect(log.matching(/^(warn|error) /)).toHaveLength(1)
    expect(namesrv.tables.brokerAddrTable.size).toBe(0)
    expect((await register(broker)).code).toBe(0)
  })

  test.each([
    ['brokerName', '../a', /broker name .* contains "\/"/],
    ['clusterName', '', /cluster name "" is empty/],
    ['brokerAddr', 'somewhere', /"host:port"/],
    ['brokerAddr', '10.0.0.1:99999', /"host:port"/],
    ['brokerId', '-1', /broker id -1/],
    ['brokerId', 'zero', /brokerId .*"zero"/],
  ])('%s=%j is refused by name', async (field, value, remark) => {
    const answer = await register(await peer(), ['T'], { [field]: value })
    expect([answer.code, answer.remark]).toEqual([1, expect.stringMatching(remark)])
    expect(namesrv.tables.brokerLiveTable.size).toBe(0)
  })

  test('a missing header field is named', async () => {
    const answer = await (await peer()).ask(105, {})
    expect([answer.code, answer.remark]).toEqual([1, expect.stringContaining('topic')])
  })

  test('a topic without a route is named in RocketMQ’s words, and behind them who is registered at all', async () => {
    const words =
      'No topic route info in name server for the topic: U\nSee http://rocketmq.apache.org/docs/faq/ for further details.\n'
    const client = await peer()
    const remark = async () => (await client.ask(105, { topic: 'U' })).remark
    expect(await remark()).toBe(`${words}No broker is registered with this NameServer.`)
    await register(await peer(), ['T'])
    expect(await remark()).toBe(`${words}1 broker name is registered with this NameServer, none with this topic.`)
  })
})

describe('liveness', () => {
  test('a broker leaves its routes the moment its connection closes', async () => {
    const broker = await peer()
    const client = await peer()
    await register(broker)
    await broker.end()
    await expect.poll(() => topics()).toEqual([])
    expect((await client.ask(105, { topic: 'T' })).code).toBe(17)
  })

  test('silence: looked for every 10 s, the first time after 5 s, a broker goes after 120 s', async () => {
    const broker = await peer()
    await register(broker)
    clock.advance(119_000)
    namesrv.step()
    expect(topics()).toHaveLength(2)
    clock.advance(2_000) // 121 s, but the last look was 2 s ago
    namesrv.step()
    expect(topics()).toHaveLength(2)
    clock.advance(8_000)
    namesrv.step()
    expect(topics()).toEqual([])
    await broker.whenClosed()
  })

  test('registrations and heartbeats keep a broker alive', async () => {
    const broker = await peer()
    for (const sign of [
      () => register(broker),
      () => broker.ask(904, header()),
      () => broker.ask(322, header(), '{"counter":1,"timestamp":1000}'),
    ]) {
      await register(broker)
      clock.advance(100_000)
      await sign()
      clock.advance(100_000)
      namesrv.step()
      expect(topics()).toHaveLength(2)
    }
  })

  test('a oneway registration registers and is not answered', async () => {
    const broker = await peer()
    const { encodeCommand } = await import('../../src/remoting/frame.ts')
    const { request } = await import('../../src/remoting/command.ts')
    const command = request(103, header(), Buffer.from(bodyOf(['T', 'U'])))
    command.flag = 2
    command.opaque = 77
    let answered = false
    void broker.exchange(encodeCommand(command), 77).then(() => {
      answered = true
    })
    await broker.ask(106)
    expect([topics(), answered]).toEqual([['T', 'U'], false])
  })
})

describe('KV configuration', () => {
  const path = () => join(folder, 'kv', 'kvConfig.json')
  const restart = async () => {
    await namesrv.close()
    await start({ kvConfigPath: path() })
    return peer()
  }

  test('what was answered with 0 is there after a restart, and the former content is kept beside it', async () => {
    let admin = await restart()
    await admin.ask(100, { namespace: 'N', key: 'k', value: 'v' })
    await admin.ask(100, { namespace: 'N', key: 'Ü', value: 'w' })
    await admin.ask(102, { namespace: 'N', key: 'k' })
    await admin.ask(102, { namespace: 'absent', key: 'k' })
    expect(JSON.parse(await readFile(path(), 'utf8'))).toEqual({ configTable: { N: { Ü: 'w' } } })
    expect(JSON.parse(await readFile(`${path()}.bak`, 'utf8'))).toEqual({ configTable: { N: { k: 'v', Ü: 'w' } } })
    admin = await restart()
    expect((await admin.ask(101, { namespace: 'N', key: 'Ü' })).ext).toEqual({ value: 'w' })
    expect(await admin.ask(101, { namespace: 'N', key: 'k' })).toMatchObject({
      code: 22,
      remark: 'No config item, Namespace: N Key: k',
    })
    expect(jsonOf(await admin.ask(219, { namespace: 'N' }))).toEqual({ table: { Ü: 'w' } })
    expect((await admin.ask(219, { namespace: 'absent' })).code).toBe(22)
  })

  test('a hundred changes at once are all on disk when they are answered', async () => {
    const admin = await restart()
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => admin.ask(100, { namespace: 'N', key: `k${n}`, value: 'v' })),
    )
    expect(answers.every((answer) => answer.code === 0)).toBe(true)
    expect(Object.keys(JSON.parse(await readFile(path(), 'utf8')).configTable.N)).toHaveLength(100)
  })

  test.each(['', '{"configTable":{"N":{"k":', 'null', '{}'])(
    'a damaged file (%j) is kept aside and the former content serves',
    async (damage) => {
      let admin = await restart()
      for (const value of ['1', '2']) await admin.ask(100, { namespace: 'N', key: 'k', value })
      await namesrv.close()
      await writeFile(path(), damage)
      admin = await restart()
      expect((await admin.ask(101, { namespace: 'N', key: 'k' })).ext).toEqual({ value: '1' })
      expect(log.matching(/^error .*is damaged/)).toHaveLength(1)
      expect(await readFile(`${path()}.damaged`, 'utf8')).toBe(damage)
    },
  )

  test('a null or impossible entry of the file is skipped and named, the others serve', async () => {
    await namesrv.close()
    await rm(join(folder, 'kv'), { recursive: true, force: true })
    await start({ kvConfigPath: join(folder, 'kvConfig.json') })
    await namesrv.close()
    const bad = { N: { k: null, good: 'v', n: 5 }, ORDER_TOPIC_CONFIG: { T: 'garbage', U: 'a:4' }, Text: 'x' }
    await writeFile(join(folder, 'kvConfig.json'), JSON.stringify({ configTable: bad }))
    await start({ kvConfigPath: join(folder, 'kvConfig.json') })
    const admin = await peer()
    expect(jsonOf(await admin.ask(219, { namespace: 'N' }))).toEqual({ table: { good: 'v' } })
    expect(jsonOf(await admin.ask(219, { namespace: 'ORDER_TOPIC_CONFIG' }))).toEqual({ table: { U: 'a:4' } })
    expect(log.matching(/^error .*skipped/)).toHaveLength(4)
  })

  test.each([
    [{ key: 'k', value: 'v' }, /namespace/],
    [{ namespace: 'N', value: 'v' }, /key/],
    [{ namespace: 'N', key: 'k' }, /value/],
    [{ namespace: '', key: 'k', value: 'v' }, /namespace/],
    [{ namespace: 'N', key: 'a\nb', value: 'v' }, /control characters/],
    [{ namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a4' }, /expected "brokerName:queues/],
    [{ namespace: 'N', key: 'k', value: 'v'.repeat(70_000) }, /70000 characters/],
  ])('an entry %# that would break whoever reads it is refused', async (ext, remark) => {
    const answer = await (await peer()).ask(100, ext as Record<string, string>)
    expect([answer.code, answer.remark]).toEqual([1, expect.stringMatching(remark)])
  })

  test('an entry that cannot be written to disk is not answered with 0', async () => {
    await namesrv.close()
    await writeFile(join(folder, 'file'), '')
    await expect(start({ kvConfigPath: join(folder, 'file', 'kvConfig.json') })).rejects.toThrow(/ENOTDIR/)
    await start({ kvConfigPath: join(folder, 'gone', 'kvConfig.json') })
    await writeFile(join(folder, 'gone'), '')
    const answer = await (await peer()).ask(100, { namespace: 'N', key: 'k', value: 'v' })
    expect([answer.code, answer.remark]).toEqual([1, expect.stringMatching(/not on disk/)])
  })
})

describe('configuration over the wire', () => {
  const lines = async (admin: Peer) => textOf(await admin.ask(319)).split('\n')

  test('an allowed key changes, survives a restart where there is a file for it, and an unknown key is passed over', async () => {
    await namesrv.close()
    const stored = { configStorePath: join(folder, 'namesrv.properties') }
    await start({ config: stored })
    expect(
      (await (await peer()).ask(318, undefined, '# comment\norderMessageEnable = true\nunknownKey=1\n')).code,
    ).toBe(0)
    await namesrv.close()
    await start({ config: stored })
    expect(await lines(await peer())).toContain('orderMessageEnable=true')
    expect(await readFile(stored.configStorePath, 'utf8')).toBe('orderMessageEnable=true\n')
  })

  test.each([
    'kvConfigPath=/etc/cron.d/x',
    'configStorePath=/tmp/x',
    'rocketmqHome=/tmp;id',
    'configBlackList=',
    'configStore\\u0050ath=/tmp/x',
  ])('%j is refused as black-listed', async (line) => {
    const admin = await peer()
    const before = await lines(admin)
    expect(await admin.ask(318, undefined, `orderMessageEnable=true\n${line}\n`)).toMatchObject({
      code: 16,
      remark: 'Can not update config in black list.',
    })
    expect(await lines(admin)).toEqual(before)
  })

  test('a key that takes effect at the next start is kept beside the KV configuration, and shown', async () => {
    await namesrv.close()
    const kvConfigPath = join(folder, 'kv', 'kvConfig.json')
    await start({ kvConfigPath })
    const admin = await peer()
    expect((await admin.ask(318, undefined, 'scanNotActiveBrokerInterval=5000\norderMessageEnable=true\n')).code).toBe(
      0,
    )
    expect(await lines(admin)).toContain('scanNotActiveBrokerInterval=5000')
    await namesrv.close()
    const kept = join(folder, 'kv', 'namesrv.properties')
    expect(await readFile(kept, 'utf8')).toBe('scanNotActiveBrokerInterval=5000\norderMessageEnable=true\n')
    await writeFile(kept, `kvConfigPath=/tmp/x\n\0=\nclusterTest=perhaps\n${await readFile(kept, 'utf8')}`)
    await start({ kvConfigPath })
    expect(await lines(await peer())).toEqual(
      expect.arrayContaining([
        'scanNotActiveBrokerInterval=5000',
        'orderMessageEnable=true',
        `kvConfigPath=${kvConfigPath}`,
      ]),
    )
  })

  test('addresses and limits cannot change while running, and a bad value is named with what is allowed', async () => {
    const admin = await peer()
    expect(await admin.ask(318, undefined, 'listenPort=1\n')).toMatchObject({ code: 16 })
    const answer = await admin.ask(318, undefined, 'orderMessageEnable=maybe\n')
    expect([answer.code, answer.remark]).toEqual([
      1,
      expect.stringContaining('orderMessageEnable is "maybe" (request); allowed: true or false'),
    ])
  })

  test('a bad value at start names the key', async () => {
    await expect(startNamesrv({ config: { listenPort: '70000' } })).rejects.toThrow(
      /listenPort is "70000" .*allowed: whole numbers 0 to 65535/,
    )
  })
})

describe('administration', () => {
  test('permission and deletion work through their requests', async () => {
    const admin = await peer()
    await register(admin)
    expect((await admin.ask(205, { brokerName: 'a' })).ext).toEqual({ wipeTopicCount: '2' })
    await register(admin, ['T', 'U', 'V'], {}, 2)
    expect(namesrv.tables.topicQueueTable.get('V')?.get('a')?.perm).toBe(4)
    expect((await admin.ask(327, { brokerName: 'a' })).ext).toEqual({ addTopicCount: '3' })
    expect((await admin.ask(216, { topic: 'T' })).code).toBe(0)
    const queueDatas = [{ brokerName: 'a', readQueueNums: 1, writeQueueNums: 1, perm: 6 }]
    expect((await admin.ask(217, { topic: 'W' }, JSON.stringify({ queueDatas }))).code).toBe(0)
    expect(topics()).toEqual(['U', 'V', 'W'])
    expect((await admin.ask(217, { topic: 'W' }, 'x')).code).toBe(1)
    expect((await admin.ask(217, { topic: '../W' }, '{}')).code).toBe(1)
    expect((await admin.ask(104, header())).code).toBe(0)
    expect(topics()).toEqual([])
  })
})
