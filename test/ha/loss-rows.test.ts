/** "What would I lose now", as the runtime table tells it while a disk or a slave stands still. */
import { expect, test } from 'vitest'
import { end, type Node, runtime, sendMany, startMaster, startSlave, until } from './support.ts'

type Kind = 'unflushed' | 'unreplicated'

async function loss(node: Node, kind: Kind) {
  const rows = await runtime(node)
  const [bytes, messages, ms] = ['bytes', 'messages', 'ms'].map((unit) => Number(rows[`basalt_${kind}_${unit}`]))
  return { bytes, messages, ms }
}

const NOTHING = { bytes: 0, messages: 0, ms: 0 }

/** Sends while something is held, and sees it grow. */
async function grows(master: Node, kind: Kind, send: (count: number) => Promise<unknown>): Promise<void> {
  const from = end(master)
  const since = performance.now()
  await send(30)
  await until(async () => (await loss(master, kind)).messages === 30)
  const first = await loss(master, kind)
  // A blank at the end of a file is in the log, and no message.
  expect(first.bytes).toBe(end(master) - from)
  await new Promise((resolve) => setTimeout(resolve, 120))
  await send(20)
  await until(async () => (await loss(master, kind)).messages === 50)
  const second = await loss(master, kind)
  expect(second.bytes).toBe(end(master) - from)
  expect(second.ms).toBeGreaterThanOrEqual(first.ms + 100)
  expect(second.ms).toBeLessThanOrEqual(performance.now() - since + 5)
}

test('a disk that stands still: bytes, messages and milliseconds grow, and are gone when it goes on', async () => {
  const master = await startMaster({
    brokerRole: 'ASYNC_MASTER',
    flushIntervalCommitLog: 10,
    flushCommitLogLeastPages: 0,
  })
  await sendMany(master, 10)
  await until(async () => (await loss(master, 'unflushed')).bytes === 0)
  expect(await loss(master, 'unflushed')).toEqual(NOTHING)
  master.broker.faults.set('holdSync', 1)
  // A sync that has passed the switch takes its last messages with it.
  await new Promise((resolve) => setTimeout(resolve, 100))
  const { control } = master.broker.handle.engine
  const flushed = control.load('flushed')
  await grows(master, 'unflushed', (count) => sendMany(master, count))
  expect(control.load('flushed')).toBe(flushed)
  master.broker.faults.set('holdSync', 0)
  await until(async () => (await loss(master, 'unflushed')).bytes === 0)
  expect(await loss(master, 'unflushed')).toEqual(NOTHING)
})

test('without a slave all that was sent; a slave that stands still or dies, until one has it again', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 7)
  expect(await loss(master, 'unreplicated')).toMatchObject({ bytes: end(master), messages: 7 })
  const slave = await startSlave(master)
  await until(async () => (await loss(master, 'unreplicated')).bytes === 0)
  expect(await loss(master, 'unreplicated')).toEqual(NOTHING)
  slave.broker.faults.set('holdAppend', 1)
  await grows(master, 'unreplicated', (count) => sendMany(master, count))
  slave.broker.faults.set('holdAppend', 0)
  slave.broker.handle.engine.moveClock(0)
  await until(async () => (await loss(master, 'unreplicated')).bytes === 0)
  expect(await loss(master, 'unreplicated')).toEqual(NOTHING)
  await slave.close()
  await grows(master, 'unreplicated', (count) => sendMany(master, count))
  await startSlave(master, {}, slave.broker.folder)
  await until(async () => (await loss(master, 'unreplicated')).bytes === 0)
  expect(await loss(master, 'unreplicated')).toEqual(NOTHING)
})

test('a slave tells of its own disk, and of nobody behind it', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  const slave = await startSlave(master, { flushIntervalCommitLog: 10, flushCommitLogLeastPages: 0 })
  await sendMany(master, 3)
  await until(() => end(slave) === end(master))
  await until(async () => (await loss(slave, 'unflushed')).bytes === 0)
  slave.broker.faults.set('holdSync', 1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await sendMany(master, 40)
  await until(() => end(slave) === end(master))
  const held = await loss(slave, 'unflushed')
  expect(held).toMatchObject({ messages: 40 })
  expect(held.ms).toBeGreaterThanOrEqual(0)
  expect(await runtime(slave)).not.toHaveProperty('basalt_unreplicated_bytes')
  slave.broker.faults.set('holdSync', 0)
  await until(async () => (await loss(slave, 'unflushed')).bytes === 0)
  expect(await loss(slave, 'unflushed')).toEqual(NOTHING)
})

test('after a start, what slaves lack from before it is not told in messages', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 5)
  const { folder } = master.broker
  await master.close()
  const again = await startMaster({ brokerRole: 'ASYNC_MASTER' }, folder)
  await sendMany(again, 5)
  expect(await loss(again, 'unreplicated')).toEqual({ bytes: end(again), messages: -1, ms: -1 })
})
