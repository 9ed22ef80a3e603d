/**
 * What a request needs. Each line was put to a running 4.9.7 with the same rules file, and its answer is what is expected here,
 * except where "ours" stands: there we ask for more (see remoting/admin-codes.ts and acl/needs.ts).
 */
import { describe, expect, test } from 'vitest'
import { AclError } from '../../../src/broker/acl/acl-error.ts'
import { parseAclFile } from '../../../src/broker/acl/acl-file.ts'
import { checkRequest, checkSeen } from '../../../src/broker/acl/guard.ts'
import { rulesOf } from '../../../src/broker/acl/rules.ts'
import { BROKER_ADMIN_CODES } from '../../../src/remoting/admin-codes.ts'
import { request } from '../../../src/remoting/command.ts'
import { hostBytes } from '../../../src/remoting/host.ts'
import { signatureOf } from '../../../src/remoting/signature.ts'

const RULES = rulesOf(
  [
    parseAclFile(
      'plain_acl.yml',
      `globalWhiteRemoteAddresses: [10.10.103.*]
accounts:
- {accessKey: RocketMQ, secretKey: 12345678, admin: false, defaultTopicPerm: DENY, defaultGroupPerm: SUB,
   topicPerms: [topicA=DENY, topicB=PUB|SUB, topicC=SUB], groupPerms: [groupA=DENY, groupB=PUB|SUB]}
- {accessKey: rocketmq2, secretKey: 12345678, whiteRemoteAddress: 192.168.1.*, admin: true}
- {accessKey: listedAdmin, secretKey: 12345678, admin: true, topicPerms: [topicA=PUB]}
`,
    ),
  ],
  0,
)
const ELSEWHERE = '192.0.2.1'
type Ext = Record<string, string>

/** "yes", or the text of the refusal. */
function verdict(
  code: number,
  ext: Ext,
  options: { body?: unknown; as?: string; secret?: string; from?: string } = {},
) {
  const { body, as, secret = '12345678', from = ELSEWHERE } = options
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const it = request(code, as === undefined ? ext : { ...ext, AccessKey: as }, bytes)
  if (as !== undefined) it.ext = { ...it.ext, Signature: signatureOf(it, secret) }
  try {
    checkRequest(RULES, it, hostBytes(from))
    return 'yes'
  } catch (error) {
    return error instanceof AclError ? error.what : String(error)
  }
}

const v1 = (topic: string) => ({ producerGroup: 'PG', topic })
const v2 = (b: string, a = 'PG') => ({ a, b })
const pull = (consumerGroup: string, topic: string) => ({ consumerGroup, topic, queueId: '0' })
const NO = (what: string) => `No default permission for ${what}`

describe('who asks', () => {
  test.each([
    ['nobody', v2('topicB'), {}, 'No accessKey is configured'],
    ['an unknown account', v2('topicB'), { as: 'nobody123' }, 'No acl config for nobody123'],
    [
      'a wrong secret',
      v2('topicB'),
      { as: 'RocketMQ', secret: 'wrongwrong' },
      'Check signature failed for accessKey=RocketMQ',
    ],
    ['the right secret', v2('topicB'), { as: 'RocketMQ' }, 'yes'],
    ['anybody from a white address of all', v2('topicB'), { from: '10.10.103.5' }, 'yes'],
    [
      'a wrong secret from the white address of the account',
      v2('x'),
      { as: 'rocketmq2', secret: 'x', from: '192.168.1.9' },
      'yes',
    ],
    ['nobody from the white address of an account', v2('x'), { from: '192.168.1.9' }, 'No accessKey is configured'],
  ])('%s', (_, ext, options, expected) => {
    expect(verdict(310, ext, options)).toBe(expected)
  })

  test('a field or body that was changed after signing, or a field that was added', () => {
    const it = request(310, { a: 'PG', b: 'topicB', AccessKey: 'RocketMQ' }, Buffer.from('body'))
    const Signature = signatureOf(it, '12345678')
    const check =
      (ext: Ext, body = 'body') =>
      () =>
        checkRequest(
          RULES,
          { ...it, ext: { ...it.ext, Signature, ...ext }, body: Buffer.from(body) },
          hostBytes(ELSEWHERE),
        )
    expect(check({})).not.toThrow()
    // Clients add it after they have signed.
    expect(check({ _UNIQUE_KEY_QUERY: 'true' })).not.toThrow()
    for (const broken of [check({ b: 'topicC' }), check({ more: '1' }), check({}, 'bodY'), check({ Signature: '' })]) {
      expect(broken).toThrow('Check signature failed')
    }
  })

  test('the order of the fields is that of Java: by UTF-16 units', () => {
    const ext = { '\u{1F600}': '2', '\uFF5E': '3', b: '1', B: '0', AccessKey: 'A' }
    const sorted = { ext: { a: 'A0123' }, body: undefined }
    expect(signatureOf({ ext, body: undefined }, 'key')).toBe(signatureOf(sorted, 'key'))
  })

  test('a signature that javax.crypto made of the same content', () => {
    // Mac.getInstance("HmacSHA1") with the key "12345678" over "RocketMQ" + "ü" and the body bytes 00 ff.
    const it = { ext: { AccessKey: 'RocketMQ', b: 'ü' }, body: Buffer.from([0x00, 0xff]) }
    expect(signatureOf(it, '12345678')).toBe('OdynM90s3eMSvpJ9VQ3ZMVGpYKk=')
  })
})

describe('what it needs', () => {
  const heartbeat = (group: string, topic: string) => ({
    clientID: 'x',
    producerDataSet: [],
    consumerDataSet: [{ groupName: group, subscriptionDataSet: [{ topic, subString: '*' }] }],
  })
  const lock = (consumerGroup: string) => ({ consumerGroup, clientId: 'x', mqSet: [] })
  test.each<[number, Ext, unknown, string]>([
    [10, v1('topicB'), undefined, 'yes'],
    [10, v1('topicC'), undefined, NO('topic:topicC')],
    [310, v2('topicA'), undefined, NO('topic:topicA')],
    [310, v2('topicC'), undefined, NO('topic:topicC')],
    [310, v2('other'), undefined, NO('topic:other')],
    [310, v2('RMQ_SYS_TRACE_TOPIC'), undefined, 'yes'],
    // ours
    [310, v2('%RETRY%groupX', 'CLIENT_INNER_PRODUCER'), undefined, 'yes'],
    [310, v2('%RETRY%groupA', 'groupB'), undefined, NO('group:groupA')],
    [320, v2('topicA'), undefined, NO('topic:topicA')],
    [320, v2('topicB'), undefined, 'yes'],
    [11, pull('groupX', 'topicB'), undefined, 'yes'],
    [11, pull('groupA', 'topicB'), undefined, NO('group:groupA')],
    [11, pull('groupB', 'topicA'), undefined, NO('topic:topicA')],
    // ours
    [361, pull('groupA', 'topicB'), undefined, NO('group:groupA')],
    [200_050, pull('groupB', 'topicA'), undefined, NO('topic:topicA')],
    [12, { topic: 'topicC' }, undefined, 'yes'],
    [12, { topic: 'topicA' }, undefined, NO('topic:topicA')],
    [34, {}, heartbeat('groupB', 'topicB'), 'yes'],
    [34, {}, heartbeat('groupA', 'topicB'), NO('group:groupA')],
    [34, {}, heartbeat('groupB', 'topicA'), NO('topic:topicA')],
    [35, { clientID: 'x', consumerGroup: 'groupA' }, undefined, NO('group:groupA')],
    [35, { clientID: 'x', producerGroup: 'groupA' }, undefined, 'yes'],
    [36, { group: 'groupA' }, undefined, NO('group:groupA')],
    [38, { consumerGroup: 'groupA' }, undefined, NO('group:groupA')],
    [15, pull('groupA', 'topicB'), undefined, NO('group:groupA')],
    [15, pull('groupB', 'topicA'), undefined, NO('topic:topicA')],
    // ours
    [14, pull('groupA', 'topicB'), undefined, NO('group:groupA')],
    [41, {}, lock('groupA'), NO('group:groupA')],
    [42, {}, lock('groupB'), 'yes'],
    [324, v1('topicA'), undefined, 'yes'],
    [26, {}, undefined, 'yes'],
    [52, {}, undefined, 'yes'],
    [105, {}, undefined, 'yes'],
  ])('%d %j %j: %s', (code, ext, body, expected) => {
    expect(verdict(code, ext, { body, as: 'RocketMQ' })).toBe(expected)
  })

  test('a heartbeat that is no JSON is refused', () => {
    expect(verdict(34, {}, { body: '{{{', as: 'RocketMQ' })).toMatch(/the body of request HEART_BEAT is no JSON/)
  })

  test.each([...BROKER_ADMIN_CODES])('%d needs an admin', (code) => {
    expect(verdict(code, {}, { as: 'RocketMQ' })).toBe(
      `Need admin permission for request code=${code}, but accessKey=RocketMQ is not`,
    )
    expect(verdict(code, {}, { as: 'rocketmq2' })).toBe('yes')
  })

  test('an admin may do everything, unless something is listed for it', () => {
    expect(verdict(310, v2('anything'), { as: 'rocketmq2' })).toBe('yes')
    expect(verdict(310, v2('topicA'), { as: 'listedAdmin' })).toBe('yes')
    expect(verdict(310, v2('anything'), { as: 'listedAdmin' })).toBe(NO('topic:anything'))
  })

  test('a message that was asked for by its offset may be seen by those who may receive or send it', () => {
    const sees =
      (topic: string, as = 'RocketMQ') =>
      () =>
        checkSeen(RULES, request(33, { AccessKey: as }), hostBytes(ELSEWHERE), topic)
    for (const allowed of [
      sees('topicB'),
      sees('topicC'),
      sees('topicA', 'rocketmq2'),
      sees('topicA', 'listedAdmin'),
    ]) {
      expect(allowed).not.toThrow()
    }
    for (const refused of [sees('topicA'), sees('other'), sees('%RETRY%groupA')]) expect(refused).toThrow(NO(''))
  })
})
