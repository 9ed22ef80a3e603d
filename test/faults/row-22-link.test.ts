/** Row 22: the link between master and slave is bad, or cut, and heals: the right answers in time, and no divergence. */
import { describe, expect, test } from 'vitest'
import { end, haAddress, logBytes, sendMany, startMaster, startSlave, until } from '../ha/support.ts'
import { BadCable } from './support/bad-cable.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11

describe('a link', () => {
  test.each(['bytes', 'pieces'] as const)('that passes %s carries the same log', async (manner) => {
    const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
    await using cable = await BadCable.to(haAddress(master), manner)
    const slave = await startSlave(master, { haMasterAddress: cable.address })
    await sendMany(master, manner === 'bytes' ? 4 : 40)
    await until(() => end(slave) === end(master), 20_000)
    const to = end(slave)
    await slave.close()
    expect(logBytes(slave.broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
  })

  test('that is cut: 12 once, then 11; it heals, and the slave has all of it', async () => {
    const master = await startMaster({ slaveTimeout: 300, haHousekeepingInterval: 1000 })
    await using cable = await BadCable.to(haAddress(master), 'whole')
    const slave = await startSlave(master, { haMasterAddress: cable.address, haHousekeepingInterval: 1000 })
    await until(async () => (await master.client.send('T', 'x')).code === OK)
    cable.freeze()
    expect((await master.client.send('T', 'into the void')).code).toBe(12)
    await until(async () => (await master.client.send('T', 'x')).code === SLAVE_NOT_AVAILABLE)
    await until(() => slave.lines.of('warn').some((line) => line.includes('has said nothing for 1000 ms')), 5000)
    cable.thaw()
    await until(async () => (await master.client.send('T', 'x')).code === OK, 20_000)
    expect(end(slave)).toBe(end(master))
    const to = end(slave)
    await slave.close()
    expect(logBytes(slave.broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
  })
})
