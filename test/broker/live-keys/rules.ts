/** Keys that say how much, how long and whether: read where they are used. Part of config-changes.test.ts. */
import { expect, onTestFinished, test } from 'vitest'
import { ConsumerFilters } from '../../../src/broker/filter/index.ts'
import { Pool } from '../../../src/broker/pool.ts'
import { admitPull, type PullChecks } from '../../../src/broker/pull/pull-checks.ts'
import type { PullRequest } from '../../../src/broker/pull/pull-request.ts'
import { checkSlowConsumers } from '../../../src/broker/slow-consumers.ts'
import type { WaitingLine } from '../../../src/broker/waiting-line.ts'
import { resolveConfig } from '../../../src/config/index.ts'
import { silentLog } from '../../../src/log.ts'
import { RawPeer, SEND_V2 } from '../../support/raw-peer.ts'
import { heartbeat, ManualClock, MemoryFiles, rig, subscription } from '../rig.ts'
import type { LiveKeys } from './face.ts'

export function ruleKeys({ broker, client, withKey, proved }: LiveKeys): void {
  const stats = async (statsName: string, statsKey: string) =>
    (await client().invoke(315, { statsName, statsKey })).code

  test('waitTimeMillsInSendQueue: how long a send waits for room', async () => {
    const header = { ...SEND_V2, b: 'Routed' }
    const waited = async () => {
      const peer = await RawPeer.connect(broker().address)
      onTestFinished(() => peer.close())
      broker().faults.set('holdAppend', 1)
      const opaques = Array.from({ length: 60 }, () => peer.ask(310, header, Buffer.alloc(250_000)))
      await peer.until(() => peer.answers.size > 0, 'the first refusal')
      broker().faults.set('holdAppend', 0)
      for (const opaque of opaques) await peer.answer(opaque)
      const refused = [...peer.answers.values()].find(({ code }) => code === 2)
      return Number(/period in queue: (\d+)ms/.exec(refused?.remark ?? '')?.[1])
    }
    await withKey('osPageCacheBusyTimeOutMills', 60_000, async () => {
      await withKey('waitTimeMillsInSendQueue', 700, async () => expect(await waited()).toBeGreaterThanOrEqual(700))
      await withKey('waitTimeMillsInSendQueue', 20, async () => expect(await waited()).toBeLessThan(700))
    })
  })

  test('waitTimeMillsInPullQueue: how long a pull waits for a thread', async () => {
    const { config } = resolveConfig({ role: 'broker', env: {} })
    const pool = new Pool(config, silentLog)
    onTestFinished(() => pool.close())
    const refused: Error[] = []
    const { line } = pool as unknown as { line: WaitingLine }
    line.add({ kind: 'pull', since: 0, run() {}, refuse: (error) => void refused.push(error) })
    pool.tick(1000)
    expect(refused).toEqual([])
    config.waitTimeMillsInPullQueue = 500
    pool.tick(1000)
    expect(refused).toHaveLength(1)
    proved.add('waitTimeMillsInPullQueue')
  })

  test('maxMsgsNumBatch, defaultQueryMaxNum: most messages of a query by key, and of one by unique key', async () => {
    for (let i = 0; i < 4; i++) await client().send('Found', 'x', { properties: { KEYS: 'k', UNIQ_KEY: 'u' } })
    const query = async (key: string, isUnique: boolean) => {
      const times = { beginTimestamp: '0', endTimestamp: String(2 ** 50), _UNIQUE_KEY_QUERY: String(isUnique) }
      const { body } = await client().invoke(12, { topic: 'Found', key, maxNum: '4', ...times })
      return (
        Buffer.from(body ?? [])
          .toString('latin1')
          .split('\u0001u').length - 1
      )
    }
    await expect.poll(() => query('k', false)).toBe(4)
    await withKey('maxMsgsNumBatch', 2, async () => expect(await query('k', false)).toBe(2))
    await withKey('defaultQueryMaxNum', 3, async () => expect(await query('u', true)).toBe(3))
  })

  test('enableScheduleMessageStats: deliveries are counted, or not', async () => {
    const delivered = async (topic: string) => {
      await client().send(topic, 'x', { properties: { DELAY: '1' } })
      broker().advance('2s')
      await expect.poll(async () => (await client().pull(topic, 0, 0)).messages.length, { timeout: 5000 }).toBe(1)
      return stats('TOPIC_PUT_NUMS', topic)
    }
    await withKey('enableScheduleMessageStats', false, async () => expect(await delivered('DelayedNotCounted')).toBe(1))
    expect(await delivered('DelayedCounted')).toBe(0)
  })

  test('enableDetailStat: queues are counted, or not', async () => {
    await withKey('enableDetailStat', false, async () => {
      await client().send('InDetail', 'x')
      expect([await stats('TOPIC_PUT_NUMS', 'InDetail'), await stats('QUEUE_PUT_NUMS', 'InDetail@0')]).toEqual([0, 1])
    })
    await client().send('InDetail', 'x')
    expect(await stats('QUEUE_PUT_NUMS', 'InDetail@0')).toBe(0)
  })

  test('disableConsumeIfConsumerReadSlowly, consumerFallbehindThreshold: at the next look', async () => {
    const rigged = rig()
    const { state, store, log } = rigged
    for (let i = 0; i < 50; i++) store.put('T', 0, i)
    await rigged.ask(200, undefined, { groupName: 'Far' })
    state.offsets.commit('Far', 'T', 0, 10, 'h')
    await rigged.ask(34, undefined, heartbeat('c', { Far: [subscription('T')] }), { from: rigged.connect() })
    const { config } = resolveConfig({ role: 'broker', env: {} })
    const look = () =>
      checkSlowConsumers({ ...state, settings: config, control: { load: () => store.logMax() }, store, log })
    const mayConsume = () => state.groups.get('Far')?.consumeEnable
    config.disableConsumeIfConsumerReadSlowly = true
    await look()
    expect(mayConsume()).toBe(true)
    config.consumerFallbehindThreshold = 100
    await look()
    expect(mayConsume()).toBe(false)
    for (const key of ['disableConsumeIfConsumerReadSlowly', 'consumerFallbehindThreshold']) proved.add(key)
  })

  test('filterSupportRetry, filterDataCleanTimeSpan: at the next pull, at the next cleaning', () => {
    const { config } = resolveConfig({ role: 'broker', env: {} })
    const clock = new ManualClock()
    const filters = new ConsumerFilters({ settings: config, store: new MemoryFiles(), clock, log: silentLog })
    const sql = { ...subscription('T', 'a > 1'), expressionType: 'SQL92' }
    filters.subscribed('G', [sql as never])
    const state = rig().state
    state.topics.createInternal({ topic: '%RETRY%G', queueNums: 1, perm: 6 })
    const checks = {
      ...state,
      settings: config,
      filters,
      tagFilters: { of: () => ({ all: true }) },
    } as unknown as PullChecks
    const pull = {
      consumerGroup: 'G',
      topic: '%RETRY%G',
      queueId: 0,
      sysFlag: 4,
      subscription: '*',
      expressionType: 'TAG',
    }
    const isTested = () => 'records' in admitPull(checks, { ...pull, subVersion: 0, version: 409 } as PullRequest)
    expect(isTested()).toBe(false)
    config.filterSupportRetry = true
    expect(isTested()).toBe(true)
    filters.gone('G')
    clock.ms += 1000
    filters.clean()
    expect(filters.get('T', 'G')).toBeDefined()
    config.filterDataCleanTimeSpan = 500
    filters.clean()
    expect(filters.get('T', 'G')).toBeUndefined()
    for (const key of ['filterSupportRetry', 'filterDataCleanTimeSpan']) proved.add(key)
  })
}
