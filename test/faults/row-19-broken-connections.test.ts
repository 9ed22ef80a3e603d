/**
 * Row 19: connections that break in the middle, stay open with nobody behind them, or carry a byte at a time.
 *
 * A frame counts whole or not at all, whoever is silent is let go of, and after thousands of broken connections the broker holds no
 * more descriptors and memory than before.
 */
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { encodeCommand, request } from '../../src/remoting/index.ts'
import { TestClient } from '../support/client.ts'
import { BadCable } from './support/bad-cable.ts'
import { startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { bodyOf, judge, Ledger, Load, pause, readBack, TOPIC } from './support/load.ts'
import { settledSockets, socketsOf } from './support/process-use.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

const CYCLES = isLong ? 10_000 : 1000
const AT_ONCE = 20
const MIB = 1024 * 1024
const SEND = 310
const PULL = 11

test.each([
  { manner: 'bytes', messages: isLong ? 2000 : 150 },
  { manner: 'pieces', messages: isLong ? 5000 : 400 },
] as const)('frames in $manner, both ways: each is understood', async ({ manner, messages }) => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const ledger = new Ledger()
  {
    await using cable = await BadCable.to(broker.address, manner)
    const load = new Load({ address: cable.address, ledger, connections: 4, inFlight: 16, bodyBytes: 100 })
    load.start()
    await load.acknowledged(messages, 110_000)
    await load.stop()
    expect(load.unanswered).toEqual([])
    expect(load.brokenPositions).toEqual([])
    // Pulls come in the same way.
    const client = new TestClient(cable.address)
    onTestFinished(() => client.close())
    const { messages: first } = await client.pull(TOPIC, 0, 0, { count: 8, suspendMs: 2000 })
    expect(first.length).toBe(8)
  }
  expect(ledger.codes()).toEqual({})
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder.path, TINY)).toEqual([])
})

test(`${CYCLES} connections that break in the middle: frames whole or dropped, nothing leaks`, async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, connections: 1, inFlight: 2 })
  load.start()
  await load.acknowledged(50)
  const broken = new BrokenPeers(broker.address)
  await broken.run(CYCLES / 4)
  const [sockets, memory] = [socketsOf(broker.pid), broker.rss()]
  await broken.run(CYCLES)
  await load.acknowledged(50)
  await load.stop()

  expect(load.unanswered).toEqual([])
  expect(load.brokenPositions).toEqual([])
  expect(await settledSockets(broker.pid, sockets)).toBeLessThanOrEqual(sockets)
  expect(broker.rss() - memory).toBeLessThan(64 * MIB)
  // Peers that go are no news: a line for each would be a flood.
  expect(broker.log.split('\n').filter((line) => line.includes('"level":50'))).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  const stored = (await readBack(broker.address, broken.topic)).map(({ number }) => number)
  expect(new Set(stored).size).toBe(stored.length)
  expect(stored.filter((number) => !broken.whole.has(number))).toEqual([])
  expect(stored.length).toBeGreaterThan(CYCLES / 10)
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder.path, TINY)).toEqual([])
})

test('half-open connections: let go of after their idle time, with what they held', async () => {
  using folder = storeFolder()
  const config = { serverChannelMaxIdleTimeSeconds: 2 }
  await using broker = await startBrokerProcess({ folder: folder.path, config })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, connections: 1, inFlight: 2 })
  load.start()
  await load.acknowledged(50)
  const before = socketsOf(broker.pid)
  await using cable = await BadCable.to(broker.address, 'whole')
  const sockets = await Promise.all(Array.from({ length: 100 }, () => opened(cable.address)))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  // Half of them wait in a pull, half stop in the middle of a frame.
  sockets.forEach((socket, n) => {
    socket.write(n % 2 === 0 ? pullFrame(n) : sendFrame('Half', n).subarray(0, 50))
  })
  await until(() => socketsOf(broker.pid) >= before + 100, 10_000)
  await pause(300)
  cable.freeze()
  expect(await settledSockets(broker.pid, before, 20_000)).toBeLessThanOrEqual(before)
  await load.acknowledged(50)
  await load.stop()
  expect(load.unanswered).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await readBack(broker.address, 'Half')).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

/** Sends numbered messages, some of them in part, and leaves in one of several rude ways. */
class BrokenPeers {
  readonly topic = 'Broken'
  /** Numbers whose frames were written whole: they may be stored, and no others. */
  readonly whole = new Set<number>()
  private readonly address: string
  private next = 0

  constructor(address: string) {
    this.address = address
  }

  async run(cycles: number): Promise<void> {
    for (let done = 0; done < cycles; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => this.one(done + n)))
    }
  }

  private async one(cycle: number): Promise<void> {
    const socket = await opened(this.address)
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const half = () => {
      const frame = this.frame(false)
      return frame.subarray(0, 1 + ((cycle * 37) % (frame.length - 1)))
    }
    switch (cycle % 5) {
      case 0: // RST in the middle of the first frame.
        await written(socket, half())
        socket.resetAndDestroy()
        break
      case 1: // RST in the middle of the second one.
        await written(socket, Buffer.concat([this.frame(true), half()]))
        if (cycle % 2 === 0) await pause(2)
        socket.resetAndDestroy()
        break
      case 2: // FIN in the middle: the end of the stream is no end of a frame.
        await written(socket, Buffer.concat([this.frame(true), half()]))
        socket.end()
        socket.resume()
        break
      case 3: // Somebody who waits, and is reset.
        await written(socket, pullFrame(cycle))
        socket.resetAndDestroy()
        break
      default: // Somebody who says nothing.
        socket.destroy()
    }
    await gone
  }

  private frame(isWhole: boolean): Buffer {
    const number = this.next++
    if (isWhole) this.whole.add(number)
    return sendFrame(this.topic, number)
  }
}

function opened(address: string): Promise<Socket> {
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

function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()))
}

function sendFrame(topic: string, number: number): Buffer {
  const ext = { a: 'PG', b: topic, c: 'TBW102', d: '4', e: String(number % 4), f: '0', g: String(Date.now()), h: '0' }
  return encodeCommand({
    ...request(SEND, { ...ext, i: '', j: '0', k: 'false', m: 'false' }, bodyOf(number, 100)),
    opaque: number,
  })
}

function pullFrame(opaque: number): Buffer {
  const queue = { consumerGroup: 'Held', topic: TOPIC, queueId: '0', queueOffset: '1000000', maxMsgNums: '32' }
  const rest = { sysFlag: '6', commitOffset: '0', suspendTimeoutMillis: '15000', subVersion: '0', subscription: '*' }
  return encodeCommand({ ...request(PULL, { ...queue, ...rest, expressionType: 'TAG' }), opaque })
}
