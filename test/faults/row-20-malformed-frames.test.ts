/**
 * Row 20: what is no frame, or says impossible things, on every port of broker and NameServer.
 *
 * One line in the log with peer and reason, the connection closed; who sent a whole frame with nonsense in it is answered. Then a
 * fuzz of changed recordings and noise. Memory and sockets stay flat, nothing ends, and the next good request is answered.
 */
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { encodeCommand, request } from '../../src/remoting/index.ts'
import { TestClient } from '../support/client.ts'
import { RawPeer, SEND_V2 } from '../support/raw-peer.ts'
import { type BrokerProcess, startBrokerProcess, TINY } from './support/broker-process.ts'
import { randomOf, strangeFrame } from './support/fuzz.ts'
import { judge, Ledger, Load, pause, positionsOf, readBack } from './support/load.ts'
import { type NamesrvProcess, startNamesrvProcess } from './support/namesrv-process.ts'
import { settledSockets, socketsOf } from './support/process-use.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

const FRAMES = isLong ? 100_000 : 4000
const FLOOD = isLong ? 20_000 : 2000
const MIB = 1024 * 1024
/** The log limits itself to 20 lines a second and port. */
const LINES_A_SECOND = 15
const CLUSTER_INFO = 106
const TOPIC_CONFIGS = 21
const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000)

const int = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
/** A frame with a binary header: code, language, version, opaque, flag, then `rest`. */
const binary = (rest: Buffer) => {
  const header = Buffer.concat([Buffer.from([0, 34, 0, 1, 153]), int(7), int(0), rest])
  return Buffer.concat([int(4 + header.length), int((1 << 24) | header.length), header])
}
const jsonFrame = (text: string) => Buffer.concat([int(4 + text.length), int(text.length), Buffer.from(text)])

/** What is sent, and the code of the line that says why the connection is closed. */
const STRANGERS: [what: string, bytes: Buffer, code: string][] = [
  ['a length of 2 GiB', int(0x7fffffff), 'FRAME_TOO_LARGE'],
  ['a length of 16 MiB and one', int(16 * MIB + 1), 'FRAME_TOO_LARGE'],
  ['a negative length', int(-5), 'FRAME_TOO_SMALL'],
  ['a length of 3', Buffer.concat([int(3), Buffer.alloc(3)]), 'FRAME_TOO_SMALL'],
  ['an unknown serialize type', Buffer.from([0, 0, 0, 4, 7, 0, 0, 0]), 'BAD_SERIALIZE_TYPE'],
  ['a header longer than its frame', Buffer.from([0, 0, 0, 4, 0, 0, 1, 0]), 'BAD_HEADER_LENGTH'],
  ['no header', Buffer.from([0, 0, 0, 4, 0, 0, 0, 0]), 'BAD_HEADER'],
  ['JSON that ends', jsonFrame('{"code":34,"opaque":1'), 'BAD_HEADER'],
  ['JSON that is no object', jsonFrame('[1,2,3]'), 'BAD_HEADER'],
  ['a negative remark length', binary(Buffer.concat([int(-2), int(0)])), 'BAD_HEADER'],
  ['a remark longer than the header', binary(Buffer.concat([int(1 << 20), int(0)])), 'BAD_HEADER'],
  ['negative extension fields', binary(Buffer.concat([int(0), int(-7)])), 'BAD_HEADER'],
  ['an HTTP/2 preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP2_NOT_SERVED'],
  ['an HTTP request', Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'), 'HTTP_NOT_SERVED'],
  ['a TLS hello', Buffer.from('16030100f8010000f40303', 'hex'), 'TLS_NOT_SERVED'],
  ['a PROXY preamble', Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n'), 'PROXY_PROTOCOL_NOT_SERVED'],
]

/** Whole frames with impossible numbers: answered, and the connection goes on. */
const send = (over: Record<string, string>) => {
  return { code: 310, ext: { ...SEND_V2, ...over } }
}
const NONSENSE: { what: string; code: number; ext: Record<string, string>; body?: Buffer; answer: number }[] = [
  { what: 'a queue beyond the last', ...send({ e: '2147483647' }), body: Buffer.from('x'), answer: 1 },
  { what: 'no number', ...send({ e: 'x' }), body: Buffer.from('x'), answer: 1 },
  { what: 'a batch item of negative size', ...send({ m: 'true' }), body: int(-100), answer: 13 },
  {
    what: 'a batch item with a negative body length',
    ...send({ m: 'true' }),
    body: Buffer.concat([int(40), int(0), int(0), int(0), int(-1), Buffer.alloc(20)]),
    answer: 13,
  },
  { what: 'an offset of a queue -1', code: 30, ext: { topic: 'T', queueId: '-1' }, answer: 1 },
  { what: 'a heartbeat that is no JSON', code: 34, ext: {}, body: Buffer.from([0xff, 0, 1]), answer: 1 },
  { what: 'a topic with negative queues', code: 17, ext: topicExt({ readQueueNums: '-4' }), answer: 1 },
  { what: 'a topic that is a path', code: 17, ext: topicExt({ topic: '../../x' }), answer: 1 },
]
function topicExt(over: Record<string, string>): Record<string, string> {
  const own = { topic: 'N', defaultTopic: 'TBW102', readQueueNums: '4', writeQueueNums: '4', perm: '6' }
  return { ...own, topicFilterType: 'SINGLE_TAG', order: 'false', ...over }
}

/** By default the first bytes of a handshake are waited for to become one. */
const NO_TLS = { 'tls.server.mode': 'disabled' } as const

test('each stranger costs one line with peer and reason, and its connection, on every port', async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path, config: NO_TLS })
  await using namesrv = await startNamesrvProcess(NO_TLS)
  const peers: { port: number; what: string; code: string }[] = []
  for (const address of [broker.address, broker.fast, namesrv.address]) {
    for (const [n, [what, bytes, code]] of STRANGERS.entries()) {
      if (n % LINES_A_SECOND === LINES_A_SECOND - 1) await pause(1100)
      peers.push({ port: await closedAfter(address, bytes), what: `${what} at ${address}`, code })
    }
  }
  const lines = () => `${broker.log}${namesrv.log}`.split('\n').filter((line) => line.includes('"peer"'))
  for (const { port, what, code } of peers) {
    const about = () => lines().filter((line) => line.includes(`"127.0.0.1:${port}"`))
    await expect.poll(about, { message: what }).toHaveLength(1)
    const { code: said, level, msg } = JSON.parse(about()[0])
    expect([said, level, msg], what).toEqual([code, 40, expect.stringMatching(/^connection closed: .{10}/)])
  }
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(await namesrv.stop()).toEqual({ status: 0, signal: null })
})

test('a whole frame with nonsense in it is answered, and the connection goes on', async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const peer = await RawPeer.connect(broker.address)
  onTestFinished(() => peer.close())
  for (const { what, code, ext, body, answer } of NONSENSE) {
    expect((await peer.invoke(code, ext, body)).code, what).toBe(answer)
  }
  expect((await peer.invoke(send({}).code, send({}).ext, Buffer.from('good'))).code).toBe(0)
  expect(broker.log.split('\n').filter((line) => line.includes('"level":50'))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

test(`${FLOOD} strangers: memory, sockets and log stay small, load goes on`, async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path, config: NO_TLS })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, connections: 1, inFlight: 4 })
  load.start()
  await load.acknowledged(100)
  await flood(broker, FLOOD / 4)
  const [sockets, memory, lines] = [socketsOf(broker.pid), broker.rss(), broker.log.split('\n').length]
  const began = performance.now()
  await flood(broker, FLOOD)
  const seconds = 2 + (performance.now() - began) / 1000
  expect(await settledSockets(broker.pid, sockets)).toBeLessThanOrEqual(sockets)
  expect(broker.rss() - memory).toBeLessThan(48 * MIB)
  expect(broker.log.split('\n').length - lines).toBeLessThan(2 * 22 * seconds)
  await load.acknowledged(100)
  await load.stop()
  expect(load.unanswered).toEqual([])
  expect(load.brokenPositions).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

test(`a fuzz of ${FRAMES} frames against the broker (seed ${SEED})`, async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, connections: 1, inFlight: 2, pauseMs: 20 })
  load.start()
  await load.acknowledged(100)
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await fuzz(broker, () => client.invoke(TOPIC_CONFIGS).then(({ code }) => code))
  expect((await client.send('After', 'good')).code).toBe(0)
  expect((await client.pull('After', 0, 0, { suspendMs: 5000 })).messages).toHaveLength(1)
  await load.stop()
  expect(load.unanswered).toEqual([])
  expect(load.brokenPositions).toEqual([])
  expect(ledger.codes()).toEqual({})
  // Dispatch may be a moment behind, never for good.
  const behind = async () => {
    const { dispatched, appended } = await positionsOf(client)
    return appended - dispatched
  }
  await expect.poll(behind, { timeout: 10_000 }).toBe(0)
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  // Among the recordings are deletions of topics: their queues are gone, their records are not.
  const deletions = broker.log.matchAll(/"msg":"topic (\S+) deleted by an administrator"/g)
  expect(verifyStore(folder.path, TINY, new Set([...deletions].map(([, topic]) => topic)))).toEqual([])
})

test(`a fuzz of ${FRAMES} frames against the NameServer (seed ${SEED})`, async () => {
  await using namesrv = await startNamesrvProcess()
  const client = new TestClient(namesrv.address)
  onTestFinished(() => client.close())
  await fuzz(namesrv, () => client.invoke(CLUSTER_INFO).then(({ code }) => code))
  const config = { brokerName: 'good', brokerAddr: '10.0.0.1:1', clusterName: 'C', haServerAddr: '10.0.0.1:2' }
  expect((await client.invoke(103, { ...config, brokerId: '0' })).code).toBe(0)
  expect(await namesrv.stop()).toEqual({ status: 0, signal: null })
})

/** In bundles over several connections at once; after each the healthy request has to be answered. */
async function fuzz(server: BrokerProcess | NamesrvProcess, healthy: () => Promise<number>): Promise<void> {
  const random = randomOf(SEED)
  const addresses = 'fast' in server ? [server.address, server.fast] : [server.address]
  let memory = 0
  let sockets = 0
  for (let sent = 0; sent < FRAMES; ) {
    const bundles = Array.from({ length: 8 }, () => Array.from({ length: 10 }, () => strangeFrame(random)))
    await Promise.all(bundles.map((bundle, n) => throwAt(addresses[n % addresses.length], bundle)))
    sent += 80
    expect(await healthy(), `after ${sent} frames of seed ${SEED}`).toBe(0)
    expect(server.hasExited).toBe(false)
    // A fourth of it warms up: tables and buffers have their size then.
    if (memory > 0 || sent < FRAMES / 4) continue
    memory = server.rss()
    sockets = socketsOf(server.pid)
  }
  // An error that is not of the peer's making is logged with its stack, as error.
  const ours = server.log.split('\n').filter((line) => line.includes('"level":50') && line.includes('failed'))
  expect(ours.map((line) => line.slice(0, 600))).toEqual([])
  expect(await settledSockets(server.pid, sockets)).toBeLessThanOrEqual(sockets)
  expect(server.rss() - memory).toBeLessThan(96 * MIB)
}

/** Writes it and hangs up a moment later, whatever is answered. */
async function throwAt(address: string, frames: Buffer[]): Promise<void> {
  const socket = await open(address)
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.resume()
  for (const frame of frames) socket.write(frame)
  await Promise.race([gone, pause(10)])
  socket.destroy()
  await gone
}

async function flood(broker: BrokerProcess, count: number): Promise<void> {
  for (let n = 0; n < count; n += 20) {
    const some = Array.from({ length: 20 }, (_, i) => STRANGERS[(n + i) % STRANGERS.length][1])
    await Promise.all(some.map((bytes, i) => closedAfter(i % 2 === 0 ? broker.address : broker.fast, bytes)))
  }
}

/** Our port of the connection, once the other side has closed it. */
async function closedAfter(address: string, bytes: Buffer): Promise<number> {
  const socket = await open(address)
  const port = socket.localPort ?? 0
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.resume()
  socket.write(bytes)
  const late = setTimeout(() => socket.destroy(new Error('not closed')), 10_000)
  let failure: Error | undefined
  socket.on('error', (error) => {
    failure = error
  })
  await gone
  clearTimeout(late)
  if (failure?.message === 'not closed')
    throw new Error(`${bytes.toString('hex').slice(0, 40)} was not answered by a close`)
  return port
}

function open(address: string): Promise<Socket> {
  const [host, port] = address.split(':')
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject).on('error', () => {})
      resolve(socket)
    })
  })
}

test('an oversized frame is refused by its length, before its bytes are kept', async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const before = broker.rss()
  // As large as is taken, in many connections, and never finished: memory grows with what came, not with what is declared.
  const frame = encodeCommand({ ...request(310, {}, Buffer.alloc(0)), opaque: 1 })
  const sockets = await Promise.all(Array.from({ length: 200 }, () => open(broker.address)))
  for (const socket of sockets) socket.write(Buffer.concat([int(16 * MIB - 8), frame.subarray(4)]))
  await pause(500)
  expect(broker.rss() - before).toBeLessThan(64 * MIB)
  for (const socket of sockets) socket.destroy()
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})
