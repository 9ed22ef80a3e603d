/** Rules files: what RocketMQ's own example says, what a Java broker wrote, and what nobody should have written. */
import { describe, expect, test } from 'vitest'
import { changedText, parseAclFile } from '../../../src/broker/acl/acl-file.ts'
import { rulesOf } from '../../../src/broker/acl/rules.ts'

const EXAMPLE = `# who may do what
globalWhiteRemoteAddresses:
- 10.10.103.*
- 192.168.0.*

accounts:
# the application
- accessKey: RocketMQ
  secretKey: 12345678
  whiteRemoteAddress:
  admin: false
  defaultTopicPerm: DENY
  defaultGroupPerm: SUB
  topicPerms:
  - topicA=DENY
  - topicB=PUB|SUB   # both
  - topicC=SUB
  groupPerms:
  # the group should convert to retry topic
  - groupA=DENY
  - groupB=PUB|SUB
- accessKey: rocketmq2
  secretKey: 12345678
  whiteRemoteAddress: 192.168.1.*
  # if it is admin, it could access all resources
  admin: true
`
/** As a running 4.9.7 wrote it after requests 50 and 53. */
const BY_JAVA = `globalWhiteRemoteAddresses:
- 10.1.1.1
- 10.2.2.*
accounts:
- accessKey: RocketMQ
  secretKey: 12345678
  whiteRemoteAddress: null
  admin: false
  topicPerms:
  - T=PUB
  - U=SUB|PUB
dataVersion:
- counter: 2
  timestamp: 1795714074655
`

const entry = (accessKey: string, more = {}) => ({
  accessKey,
  secretKey: 'abcdefgh',
  whiteRemoteAddress: undefined,
  admin: false,
  defaultTopicPerm: undefined,
  defaultGroupPerm: undefined,
  topicPerms: undefined,
  groupPerms: undefined,
  ...more,
})

describe('a rules file', () => {
  test("that is RocketMQ's example is read; numbers are texts", () => {
    const { accounts, whiteAddresses, version } = parseAclFile('plain_acl.yml', EXAMPLE)
    expect(whiteAddresses).toEqual(['10.10.103.*', '192.168.0.*'])
    expect(accounts).toEqual([
      {
        accessKey: 'RocketMQ',
        secretKey: '12345678',
        whiteRemoteAddress: undefined,
        admin: false,
        defaultTopicPerm: 'DENY',
        defaultGroupPerm: 'SUB',
        topicPerms: ['topicA=DENY', 'topicB=PUB|SUB', 'topicC=SUB'],
        groupPerms: ['groupA=DENY', 'groupB=PUB|SUB'],
      },
      { ...entry('rocketmq2', { secretKey: '12345678', whiteRemoteAddress: '192.168.1.*', admin: true }) },
    ])
    expect(version).toBeUndefined()
    expect(rulesOf([parseAclFile('plain_acl.yml', EXAMPLE)], 7).accounts.size).toBe(2)
  })

  test('that a Java broker wrote is read with its version', () => {
    expect(parseAclFile('f', BY_JAVA)).toMatchObject({
      version: { counter: 2, timestamp: 1_795_714_074_655 },
      accounts: [{ topicPerms: ['T=PUB', 'U=SUB|PUB'] }],
    })
  })

  test.each(['', '---\n', '# nothing\n', 'accounts:\n', 'accounts: []\n'])('of nothing (%j) has no rules', (text) => {
    expect(parseAclFile('f', text)).toMatchObject({ accounts: [], whiteAddresses: [] })
  })

  test('keeps all digits of a long number', () => {
    const text = 'accounts:\n- accessKey: 12345678901234567890123\n  secretKey: 98765432109876543210\n'
    expect(parseAclFile('f', text).accounts[0]).toMatchObject({
      accessKey: '12345678901234567890123',
      secretKey: '98765432109876543210',
    })
  })

  test.each([
    ['accounts:\n- accessKey: a\n   secretKey: S3CRET-TEXT\n', /f:\d+\).*correct/],
    ['accounts:\n- accessKey: abcdefgh\n  secretKey: S3CRET-TEXT\n  secretKey: S3CRET-MORE\n', /f:4\)/],
    ['accounts: S3CRET-TEXT\n', /no list at accounts/],
    ['- S3CRET-TEXT\n', /no map of keys/],
    ['accounts:\n- S3CRET-TEXT\n', /account 1 that is no map/],
    ['accounts:\n- accessKey: abcdefgh\n  secretKey: 1.5e3\n', /account 1, secretKey: put it in quotes/],
    ['accounts:\n- accessKey: abcdefgh\n  secretKey: 2001-12-14\n', /account 1, secretKey: put it in quotes/],
    ['accounts:\n- accessKey: abcdefgh\n  secretKey: [S3CRET-TEXT]\n', /account 1, secretKey/],
    [
      'accounts:\n- accessKey: abcdefgh\n  secretKey: S3CRET-TEXT\n  admin: maybe\n',
      /neither true nor false at account 1, admin/,
    ],
    ['accounts:\n- accessKey: abcdefgh\n  secretKey: S3CRET\n', /accessKey=abcdefgh and secretKey=\*\*\* .*\(f\)/],
    ['accounts:\n- accessKey: abc\n  secretKey: S3CRET-TEXT\n', /accessKey=abc and secretKey=\*\*\*/],
    ['accounts:\n- secretKey: S3CRET-TEXT\n', /accessKey=null/],
    ['accounts:\n- accessKey: abcdefgh\n  secretKey: S3CRET-TEXT\n  topicPerms: [T]\n', /topic:T .*\(f\)/],
    ['globalWhiteRemoteAddresses: [1.2.3]\n', /netaddress is 1\.2\.3 \(f\)/],
  ])('that is wrong (%#) is refused by file and place, and no secret is told', (text, message) => {
    const load = () => rulesOf([parseAclFile('f', text)], 0)
    expect(load).toThrow(message)
    expect(load).not.toThrow(/S3CRET/)
  })
})

describe('a change of a rules file', () => {
  const file = () => parseAclFile('f', EXAMPLE)

  test('keeps comments and order, and raises the version', () => {
    const text = changedText(file(), 1_795_714_074_655, (edit) =>
      edit.putAccount(entry('rocketmq2', { topicPerms: ['T=PUB', 'U=SUB'] })),
    )
    for (const comment of EXAMPLE.match(/#.*/g) ?? []) expect(text).toContain(comment)
    const changed = parseAclFile('f', text)
    expect(changed.version).toEqual({ counter: 1, timestamp: 1_795_714_074_655 })
    // What the request does not say stays, but for `admin`, as in RocketMQ.
    expect(changed.accounts[1]).toEqual(
      entry('rocketmq2', { whiteRemoteAddress: '192.168.1.*', topicPerms: ['T=PUB', 'U=SUB'] }),
    )
    expect(changed.accounts[0]).toEqual(file().accounts[0])
  })

  test('adds an account, also to an empty file, in the block form that Java writes', () => {
    const add = (text: string) =>
      changedText(parseAclFile('f', text), 5_000_000_000, (edit) => edit.putAccount(entry('newcomer')))
    expect(parseAclFile('f', add(EXAMPLE)).accounts.at(-1)).toEqual(entry('newcomer'))
    expect(add('')).toBe(
      'accounts:\n  - accessKey: newcomer\n    secretKey: abcdefgh\n    admin: false\n' +
        'dataVersion:\n  - counter: 1\n    timestamp: 5000000000\n',
    )
    expect(parseAclFile('f', add('accounts: []\n')).accounts).toEqual([entry('newcomer')])
  })

  // What YAML 1.1 takes for a number, a switch, a date or base 60 has to come back as the text that it was.
  test.each([
    '12345678',
    '0123456',
    'yes-yes',
    'truetrue',
    '1e1000000',
    '12:30:45',
    '2001-12-14',
    '0x1234567',
    '~~~~~~~',
    '- a: b#c',
    '{[("\'',
    'Ünïcödé',
    '*alias*',
  ])('writes the secret %j so that it is read again', (secretKey) => {
    const text = changedText(parseAclFile('f', ''), 1, (edit) => edit.putAccount(entry('abcdefgh', { secretKey })))
    expect(parseAclFile('f', text).accounts[0].secretKey).toBe(secretKey)
  })

  test('removes an account, and replaces the white addresses', () => {
    const without = parseAclFile(
      'f',
      changedText(file(), 1, (edit) => edit.removeAccount('RocketMQ')),
    )
    expect(without.accounts.map(({ accessKey }) => accessKey)).toEqual(['rocketmq2'])
    const white = parseAclFile(
      'f',
      changedText(file(), 1, (edit) => edit.setWhiteAddresses(['1.1.1.1', '2.2.2.*'])),
    )
    expect(white.whiteAddresses).toEqual(['1.1.1.1', '2.2.2.*'])
    expect(white.accounts).toEqual(file().accounts)
  })
})
