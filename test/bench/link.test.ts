/** The link: everything comes through unchanged, as late as asked and not later, and it does not bound the throughput. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Link } from '../../src/bench/link.ts'
import { median } from '../../src/bench/stats.ts'

async function serve(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function linkTo(target: string, rttMs: number): Promise<Socket> {
  const link = await Link.to(target, rttMs)
  onTestFinished(() => link[Symbol.asyncDispose]())
  const socket = connect({
    host: '127.0.0.1',
    port: Number(link.address.split(':')[1]),
    noDelay: true,
    allowHalfOpen: true,
  })
  await once(socket, 'connect')
  socket.on('error', () => {})
  return socket
}

/** Round trips of one byte, ms. */
async function roundTrips(socket: Socket, count: number): Promise<number[]> {
  const took: number[] = []
  for (let n = 0; n < count; n += 1) {
    const began = performance.now()
    socket.write('x')
    await once(socket, 'data')
    took.push(performance.now() - began)
  }
  return took
}

test.each([1, 5])('a round trip takes %d ms, and a little more', async (rttMs) => {
  const socket = await linkTo(await serve((one) => one.pipe(one)), rttMs)
  await roundTrips(socket, 20)
  const took = await roundTrips(socket, 60)
  expect(Math.min(...took)).toBeGreaterThanOrEqual(rttMs)
  expect(median(took)).toBeLessThan(rttMs + 1)
})

test('bytes of pieces of any size come out as they went in, both ways, and the end comes after them', async () => {
  const received = createHash('sha256')
  const socket = await linkTo(
    await serve((one) => {
      one.on('data', (bytes) => received.update(bytes))
      one.pipe(one)
    }),
    4,
  )
  const sent = createHash('sha256')
  const back = createHash('sha256')
  socket.on('data', (bytes) => back.update(bytes))
  for (let n = 0; n < 300; n += 1) {
    const bytes = Buffer.alloc(1 + ((n * 7919) % 70_000), n)
    sent.update(bytes)
    socket.write(bytes)
    if (n % 50 === 0) await new Promise((done) => setTimeout(done, 3))
  }
  socket.end()
  await once(socket, 'end')
  const whole = sent.digest('hex')
  expect(received.digest('hex')).toBe(whole)
  expect(back.digest('hex')).toBe(whole)
})

test('a long link is not a narrow one: 64 MiB take one trip more than without it, not one for each window', async () => {
  const bytes = 64 << 20
  let got = 0
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const target = await serve((one) => {
    one.on('data', (chunk) => {
      got += chunk.length
      if (got === bytes) done()
    })
  })
  const socket = await linkTo(target, 200)
  const began = performance.now()
  for (let sent = 0; sent < bytes; sent += 1 << 20) socket.write(Buffer.alloc(1 << 20))
  await all
  const took = performance.now() - began
  expect(took).toBeGreaterThanOrEqual(100)
  // Of 64 KiB a round trip it would be 200 s.
  expect(took).toBeLessThan(2000)
})

test('who breaks off is told to the other side; a target that does not listen breaks off', async () => {
  let far: Socket | undefined
  const socket = await linkTo(
    await serve((one) => {
      far = one
      one.pipe(one)
    }),
    1,
  )
  await roundTrips(socket, 1)
  const broken = once(far!, 'error')
  socket.resetAndDestroy()
  expect(await broken).toMatchObject([{ code: 'ECONNRESET' }])

  const nobody = await linkTo('127.0.0.1:1', 1)
  nobody.resume()
  const [error] = await once(nobody, 'error')
  expect(error).toMatchObject({ code: 'ECONNRESET' })
})
