/** Frames that cannot be taken: they wait in their sockets, not for long, and nothing is lost or spun on. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { Front } from '../../src/broker/front.ts'
import { Router } from '../../src/broker/router.ts'
import { FENCE } from '../../src/concurrency/fence.ts'
import { StoreError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { type Connection, encodeCommand, type RemotingCommand, request } from '../../src/remoting/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { RawPeer, SEND_V2 } from '../support/raw-peer.ts'

function frontOf(send: () => 'taken' | 'later', waitMs = 200) {
  const refused: number[][] = []
  const front = new Front({
    router: new Router(new Map(), silentLog),
    servesPulls: true,
    send,
    pull: () => {},
    busy: (_connection, fields, waitedMs, size) => void refused.push([fields.opaque, waitedMs, size]),
    sendWaitMs: () => waitMs,
    opened: () => {},
    closed: () => {},
  })
  const frame = encodeCommand({ ...request(310, SEND_V2, Buffer.from('x')), opaque: 5 })
  let isWaiting = false
  const offer = () => {
    isWaiting = front.frame(connection, frame, 0, frame.length) === 'later'
  }
  const connection = { resume: () => isWaiting && offer() } as unknown as Connection
  return { front, refused, offer, isWaiting: () => isWaiting }
}

test('a send that finds the rings full again and again is refused 200 ms after its first try', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { front, refused, offer, isWaiting } = frontOf(() => 'later')
  offer()
  for (let ms = 0; ms < 190; ms += 10) {
    vi.advanceTimersByTime(10)
    front.roomAgain()
    front.tick()
    expect(refused).toEqual([])
  }
  vi.advanceTimersByTime(10)
  front.roomAgain()
  front.tick()
  expect(refused).toEqual([[5, 200, 1]])
  expect([isWaiting(), front.waitingCount]).toEqual([false, 0])
})

test('without brokerFastFailureEnable a send waits for room as long as it takes', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { front, refused, offer, isWaiting } = frontOf(() => 'later', Number.POSITIVE_INFINITY)
  offer()
  vi.advanceTimersByTime(3_600_000)
  expect(front.headWaitMs(performance.now())).toBe(3_600_000)
  front.tick()
  expect([refused, isWaiting()]).toEqual([[], true])
})

test('a send that is taken waits anew when the rings are full the next time', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  let isFull = true
  const { front, refused, offer } = frontOf(() => (isFull ? 'later' : 'taken'))
  offer()
  vi.advanceTimersByTime(150)
  isFull = false
  front.roomAgain()
  expect(front.waitingCount).toBe(0)
  isFull = true
  offer()
  vi.advanceTimersByTime(150)
  front.tick()
  expect(refused).toEqual([])
  vi.advanceTimersByTime(50)
  front.tick()
  expect(refused).toEqual([[5, 200, 1]])
})

test('while the fence is closed sends wait and are then refused as busy; pulls and heartbeats are served', async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const { control } = broker.handle.engine
  const peer = await RawPeer.connect(broker.address)
  onTestFinished(() => peer.close())
  expect((await peer.invoke(310, SEND_V2, Buffer.from('before'))).code).toBe(0)
  control.setWord('fence', FENCE.closing)
  const refused = peer.ask(310, SEND_V2, Buffer.from('during'))
  expect(await peer.answer(refused)).toMatchObject({ code: 2, remark: expect.stringContaining('busy') })
  expect((await peer.invoke(30, { topic: 'T', queueId: '0' })).code).toBe(0)
  const late = peer.ask(310, SEND_V2, Buffer.from('late'))
  control.setWord('fence', FENCE.open)
  expect((await peer.answer(late)).code).toBe(0)
})

test('while append is held every send is answered, and what was taken is stored once, in order', async () => {
  // The rings of such a broker hold 8 MiB.
  const config = { submitRingSize: 8 * 1024 * 1024, maxMessageSize: 64 * 1024 }
  const broker = await startTestBroker({ config })
  onTestFinished(() => broker.close())
  const peers = await Promise.all([1, 2, 3].map(() => RawPeer.connect(broker.address)))
  onTestFinished(() => peers.forEach((peer) => void peer.close()))
  await peers[0].invoke(310, SEND_V2, Buffer.from('first'))
  broker.faults.set('holdAppend', 1)
  const asked = peers.map((peer) =>
    Array.from({ length: 80 }, () => peer.ask(310, SEND_V2, Buffer.alloc(64 * 1024, 1))),
  )
  const busy = () =>
    peers.reduce((sum, peer) => sum + [...peer.answers.values()].filter(({ code }) => code === 2).length, 0)
  await vi.waitFor(() => expect(busy()).toBeGreaterThan(30), 10_000)
  broker.faults.set('holdAppend', 0)
  for (const [i, opaques] of asked.entries()) {
    for (const opaque of opaques) expect([0, 2]).toContain((await peers[i].answer(opaque)).code)
  }
  const stored = 3 * 80 - busy()
  const { engine } = broker.handle
  await vi.waitFor(() => expect(engine.control.load('dispatched')).toBe(engine.control.load('appended')), 10_000)
  const { ext } = await peers[0].invoke(30, { topic: 'T', queueId: '0' })
  expect(ext?.offset).toBe(String(stored + 1))
  expect(engine.control.word('flags')).toBe(0)
})

test('a send that cannot be handled is answered with the reason, its connection stays', () => {
  const { front } = frontOf(() => {
    throw new StoreError('TOO_MANY_QUEUES', { what: 'queue 3 of topic T would be one too many' })
  })
  const sent: RemotingCommand[] = []
  const connection = { send: (command: RemotingCommand) => void sent.push(command) } as unknown as Connection
  const frame = encodeCommand({ ...request(310, SEND_V2, Buffer.from('x')), opaque: 6 })
  expect(front.frame(connection, frame, 0, frame.length)).toBe('taken')
  expect(sent).toMatchObject([{ code: 1, opaque: 6, remark: expect.stringContaining('one too many') }])
  const oneway = encodeCommand({ ...request(310, SEND_V2, Buffer.from('x')), flag: 2 })
  expect(front.frame(connection, oneway, 0, oneway.length)).toBe('taken')
  expect(sent).toHaveLength(1)
})
