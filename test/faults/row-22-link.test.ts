/** Row 22: the link between master and slave is bad, or cut, and heals: the right answers in time, and no divergence. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { end, haAddress, logBytes, sendMany, startMaster, startSlave, TINY, until } from '../ha/support.ts'
import { scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { BadCable } from './support/bad-cable.ts'
import { startBrokerProcess } from './support/broker-process.ts'
import { LossyLink } from './support/lossy-link.ts'
import { isLong } from './support/scratch.ts'

const OK = 0
const FLUSH_SLAVE_TIMEOUT = 12
/** A timer, and the machine. */
const LATE_MS_MAX = 1500
const LOSSY_MS = isLong ? 300_000 : 8000
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

  test('with 500 ms of delay: 0 while that is less than slaveTimeout, after one round trip; else 12, then 11', async () => {
    const master = await startMaster({ slaveTimeout: 3000 })
    await using cable = await BadCable.to(haAddress(master), 'whole')
    const slave = await startSlave(master, { haMasterAddress: cable.address })
    await until(async () => (await master.client.send('T', 'x')).code === OK)
    cable.delayMs = 500
    const from = performance.now()
    expect(new Set(await sendMany(master, 64))).toEqual(new Set([OK]))
    expect(new Set(await sendMany(master, 64))).toEqual(new Set([OK]))
    expect(performance.now() - from).toBeGreaterThan(2000)
    // A live key: the slave is as good as before, but not good enough now.
    const config = Buffer.from('slaveTimeout=400\n')
    expect((await master.client.invoke(25, {}, config)).code).toBe(OK)
    const codes: number[] = []
    for (let i = 0; i < 12; i += 1) {
      const sent = performance.now()
      codes.push((await master.client.send('T', `late ${i}`)).code)
      expect(performance.now() - sent).toBeLessThan(400 + LATE_MS_MAX)
    }
    expect(new Set(codes)).toEqual(new Set([FLUSH_SLAVE_TIMEOUT, SLAVE_NOT_AVAILABLE]))
    cable.delayMs = 0
    await until(async () => (await master.client.send('T', 'x')).code === OK)
    await until(() => end(slave) === end(master))
    const to = end(slave)
    await slave.close()
    expect(logBytes(slave.broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
  })

  test('that loses 30 % of its packets, and is cut: answers in time, what was confirmed is there; then all of it', async ({
    skip,
  }) => {
    const link = await LossyLink.open(scratchFolder())
    if (link === undefined) return skip()
    await using _ = link
    const [slaveTimeout, folder] = [1000, scratchFolder()]
    const open = { bindAddress: '0.0.0.0', brokerIP1: link.here, brokerIP2: link.here, brokerName: 'pair' }
    const master = await startMaster({ ...open, slaveTimeout })
    const client = new TestClient(`127.0.0.1:${master.broker.address.split(':')[1]}`)
    onTestFinished(() => client.close())
    const namesrvAddr = `${link.here}:${master.broker.namesrv.split(':')[1]}`
    const slave = await startBrokerProcess({
      ...{ folder, netns: link.netns },
      config: {
        ...TINY,
        ...{ brokerName: 'pair', brokerRole: 'SLAVE', brokerId: 1, nameServerInside: 'never', namesrvAddr },
        ...{ brokerIP1: link.there, bindAddress: '0.0.0.0' },
      },
    })
    onTestFinished(() => void slave.kill())
    await until(async () => (await client.send('T', 'x')).code === OK, 20_000)
    await link.set('loss 30')
    const confirmed: string[] = []
    const codes = new Map<number, number>()
    const limit = performance.now() + LOSSY_MS
    let number = 0
    const sender = async () => {
      while (performance.now() < limit) {
        number += 1
        const body = `lossy ${number} `
        const sent = performance.now()
        const { code } = await client.send('T', Buffer.alloc(1500, body))
        expect(performance.now() - sent).toBeLessThan(slaveTimeout + LATE_MS_MAX)
        codes.set(code, (codes.get(code) ?? 0) + 1)
        if (code === OK) confirmed.push(body)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    await Promise.all(Array.from({ length: 8 }, sender))
    await link.set('loss 100')
    expect([...codes.keys()].every((code) => [OK, SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT].includes(code))).toBe(true)
    expect(confirmed.length).toBeGreaterThan(10)
    const there = logBytes(folder, 0, Number.MAX_SAFE_INTEGER)
    expect(confirmed.filter((body) => !there.includes(body))).toEqual([])
    await until(async () => (await client.send('T', 'cut')).code === SLAVE_NOT_AVAILABLE, 10_000)
    if (isLong) console.log(`30 % loss: ${number} sent, answered ${JSON.stringify([...codes])}`)
    await link.set('loss 0')
    await until(async () => (await client.send('T', 'healed')).code === OK, 60_000)
    const to = end(master)
    await slave.stop()
    expect(logBytes(folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
  })
})
