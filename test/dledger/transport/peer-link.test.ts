/** Calls to a peer over real sockets: one that answers, one that is not there, one that is silent, one that comes back. */
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { freeBrokerPort } from '../../../src/bench/ports.ts'
import { steadyClock } from '../../../src/clock.ts'
import type { MemberRequest, MemberResponse } from '../../../src/dledger/core/index.ts'
import { MemberServer, PeerLink } from '../../../src/dledger/transport/index.ts'
import { silentLog } from '../../../src/log.ts'

const clock = steadyClock()
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const heartbeat = (term: number): MemberRequest => ({
  kind: 'HEART_BEAT',
  group: 'g1',
  remoteId: 'n1',
  localId: 'n0',
  leaderId: 'n0',
  term,
})

async function serve(port: number, handle: (request: MemberRequest, reply: (it: MemberResponse) => void) => void) {
  const server = new MemberServer({
    group: 'g1',
    selfId: 'n1',
    port,
    log: silentLog,
    clock,
    leaderId: () => 'n2',
    handle: handle as never,
  })
  await server.listen()
  return server
}

function linkTo(port: number, callMs = 1000) {
  const events: string[] = []
  const link = new PeerLink({
    id: 'n1',
    address: `127.0.0.1:${port}`,
    callMs,
    reached: () => events.push('reached'),
    log: silentLog,
    clock,
  })
  closing.push(() => link.close())
  const call = (request: MemberRequest) =>
    new Promise<MemberResponse | undefined>((resolve) => {
      link.call(request, (response) => {
        events.push(response === undefined ? 'none' : `answer ${response.term}`)
        resolve(response)
      })
    })
  return { call, events }
}

test('calls share a connection and are answered by number, in whatever order the answers come', async () => {
  const port = await freeBrokerPort()
  const held: (() => void)[] = []
  const server = await serve(port, (request, reply) => {
    held.push(() => reply({ kind: 'HEART_BEAT', code: 200, term: request.term }))
    if (held.length === 3) for (const answer of held.reverse()) answer()
  })
  closing.push(() => server.close())
  const { call, events } = linkTo(port)
  const answers = await Promise.all([1, 2, 3].map((term) => call(heartbeat(term))))
  expect(answers.map((it) => it?.term)).toEqual([1, 2, 3])
  expect(events).toEqual(['reached', 'answer 3', 'answer 2', 'answer 1'])
})

test('whoever is not there is not waited for; when it is back it is reached, and that is said before any answer', async () => {
  const port = await freeBrokerPort()
  const { call, events } = linkTo(port, 5000)
  const began = performance.now()
  for (let i = 0; i < 5; i++) expect(await call(heartbeat(1))).toBeUndefined()
  expect(performance.now() - began).toBeLessThan(1000)
  const first = await serve(port, (_, reply) => reply({ kind: 'HEART_BEAT', code: 200, term: 7 }))
  await expect.poll(async () => (await call(heartbeat(1)))?.term).toBe(7)
  expect(events.slice(events.indexOf('reached'))[1]).toBe('answer 7')
  await first.close()
  expect(await call(heartbeat(1))).toBeUndefined()
  const second = await serve(port, (_, reply) => reply({ kind: 'HEART_BEAT', code: 200, term: 8 }))
  closing.push(() => second.close())
  await expect.poll(async () => (await call(heartbeat(1)))?.term).toBe(8)
  expect(events.filter((it) => it === 'reached')).toHaveLength(2)
})

test('a peer that takes calls and says nothing is connected anew', async () => {
  const port = await freeBrokerPort()
  const sockets: Socket[] = []
  const mute: Server = createServer((socket) => sockets.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => mute.listen(port, '127.0.0.1', resolve))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    mute.close()
  })
  const { call, events } = linkTo(port, 100)
  expect(await call(heartbeat(1))).toBeUndefined()
  expect(await call(heartbeat(2))).toBeUndefined()
  expect(events).toEqual(['reached', 'none', 'reached', 'none'])
})

test('an answer that is none, and a handler that fails, are no answers', async () => {
  const port = await freeBrokerPort()
  const server = await serve(port, (request, reply) => {
    if (request.term === 1) throw new Error('broken')
    reply({ kind: 'HEART_BEAT', code: 200, term: 0.5 })
  })
  closing.push(() => server.close())
  const { call } = linkTo(port)
  expect(await call(heartbeat(1))).toBeUndefined()
  expect(await call(heartbeat(2))).toBeUndefined()
})

test('a request for somebody else is answered with what it said, and whom this member follows', async () => {
  const port = await freeBrokerPort()
  const server = await serve(port, () => {
    throw new Error('not for this one')
  })
  closing.push(() => server.close())
  const { call } = linkTo(port)
  expect(await call({ ...heartbeat(4), remoteId: 'n9' })).toEqual({
    kind: 'HEART_BEAT',
    code: 401,
    group: 'g1',
    remoteId: 'n9',
    localId: 'n0',
    leaderId: 'n2',
    term: 4,
  })
  expect(await call({ ...heartbeat(4), group: 'g2' })).toMatchObject({ code: 400, group: 'g2' })
})
