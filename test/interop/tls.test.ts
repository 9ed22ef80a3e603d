/** TLS with Apache's clients (-Dtls.enable=true) on our ports, and of our broker towards an Apache NameServer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker } from '../../src/broker/broker.ts'
import { SMALL } from '../../src/testing/index.ts'
import { type ApacheServer, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { mqadmin } from '../../tools/apache/java.mjs'
import { certificate, PemFolder } from '../remoting/tls-certificates.ts'
import { hashes, producer, pushConsumer } from './support/programs.ts'
import { apacheIsThere, CLIENTS, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

const there = apacheIsThere(...CLIENTS)
const pems = new PemFolder()
const authority = certificate('authority')
const server = pems.put('server', certificate('server', authority))
const { certPath: trustCertPath } = pems.put('authority', authority)
afterAll(() => pems.remove())

const TLS = {
  'tls.server.mode': 'enforcing',
  'tls.server.keyPath': server.keyPath,
  'tls.server.certPath': server.certPath,
}
const TRUSTING = ['-Dtls.enable=true']
const CHECKING = [
  ...['-Dtls.enable=true', '-Dtls.test.mode.enable=false', '-Dtls.client.authServer=true'],
  `-Dtls.client.trustCertPath=${trustCertPath}`,
]

describe.skipIf(!there).each(CLIENTS)('a Java client %s', (version) => {
  const scratch = new Scratch()
  let system: System
  let open: System
  beforeAll(async () => {
    // The broker follows: enforcing lets it speak TLS to its NameServer.
    system = await startSystem({
      scratch,
      kind: 'basalt',
      config: TLS,
      namesrvConfig: { ...TLS, 'tls.server.mode': 'permissive' },
    })
    open = await startSystem({ scratch, kind: 'basalt' })
  })
  afterAll(async () => {
    await system?.close()
    await open?.close()
    scratch.remove()
  })

  test.each([
    ['with TLS, the certificate checked, on ports that enforce it', CHECKING, () => system, 1 << 18],
    ['with TLS on ports that are as they are by default', TRUSTING, () => open, 1 << 18],
  ])('%s: what is sent arrives', async (_, java, which, max) => {
    const { namesrv } = which()
    const sending = producer(scratch, version, { namesrv, topic: 'Secure', count: 50, seed: 3, max, tries: 20 }, java)
    const sent = hashes((await sending.done()).acknowledged)
    expect(sent.size).toBe(50)
    const got = hashes(await pushConsumer(scratch, version, { namesrv, topic: 'Secure', distinct: 50 }, java).done())
    expect([...sent].filter(([key, hash]) => got.get(key) !== hash)).toEqual([])
  })

  test('without TLS gets nothing from a port that enforces it, and the log says why in a line', async () => {
    const { acknowledged } = await producer(scratch, version, {
      namesrv: system.namesrv,
      topic: 'Plain',
      count: 1,
      tries: 1,
    }).done()
    expect(acknowledged).toEqual([])
    expect(system.log()).toMatch(/the peer speaks no TLS, which this port asks for/)
  })

  test.runIf(version === ORACLE)('as mqadmin administers through TLS', async () => {
    const commands = [
      ['clusterList', '-n', system.namesrv],
      ['getBrokerConfig', '-n', system.namesrv, '-b', system.address],
    ]
    const [list, config] = await mqadmin({ version, folder: scratch.sub('admin'), commands, java: CHECKING })
    expect(list).toContain(system.address)
    expect(config).toMatch(/tls\.server\.mode\s+=\s+enforcing/)
  })
})

describe.skipIf(!there)(`our broker and an Apache NameServer ${ORACLE} that enforces TLS`, () => {
  const scratch = new Scratch()
  let namesrv: ApacheServer
  beforeAll(async () => {
    namesrv = await startApacheNamesrv({
      version: ORACLE,
      folder: scratch.sub('namesrv'),
      java: ['-Dtls.server.mode=enforcing'],
    })
  })
  afterAll(async () => {
    await namesrv?.kill()
    scratch.remove()
  })

  test.each([true, false])('tls.enable=%s', async (isEnabled) => {
    const lines: string[] = []
    const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line), error: () => {} }
    const config = {
      ...SMALL,
      nameServerInside: 'never' as const,
      namesrvAddr: namesrv.address,
      storePathRootDir: scratch.sub('store'),
    }
    const broker = await startBroker({ config: { ...config, 'tls.enable': isEnabled }, log })
    const isMissing = lines.some((line) => line.includes('no NameServer has taken the registration yet'))
    await broker.close()
    expect(isMissing).toBe(!isEnabled)
  })
})
