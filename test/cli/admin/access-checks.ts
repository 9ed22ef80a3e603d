/**
 * What an administrator meets at a broker that checks accounts and asks for TLS, whoever made it: run against ours in
 * access.test.ts, against Apache's in the interop suite.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { certificate, PemFolder } from '../../remoting/tls-certificates.ts'
import type { Ran, Rig, Server } from './rig.ts'

export const SECRET = 'S3CRET-of-the-application'
export const ADMIN_SECRET = 'S3CRET-of-the-administrator'
const NEW_SECRET = 'S3CRET-of-the-newcomer'
export const RULES = `globalWhiteRemoteAddresses: []
accounts:
- accessKey: application
  secretKey: ${SECRET}
  defaultTopicPerm: DENY
  defaultGroupPerm: DENY
  topicPerms: [ Mail=PUB|SUB ]
- accessKey: administrator
  secretKey: ${ADMIN_SECRET}
  admin: true
`

/** Certificates of an authority of our own. */
export class Certificates {
  readonly pems = new PemFolder()
  private readonly authority = certificate('authority')
  readonly server = this.pems.put('server', certificate('server', this.authority))
  readonly client = this.pems.put('client', certificate('client', this.authority))
  readonly ca = this.pems.put('authority', this.authority).certPath
  readonly stranger = this.pems.put('stranger', certificate('stranger')).certPath
}

/** Commands as an administrator with a file, and all that was ever said, which no secret may be in. */
export class Administrator {
  readonly folder = mkdtempSync(join(tmpdir(), 'basalt-account-'))
  private readonly it: Rig<Server>
  private readonly tls: string
  private said = ''

  constructor(it: Rig<Server>, tls: string) {
    this.it = it
    this.tls = tls
    this.file('tools.yml', `accessKey: administrator # he\nsecretKey: "${ADMIN_SECRET}"\n`)
    this.file('secret', `${NEW_SECRET}\n`)
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  async run(line: string, env: Record<string, string> = {}, input?: string): Promise<Ran> {
    const ran = await this.it.run(`${line} ${this.tls}`, (world) => {
      Object.assign(world.env, env)
      if (input !== undefined) Object.assign(world, { input: async () => Buffer.from(input) })
    })
    this.said += ran.out + ran.error
    return ran
  }

  /** With the account of the file. */
  async ok(line: string): Promise<Ran> {
    const ran = await this.run(`${line} --account ${join(this.folder, 'tools.yml')}`)
    expect(ran, line).toMatchObject({ status: 0 })
    return ran
  }

  json(line: string): Promise<Ran['json']> {
    return this.ok(`${line} --json`).then(({ json }) => json)
  }

  remove(): void {
    for (const secret of [SECRET, ADMIN_SECRET, NEW_SECRET]) expect(this.said).not.toContain(secret)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** One line each, about the account that was given. */
export async function refusals(admin: Administrator): Promise<void> {
  const refused = async (env: Record<string, string>, what: RegExp, todo: string) => {
    for (const command of ['topic list', 'broker list', 'cluster list', 'group list']) {
      const { status, out, error } = await admin.run(command, env)
      expect({ command, status, out }).toEqual({ command, status: 1, out: '' })
      expect(error).toMatch(what)
      expect(error).toContain(todo)
      expect(error.trimEnd().split('\n'), error).toHaveLength(1)
    }
  }
  const as = (accessKey: string, secretKey: string) => ({
    BASALTMQ_ACCESS_KEY: accessKey,
    BASALTMQ_SECRET_KEY: secretKey,
  })
  await refused({}, /No accessKey is configured/, 'give an account: --account FILE')
  await refused(as('administrator', 'wrong-wrong'), /Check signature failed/, 'the secretKey of the account')
  await refused(as('nobody-here', 'wrong-wrong'), /No acl config for nobody-here/, 'knows no account of that accessKey')
  const { error } = await admin.run('topic create Mine', as('application', SECRET))
  expect(error).toContain('its account may not do that')
}

let works = 0

/** Everything that is signed: headers with all kinds of values, bodies, none. */
export async function work(admin: Administrator): Promise<void> {
  // Names of its own, so that it can be tried again.
  works += 1
  const [topic, group] = [`Mail${works}`, `Readers${works}`]
  await admin.ok(`topic create ${topic} -q 2`)
  await admin.ok(`group create ${group} --retry-max 5`)
  const sent = await admin.json(`message send ${topic} --body "grüße, 你好" --key order-17 --tag Paid -q 1`)
  const shown = await admin.json(`message show ${sent.offsetMsgId}`)
  expect(shown).toMatchObject({ body: 'grüße, 你好', msgId: sent.msgId })
  await expect.poll(async () => (await admin.json(`message find ${topic} --key order-17`)).length).toBe(1)
  expect(await admin.json(`message find ${topic} --from "5m ago" --tag Paid`)).toEqual([shown])
  expect((await admin.ok(`message tail ${topic} --from "5m ago" -c 1`)).out).toContain('#Paid [order-17] grüße, 你好')
  await admin.ok(`offset reset ${group} -t ${topic} --to latest --yes`)
  expect(await admin.json(`group describe ${group}`)).toMatchObject({ lag: 0 })
  expect((await admin.json(`topic units ${topic} -q 1`)).units).toHaveLength(1)
  expect((await admin.ok('broker config set broker-a fileReservedTime=48')).out).toMatch(/to 48|is 48 already/)
  // A broker of RocketMQ's that has just started may fail to add up its own statistics.
  await expect.poll(() => admin.json('broker list')).toMatchObject([{ name: 'broker-a', error: '' }])
  expect((await admin.ok('broker describe broker-a')).out).toContain('broker-a')
  // The account by other ways.
  const account = `accessKey=administrator\nsecretKey=${ADMIN_SECRET}\n`
  expect(await admin.run('topic list --account -', {}, account)).toMatchObject({ status: 0 })
  const env = { BASALTMQ_ACCESS_KEY: 'administrator', BASALTMQ_SECRET_KEY: ADMIN_SECRET }
  expect(await admin.run('topic list', env)).toMatchObject({ status: 0 })
}

/** `aclFile`: the broker's own. */
export async function rules(admin: Administrator, aclFile: string): Promise<void> {
  const before = (await admin.json('acl list'))[0]
  expect(before).toMatchObject({ broker: 'broker-a', file: expect.stringContaining('plain_acl.yml') })
  const set = 'acl set newcomer --topic "Mine=PUB|SUB" --group Mine=SUB --topic-default DENY'
  expect((await admin.ok(`${set} --secret-file ${join(admin.folder, 'secret')} --dry-run`)).out).toContain('would be')
  expect(readFileSync(aclFile, 'utf8')).not.toContain('newcomer')
  await admin.ok(`${set} --secret-file ${join(admin.folder, 'secret')}`)
  await expect.poll(() => readFileSync(aclFile, 'utf8')).toContain(NEW_SECRET)
  expect((await admin.json('acl list'))[0].counter).not.toBe(before.counter)
  const { out } = await admin.run(`acl show newcomer --rules ${aclFile}`)
  expect(out).toMatch(/newcomer .*Mine=PUB\|SUB else DENY .*Mine=SUB/)
  const newcomer = { BASALTMQ_ACCESS_KEY: 'newcomer', BASALTMQ_SECRET_KEY: NEW_SECRET }
  expect((await admin.run('topic create Theirs', newcomer)).error).toContain('its account may not do that')
  expect((await admin.run(`acl delete newcomer --account ${join(admin.folder, 'tools.yml')}`)).status).toBe(2)
  await admin.ok('acl delete newcomer --yes')
  await expect.poll(() => readFileSync(aclFile, 'utf8')).not.toContain('newcomer')
  await admin.ok('acl whitelist 10.10.154.1 10.10.154.* --yes')
  await expect.poll(() => readFileSync(aclFile, 'utf8')).toContain('10.10.154.*')
}

/** Of servers that ask for TLS, with certificates of an authority that the system does not know. */
export async function handshakes(it: Rig<Server>, { ca, stranger }: Certificates, address: string): Promise<void> {
  const line = (options: string) => `broker describe ${address} ${options} --timeout 3000`
  const plain = await it.run(line(''))
  expect(plain).toMatchObject({ status: 1, out: '' })
  expect(plain.error).toContain('it may ask for TLS (--tls)')
  for (const options of ['--tls', `--tls-ca ${stranger}`]) {
    const { status, error } = await it.run(line(options))
    expect(status).toBe(1)
    expect(error).toContain('--tls-ca FILE')
    expect(error.trimEnd().split('\n')).toHaveLength(1)
  }
  // The handshake is done: what follows is about the account.
  const trusted = await it.run(line(`--tls-ca ${ca}`))
  expect(trusted.error).toContain('give an account')
  const careless = await it.run(line('--tls-insecure'))
  expect(careless.error).toMatch(/^basaltmq: warning: TLS WITHOUT CHECKING WHO ANSWERS[^\n]*\n.*give an account/)
}
