/** Where the time of a real pair's messages goes, by its runtime tables. */
import { expect, test } from 'vitest'
import type { WaterfallStep } from '../../src/bench/results.ts'
import { parseStageRows, STAGE_COUNTS_ASK, type Tables, waterfall } from '../../src/bench/waterfall.ts'
import { type Node, sendMany, startMaster, startSlave, until } from '../ha/support.ts'

const OK = 0
const OF_MASTER = ['claimed', 'appended', 'flushed', 'sent', 'reportRead', 'acknowledged', 'total']

async function table({ client }: Node, ask?: Record<string, string>): Promise<Record<string, string>> {
  const { body } = await client.invoke(28, ask)
  return (JSON.parse(Buffer.from(body!).toString()) as { table: Record<string, string> }).table
}

async function tables(master: Node, slave: Node): Promise<Tables> {
  return { master: await table(master, STAGE_COUNTS_ASK), slave: await table(slave, STAGE_COUNTS_ASK) }
}

const names = (steps: readonly WaterfallStep[]) => steps.map(({ step }) => step)
const of = (steps: readonly WaterfallStep[], name: string) => steps.find(({ step }) => step === name)!

test.each([
  { name: 'in memory', flushDiskType: 'ASYNC_FLUSH' as const, slaveAckAfter: 'append' as const, flushes: false },
  { name: 'on both disks', flushDiskType: 'SYNC_FLUSH' as const, slaveAckAfter: 'flush' as const, flushes: true },
])('SYNC_MASTER, $name: every step, in order, of a window alone', async ({ flushDiskType, slaveAckAfter, flushes }) => {
  const master = await startMaster({ stageClockSampling: 1, flushDiskType })
  const slave = await startSlave(master, { stageClockSampling: 1, flushDiskType, slaveAckAfter })
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  await sendMany(master, 64)
  const before = await tables(master, slave)
  expect(new Set(await sendMany(master, 128))).toEqual(new Set([OK]))
  // ASYNC_FLUSH comes by itself, later than the answers.
  await until(async () => of(waterfall(before, await tables(master, slave)), 'flushed')?.count >= 128)
  const after = await tables(master, slave)
  const steps = waterfall(before, after)
  const ofSlave = ['slaveReceived', 'slaveAppended', ...(flushes ? ['slaveFlushed'] : []), 'reported']
  expect(names(steps)).toEqual([...OF_MASTER.slice(0, 4), ...ofSlave, ...OF_MASTER.slice(4)])
  for (const step of ['claimed', 'appended', 'sent', 'reportRead', 'acknowledged', 'total']) {
    expect(of(steps, step).count, step).toBe(128)
  }
  expect(of(steps, 'reported').count).toBeGreaterThan(0)
  expect(of(steps, 'reported').count).toBeLessThanOrEqual(of(steps, 'slaveReceived').count)
  for (const { step, p50Us, p99Us } of steps) expect([step, 0 < p50Us && p50Us <= p99Us]).toEqual([step, true])
  // A slave's part is inside what the master waits for its report.
  expect(of(steps, 'reported').p50Us).toBeLessThanOrEqual(of(steps, 'reportRead').p99Us)
  expect(of(steps, 'reportRead').p50Us).toBeLessThanOrEqual(of(steps, 'total').p50Us)
  // The rows that people read say the same since the start, and the counts are not among them unless asked for.
  const plain = { ...(await table(master)), ...(await table(slave)) }
  expect(plain).not.toHaveProperty('basalt_stage_counts')
  expect(names(parseStageRows(plain))).toEqual(names(steps))
  expect(of(parseStageRows(plain), 'total').count).toBeGreaterThanOrEqual(192)
  expect(after.master.basalt_stage_counts.length).toBeLessThan(4000)
})

test('what is slow is seen in its own step: a slave’s disk, then the master’s', async () => {
  const config = { stageClockSampling: 1, flushDiskType: 'SYNC_FLUSH' as const }
  const master = await startMaster(config)
  const slave = await startSlave(master, { ...config, slaveAckAfter: 'flush' })
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  const window = async (slow: Node) => {
    slow.broker.faults.set('slowSync', 60)
    const before = await tables(master, slave)
    for (let i = 0; i < 5; i += 1) expect((await master.client.send('T', 'x')).code).toBe(OK)
    slow.broker.faults.set('slowSync', 0)
    return waterfall(before, await tables(master, slave))
  }
  const ofSlave = await window(slave)
  for (const step of ['slaveFlushed', 'reportRead', 'total']) {
    expect(of(ofSlave, step).p50Us, step).toBeGreaterThan(55_000)
  }
  for (const step of ['claimed', 'appended', 'sent', 'slaveAppended', 'reported', 'acknowledged', 'flushed']) {
    expect(of(ofSlave, step).p50Us, step).toBeLessThan(55_000)
  }
  const ofMaster = await window(master)
  for (const step of ['flushed', 'total']) expect(of(ofMaster, step).p50Us, step).toBeGreaterThan(55_000)
  for (const step of ['reportRead', 'acknowledged', 'slaveFlushed']) {
    expect(of(ofMaster, step).p50Us, step).toBeLessThan(55_000)
  }
})

test('without a slave, ASYNC_FLUSH: the master’s own steps', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER', stageClockSampling: 1 })
  await sendMany(master, 20)
  await until(async () => (await table(master)).basalt_stage_flushed !== undefined)
  expect(names(parseStageRows(await table(master)))).toEqual([
    'claimed',
    'appended',
    'flushed',
    'acknowledged',
    'total',
  ])
})

test('two slaves: the one that confirms first, and another after it is gone', async () => {
  const master = await startMaster({ stageClockSampling: 1, slaveTimeout: 20_000 })
  const first = await startSlave(master, { brokerId: 1 })
  await startSlave(master, { brokerId: 2 })
  await until(async () => (await table(master)).basalt_stored_on === '3 of 3')
  const before = { master: await table(master, STAGE_COUNTS_ASK) }
  first.broker.faults.set('holdAppend', 1)
  await sendMany(master, 10)
  first.broker.faults.set('holdAppend', 0)
  await first.close()
  await sendMany(master, 10)
  const steps = waterfall(before, { master: await table(master, STAGE_COUNTS_ASK) })
  for (const step of ['sent', 'reportRead', 'acknowledged']) expect(of(steps, step).count, step).toBe(20)
})

test('a broker that was started again is not subtracted from', () => {
  const before = { master: { basalt_stage_counts: 'total:4.5,1.2' } }
  expect(waterfall(before, { master: { basalt_stage_counts: 'total:4.5,1.3,1.1' } })).toEqual([
    { step: 'total', count: 2, p50Us: 6, p99Us: 7 },
  ])
  expect(waterfall(before, { master: { basalt_stage_counts: 'total:5.1' } })).toEqual([
    { step: 'total', count: 1, p50Us: 6, p99Us: 6 },
  ])
  expect(waterfall(before, before)).toEqual([])
})
