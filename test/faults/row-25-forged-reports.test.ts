/** Row 25: HA reports that cannot be true. The connection ends, `replicated` does not move (apache/rocketmq #3015). */
import { expect, test } from 'vitest'
import { HandMade } from '../ha/hand-made.ts'
import { end, type Node, sendMany, startMaster, startSlave, until } from '../ha/support.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11

const replicated = ({ broker }: Node) => broker.handle.engine.control.load('replicated')

test('a report that cannot be true ends its connection and confirms nothing; a real slave is taken all the same', async () => {
  const master = await startMaster()
  await sendMany(master, 20)
  const log = end(master)
  const before = replicated(master)
  const forged: (number | bigint)[][] = [
    [log + 1],
    [2n ** 63n - 1n],
    [-1],
    [log, -1n],
    [log, log + 1],
    [log, log - 1],
    [0, log - 1, log - 2],
  ]
  const slaves = forged.map((ends) => {
    const slave = new HandMade(master)
    slave.say(...ends)
    return slave
  })
  await until(() => slaves.every(({ isClosed }) => isClosed))
  expect(replicated(master)).toBe(before)
  expect((await master.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
  const said = master.lines.of('error').filter((line) => line.includes('is refused'))
  for (const words of ['bytes that this master does not have', 'no place in a log', 'was sent only', `after ${log}`]) {
    expect(said.some((line) => line.includes(words))).toBe(true)
  }
  await startSlave(master)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  // What was acknowledged before the lie is no lie.
  const liar = new HandMade(master)
  liar.say(end(master))
  await until(() => liar.frames.length > 0)
  liar.say(end(master) + 1)
  await until(() => liar.isClosed)
  expect(replicated(master)).toBeLessThanOrEqual(end(master))
  expect((await master.client.send('T', 'x')).code).toBe(OK)
})

test('the same lie fifty times is one line in the log', async () => {
  const master = await startMaster()
  await sendMany(master, 5)
  for (let i = 0; i < 50; i += 1) new HandMade(master).say(end(master) + 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(master.lines.of('error').filter((line) => line.includes('is refused'))).toHaveLength(1)
})
