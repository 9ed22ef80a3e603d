import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { RemotingError } from '../../src/errors.ts'
import { command, request } from '../../src/remoting/command.ts'
import type { Connection } from '../../src/remoting/connection.ts'
import { encodeCommand } from '../../src/remoting/frame.ts'
import { CHUNK_LARGEST } from '../../src/remoting/output.ts'
import { Echo, eventually, rig } from './sockets.ts'
import { framesOf, jsonFrame } from './vectors.ts'

const ask = (opaque: number, body?: Uint8Array, serialize: 0 | 1 = 0) =>
  encodeCommand(command(310, 'JAVA', 409, opaque, 0, undefined, { b: 'T' }, body, serialize))

describe('frames', () => {
  test('a frame that is split at any byte is whole', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    const frame = ask(1, Buffer.from('body'))
    for (let cut = 1; cut < frame.length; cut++) {
      await peer.send(frame.subarray(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      await peer.send(frame.subarray(cut))
      await peer.frames(cut)
    }
    expect(new Set(peer.received.map((one) => Buffer.from(one.body!).toString()))).toEqual(new Set(['body']))
  })

  test('one byte a segment, many frames a segment: all are answered, in order', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    const frames = Array.from({ length: 500 }, (_, i) => ask(i, randomBytes(i), i % 2 === 0 ? 0 : 1))
    await peer.send(Buffer.concat(frames))
    for (const byte of ask(500)) await peer.send(Buffer.of(byte))
    expect((await peer.frames(501)).map((one) => one.opaque)).toEqual(Array.from({ length: 501 }, (_, i) => i))
    expect(echo.requests.map((one) => one.body?.length ?? 0)).toEqual([...Array.from({ length: 500 }, (_, i) => i), 0])
  })

  test('recorded requests of real clients are taken', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    const frames = framesOf('wire-json/push').filter((one) => one.kind !== 'response')
    await peer.send(Buffer.concat(frames.map((one) => one.bytes)))
    await eventually(() => echo.requests.length === frames.length)
    expect(echo.requests.map((one) => one.code)).toEqual(frames.map((one) => one.code))
  })

  test('a frame of exactly the largest size is taken', async () => {
    const echo = new Echo()
    await using it = await rig(echo, { maxFrame: 100_000 })
    const peer = await it.peer()
    const overhead = ask(1, Buffer.alloc(1)).length - 1
    await peer.send(ask(1, Buffer.alloc(100_000 - overhead)))
    await peer.frames(1)
    await peer.send(ask(2, Buffer.alloc(100_001 - overhead)))
    await peer.end()
    expect(it.log.lines).toMatchObject([{ fields: { code: 'FRAME_TOO_LARGE' } }])
  })
})

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const STRANGERS: [string, Buffer, string][] = [
  ['16 MiB and one byte', int32(16 * 1024 * 1024 - 3), 'FRAME_TOO_LARGE'],
  ['2 GiB', int32(0x7fff_ffff), 'FRAME_TOO_LARGE'],
  ['a length of -1', int32(-1), 'FRAME_TOO_SMALL'],
  ['a length of 0', int32(0), 'FRAME_TOO_SMALL'],
  ['a length of 3', Buffer.from([0, 0, 0, 3, 0, 0, 0]), 'FRAME_TOO_SMALL'],
  ['a header beyond the frame', Buffer.from([0, 0, 0, 6, 0, 0, 0, 3, 0x7b, 0x7d]), 'BAD_HEADER_LENGTH'],
  ['a serialize type of 2', Buffer.from([0, 0, 0, 6, 2, 0, 0, 2, 0x7b, 0x7d]), 'BAD_SERIALIZE_TYPE'],
  ['a header that is no JSON', jsonFrame('{"code'), 'BAD_HEADER'],
  ['an empty header', Buffer.from([0, 0, 0, 4, 0, 0, 0, 0]), 'BAD_HEADER'],
  [
    'a binary header with a negative length',
    Buffer.concat([Buffer.from([0, 0, 0, 25, 1, 0, 0, 21]), Buffer.alloc(13), int32(-5), int32(0)]),
    'BAD_HEADER',
  ],
  ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex'), 'TLS_NOT_SERVED'],
  ['the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP2_NOT_SERVED'],
  ['an HTTP request', Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'), 'HTTP_NOT_SERVED'],
  ['a PROXY preamble', Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'), 'PROXY_PROTOCOL_NOT_SERVED'],
]

describe('strangers', () => {
  test.each(STRANGERS)('%s costs its connection only, with one line in the log', async (_, bytes, code) => {
    const echo = new Echo()
    await using it = await rig(echo)
    const [good, bad] = [await it.peer(), await it.peer()]
    await bad.send(bytes)
    await bad.end()
    await good.send(ask(1))
    await good.frames(1)
    await eventually(() => echo.open.size === 1)
    expect(it.log.lines).toHaveLength(1)
    expect(it.log.lines[0]).toMatchObject({
      level: 'warn',
      fields: { code, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
    })
    expect(it.server.stats.brokenConnections).toBe(1)
  })

  test.each(STRANGERS)('%s a byte at a time is the same', async (_, bytes, code) => {
    await using it = await rig(new Echo())
    const bad = await it.peer()
    for (const byte of bytes) {
      if (!bad.closed) await bad.send(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await bad.end()
    const codes = it.log.lines.map((line) => line.fields.code)
    // What HTTP, HTTP/2 and PROXY are takes four bytes; they have come by then.
    expect(codes).toEqual([code])
  })

  test('garbage of any kind: one line each, nothing else is disturbed', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const good = await it.peer()
    for (let i = 0; i < 15; i++) {
      const bad = await it.peer()
      const garbage = randomBytes(500)
      garbage[0] = 0x80 | i
      await bad.send(garbage)
      await bad.end()
    }
    await good.send(ask(1))
    await good.frames(1)
    expect(it.log.lines).toHaveLength(15)
  })

  test('a flood of strangers is counted, not written line by line', async () => {
    await using it = await rig(new Echo())
    for (let i = 0; i < 40; i++) {
      const bad = await it.peer()
      await bad.send(int32(-1))
      await bad.end()
    }
    await eventually(() => it.server.stats.brokenConnections === 40)
    await it.server.close()
    expect(it.log.lines.length).toBeLessThan(40)
    expect(it.log.lines.at(-1)!.message).toMatch(/\d+ more lines/)
  })

  test('a header of 16 MB that never comes takes no memory', async () => {
    await using it = await rig(new Echo())
    const start = Buffer.alloc(1000)
    start.writeInt32BE(16_000_000)
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 50; i++) await (await it.peer()).send(start)
    await eventually(() => it.server.connections.size === 50)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 200_000)
  })

  test('an exception of ours closes the connection and is logged with its stack', async () => {
    const echo = new Echo()
    echo.frame = () => {
      throw new TypeError('a fault of ours')
    }
    await using it = await rig(echo)
    const peer = await it.peer()
    await peer.send(ask(1))
    await peer.end()
    await eventually(() => it.log.lines.length > 0)
    expect(it.log.lines).toMatchObject([{ level: 'error', message: expect.stringContaining('a fault of ours') }])
  })
})

describe('back-pressure', () => {
  test('a frame that could not be taken is offered again after resume, before all later ones', async () => {
    const echo = new Echo()
    echo.later = 1
    await using it = await rig(echo)
    const peer = await it.peer()
    const frames = Array.from({ length: 300 }, (_, i) => ask(i, randomBytes(1000)))
    const sent = peer.send(Buffer.concat(frames))
    await eventually(() => echo.later === 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(echo.requests).toHaveLength(0)
    for (const c of echo.open) c.resume()
    await sent
    expect((await peer.frames(300)).map((one) => one.opaque)).toEqual(frames.map((_, i) => i))
  })

  test('frames that are refused at every resume still come through, once and in order', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    const frames = Array.from({ length: 200 }, (_, i) => ask(i, randomBytes(i * 7)))
    let turn = 0
    const timer = setInterval(() => {
      echo.later = turn++ % 3
      for (const c of echo.open) c.resume()
    }, 1)
    echo.later = 1
    for (const frame of frames) await peer.send(frame)
    expect((await peer.frames(200)).map((one) => one.opaque)).toEqual(frames.map((_, i) => i))
    clearInterval(timer)
  })

  test('pause holds frames back, resume offers them', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    c.pause()
    await peer.send(Buffer.concat([ask(1), ask(2)]))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(echo.requests).toHaveLength(0)
    c.resume()
    await peer.frames(2)
  })

  test('a peer that asks and does not read is not read from, and its backlog comes when it reads', async () => {
    const echo = new Echo()
    await using it = await rig(echo, { maxPendingBytes: 1 << 20 })
    const peer = await it.peer()
    peer.socket.pause()
    const frame = ask(1, Buffer.alloc(16_000))
    const sent = Promise.all(Array.from({ length: 1500 }, () => peer.send(frame)))
    await eventually(() => [...echo.open].some((c) => c.pendingBytes > (1 << 20) / 4))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const stalled = echo.requests.length
    expect(stalled).toBeLessThan(1500)
    for (const c of echo.open) expect(c.pendingBytes).toBeLessThan(1 << 20)
    peer.socket.resume()
    await sent
    await peer.frames(1500)
    expect(it.log.lines).toEqual([])
  })

  test('a peer that lets more wait than the limit is closed, with a line that says so', async () => {
    const echo = new Echo()
    await using it = await rig(echo, { maxPendingBytes: 1 << 20 })
    const peer = await it.peer()
    peer.socket.pause()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    let written = 0
    for (; !c.closed && written < 1000; written++) {
      c.send({ ...request(40, undefined, Buffer.alloc(100_000)), opaque: 1 })
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(c.closed).toBe(true)
    await eventually(() => it.log.lines.length === 1)
    expect(it.log.lines[0]).toMatchObject({ fields: { code: 'SLOW_READER' } })
  })
})

describe('writing', () => {
  test('everything that is written during one callback leaves with one write', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    const chunks: number[] = []
    peer.socket.on('data', (chunk) => chunks.push(chunk.length))
    for (let i = 0; i < 100; i++) c.oneway(request(40, { consumerGroup: 'g' }))
    await peer.frames(100)
    expect(chunks.length).toBeLessThanOrEqual(2)
  })

  test('frames of any size come out whole: copied, in place, referenced', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    const bodies: Buffer[] = []
    let returned = 0
    for (let i = 0; i < 60; i++) {
      const body = randomBytes([0, 10, 1000, 20_000, 70_000, CHUNK_LARGEST + 5][i % 6])
      bodies.push(body)
      const frame = ask(i, body)
      if (i % 3 === 0) {
        c.send({ ...command(310, 'JAVA', 409, i, 0, undefined, { b: 'T' }, body, 0) })
      } else if (i % 3 === 1) {
        const at = c.reserve(frame.length + 100)
        frame.copy(c.out, at)
        c.advance(frame.length)
      } else {
        const head = frame.length - body.length
        c.sendFrame(frame.subarray(0, head), [body.subarray(0, 5), body.subarray(5)], () => returned++)
      }
      if (i % 7 === 0) it.server.flush()
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await peer.frames(60)
    expect(peer.received.map((one) => Buffer.from(one.body ?? []).equals(bodies[one.opaque]))).not.toContain(false)
    await eventually(() => returned === 20)
  })

  test('leases end when the connection dies before the peer has read', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    peer.socket.pause()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    let returned = 0
    for (let i = 0; i < 20; i++) c.sendFrame(Buffer.alloc(8), [Buffer.alloc(1_000_000)], () => returned++)
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(returned).toBeLessThan(20)
    peer.socket.destroy()
    await eventually(() => echo.open.size === 0)
    expect(returned).toBe(20)
    c.sendFrame(Buffer.alloc(8), [Buffer.alloc(8)], () => returned++)
    expect(returned).toBe(21)
  })

  test('a closed connection takes everything and does nothing', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    c.close('the test says so')
    c.close('again')
    for (let i = 0; i < 1000; i++) {
      const at = c.reserve(1000)
      c.out.fill(1, at, at + 1000)
      c.advance(1000)
      c.send(request(40))
      c.oneway(request(40))
    }
    c.pause()
    c.resume()
    await expect(c.invoke(request(307), 1000)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
    await eventually(() => echo.open.size === 0)
    expect(c.pendingBytes).toBe(0)
    expect(echo.reasons).toEqual(['the test says so'])
  })
})

describe('requests of the server', () => {
  test('opaques begin at 1, and the answer goes to the one who asked', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    const answers = [c.invoke(request(307, { a: '1' }), 5000), c.invoke(request(307, { a: '2' }), 5000)]
    const [first, second] = await peer.frames(2)
    expect(first.opaque).toBeGreaterThan(0)
    for (const asked of [second, first]) {
      await peer.send(encodeCommand({ ...asked, flag: 1, code: 0, remark: `to ${asked.ext!.a}` }))
    }
    expect((await Promise.all(answers)).map((one) => one.remark)).toEqual(['to 1', 'to 2'])
    expect(c.pendingAnswers).toBe(0)
    expect(echo.requests).toEqual([])
  })

  test('no answer in time is a retriable TIMEOUT; the late answer is dropped and counted', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    await expect(c.invoke(request(307), 1)).rejects.toMatchObject({ code: 'TIMEOUT', retriable: true })
    const [asked] = await peer.frames(1)
    await peer.send(encodeCommand({ ...asked, flag: 1, code: 0 }))
    await eventually(() => it.server.stats.unknownAnswers === 1)
    expect(echo.open.size).toBe(1)
  })

  test.each([0, 1] as const)('answers that nobody asked for are dropped, serialize type %i', async (serialize) => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    for (const code of [0, 1, 206, 307]) {
      await peer.send(encodeCommand(command(code, 'JAVA', 409, 99, 1, undefined, undefined, undefined, serialize)))
    }
    await peer.send(ask(1))
    await peer.frames(1)
    expect(it.server.stats.unknownAnswers).toBe(4)
    expect(echo.requests).toHaveLength(1)
  })

  test('the end of the connection fails what waits for an answer', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const peer = await it.peer()
    await eventually(() => echo.open.size === 1)
    const [c] = echo.open
    const answer = c.invoke(request(307), 60_000)
    peer.socket.destroy()
    await expect(answer).rejects.toMatchObject({ name: 'RemotingError', code: 'CONNECTION_CLOSED', retriable: true })
  })
})

describe('limits', () => {
  test('connections beyond the limit are refused with a line, the others are served', async () => {
    await using it = await rig(new Echo(), { maxConnections: 3 })
    const peers = [await it.peer(), await it.peer(), await it.peer()]
    for (let i = 0; i < 5; i++) await (await it.peer()).end()
    for (const peer of peers) {
      await peer.send(ask(1))
      await peer.frames(1)
    }
    expect(it.server.stats).toMatchObject({ accepted: 3, refused: 5 })
    expect(it.log.lines[0].message).toContain('connection refused: 3 are open')
    peers[0].socket.destroy()
    await eventually(() => it.server.connections.size === 2)
    const late = await it.peer()
    await late.send(ask(1))
    await late.frames(1)
  })

  test('a connection that is idle for 120 s by the clock is closed; one that asked is not', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const [idle, busy] = [await it.peer(), await it.peer()]
    await eventually(() => echo.open.size === 2)
    it.clock.time += 119_999
    await busy.send(ask(1))
    await busy.frames(1)
    it.server.checkIdle()
    expect(echo.open.size).toBe(2)
    it.clock.time += 1
    it.server.checkIdle()
    await idle.end()
    await eventually(() => echo.open.size === 1)
    expect(echo.reasons).toEqual(['idle for 120000 ms'])
    expect(busy.closed).toBe(false)
  })

  test('a port that is taken is an error that says so', async () => {
    await using it = await rig(new Echo())
    const { RemotingServer } = await import('../../src/remoting/server.ts')
    const second = new RemotingServer({
      host: '127.0.0.1',
      port: it.port,
      handler: new Echo(),
      log: it.log,
      clock: it.clock,
    })
    await expect(second.listen()).rejects.toMatchObject({ code: 'PORT_IN_USE', where: `127.0.0.1:${it.port}` })
    await expect(second.listen()).rejects.toBeInstanceOf(RemotingError)
  })

  test('10,000 connections that come, speak or not, and are aborted leave nothing behind', async () => {
    const echo = new Echo()
    await using it = await rig(echo)
    const half = ask(1, Buffer.alloc(2000)).subarray(0, 700)
    const one = (i: number) =>
      new Promise<void>((resolve) => {
        const socket = connect(it.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.on('close', () => resolve())
        socket.on('connect', () => {
          if (i % 3 === 1) socket.write(half)
          if (i % 3 === 2) socket.write(ask(i))
          if (i % 2 === 0) socket.resetAndDestroy()
          else setImmediate(() => socket.destroy())
        })
      })
    for (let i = 0; i < 10_000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => one(i + k)))
    await eventually(() => it.server.connections.size === 0 && echo.open.size === 0)
    expect(it.log.lines).toEqual([])
    const peer = await it.peer()
    await peer.send(ask(1))
    await peer.frames(1)
  }, 60_000)

  test('many connections at once are all served', async () => {
    await using it = await rig(new Echo())
    const peers = await Promise.all(Array.from({ length: 300 }, () => it.peer()))
    await Promise.all(peers.map((peer) => peer.send(ask(1, Buffer.alloc(500)))))
    await Promise.all(peers.map((peer) => peer.frames(1)))
    expect(it.server.connections.size).toBe(300)
  })
})

test('an address of IPv4 in IPv6 is four bytes, as bornHost needs', async () => {
  const seen: Connection[] = []
  const echo = new Echo()
  const log = echo.opened.bind(echo)
  echo.opened = (c) => {
    seen.push(c)
    log(c)
  }
  await using it = await rig(echo)
  const peer = await it.peer()
  await eventually(() => seen.length === 1)
  expect([...seen[0].remoteHost]).toEqual([127, 0, 0, 1])
  expect(seen[0].remotePort).toBe(peer.socket.localPort)
  expect(seen[0].remoteAddress).toBe(`127.0.0.1:${peer.socket.localPort}`)
})
