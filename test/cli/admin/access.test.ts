/** Accounts and TLS: what `basaltmq admin` does with them, against our broker, and what it says of those that are wrong. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/log.ts'
import { REQUEST, RemotingClient, request } from '../../../src/remoting/index.ts'
import { ClientTls } from '../../../src/remoting/tls/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { certificate } from '../../remoting/tls-certificates.ts'
import { World } from '../support.ts'
import { ADMIN_SECRET, Administrator, Certificates, handshakes, RULES, refusals, rules, work } from './access-checks.ts'
import { Rig } from './rig.ts'

const certificates = new Certificates()
const { server, client, ca, pems } = certificates
afterAll(() => pems.remove())

describe('a broker that checks accounts and asks for TLS', () => {
  const it = new Rig()
  const folder = mkdtempSync(join(tmpdir(), 'basalt-access-'))
  let admin: Administrator
  beforeAll(async () => {
    mkdirSync(join(folder, 'acl'))
    writeFileSync(join(folder, 'plain_acl.yml'), RULES)
    it.broker = await startTestBroker({
      config: {
        brokerName: 'broker-a',
        aclEnable: true,
        aclConfigPath: folder,
        'tls.server.mode': 'enforcing',
        'tls.server.need.client.auth': 'optional',
        'tls.test.mode.enable': false,
        'tls.server.keyPath': server.keyPath,
        'tls.server.certPath': server.certPath,
        'tls.server.trustCertPath': ca,
        'tls.client.keyPassword': 'S3CRET-of-a-key',
      },
    })
    admin = new Administrator(it, `--tls-ca ${ca}`)
  })
  afterAll(async () => {
    admin.remove()
    await it.broker.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('who it is that asks', () => refusals(admin))
  test('requests of all kinds are signed as it expects', () => work(admin))
  test('accounts are made, shown and deleted', async () => {
    await rules(admin, join(folder, 'plain_acl.yml'))
    const { status, error } = await admin.run(`acl show --account ${join(admin.folder, 'tools.yml')}`)
    expect(status).toBe(1)
    expect(error).toContain('does not tell its access rules')
    expect(error).toContain('--rules')
  })
  test('no configuration tells a secret', async () => {
    const config = await admin.json('broker config get broker-a tls')
    expect(config['tls.server.certPath']).toBe(server.certPath)
    expect(JSON.stringify(config)).not.toContain('S3CRET')
    expect(JSON.stringify(await admin.json('cluster export configs'))).not.toContain('S3CRET')
  })
  test('handshakes', async () => {
    await handshakes(it, certificates, it.broker.address)
    const withOwn = await it.run(
      `broker describe ${it.broker.address} --tls-ca ${ca} --tls-cert ${client.certPath} --tls-key ${client.keyPath}`,
    )
    expect(withOwn.error).toContain('give an account')
    // Of a certificate that names nobody only the authority can be checked: without one of our own, names are.
    const env = await it.run(`broker describe ${it.broker.address}`, (world) => {
      world.env.BASALTMQ_TLS = 'true'
      world.env.NODE_EXTRA_CA_CERTS = ca
    })
    expect(env.error).toContain('--tls-ca FILE')
  })

  test('whoever trusts all the authorities of the world checks names, too', async () => {
    const settings = {
      isTest: false,
      keyPath: '',
      keyPassword: '',
      certPath: '',
      trustCertPath: ca,
      verifiesServers: true,
    }
    const ask = async (checksNames: boolean) => {
      const tls = new ClientTls({ ...settings, checksNames }, silentLog)
      const remoting = new RemotingClient({ tls })
      try {
        return (await remoting.invoke(it.broker.address, request(REQUEST.GET_BROKER_CONFIG), 3000)).code
      } finally {
        await remoting.close()
        tls.close()
      }
    }
    expect(await ask(false)).toBe(1)
    // The certificate is of "server".
    await expect(ask(true)).rejects.toMatchObject({ cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } })
  })

  test('what a process is started with holds no secret, and neither does what it prints', () => {
    const account = join(admin.folder, 'tools.yml')
    const command = resolve(import.meta.dirname, '../../../bin/basaltmq.js')
    const script = `"$0" "$1" admin topic list --account "$2" --tls-ca "$3" -n "$4" & pid=$!
      for i in 1 2 3 4 5 6 7 8 9; do
        line=$(tr '\\0' ' ' < /proc/$pid/cmdline)
        case "$line" in "$0 "*) break;; esac
        sleep 0.01
      done
      echo "$line"; wait $pid; echo "status $?"`
    const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, command, account, ca, '127.0.0.1:1'], {
      encoding: 'utf8',
    })
    expect(stdout).toContain('admin topic list --account')
    expect(stdout).toContain('status 1')
    expect(stdout + stderr).not.toContain(ADMIN_SECRET)
  })
})

describe('accounts', () => {
  const run = async (files: Record<string, string>, env: Record<string, string>, ...words: string[]) => {
    const world = new World(files)
    Object.assign(world.env, env, { NAMESRV_ADDR: '127.0.0.1:1' })
    for (const name of Object.keys(files)) chmodSync(join(world.cwd, name), 0o600)
    const status = await world.run('admin', 'topic', 'list', ...words)
    return { status, said: world.complained, world }
  }

  test.each([
    ['accessKey: only', 'the account has no secretKey'],
    ['secretKey: only-one', 'the account has no accessKey'],
    ['accessKey:\nsecretKey: something', 'the account has no accessKey'],
    ['', 'the account has no accessKey'],
  ])('a file with %j', async (text, what) => {
    const { status, said } = await run({ 'a.yml': text }, {}, '--account', 'a.yml')
    expect(status).toBe(2)
    expect(said).toContain(what)
    expect(said).toContain('a.yml')
    expect(said).not.toContain('something')
  })

  test('a file that is not there, half an environment, a file that others may read', async () => {
    expect(await run({}, {}, '--account', 'none.yml')).toMatchObject({
      status: 2,
      said: expect.stringContaining('no such file'),
    })
    expect((await run({}, { BASALTMQ_ACCESS_KEY: 'a' })).said).toContain('no BASALTMQ_SECRET_KEY')
    expect((await run({}, { BASALTMQ_SECRET_KEY: 'a' })).said).toContain('no BASALTMQ_ACCESS_KEY')
    const world = new World({ 'a.yml': 'accessKey: a\nsecretKey: b\n' })
    chmodSync(join(world.cwd, 'a.yml'), 0o644)
    await world.run('admin', 'topic', 'list', '--account', 'a.yml', '-n', '127.0.0.1:1')
    expect(world.complained).toMatch(/^basaltmq: warning: others on this machine may read .*chmod 600/)
  })

  test("mqadmin's own file is found by ROCKETMQ_HOME", async () => {
    const world = new World()
    mkdirSync(join(world.cwd, 'conf'))
    writeFileSync(join(world.cwd, 'conf', 'tools.yml'), 'accessKey: a\n')
    Object.assign(world.env, { ROCKETMQ_HOME: world.cwd, NAMESRV_ADDR: '127.0.0.1:1' })
    expect(await world.run('admin', 'topic', 'list')).toBe(2)
    expect(world.complained).toContain('the account has no secretKey')
  })

  test('the rules of a broker are shown without secrets, and a file that is broken without its lines', async () => {
    const world = new World({ 'rules.yml': RULES, 'broken.yml': 'accounts:\n- secretKey: "S3CRET\n: [' })
    expect(await world.run('admin', 'acl', 'show', '--rules', 'rules.yml')).toBe(0)
    expect(world.printed).toMatch(/rules\.yml +application +Mail=PUB\|SUB else DENY/)
    expect(world.printed).toMatch(/rules\.yml +administrator +yes/)
    expect(world.printed).not.toContain('S3CRET')
    expect(await world.run('admin', 'acl', 'show', '--rules', 'broken.yml')).toBe(2)
    expect(world.complained).toContain('it is no YAML')
    expect(world.complained).not.toContain('S3CRET')
  })
})

test.each([
  [['--tls-cert', 'x.pem'], '--tls-cert and --tls-key go together'],
  [['--tls-ca', 'none.pem'], 'cannot be read'],
  [['--tls-ca', 'bad.pem'], 'holds no certificate'],
  [['--tls-cert', 'good.pem', '--tls-key', 'bad.pem'], 'do not fit'],
])('TLS with %j', async (words, what) => {
  const world = new World({ 'bad.pem': 'no certificate', 'good.pem': readFileSync(ca, 'utf8') })
  const status = await world.run('admin', 'topic', 'list', '-n', '127.0.0.1:1', ...words)
  expect(world.complained).toContain(what)
  expect(status).toBe(2)
})

test('a certificate of somebody else is not taken for ours', () => {
  expect(certificate('authority').certPem).not.toBe(readFileSync(ca, 'utf8'))
})
