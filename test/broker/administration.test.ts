/** Who may administer a broker and a NameServer from where, TLS through all their ports, and kill -9 behind an answer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isLoopback, NAMESRV_ADMIN_CODES, refusedFromAfar } from '../../src/remoting/admin-codes.ts'
import { hostBytes } from '../../src/remoting/host.ts'
import { REQUEST, RemotingClient, request } from '../../src/remoting/index.ts'
import { signatureOf } from '../../src/remoting/signature.ts'
import { ClientTls } from '../../src/remoting/tls/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { freeBrokerPort, ServerProcess } from '../../tools/apache/process.mjs'
import { TestLog } from '../remoting/sockets.ts'
import { RawPeer } from '../support/raw-peer.ts'

/** An address of this machine that is not loopback. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((it) => it?.family === 'IPv4' && !it.internal)?.address

describe('adminFromLoopbackOnly', () => {
  test.each([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['::2', false],
    ['::127.0.0.1', false],
    ['fe80::1', false],
  ])('%s is loopback: %s', (address, expected) => {
    expect(isLoopback(hostBytes(address))).toBe(expected)
    expect(refusedFromAfar(NAMESRV_ADMIN_CODES, REQUEST.UPDATE_NAMESRV_CONFIG, hostBytes(address)) === undefined).toBe(
      expected,
    )
    expect(refusedFromAfar(NAMESRV_ADMIN_CODES, REQUEST.REGISTER_BROKER, hostBytes(address))).toBeUndefined()
  })

  // A machine without a network has nobody to refuse.
  test.skipIf(outside === undefined)('others administer neither broker nor NameServer, and do all else', async () => {
    const log = new TestLog()
    const config = { adminFromLoopbackOnly: true, bindAddress: '0.0.0.0' }
    await using broker = await startTestBroker({ config, log })
    const port = (address: string) => address.split(':')[1]
    for (const [address, codes] of [
      [broker.address, [17, 25, 50, 51, 53, 200, 207, 215]],
      [broker.namesrv, [100, 102, 205, 216, 318, 327]],
    ] as const) {
      const far = await RawPeer.connect(`${outside}:${port(address)}`)
      const near = await RawPeer.connect(`127.0.0.1:${port(address)}`)
      for (const code of codes) {
        expect(await far.invoke(code, {})).toMatchObject({
          code: 16,
          remark: expect.stringContaining('adminFromLoopbackOnly'),
        })
        expect((await near.invoke(code, {})).code).not.toBe(16)
      }
      expect((await far.invoke(address === broker.address ? 26 : 319, {})).code).toBe(0)
      far.close()
      near.close()
    }
    expect(log.lines.filter(({ message }) => message.includes('adminFromLoopbackOnly')).length).toBeGreaterThan(0)
  })

  test('is off by default, and who listens beyond this machine is told what that means', async () => {
    const warned = async (config: { bindAddress: string; adminFromLoopbackOnly?: boolean }) => {
      const log = new TestLog()
      await using broker = await startTestBroker({ config, log })
      expect(broker.handle.config.adminFromLoopbackOnly).toBe(config.adminFromLoopbackOnly ?? false)
      return log.lines.some(({ level, message }) => level === 'warn' && message.includes('may administer this broker'))
    }
    expect(await warned({ bindAddress: '127.0.0.1' })).toBe(false)
    expect(await warned({ bindAddress: '0.0.0.0' })).toBe(true)
    expect(await warned({ bindAddress: '0.0.0.0', adminFromLoopbackOnly: true })).toBe(false)
  })
})

describe('tls.server.mode=enforcing', () => {
  test('holds on both ports and the NameServer inside, with which the broker speaks TLS by itself', async () => {
    await using broker = await startTestBroker({ config: { 'tls.server.mode': 'enforcing' } })
    const none = { isTest: true, keyPath: '', keyPassword: '', certPath: '', trustCertPath: '', verifiesServers: false }
    const tls = new ClientTls(none, new TestLog())
    const secure = new RemotingClient({ tls })
    const plain = new RemotingClient()
    const { fast } = broker.handle.addresses
    for (const address of [broker.address, fast]) {
      expect((await secure.invoke(address, request(REQUEST.GET_BROKER_CONFIG), 5000)).code).toBe(0)
      await expect(plain.invoke(address, request(REQUEST.GET_BROKER_CONFIG), 5000)).rejects.toMatchObject({
        code: 'CONNECTION_CLOSED',
      })
    }
    // The broker is registered there.
    const route = await secure.invoke(
      broker.namesrv,
      request(REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic: 'TBW102' }),
      5000,
    )
    expect(Buffer.from(route.body ?? []).toString()).toContain(broker.address)
    await expect(plain.invoke(broker.namesrv, request(REQUEST.GET_NAMESRV_CONFIG), 5000)).rejects.toThrow()
    for (const client of [secure, plain]) await client.close()
    tls.close()
  })

  test('with files that are not there does not start', async () => {
    const config = {
      'tls.server.mode': 'enforcing' as const,
      'tls.server.keyPath': '/nowhere/k',
      'tls.server.certPath': '/nowhere/c',
    }
    await expect(startTestBroker({ config })).rejects.toThrow(/ENOENT.*\/nowhere\/k/)
  })
})

test('what 25 and 50 answered with 0 is there after kill -9', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-admin-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const port = await freeBrokerPort()
  const lines = [
    ...[
      `listenPort=${port}`,
      'nameServerInsidePort=0',
      'brokerIP1=127.0.0.1',
      'bindAddress=127.0.0.1',
      'aclEnable=true',
    ],
    ...[
      `storePathRootDir=${join(folder, 'store')}`,
      'mappedFileSizeCommitLog=8388608',
      'maxIndexNum=1000',
      'maxHashSlotNum=1000',
    ],
  ]
  writeFileSync(join(folder, 'broker.conf'), `${lines.join('\n')}\n`)
  writeFileSync(
    join(folder, 'plain_acl.yml'),
    'accounts:\n- {accessKey: administrator, secretKey: 12345678, admin: true}\n',
  )
  const start = async () => {
    const process_ = new ServerProcess({
      name: 'broker',
      command: process.execPath,
      args: [new URL('../../bin/basaltmq.js', import.meta.url).pathname, 'broker', '-c', join(folder, 'broker.conf')],
      cwd: folder,
      log: join(folder, 'broker.out'),
    })
    await process_.says('ready')
    return process_
  }
  const ask = async (code: number, ext: Record<string, string>, as: string, secret: string, body?: Uint8Array) => {
    const client = new RemotingClient()
    const it = request(code, { ...ext, AccessKey: as }, body)
    it.ext = { ...it.ext, Signature: signatureOf(it, secret) }
    const answer = await client.invoke(`127.0.0.1:${port}`, it, 5000).finally(() => client.close())
    return { code: answer.code, text: Buffer.from(answer.body ?? []).toString() }
  }
  const first = await start()
  const newcomer = { accessKey: 'newcomer', secretKey: 'abcdefgh', admin: 'true' }
  expect(await ask(25, {}, 'administrator', '12345678', Buffer.from('fileReservedTime=24'))).toMatchObject({ code: 0 })
  expect(await ask(50, newcomer, 'administrator', '12345678')).toMatchObject({ code: 0 })
  await first.kill()
  const second = await start()
  try {
    const { code, text } = await ask(26, {}, 'newcomer', 'abcdefgh')
    expect([code, /^fileReservedTime=(.*)$/m.exec(text)?.[1]]).toEqual([0, '24'])
  } finally {
    await second.kill()
  }
})
