/** TLS on a port and towards one: who is served in which mode, who is trusted, files that change, strangers. */
import { X509Certificate } from 'node:crypto'
import { copyFileSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RemotingClient } from '../../src/remoting/client.ts'
import { request } from '../../src/remoting/command.ts'
import { encodeCommand } from '../../src/remoting/frame.ts'
import { RemotingServer } from '../../src/remoting/server.ts'
import { ClientTls, ServerTls, type ServerTlsSettings } from '../../src/remoting/tls/index.ts'
import { makeTestCertificate } from '../../src/remoting/tls/test-certificate.ts'
import { Echo, eventually, Peer, TestClock, TestLog } from './sockets.ts'
import { certificate, PemFolder } from './tls-certificates.ts'

const PLAIN: ServerTlsSettings = {
  ...{ mode: 'permissive', isTest: true, keyPath: '', keyPassword: '', certPath: '', trustCertPath: '' },
  ...{ clientAuth: 'none', verifiesClients: false },
}
const pems = new PemFolder()
const authority = certificate('authority')
const ours = certificate('server', authority)
const theirs = certificate('client', authority)
const stranger = certificate('stranger')
const serverFiles = pems.put('server', ours)
const clientFiles = pems.put('client', theirs)
const strangerFiles = pems.put('stranger', stranger)
const trustCertPath = pems.put('authority', authority).certPath
const FROM_FILES: ServerTlsSettings = { ...PLAIN, isTest: false, ...serverFiles, trustCertPath }

let log: TestLog
let echo: Echo
let closing: (() => unknown)[] = []
beforeEach(() => {
  log = new TestLog()
  echo = new Echo()
})
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  closing = []
})
afterAll(() => pems.remove())

async function serve(
  settings: Partial<ServerTlsSettings>,
  handshakeMs?: number,
): Promise<{ port: number; server: RemotingServer }> {
  const tls = new ServerTls({ ...PLAIN, ...settings }, log, handshakeMs)
  const server = new RemotingServer({ host: '127.0.0.1', port: 0, handler: echo, tls, log, clock: new TestClock() })
  const port = await server.listen()
  closing.push(
    () => tls.close(),
    () => server.close(),
  )
  return { port, server }
}

/** A peer inside TLS; rejects where the handshake fails. In TLS 1.3 the server's refusal comes after it. */
function secure(port: number, options: ConnectionOptions = {}): Promise<{ peer: Peer; socket: TLSSocket }> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...options,
    })
    closing.push(() => socket.destroy())
    socket.once('error', reject)
    socket.once('secureConnect', () => resolve({ peer: new Peer(socket), socket }))
  })
}

async function plain(port: number): Promise<Peer> {
  const peer = await Peer.connect(port)
  closing.push(() => peer.socket.destroy())
  return peer
}

const frame = (code: number, body: Buffer) => encodeCommand({ ...request(code, { k: 'v' }, body), opaque: code })
const problems = () => log.lines.filter(({ level }) => level !== 'info').map(({ message }) => message)

/** Asks and hears; the whole of what a peer gets from a port that serves it. */
async function talks(peer: Peer, bytes = 100): Promise<void> {
  const before = peer.received.length
  await peer.send(frame(7, Buffer.alloc(bytes, 7)))
  const answers = await peer.frames(before + 1)
  expect(answers[before]).toMatchObject({ code: 0, opaque: 7, ext: { k: 'v' } })
  expect(answers[before].body?.length).toBe(bytes)
}

describe('a port', () => {
  test('that is permissive serves both, on whatever version of TLS', async () => {
    const { port } = await serve({ mode: 'permissive' })
    await talks(await plain(port))
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { peer, socket } = await secure(port, { minVersion: version, maxVersion: version })
      expect(socket.getProtocol()).toBe(version)
      await talks(peer)
      await talks(peer, 3_000_000)
    }
    expect(problems()).toEqual([expect.stringContaining('certificate made for tests')])
  })

  test('that is enforcing serves TLS, and tells a plain peer and the log what is wrong', async () => {
    const { port } = await serve({ ...FROM_FILES, mode: 'enforcing' })
    await talks((await secure(port)).peer, 1_000_000)
    const peer = await plain(port)
    await peer.send(frame(7, Buffer.alloc(10)))
    await peer.end()
    await eventually(() => problems().length === 1)
    expect(problems()[0]).toMatch(/the peer speaks no TLS, which this port asks for .*tls\.enable=true/)
    expect(echo.requests).toHaveLength(1)
  })

  test('that is disabled tells a TLS peer so in one line', async () => {
    const { port } = await serve({ mode: 'disabled' })
    await expect(secure(port)).rejects.toThrow()
    await eventually(() => problems().length === 1)
    expect(problems()[0]).toMatch(/starts a TLS handshake, which this port does not serve; .*tls\.server\.mode/)
    await talks(await plain(port))
  })

  test('knows the peer behind TLS by its address', async () => {
    const { port } = await serve({})
    const { peer, socket } = await secure(port)
    await talks(peer)
    expect([...echo.open].map(({ remoteAddress }) => remoteAddress)).toEqual([`127.0.0.1:${socket.localPort}`])
  })

  test('takes a handshake that comes byte by byte, and frames behind it', async () => {
    const { port } = await serve({})
    const slow = connectPlain({ port, host: '127.0.0.1', noDelay: true })
    closing.push(() => slow.destroy())
    const relay = new (await import('node:stream')).Duplex({
      read() {},
      write(chunk: Buffer, _, done) {
        const bytes = [...chunk]
        const step = () => {
          const next = bytes.splice(0, 1)
          if (next.length === 0) done()
          else slow.write(Buffer.from(next), () => setImmediate(step))
        }
        step()
      },
    })
    slow.on('data', (chunk) => relay.push(chunk))
    const socket = connect({ socket: relay, rejectUnauthorized: false })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    await talks(new Peer(socket))
  })

  test('pauses a peer behind TLS as any other, and loses nothing', async () => {
    const { port } = await serve({})
    const { peer } = await secure(port)
    await talks(peer)
    echo.later = 1
    const bodies = Array.from({ length: 50 }, (_, i) => Buffer.alloc(100_000, i))
    for (const [i, body] of bodies.entries()) void peer.send(frame(100 + i, body))
    await eventually(() => echo.later === 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(peer.received).toHaveLength(1)
    for (const connection of echo.open) connection.resume()
    const answers = (await peer.frames(51)).slice(1)
    expect(answers.map(({ opaque }) => opaque)).toEqual(bodies.map((_, i) => 100 + i))
    expect(answers.every(({ body }, i) => Buffer.from(body ?? []).equals(bodies[i]))).toBe(true)
  })

  test('is not harmed by peers that leave in the middle of a handshake, or send rubbish', async () => {
    const { port, server } = await serve({})
    const hello = Buffer.from('16030100050100000100', 'hex')
    for (let i = 0; i < 100; i++) {
      const peer = await plain(port)
      await peer.send(
        i % 3 === 0 ? hello : i % 3 === 1 ? Buffer.concat([hello, Buffer.alloc(500, 0xff)]) : hello.subarray(0, 4),
      )
      if (i % 2 === 0) peer.socket.resetAndDestroy()
      else peer.socket.end()
    }
    await eventually(() => server.connections.size === 0)
    await talks((await secure(port)).peer)
    await talks(await plain(port))
    expect(problems().filter((line) => /failure of ours/.test(line))).toEqual([])
  })

  test('does not take a second handshake inside the first', async () => {
    const { port } = await serve({})
    const { peer } = await secure(port)
    await peer.send(Buffer.from('16030100050100000100', 'hex'))
    await peer.end()
    await eventually(() => problems().some((line) => /does not serve/.test(line)))
  })

  test('closes who begins a handshake and goes silent', async () => {
    const { port } = await serve({ mode: 'enforcing' }, 100)
    const peer = await plain(port)
    await peer.end()
    await eventually(() => problems().some((line) => /no handshake within 100 ms/.test(line)))
  })
})

describe("a client's certificate", () => {
  const pem = { key: theirs.keyPem, cert: theirs.certPem }
  const foreign = { key: stranger.keyPem, cert: stranger.certPem }
  test.each<[Partial<ServerTlsSettings>, [ConnectionOptions, boolean][]]>([
    [
      { clientAuth: 'none' },
      [
        [{}, true],
        [foreign, true],
      ],
    ],
    [
      { clientAuth: 'optional' },
      [
        [{}, true],
        [foreign, true],
        [pem, true],
      ],
    ],
    [
      { clientAuth: 'optional', verifiesClients: true },
      [
        [{}, true],
        [foreign, false],
        [pem, true],
      ],
    ],
    [
      { clientAuth: 'require' },
      [
        [{}, false],
        [foreign, true],
        [pem, true],
      ],
    ],
    [
      { clientAuth: 'require', verifiesClients: true },
      [
        [{}, false],
        [foreign, false],
        [pem, true],
      ],
    ],
  ])('%j', async (settings, cases) => {
    const { port } = await serve({ ...FROM_FILES, ...settings })
    for (const [options, isServed] of cases) {
      const { peer } = await secure(port, options)
      peer.socket.write(frame(7, Buffer.alloc(10)))
      if (isServed) await peer.frames(1)
      else await peer.end()
    }
    const refused = cases.filter(([, isServed]) => !isServed).length
    await eventually(() => problems().length === refused)
    for (const line of problems())
      expect(line).toMatch(/the TLS handshake failed: the client('s certificate is not trusted| shows no)/)
    expect(echo.requests).toHaveLength(cases.length - refused)
  })
})

describe('the files of a port', () => {
  test.each<[string, Partial<ServerTlsSettings>, RegExp]>([
    [
      'a file that is not there',
      { ...serverFiles, certPath: '/nowhere.pem' },
      /ENOENT.*\/nowhere\.pem.*tls\.server\.certPath/,
    ],
    ['a key of another certificate', { ...serverFiles, keyPath: clientFiles.keyPath }, /do not fit.*client\.key/],
    ['a file that is no PEM', { ...serverFiles, certPath: import.meta.filename }, /do not fit/],
    [
      'an encrypted key without its password',
      { ...serverFiles, keyPath: pems.putEncrypted('server', ours, 'pass') },
      /do not fit/,
    ],
  ])('%s is an error with its name', (_, settings, message) => {
    expect(() => new ServerTls({ ...FROM_FILES, ...settings }, log)).toThrow(message)
  })

  test('may have an encrypted key', async () => {
    const keyPath = pems.putEncrypted('server2', ours, 'pass')
    const { port } = await serve({ ...FROM_FILES, keyPath, keyPassword: 'pass' })
    await talks((await secure(port)).peer)
  })

  test('are followed: a new certificate serves who comes then, and a pair that does not fit changes nothing', async () => {
    const renewed = certificate('renewed', authority)
    const files = pems.put('live', ours)
    const { port } = await serve({ ...FROM_FILES, ...files })
    const early = await secure(port)
    const shown = async () => {
      const { socket } = await secure(port)
      return new X509Certificate(socket.getPeerCertificate().raw).subject
    }
    expect(await shown()).toBe('CN=server')
    // Half of the new pair: told once, when it stays so.
    writeFileSync(files.certPath, renewed.certPem)
    await eventually(() => problems().length === 1)
    expect(problems()[0]).toMatch(/cannot be used, the former ones stay: .*do not fit/)
    expect(await shown()).toBe('CN=server')
    writeFileSync(files.keyPath, renewed.keyPem)
    await expect.poll(shown, { timeout: 5000 }).toBe('CN=renewed')
    await talks(early.peer)
    copyFileSync(strangerFiles.certPath, files.certPath)
    copyFileSync(strangerFiles.keyPath, files.keyPath)
    await expect.poll(shown, { timeout: 5000 }).toBe('CN=stranger')
  })
})

describe('our client', () => {
  const settings = { isTest: false, keyPath: '', keyPassword: '', certPath: '', trustCertPath, verifiesServers: true }
  const ask = async (port: number, tls: ClientTls | undefined) => {
    const client = new RemotingClient({ tls })
    closing.push(
      () => client.close(),
      () => tls?.close(),
    )
    return client.invoke(`127.0.0.1:${port}`, request(7, { k: 'v' }, Buffer.alloc(100_000, 1)), 3000)
  }

  test('checks the chain of who it talks to, if it is told to', async () => {
    const { port } = await serve(FROM_FILES)
    expect(await ask(port, new ClientTls(settings, log))).toMatchObject({ code: 0 })
    const distrustful = { ...settings, trustCertPath: strangerFiles.certPath }
    await expect(ask(port, new ClientTls(distrustful, log))).rejects.toMatchObject({ code: 'CONNECT_FAILED' })
    expect(await ask(port, new ClientTls({ ...distrustful, verifiesServers: false }, log))).toMatchObject({ code: 0 })
    expect(await ask(port, new ClientTls({ ...distrustful, isTest: true }, log))).toMatchObject({ code: 0 })
  })

  test('shows its certificate where one is asked for', async () => {
    const { port } = await serve({ ...FROM_FILES, clientAuth: 'require', verifiesClients: true })
    expect(await ask(port, new ClientTls({ ...settings, ...clientFiles }, log))).toMatchObject({ code: 0 })
    await expect(ask(port, new ClientTls(settings, log))).rejects.toThrow()
  })

  test('fails with a reason where the other side speaks no TLS, and where it speaks nothing else', async () => {
    const disabled = await serve({ mode: 'disabled' })
    await expect(ask(disabled.port, new ClientTls(settings, log))).rejects.toMatchObject({ code: 'CONNECT_FAILED' })
    const enforcing = await serve({ mode: 'enforcing' })
    await expect(ask(enforcing.port, undefined)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  })
})

test('the certificate for tests is one that others can read and that verifies itself', () => {
  const { cert, key } = makeTestCertificate(Date.now())
  const it = new X509Certificate(cert)
  expect([it.subject, it.issuer, it.verify(it.publicKey)]).toEqual(['CN=basaltmq test', 'CN=basaltmq test', true])
  expect(Date.parse(it.validFrom)).toBeLessThan(Date.now())
  expect(Date.parse(it.validTo)).toBeGreaterThan(Date.now() + 9 * 365 * 86_400_000)
  expect(key).toContain('BEGIN PRIVATE KEY')
  // Times from 2050 on have another form.
  expect(new X509Certificate(makeTestCertificate(Date.UTC(2060, 0, 1)).cert).validTo).toContain('2069')
})
