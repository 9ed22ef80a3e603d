/**
 * Request 25 on a running broker: of every key that the table says changes at once, that it does. A key that is missing here
 * fails the last test.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LiveReadLimits } from '../../src/broker/pull/read-limits.ts'
import { GATE } from '../../src/concurrency/control-block.ts'
import { type AnyKey, KEYS, resolveConfig } from '../../src/config/index.ts'
import { startNamesrv } from '../../src/namesrv/index.ts'
import { REQUEST } from '../../src/remoting/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { checksumKeys } from './live-keys/checksums.ts'
import { periodKeys } from './live-keys/periods.ts'
import { ruleKeys } from './live-keys/rules.ts'
import { heartbeat, subscription } from './rig.ts'
import { allOffline, TransactionClient } from './transaction/transaction-client.ts'

let broker: TestBroker
let client: TestClient
const MIB = 1 << 20

beforeAll(async () => {
  const config = {
    maxMessageSize: MIB / 4,
    mappedFileSizeCommitLog: MIB,
    flushDiskType: 'SYNC_FLUSH' as const,
    deleteWhen: '04',
    cleanResourceInterval: 50,
  }
  broker = await startTestBroker({ config })
  client = new TestClient(broker.address)
})
afterAll(async () => {
  await client.close()
  await broker.close()
})

const change = async (body: string) => (await client.invoke(REQUEST.UPDATE_BROKER_CONFIG, {}, Buffer.from(body))).code
const shown = async () => Buffer.from((await client.invoke(REQUEST.GET_BROKER_CONFIG)).body ?? []).toString()
const version = async () => JSON.parse((await client.invoke(REQUEST.GET_BROKER_CONFIG)).ext?.version ?? '')
const proved = new Set<string>()

/** A key at `value`, and what it was afterwards. */
async function withKey(key: string, value: string | number | boolean, run: () => Promise<void>): Promise<void> {
  proved.add(key)
  const before = new RegExp(`^${key}=(.*)$`, 'm').exec(await shown())?.[1] ?? ''
  expect(await change(`${key}=${value}`)).toBe(0)
  try {
    await run()
  } finally {
    expect(await change(`${key}=${before}`)).toBe(0)
  }
}

/** Of our NameServer inside. */
async function routePerm(topic: string): Promise<number> {
  const names = new TestClient(broker.namesrv)
  const { body } = await names.invoke(REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic, acceptStandardJsonOnly: 'true' })
  await names.close()
  return JSON.parse(Buffer.from(body ?? []).toString()).queueDatas[0].perm
}

describe('request 25', () => {
  test('is answered with the value in 26, a larger version, and the file on disk', async () => {
    const before = await version()
    await withKey('fileReservedTime', 7, async () => {
      expect(await shown()).toMatch(/^fileReservedTime=7$/m)
      expect((await version()).counter).toBe(before.counter + 1)
      expect(readFileSync(join(broker.folder, 'basalt', 'broker.properties'), 'utf8')).toContain('fileReservedTime=7\n')
    })
  })

  test('with what no request may change is answered 16, with a bad value 1, without a body 0', async () => {
    expect(await client.invoke(25, {}, Buffer.from('brokerConfigPath=/x'))).toMatchObject({
      code: 16,
      remark: 'Can not update config in black list.',
    })
    expect(await client.invoke(25, {}, Buffer.from('storePathRootDir=/tmp/x'))).toMatchObject({ code: 16 })
    expect(await client.invoke(25, {}, Buffer.from('brokerPermission=9'))).toMatchObject({ code: 1 })
    expect(await client.invoke(25)).toMatchObject({ code: 0 })
  })
})

describe('at once', () => {
  test('brokerPermission: routes are registered anew before the answer, pulls are refused', async () => {
    await client.send('Routed', 'x')
    await expect.poll(() => routePerm('Routed').catch(() => 0)).toBe(6)
    await withKey('brokerPermission', 2, async () => {
      expect(await routePerm('Routed')).toBe(2)
      expect(await client.pull('Routed', 0, 0)).toMatchObject({ code: 16 })
    })
    expect(await routePerm('Routed')).toBe(6)
  })

  test('namesrvAddr: the broker registers with the other one', async () => {
    const other = await startNamesrv({ port: 0, host: '127.0.0.1' })
    await withKey('namesrvAddr', other.address, async () => {
      await expect.poll(() => [...other.tables.brokerAddrTable.keys()]).toEqual([broker.handle.config.brokerName])
    })
    await other.close()
  })

  test('autoCreateTopicEnable, autoCreateSubscriptionGroup', async () => {
    await withKey('autoCreateTopicEnable', false, async () => {
      expect(await client.send('NotMade', 'x')).toMatchObject({ code: 17 })
    })
    expect(await client.send('Made', 'x')).toMatchObject({ code: 0 })
    await withKey('autoCreateSubscriptionGroup', false, async () => {
      expect(await client.pull('Routed', 0, 0, { group: 'not-made' })).toMatchObject({ code: 26 })
    })
  })

  test('startAcceptSendRequestTimeStamp, maxMessageSize', async () => {
    await withKey('startAcceptSendRequestTimeStamp', Date.now() + 3_600_000, async () => {
      expect(await client.send('Routed', 'x')).toMatchObject({ code: 1, remark: expect.stringContaining('until') })
    })
    await withKey('maxMessageSize', 100, async () => {
      expect(await client.send('Routed', Buffer.alloc(101))).toMatchObject({ code: 13 })
    })
    expect(await client.send('Routed', Buffer.alloc(101))).toMatchObject({ code: 0 })
  })

  test('traceOn, regionId: answers to sends say so, those that refuse too', async () => {
    const said = async (topic = 'Routed') => (await client.send(topic, 'x')).ext
    expect(await said()).toMatchObject({ TRACE_ON: 'true', MSG_REGION: 'DefaultRegion' })
    await withKey('traceOn', false, () =>
      withKey('regionId', 'Elsewhere', async () => {
        expect(await said()).toMatchObject({ TRACE_ON: 'false', MSG_REGION: 'Elsewhere' })
        expect(await said('SCHEDULE_TOPIC_XXXX')).toEqual({ TRACE_ON: 'false', MSG_REGION: 'Elsewhere' })
      }),
    )
    expect(await said()).toMatchObject({ TRACE_ON: 'true', MSG_REGION: 'DefaultRegion' })
  })

  test('longPollingEnable, shortPollingTimeMills: a pull is held as long as they say', async () => {
    await withKey('longPollingEnable', false, () =>
      withKey('shortPollingTimeMills', 50, async () => {
        const began = performance.now()
        const pull = client.pull('Routed', 3, 0, { suspendMs: 30_000 })
        expect((await pull).code).toBe(19)
        expect(performance.now() - began).toBeLessThan(3000)
      }),
    )
  })

  test('notifyConsumerIdsChangedEnable: members are told of a newcomer, or not', async () => {
    const body = (id: string) => Buffer.from(JSON.stringify(heartbeat(id, { Members: [subscription('Routed')] })))
    const first = await RawPeer.connect(broker.address)
    const second = await RawPeer.connect(broker.address)
    const third = await RawPeer.connect(broker.address)
    await first.invoke(REQUEST.HEART_BEAT, {}, body('first'))
    await first.until(() => first.told.length > 0, 'the notification of itself')
    first.told.length = 0
    await withKey('notifyConsumerIdsChangedEnable', false, async () => {
      await second.invoke(REQUEST.HEART_BEAT, {}, body('second'))
      await first.invoke(REQUEST.GET_BROKER_CONFIG, {})
      expect(first.told).toEqual([])
    })
    await third.invoke(REQUEST.HEART_BEAT, {}, body('third'))
    await first.until(() => first.told.length > 0, 'the notification')
    for (const peer of [first, second, third]) peer.close()
  })

  test('syncFlushTimeout: a send does not wait longer for the disk', async () => {
    await withKey('syncFlushTimeout', 50, async () => {
      broker.faults.set('holdSync', 1)
      const began = performance.now()
      const answer = await client.send('Routed', 'x').finally(() => broker.faults.set('holdSync', 0))
      expect([answer.code, performance.now() - began < 3000]).toEqual([10, true])
    })
  })

  test('slaveTimeout: a send does not wait longer for a slave', async () => {
    const { control } = broker.handle.engine
    await withKey('slaveTimeout', 50, async () => {
      // As of a SYNC_MASTER whose slave stands still.
      control.setWord('gate', GATE.replicated)
      const began = performance.now()
      const answer = await client.send('Routed', 'x').finally(() => control.setWord('gate', 0))
      expect([answer.code, performance.now() - began < 3000]).toEqual([12, true])
    })
  })

  test('maxTransferCountOnMessageInMemory, maxTransferBytesOnMessageInMemory: pulls end there', async () => {
    for (let i = 0; i < 5; i++) await client.send('Counted', Buffer.alloc(1000))
    await expect.poll(async () => (await client.pull('Counted', 0, 0)).messages.length).toBe(5)
    await withKey('maxTransferCountOnMessageInMemory', 2, async () => {
      expect((await client.pull('Counted', 0, 0)).messages).toHaveLength(2)
    })
    await withKey('maxTransferBytesOnMessageInMemory', 3500, async () => {
      expect((await client.pull('Counted', 0, 0)).messages).toHaveLength(3)
    })
  })

  test('accessMessageInMemoryMaxRatio and the limits beyond it are read at each pull', () => {
    const { config } = resolveConfig({ role: 'broker', env: {} })
    const memory = { inMemoryBytes: 1 }
    const limits = new LiveReadLimits(config, memory)
    Object.assign(config, { maxTransferCountOnMessageInDisk: 3, maxTransferBytesOnMessageInDisk: 4 })
    memory.inMemoryBytes = 5
    const { maxTransferCountOnMessageInDisk, maxTransferBytesOnMessageInDisk, inMemoryBytes } = limits
    expect([maxTransferCountOnMessageInDisk, maxTransferBytesOnMessageInDisk, inMemoryBytes]).toEqual([3, 4, 5])
    for (const key of [
      'accessMessageInMemoryMaxRatio',
      'maxTransferCountOnMessageInDisk',
      'maxTransferBytesOnMessageInDisk',
    ]) {
      proved.add(key)
    }
  })

  test('fileReservedTime, deleteWhen: segments go that stayed before', async () => {
    for (let i = 0; i < 12; i++) await client.send('Old', Buffer.alloc(200_000))
    const { control } = broker.handle.engine
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(control.load('retained')).toBe(0)
    const everyHour = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0')).join(';')
    await withKey('fileReservedTime', 0, () =>
      withKey('deleteWhen', everyHour, async () => {
        await expect.poll(() => control.load('retained'), { timeout: 5000 }).toBeGreaterThan(0)
      }),
    )
    // They come to the same object by the same message, and are read beside these two (store/retention/retention-rules.ts).
    const beside = [
      'diskMaxUsedSpaceRatio',
      'cleanFileForciblyEnable',
      'diskSpaceCleanForciblyRatio',
      'diskSpaceWarningLevelRatio',
      'cleanResourceInterval',
      'deleteCommitLogFilesInterval',
      'deleteConsumeQueueFilesInterval',
    ]
    for (const key of beside) proved.add(key)
  })

  test('enablePropertyFilter: an SQL92 subscription is taken, or not', async () => {
    const subscriptionData = { topic: 'Routed', subString: 'a > 1', expressionType: 'SQL92', subVersion: 1 }
    const body = Buffer.from(JSON.stringify({ clientId: 'c', group: 'g', subscriptionData }))
    const check = async () => (await client.invoke(REQUEST.CHECK_CLIENT_CONFIG, {}, body)).code
    expect(await check()).toBe(1)
    await withKey('enablePropertyFilter', true, async () => expect(await check()).toBe(0))
  })

  test('slaveReadEnable: a group is sent to the broker that its configuration names, or stays', async () => {
    const group = { groupName: 'Slow', consumeEnable: true, retryQueueNums: 1, brokerId: 5 }
    await client.invoke(200, {}, Buffer.from(JSON.stringify(group)))
    await client.send('Slowly', 'x')
    const suggested = async () =>
      (await client.pull('Slowly', 0, 0, { group: 'Slow' })).answer.ext?.suggestWhichBrokerId
    await expect.poll(suggested).toBe('0')
    await withKey('slaveReadEnable', true, async () => expect(await suggested()).toBe('5'))
  })

  test('useServerSideResetOffset: offsets of a group that is not online are set, or not', async () => {
    await client.send('Reset', 'x')
    await client.invoke(REQUEST.UPDATE_CONSUMER_OFFSET, {
      ...{ consumerGroup: 'Away', topic: 'Reset', queueId: '0', commitOffset: '1' },
    })
    const ext = { topic: 'Reset', group: 'Away', timestamp: '0', isForce: 'true' }
    const reset = async () => (await client.invoke(REQUEST.INVOKE_BROKER_TO_RESET_OFFSET, ext)).code
    expect(await reset()).not.toBe(0)
    await withKey('useServerSideResetOffset', true, async () => expect(await reset()).toBe(0))
  })

  test('autoDeleteUnusedStats: the statistics of a deleted topic go, or stay', async () => {
    const stats = async (statsKey: string) =>
      (await client.invoke(REQUEST.VIEW_BROKER_STATS_DATA, { statsName: 'TOPIC_PUT_NUMS', statsKey })).code
    for (const topic of ['Kept', 'Gone']) await client.send(topic, 'x')
    const remove = (topic: string) => client.invoke(REQUEST.DELETE_TOPIC_IN_BROKER, { topic })
    await remove('Kept')
    expect(await stats('Kept')).toBe(0)
    await withKey('autoDeleteUnusedStats', true, async () => {
      await remove('Gone')
      expect(await stats('Gone')).toBe(1)
    })
  })

  test('osPageCacheBusyTimeOutMills, brokerFastFailureEnable: when append stands still, sends are refused or wait', async () => {
    await withKey('osPageCacheBusyTimeOutMills', 50, async () => {
      broker.faults.set('holdAppend', 1)
      const first = client.send('Routed', 'waits')
      // It is looked for ten times a second.
      await new Promise((resolve) => setTimeout(resolve, 1000))
      expect((await client.send('Routed', 'refused')).code).toBe(2)
      await withKey('brokerFastFailureEnable', false, async () => {
        await new Promise((resolve) => setTimeout(resolve, 300))
        const second = client.send('Routed', 'waits, too')
        await client.invoke(REQUEST.GET_BROKER_CONFIG)
        broker.faults.set('holdAppend', 0)
        expect([(await first).code, (await second).code]).toEqual([0, 0])
      })
    })
  })

  test('rejectTransactionMessage, transactionTimeOut, transactionCheckMax: halves are refused, checked, given up', async () => {
    const producer = new TransactionClient(broker.address)
    await producer.heartbeat()
    const round = async () => {
      const { control } = broker.handle.engine
      await expect.poll(() => control.load('appended') - control.load('dispatched')).toBe(0)
      return await broker.handle.own.transactions.check()
    }
    const now = () => ({ g: String(Date.now()) })
    await withKey('rejectTransactionMessage', true, async () => {
      expect(await producer.half('Halves', 'refused', {}, now())).toMatchObject({ code: 16 })
    })
    expect(await producer.half('Halves', 'open', {}, now())).toMatchObject({ code: 0 })
    expect(await round()).toMatchObject({ checked: 0, expired: 0 })
    await withKey('transactionTimeOut', 1, async () => {
      await withKey('transactionCheckMax', 0, async () =>
        expect(await round()).toMatchObject({ checked: 0, expired: 1 }),
      )
      expect(await producer.half('Halves', 'old', {}, now())).toMatchObject({ code: 0 })
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(await round()).toMatchObject({ checked: 1, expired: 0 })
    })
    await allOffline()
  })

  test('storeReplyMessageEnable: a reply has a place in the log, or none', async () => {
    const properties =
      'MSG_TYPE\u0001reply\u0002REPLY_TO_CLIENT\u0001nobody\u0002CORRELATION_ID\u00011\u0002TTL\u00011000'
    const ext = { a: 'PG', b: 'DefaultCluster_REPLY_TOPIC', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0' }
    const reply = () => client.invoke(325, { ...ext, i: properties, j: '0' }, Buffer.from('x'))
    expect((await reply()).ext?.msgId).toHaveLength(32)
    await withKey('storeReplyMessageEnable', false, async () => expect((await reply()).ext?.msgId).toBe('0'))
  })

  periodKeys({ broker: () => broker, client: () => client, withKey, proved })
  checksumKeys({ proved })
  ruleKeys({ broker: () => broker, client: () => client, withKey, proved })

  test('that is every key of the table', () => {
    const live = Object.entries(KEYS.broker as Record<string, AnyKey>).filter(
      ([, key]) => key.live && key.effect === 'used',
    )
    expect(live.map(([name]) => name).filter((name) => !proved.has(name))).toEqual([])
  })
})

test('the next start has what was changed, whatever else stands in the file', async () => {
  const one = await startTestBroker()
  const asks = new TestClient(one.address)
  await asks.invoke(25, {}, Buffer.from('fileReservedTime=24\nflushDiskType=SYNC_FLUSH\n'))
  await asks.close()
  const file = join(one.folder, 'basalt', 'broker.properties')
  writeFileSync(file, `\0garbage\nfileReservedTime=many\n${readFileSync(file, 'utf8')}=null\nbrokerPermission=\n`)
  const again = await one.restart()
  expect(again.handle.config).toMatchObject({ fileReservedTime: 24, flushDiskType: 'SYNC_FLUSH', brokerPermission: 6 })
  await again.close()
})
