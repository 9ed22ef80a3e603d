/** Items of 315 over minute, hour and day, fed by a running broker's sends and pulls. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { BrokerStats } from '../../../src/broker/stats/index.ts'
import { StatsCounters } from '../../../src/broker/stats-counters.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { bodyOf, ManualClock } from '../rig.ts'

interface Window {
  sum: number
  tps: number
  avgpt: number
}
type Item = Record<'statsMinute' | 'statsHour' | 'statsDay', Window>

function countersOf(enableDetailStat = true) {
  const clock = new ManualClock()
  const stats = new BrokerStats(clock)
  const counters = new StatsCounters(stats, { brokerClusterName: 'C', enableDetailStat })
  const seconds = (count: number, work = () => {}) => {
    for (let i = 0; i < count; i++) {
      clock.ms += 1_000
      work()
      stats.tick()
    }
  }
  return { clock, stats, counters, seconds }
}

test('a steady load shows the same rate over minute, hour and day, each as long as it is', () => {
  const { clock, stats, counters, seconds } = countersOf()
  counters.put('T', 0, 1, 100)
  seconds(25 * 3600, () => counters.put('T', 0, 2, 200))
  const item = stats.find('TOPIC_PUT_NUMS', 'T')!
  for (const [span, length] of [
    ['minute', 60],
    ['hour', 3_600],
    ['day', 86_400],
  ] as const) {
    const { sum, tps, avgpt } = item.window(span, clock.ms)
    // From the oldest sample on, which is up to one interval older than the span.
    expect(sum).toBeGreaterThanOrEqual(2 * length)
    expect(sum).toBeLessThanOrEqual(2 * length * 1.2)
    expect(tps).toBeCloseTo(2, 1)
    expect(avgpt).toBeCloseTo(2, 1)
  }
  expect(stats.find('TOPIC_PUT_SIZE', 'T')!.window('day', clock.ms).tps).toBeCloseTo(200, 0)
  expect(stats.find('BROKER_PUT_NUMS', 'C')!.window('hour', clock.ms).tps).toBeCloseTo(2, 1)
})

test('many items are sampled a part at a time, every one of them each ten seconds', () => {
  const { clock, stats, counters, seconds } = countersOf()
  for (let i = 0; i < 1_000; i++) counters.put(`T${i}`, i % 7, 1, 1)
  seconds(20)
  seconds(80, () => {
    for (let i = 0; i < 1_000; i++) counters.put(`T${i}`, i % 7, 1, 1)
  })
  for (let i = 0; i < 1_000; i++) {
    expect(stats.find('TOPIC_PUT_NUMS', `T${i}`)!.window('minute', clock.ms).tps, `T${i}`).toBeCloseTo(1, 1)
    expect(stats.find('QUEUE_PUT_NUMS', `T${i}@${i % 7}`)!.window('minute', clock.ms).tps).toBeCloseTo(1, 1)
  }
})

test('gets are counted by group, queue and disk; items that were forgotten are begun anew by whoever kept them', () => {
  const { stats, counters } = countersOf()
  const pull = { consumerGroup: 'G', topic: 'T', queueId: 3 }
  counters.get(pull, 5, 500, -1)
  counters.get(pull, 2, 200, 12.4)
  counters.get({ ...pull, consumerGroup: 'H' }, 1, 1, -1)
  const value = (name: string, key: string) => stats.find(name, key)?.value
  expect(value('GROUP_GET_NUMS', 'T@G')).toBe(7)
  expect(value('GROUP_GET_SIZE', 'T@G')).toBe(700)
  expect(value('QUEUE_GET_NUMS', 'T@3@G')).toBe(7)
  expect(value('QUEUE_GET_SIZE', 'T@3@G')).toBe(700)
  expect(value('GROUP_GET_LATENCY', '3@T@G')).toBe(12)
  expect(stats.find('GROUP_GET_LATENCY', '3@T@G')?.times).toBe(2)
  expect(value('GROUP_GET_FROM_DISK_NUMS', 'T@G')).toBe(2)
  expect(value('GROUP_GET_FROM_DISK_SIZE', 'T@G')).toBe(200)
  expect(value('BROKER_GET_FROM_DISK_NUMS', 'C')).toBe(2)
  expect(value('BROKER_GET_NUMS', 'C')).toBe(8)
  expect(stats.table().getMessageEntireTimeMax).toBe('12')
  stats.forgetGroup('G')
  expect([value('GROUP_GET_NUMS', 'T@G'), value('GROUP_GET_NUMS', 'T@H')]).toEqual([undefined, 1])
  counters.get(pull, 1, 1, -1)
  expect([value('GROUP_GET_NUMS', 'T@G'), value('QUEUE_GET_NUMS', 'T@3@G')]).toEqual([1, 1])
  counters.put('T', 0, 1, 1)
  counters.put('TT', 0, 1, 1)
  stats.forgetTopic('T')
  for (const [name, key] of [
    ['TOPIC_PUT_NUMS', 'T'],
    ['QUEUE_PUT_NUMS', 'T@0'],
    ['GROUP_GET_NUMS', 'T@G'],
    ['GROUP_GET_LATENCY', '3@T@G'],
  ]) {
    expect(value(name, key), name).toBe(undefined)
  }
  expect(value('TOPIC_PUT_NUMS', 'TT')).toBe(1)
  counters.put('T', 0, 1, 1)
  expect(value('TOPIC_PUT_NUMS', 'T')).toBe(1)
})

test('without enableDetailStat queues have no items', () => {
  const { stats, counters } = countersOf(false)
  counters.put('T', 0, 1, 1)
  counters.get({ consumerGroup: 'G', topic: 'T', queueId: 0 }, 1, 1, -1)
  expect(stats.find('TOPIC_PUT_NUMS', 'T')?.value).toBe(1)
  for (const name of ['QUEUE_PUT_NUMS', 'QUEUE_GET_NUMS']) {
    for (const key of ['T@0', 'T@0@G']) expect(stats.find(name, key)).toBe(undefined)
  }
})

test('in a running broker: what was sent and pulled is there for 315', async () => {
  const broker = await startTestBroker({ config: { autoDeleteUnusedStats: true } })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const item = async (statsName: string, statsKey: string) => {
    const answer = await client.invoke(315, { statsName, statsKey })
    return answer.code === 0 ? (bodyOf(answer) as Item) : undefined
  }
  for (let i = 0; i < 6; i++) await client.send('T', 'x', { queueId: i % 2 })
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')))
  expect((await client.pull('T', 0, 0)).messages).toHaveLength(3)
  // At once, as 0.6 a second: RocketMQ shows nothing before its next sample, which is up to ten seconds away.
  expect((await item('TOPIC_PUT_NUMS', 'T'))?.statsMinute).toMatchObject({ sum: 6, tps: 0.6 })
  broker.advance('50s')
  expect((await item('TOPIC_PUT_NUMS', 'T'))?.statsMinute.tps).toBeCloseTo(6 / 50, 2)
  expect((await item('TOPIC_PUT_NUMS', 'T'))?.statsMinute).toMatchObject({ sum: 6, avgpt: 1 })
  expect((await item('QUEUE_PUT_NUMS', 'T@1'))?.statsMinute.sum).toBe(3)
  expect((await item('GROUP_GET_NUMS', 'T@CG'))?.statsMinute).toMatchObject({ sum: 3, avgpt: 3 })
  expect((await item('QUEUE_GET_NUMS', 'T@0@CG'))?.statsMinute.sum).toBe(3)
  expect((await item('BROKER_PUT_NUMS', 'DefaultCluster'))?.statsMinute.sum).toBe(6)
  expect(await item('TOPIC_PUT_NUMS', 'U')).toBe(undefined)
  await client.invoke(215, { topic: 'T' })
  expect(await item('TOPIC_PUT_NUMS', 'T')).toBe(undefined)
})
