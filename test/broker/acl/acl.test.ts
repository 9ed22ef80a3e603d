/** The rules of a running broker and their files: read again when they change, changed by requests, never lost. */
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AccountEntry } from '../../../src/broker/acl/account.ts'
import { Acl } from '../../../src/broker/acl/acl.ts'
import { CollectedLog, ManualClock } from '../rig.ts'

let folder: string
let log: CollectedLog
const clock = new ManualClock()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'basalt-acl-'))
  log = new CollectedLog()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const account = (accessKey: string, more = '') => `- accessKey: ${accessKey}\n  secretKey: abcdefgh\n${more}`
const put = (path: string, text: string) => writeFileSync(join(folder, path), text)
const own = () => readFileSync(join(folder, 'plain_acl.yml'), 'utf8')
const open = () => Acl.open({ folder, clock, log })
const names = (acl: Acl) => [...acl.rules.accounts.keys()].sort()
const entry = (accessKey: string, more: Partial<AccountEntry> = {}): AccountEntry => ({
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

describe('at the start', () => {
  test('all files count; of an access key that two of them have the first one does, and it is said', async () => {
    mkdirSync(join(folder, 'acl', 'team'), { recursive: true })
    mkdirSync(join(folder, 'acl', '..data'))
    put('plain_acl.yml', `accounts:\n${account('fromplain')}${account('fromteam', '  admin: true\n')}`)
    put('acl/team/a.yaml', `accounts:\n${account('fromteam')}`)
    put('acl/notes.txt', 'no rules')
    // As a mounted configuration shows its files a second time.
    put('acl/..data/a.yml', `accounts:\n${account('fromplain')}`)
    const acl = await open()
    expect(names(acl)).toEqual(['fromplain', 'fromteam'])
    expect(acl.rules.accounts.get('fromteam')?.account.isAdmin).toBe(false)
    expect(log.lines).toEqual([
      `warn accessKey fromteam is in ${folder}/plain_acl.yml too: the one in ${folder}/acl/team/a.yaml counts`,
    ])
    expect([...acl.versions().all.keys()]).toEqual([`${folder}/acl/team/a.yaml`, `${folder}/plain_acl.yml`])
  })

  test.each([
    ['no file', () => {}, /neither plain_acl\.yml nor acl\/\*\.yml is there/],
    ['a file that is no YAML', () => put('plain_acl.yml', 'accounts: [\n'), /plain_acl\.yml:\d/],
    ['an account without a secret', () => put('plain_acl.yml', 'accounts:\n- accessKey: abcdefgh\n'), /secretKey=null/],
    ['a folder in its place', () => mkdirSync(join(folder, 'plain_acl.yml')), /neither/],
  ])('%s refuses the start', async (_, prepare, message) => {
    prepare()
    await expect(open()).rejects.toMatchObject({ name: 'ConfigError', message: expect.stringMatching(message) })
  })
})

describe('while it runs', () => {
  test('a file that changes, comes or goes is read again', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const acl = await open()
    put('plain_acl.yml', `accounts:\n${account('account1')}${account('account2')}`)
    await acl.look()
    expect(names(acl)).toEqual(['account1', 'account2'])
    mkdirSync(join(folder, 'acl'))
    put('acl/more.yml', `globalWhiteRemoteAddresses: [10.0.0.1]\naccounts:\n${account('account3')}`)
    await acl.look()
    expect([names(acl).length, acl.rules.whiteAddresses.length]).toEqual([3, 1])
    rmSync(join(folder, 'acl/more.yml'))
    await acl.look()
    expect([names(acl).length, acl.rules.whiteAddresses.length]).toEqual([2, 0])
  })

  test('a file that is wrong is told once, the rules in force stay, and mending it is enough', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const acl = await open()
    put('plain_acl.yml', `accounts:\n${account('account2')}- accessKey: short\n  secretKey: S3CRET\n`)
    for (let i = 0; i < 5; i++) await acl.look()
    expect(names(acl)).toEqual(['account1'])
    expect(log.lines).toEqual([expect.stringMatching(/^error access rules are not read again.*plain_acl\.yml/)])
    expect(log.lines.join()).not.toContain('S3CRET')
    put('plain_acl.yml', `accounts:\n${account('account2')}`)
    await acl.look()
    expect(names(acl)).toEqual(['account2'])
  })

  test('files that are all gone leave the rules in force', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const acl = await open()
    rmSync(join(folder, 'plain_acl.yml'))
    await acl.look()
    expect(names(acl)).toEqual(['account1'])
    expect(log.lines).toHaveLength(1)
  })
})

describe('by request', () => {
  test('an account is made in plain_acl.yml, or changed in the file that has it, and both are read again as they are in force', async () => {
    mkdirSync(join(folder, 'acl'))
    put('acl/team.yml', `accounts:\n# of the team\n${account('fromteam', '  topicPerms: [T=SUB]\n')}`)
    put('plain_acl.yml', `# mine\naccounts:\n${account('account1')}`)
    chmodSync(join(folder, 'plain_acl.yml'), 0o600)
    const acl = await open()
    await acl.putAccount(entry('newcomer', { admin: true, topicPerms: ['T=PUB', 'U=PUB|SUB'] }))
    await acl.putAccount(entry('fromteam', { groupPerms: ['G=SUB'] }))
    expect(acl.rules.accounts.get('newcomer')).toMatchObject({
      file: `${folder}/plain_acl.yml`,
      account: { isAdmin: true },
    })
    expect([...(acl.rules.accounts.get('fromteam')?.account.permissions ?? [])]).toEqual([
      ['%RETRY%G', 8],
      ['T', 8],
    ])
    expect(own()).toContain('# mine')
    expect(readFileSync(join(folder, 'acl/team.yml'), 'utf8')).toContain('# of the team')
    // The secrets in it and in its .bak are as closed as they were.
    for (const name of ['plain_acl.yml', 'plain_acl.yml.bak'])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder).sort()).toEqual(['acl', 'plain_acl.yml', 'plain_acl.yml.bak'])
    const { rules } = acl
    await acl.look()
    expect(acl.rules).toBe(rules)
    expect(names(await open())).toEqual(names(acl))
  })

  test('a hundred changes at once are all on disk when they are answered', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const acl = await open()
    const keys = Array.from({ length: 100 }, (_, i) => `account-${i}`)
    await Promise.all(keys.map((key) => acl.putAccount(entry(key))))
    expect(names(await open())).toEqual(['account1', ...keys].sort())
    expect(acl.versions().own.counter).toBe(100)
  })

  test('what somebody wrote into the file meanwhile stays', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const acl = await open()
    put('plain_acl.yml', `accounts:\n${account('account1')}${account('byhand1')}`)
    await acl.putAccount(entry('newcomer'))
    expect(names(acl)).toEqual(['account1', 'byhand1', 'newcomer'])
  })

  test('an account goes with its rights, and with it what its requests may', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}${account('account2')}`)
    const acl = await open()
    expect(await acl.removeAccount('account2')).toBe(true)
    expect(await acl.removeAccount('account2')).toBe(false)
    expect(names(acl)).toEqual(['account1'])
    expect(own()).not.toContain('account2')
  })

  test('white addresses are replaced, in plain_acl.yml or a rules file that is named, and nowhere else', async () => {
    mkdirSync(join(folder, 'acl'))
    put('acl/team.yml', `accounts:\n${account('fromteam')}`)
    put('plain_acl.yml', `globalWhiteRemoteAddresses: [10.0.0.1]\n`)
    const outside = join(folder, '..', `outside-${process.pid}.yml`)
    writeFileSync(outside, 'accounts: []\n')
    symlinkSync(outside, join(folder, 'link.yml'))
    const acl = await open()
    expect(await acl.setWhiteAddresses(['10.1.1.1', '10.2.2.*'], '')).toBe(true)
    expect(await acl.setWhiteAddresses(['10.3.3.3'], join(folder, 'acl/../acl/team.yml'))).toBe(true)
    expect(acl.rules.whiteAddresses).toHaveLength(3)
    const elsewhere = [
      '/etc/passwd',
      '/etc/nope.yml',
      `${folder}/acl`,
      `${folder}/link.yml`,
      outside,
      `${folder}/acl/../../x.yml`,
    ]
    for (const path of elsewhere) expect(await acl.setWhiteAddresses(['*'], path), path).toBe(false)
    expect(readFileSync(outside, 'utf8')).toBe('accounts: []\n')
    rmSync(outside)
  })

  test.each([
    [() => ({ ...entry('abc') }), /accessKey=abc and secretKey=\*\*\*/],
    [() => entry('abcdefgh', { secretKey: undefined }), /accessKey=abcdefgh and secretKey=null/],
    [() => entry('abcdefgh', { secretKey: 'S3CRET' }), /secretKey=\*\*\*/],
    [() => entry('abcdefgh', { topicPerms: ['T=FOO'] }), /Parse resource permission error for T=FOO\./],
    [() => entry('abcdefgh', { groupPerms: ['T'] }), /Parse Resource format error for T\./],
    [() => entry('abcdefgh', { whiteRemoteAddress: '1.2.3' }), /Netaddress examine Exception netaddress is 1\.2\.3/],
  ])('what is no account (%#) is refused, and nothing is written', async (wrong, message) => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const before = own()
    const acl = await open()
    await expect(acl.putAccount(wrong())).rejects.toThrow(message)
    await expect(acl.setWhiteAddresses(['1.2.3'], '')).rejects.toThrow(/netaddress is 1\.2\.3/)
    expect([own(), names(acl)]).toEqual([before, ['account1']])
  })

  test('a file that cannot be written changes nothing', async () => {
    put('plain_acl.yml', `accounts:\n${account('account1')}`)
    const acl = await open()
    mkdirSync(join(folder, 'plain_acl.yml.tmp'))
    await expect(acl.putAccount(entry('newcomer'))).rejects.toThrow(/EISDIR/)
    expect(names(acl)).toEqual(['account1'])
    rmSync(join(folder, 'plain_acl.yml.tmp'), { recursive: true })
    await acl.putAccount(entry('newcomer'))
    expect(names(acl)).toEqual(['account1', 'newcomer'])
  })
})
