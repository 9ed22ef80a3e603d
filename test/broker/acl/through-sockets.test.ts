/** A broker with access rules, over sockets: what nobody gets without an account, and what no answer and no log ever holds. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BROKER_ADMIN_CODES } from '../../../src/remoting/admin-codes.ts'
import { BINARY_HEADER, encodeCommand, REQUEST, type RemotingCommand, request } from '../../../src/remoting/index.ts'
import { signatureOf } from '../../../src/remoting/signature.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestLog } from '../../remoting/sockets.ts'
import { TestClient } from '../../support/client.ts'
import { RawPeer } from '../../support/raw-peer.ts'

const SECRET = 'S3CRET-of-the-app'
const ADMIN_SECRET = 'S3CRET-of-the-admin'
const EXCEPTION = 'org.apache.rocketmq.acl.common.AclException: '
const RULES = `globalWhiteRemoteAddresses: []
accounts:
- accessKey: application
  secretKey: ${SECRET}
  defaultTopicPerm: PUB|SUB
  defaultGroupPerm: SUB
  topicPerms: [Forbidden=DENY]
- accessKey: administrator
  secretKey: ${ADMIN_SECRET}
  admin: true
`

const folder = mkdtempSync(join(tmpdir(), 'basalt-acl-'))
const log = new TestLog()
let broker: TestBroker
let client: TestClient
let peer: RawPeer

beforeAll(async () => {
  mkdirSync(join(folder, 'acl'))
  writeFileSync(join(folder, 'plain_acl.yml'), RULES)
  broker = await startTestBroker({ config: { aclEnable: true, aclConfigPath: folder }, log })
  client = new TestClient(broker.address)
  peer = await RawPeer.connect(broker.address)
})
afterAll(async () => {
  peer.close()
  await client.close()
  await broker.close()
  rmSync(folder, { recursive: true, force: true })
})

const SECRETS: Record<string, string> = { application: SECRET, administrator: ADMIN_SECRET }
type Ext = Record<string, string>

function signed(
  code: number,
  ext: Ext,
  body: Uint8Array | undefined,
  as: string,
  secret = SECRETS[as],
): RemotingCommand {
  const it = request(code, { ...ext, AccessKey: as }, body)
  it.ext = { ...it.ext, Signature: signatureOf(it, secret) }
  return it
}
const ask = (code: number, ext: Ext = {}, as = 'administrator', body?: Uint8Array, secret?: string) =>
  client.remoting.invoke(broker.address, signed(code, ext, body, as, secret), 10_000)

const sendExt = (topic: string) => ({
  ...{
    a: 'PG',
    b: topic,
    c: 'TBW102',
    d: '4',
    e: '0',
    f: '0',
    g: '1700000000000',
    h: '0',
    i: '',
    j: '0',
    k: 'false',
    m: 'false',
  },
})
const pullExt = (topic: string, offset = 0) => ({
  ...{
    consumerGroup: 'CG',
    topic,
    queueId: '0',
    queueOffset: String(offset),
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
  },
  ...{ suspendTimeoutMillis: '0', subscription: '*', subVersion: '0', expressionType: 'TAG' },
})
const BODY = Buffer.from('hello')

describe('without an account', () => {
  test.each(Object.entries(REQUEST))('%s gets nothing but the refusal', async (_, code) => {
    const answer = await peer.invoke(code, {})
    expect([answer.code, answer.remark, answer.body]).toEqual([1, `${EXCEPTION}No accessKey is configured`, undefined])
  })

  test('a one-way request is not answered and not done', async () => {
    peer.ask(REQUEST.UPDATE_BROKER_CONFIG, {}, Buffer.from('brokerPermission=4'), 2)
    peer.ask(REQUEST.SEND_MESSAGE_V2, sendExt('T'), BODY, 2)
    await peer.invoke(REQUEST.GET_BROKER_RUNTIME_INFO, {})
    expect(broker.handle.config.brokerPermission).toBe(6)
    expect(Buffer.from((await ask(REQUEST.GET_ALL_TOPIC_CONFIG)).body ?? []).toString()).not.toContain(
      '"topicName":"T"',
    )
  })

  test.each(['json', 'binary'] as const)(
    'sends and pulls are refused in the header form that they came in: %s',
    async (form) => {
      const serialize = form === 'json' ? 0 : BINARY_HEADER
      for (const [code, ext] of [[310, sendExt('T')] as const, [11, pullExt('T')] as const]) {
        const answer = await client.remoting.invoke(broker.address, { ...request(code, ext, BODY), serialize }, 5000)
        expect([answer.code, answer.remark, answer.serialize]).toEqual([
          1,
          `${EXCEPTION}No accessKey is configured`,
          serialize,
        ])
      }
    },
  )

  test('a flood of refusals is a few lines in the log', async () => {
    const before = log.lines.length
    await Promise.all(Array.from({ length: 500 }, () => peer.invoke(310, sendExt('T'), BODY)))
    expect(log.lines.length - before).toBeLessThan(20)
  })
})

describe('with an account', () => {
  test.each(['json', 'binary'] as const)('a signed send is stored and a signed pull gets it: %s', async (form) => {
    const serialize = form === 'json' ? 0 : BINARY_HEADER
    const topic = `Signed-${form}`
    const call = (code: number, ext: Ext, body?: Uint8Array) =>
      client.remoting.invoke(broker.address, { ...signed(code, ext, body, 'application'), serialize }, 5000)
    expect(await call(310, sendExt(topic), BODY)).toMatchObject({ code: 0, ext: { queueOffset: '0' } })
    let pulled = await call(11, pullExt(topic))
    for (let i = 0; pulled.code !== 0 && i < 200; i++) pulled = await call(11, pullExt(topic))
    expect(Buffer.from(pulled.body ?? []).includes('hello')).toBe(true)
  })

  test('a send that waits for room is stored once', async () => {
    const frames = Array.from({ length: 200 }, (_, i) => {
      return encodeCommand({
        ...signed(310, sendExt('Many'), Buffer.alloc(200_000, i), 'application'),
        opaque: 10_000 + i,
      })
    })
    broker.faults.set('holdAppend', 1)
    for (const frame of frames) peer.write(frame)
    await new Promise((resolve) => setTimeout(resolve, 50))
    broker.faults.set('holdAppend', 0)
    const answers = await Promise.all(frames.map((_, i) => peer.answer(10_000 + i)))
    const stored = answers.filter(({ code }) => code === 0)
    expect(new Set(stored.map(({ ext }) => ext?.queueOffset)).size).toBe(stored.length)
    const max = async () => (await ask(REQUEST.GET_MAX_OFFSET, { topic: 'Many', queueId: '0' })).ext?.offset
    await expect.poll(max).toBe(String(stored.length))
  })

  test.each([
    [310, sendExt('Forbidden'), 'No default permission for topic:Forbidden'],
    [320, sendExt('Forbidden'), 'No default permission for topic:Forbidden'],
    [11, pullExt('Forbidden'), 'No default permission for topic:Forbidden'],
    [12, { topic: 'Forbidden' }, 'No default permission for topic:Forbidden'],
  ])('%d on a topic that is denied is refused', async (code, ext, text) => {
    expect(await ask(code, ext, 'application', BODY)).toMatchObject({ code: 1, remark: EXCEPTION + text })
  })

  test('a wrong secret is refused', async () => {
    expect(await ask(310, sendExt('T'), 'application', BODY, 'wrong-secret')).toMatchObject({
      code: 1,
      remark: `${EXCEPTION}Check signature failed for accessKey=application`,
    })
  })

  test('a message is seen by its offset only where its topic allows it', async () => {
    const { ext } = await ask(310, sendExt('Forbidden'), 'administrator', BODY)
    const offset = String(BigInt(`0x${ext?.msgId.slice(16)}`))
    const view = async (as: string) => (await ask(REQUEST.VIEW_MESSAGE_BY_ID, { offset }, as)).code
    await expect.poll(() => view('administrator')).toBe(0)
    expect(await view('application')).toBe(1)
  })

  test.each([...BROKER_ADMIN_CODES])('%d is refused to who is no admin', async (code) => {
    const remark = `${EXCEPTION}Need admin permission for request code=${code}, but accessKey=application is not`
    expect(await ask(code, {}, 'application')).toMatchObject({ code: 1, remark })
  })
})

describe('administration', () => {
  const rules = () => readFileSync(join(folder, 'plain_acl.yml'), 'utf8')

  test('an account is made, works at once, is limited as it was said, and is gone at once when it is deleted', async () => {
    const put = {
      accessKey: 'newcomer',
      secretKey: 'S3CRET-newcomer',
      admin: 'false',
      topicPerms: 'Mine=PUB|SUB,Theirs=SUB',
    }
    expect((await ask(50, put)).code).toBe(0)
    const send = async (topic: string) => (await ask(310, sendExt(topic), 'newcomer', BODY, 'S3CRET-newcomer')).code
    expect([await send('Mine'), await send('Theirs'), await send('Other')]).toEqual([0, 1, 1])
    expect(rules()).toContain('accessKey: newcomer')
    expect((await ask(51, { accessKey: 'newcomer' })).code).toBe(0)
    expect(await ask(310, sendExt('Mine'), 'newcomer', BODY, 'S3CRET-newcomer')).toMatchObject({
      remark: `${EXCEPTION}No acl config for newcomer`,
    })
    expect(await ask(51, { accessKey: 'newcomer' })).toMatchObject({
      code: 210,
      remark: 'The accesskey[newcomer] corresponding to accessConfig has been deleted failed.',
    })
  })

  test.each([
    [
      50,
      { accessKey: 'abc', secretKey: 'S3CRET', admin: 'false' },
      209,
      /^The accessKey=abc and secretKey=\*\*\* cannot be null/,
    ],
    [50, { accessKey: 'abcdefghi', admin: 'false' }, 209, /^The accessKey=abcdefghi and secretKey=null cannot be null/],
    [
      50,
      { accessKey: 'abcdefghi', secretKey: 'S3CRET-1', topicPerms: 'T=FOO' },
      209,
      /^Parse resource permission error for T=FOO/,
    ],
    [50, { accessKey: 'abcdefghi', secretKey: 'S3CRET-1', topicPerms: 'T' }, 209, /^Parse Resource format error for T/],
    [
      50,
      { accessKey: 'abcdefghi', secretKey: 'S3CRET-1', whiteRemoteAddress: '1.2.3' },
      209,
      /^Netaddress examine Exception/,
    ],
    [53, { globalWhiteAddrs: '1.2.3' }, 211, /^Netaddress examine Exception/],
    [
      53,
      { globalWhiteAddrs: '10.1.1.1', aclFileFullPath: '/etc/passwd' },
      211,
      /^The globalWhiteAddresses\[10\.1\.1\.1\] has been/,
    ],
    [50, {}, 1, /accessKey/],
    [53, {}, 1, /globalWhiteAddrs/],
  ])('%d %j is refused as by Java', async (code, ext, expected, remark) => {
    const before = rules()
    const answer = await ask(code, ext as Ext)
    expect([answer.code, answer.remark]).toEqual([expected, expect.stringMatching(remark)])
    expect(rules()).toBe(before)
  })

  test('white addresses of all are set, and the versions say so', async () => {
    const versions = async () => {
      const { ext, body } = await ask(52)
      expect(body).toBeUndefined()
      expect(ext).toMatchObject({
        brokerName: broker.handle.config.brokerName,
        clusterName: 'DefaultCluster',
        brokerAddr: broker.address,
      })
      return { own: JSON.parse(ext?.version ?? ''), all: JSON.parse(ext?.allAclFileVersion ?? '') }
    }
    const before = await versions()
    expect((await ask(53, { globalWhiteAddrs: '10.1.1.1,127.0.0.1' })).code).toBe(0)
    const after = await versions()
    expect(after.own.counter).toBe(before.own.counter + 1)
    expect(after.all).toEqual({ [join(folder, 'plain_acl.yml')]: after.own })
    // This machine is white now: no account is asked for.
    expect((await peer.invoke(26, {})).code).toBe(0)
    expect((await peer.invoke(53, { globalWhiteAddrs: '10.1.1.1' })).code).toBe(0)
    expect((await peer.invoke(26, {})).code).toBe(1)
  })

  test('a file that is edited takes effect within two looks, as the clock of the broker goes', async () => {
    writeFileSync(
      join(folder, 'acl', 'team.yml'),
      'accounts:\n- accessKey: teammate\n  secretKey: S3CRET-team\n  admin: true\n',
    )
    const works = async () => (await ask(26, {}, 'teammate', undefined, 'S3CRET-team')).code
    expect(await works()).toBe(1)
    broker.advance(500)
    await expect.poll(works).toBe(0)
  })

  test('a request of 4.9 that gives all secrets is unknown', async () => {
    expect(await ask(54)).toMatchObject({ code: 3, body: undefined })
  })

  test('no secret was ever answered or logged', async () => {
    const everything = [...peer.answers.values()].map((it) =>
      JSON.stringify([it.remark, it.ext, Buffer.from(it.body ?? []).toString()]),
    )
    for (const code of [21, 26, 28, 43, 52, 201]) {
      const { remark, ext, body } = await ask(code)
      everything.push(JSON.stringify([remark, ext, Buffer.from(body ?? []).toString()]))
    }
    expect(everything.join()).not.toContain('S3CRET')
    expect(JSON.stringify(log.lines)).not.toContain('S3CRET')
  })
})

test('without access rules 50 to 53 say so', async () => {
  await using open = await startTestBroker()
  const stranger = await RawPeer.connect(open.address)
  const codes = [
    [50, 209],
    [51, 210],
    [52, 1],
    [53, 211],
  ]
  for (const [code, expected] of codes) {
    const answer = await stranger.invoke(code, {})
    expect([answer.code, answer.remark]).toEqual([expected, expect.stringContaining('aclEnable is false')])
  }
  stranger.close()
})

test('a broker that is to check rules does not start without them', async () => {
  const config = { aclEnable: true, aclConfigPath: join(folder, 'nowhere') }
  await expect(startTestBroker({ config })).rejects.toMatchObject({ name: 'ConfigError', code: 'ACL_UNREADABLE' })
})
