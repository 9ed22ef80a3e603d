import { describe, expect, test } from 'vitest'
import {
  routeOf,
  systemTopics,
  topicsOfCluster,
  unitTopics,
  withActingMasters,
} from '../../src/namesrv/route-queries.ts'
import { RouteTables } from '../../src/namesrv/route-tables.ts'
import type { MinBrokerNotice } from '../../src/namesrv/types.ts'
import { ArrayLog, FakeChannel, FakeClock, registration, topic } from './helpers.ts'

function fresh() {
  const clock = new FakeClock()
  const log = new ArrayLog()
  const tables = new RouteTables(clock, log)
  const channel = new FakeChannel()
  const perms = (name: string) => [...(tables.topicQueueTable.get(name)?.values() ?? [])].map((it) => it.perm)
  return { clock, log, tables, channel, perms }
}
const slave = { brokerId: 1, brokerAddr: '10.0.0.2:10911', haServerAddr: '10.0.0.2:10912' }

describe('registration', () => {
  test('a master appears in its cluster and in the route of each of its topics, and is told of no master', () => {
    const { tables, channel } = fresh()
    expect(tables.register(registration(), channel)).toEqual({ masterAddr: undefined, haServerAddr: undefined })
    expect([...tables.clusterAddrTable]).toEqual([['C', new Set(['a'])]])
    expect(routeOf(tables, 'T')?.queueDatas).toEqual([
      { brokerName: 'a', readQueueNums: 4, writeQueueNums: 4, perm: 6, topicSysFlag: 0 },
    ])
    expect(routeOf(tables, 'T')?.brokerDatas[0].brokerAddrs).toEqual(new Map([[0, '10.0.0.1:10911']]))
    expect(routeOf(tables, 'nobody')).toBeUndefined()
  })

  test('a slave adds its address but no topics, and is told of a live master and its HA address', () => {
    const { tables, channel } = fresh()
    const early = tables.register(registration({ ...slave, topics: [topic('OnSlaveOnly')] }), new FakeChannel())
    expect(early).toEqual({ masterAddr: undefined, haServerAddr: undefined })
    tables.register(registration(), channel)
    const answer = tables.register(registration(slave), new FakeChannel())
    expect(answer).toEqual({ masterAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912' })
    expect(tables.topicQueueTable.has('OnSlaveOnly')).toBe(false)
    expect([...(tables.brokerAddrTable.get('a')?.brokerAddrs.keys() ?? [])].sort()).toEqual([0, 1])
  })

  test('topics are taken over when the version differs, and not when it is equal', () => {
    const { tables, channel, perms } = fresh()
    const topics = (perm: number) => ({ topics: [topic('T', perm), topic('U')] })
    tables.register(registration(topics(6)), channel)
    tables.register(registration(topics(4)), channel)
    expect(perms('T')).toEqual([6])
    tables.register(registration({ ...topics(4), counter: 2 }), channel)
    expect(perms('T')).toEqual([4])
    const dataVersion = { stateVersion: 1, timestamp: 1000, counter: 2 }
    tables.register(registration({ ...topics(6), dataVersion }), channel)
    expect(perms('T')).toEqual([6])
  })

  test('a topic that a later registration does not name stays, so one topic can be registered alone', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.register(registration({ topics: [topic('V')], counter: 2 }), channel)
    expect([...tables.topicQueueTable.keys()]).toEqual(['T', 'U', 'V'])
  })

  test('one topic that comes before the whole table, or after a change that was missed, does not keep the others out', () => {
    const { tables, channel } = fresh()
    tables.register(registration({ topics: [topic('T')] }), channel)
    expect(routeOf(tables, 'T')).toBeDefined()
    expect(tables.compareVersion('10.0.0.1:10911', registration().dataVersion).changed).toBe(true)
    tables.register(registration(), channel) // the same version
    expect(routeOf(tables, 'U')).toBeDefined()
    tables.register(registration({ topics: [topic('W')], counter: 3 }), channel) // 2 was missed
    tables.register(registration({ topics: ['T', 'U', 'V', 'W'].map((name) => topic(name)), counter: 3 }), channel)
    expect([...tables.topicQueueTable.keys()]).toEqual(['T', 'U', 'W', 'V'])
    expect(tables.compareVersion('10.0.0.1:10911', registration({ counter: 3 }).dataVersion).changed).toBe(false)
  })

  test('one broker name in two clusters is named in the log', () => {
    const { tables, channel, log } = fresh()
    tables.register(registration(), channel)
    tables.register(registration({ clusterName: 'D', brokerAddr: '10.0.0.9:10911', brokerId: 1 }), new FakeChannel())
    expect(log.matching(/^warn broker name a is in use in cluster C and now in D/)).toHaveLength(1)
  })

  test('topics that a whole registration leaves out go where deleteTopicWithBrokerRegistration says so, else stay', () => {
    for (const deletes of [true, false]) {
      const tables = new RouteTables(new FakeClock(), new ArrayLog(), { deleteTopics: () => deletes })
      const names = () => [...tables.topicQueueTable.keys()]
      tables.register(registration({ topics: ['T', 'U', 'V'].map((name) => topic(name)) }), new FakeChannel())
      tables.register(registration({ topics: [topic('W')], counter: 2 }), new FakeChannel())
      expect(names()).toEqual(['T', 'U', 'V', 'W'])
      tables.register(registration({ topics: [topic('T'), topic('W')], counter: 3 }), new FakeChannel())
      expect(names()).toEqual(deletes ? ['T', 'W'] : ['T', 'U', 'V', 'W'])
    }
  })

  test('an address under a new id leaves its old id: a slave that became master', () => {
    const { tables, channel } = fresh()
    tables.register(registration(slave), channel)
    tables.register(registration({ ...slave, brokerId: 0 }), channel)
    expect(tables.brokerAddrTable.get('a')?.brokerAddrs).toEqual(new Map([[0, '10.0.0.2:10911']]))
    expect(routeOf(tables, 'T')).toBeDefined()
  })

  test('two brokers with one name and id: the newcomer takes the place and the conflict is named with both addresses', () => {
    const { tables, log } = fresh()
    const old = new FakeChannel()
    tables.register(registration(), old)
    tables.register(registration({ brokerAddr: '10.0.0.9:10911' }), new FakeChannel())
    expect(tables.brokerAddrTable.get('a')?.brokerAddrs).toEqual(new Map([[0, '10.0.0.9:10911']]))
    expect(
      log.matching(/^warn .*from 10\.0\.0\.1:10911 to 10\.0\.0\.9:10911; 10\.0\.0\.1:10911 is still connected/),
    ).toHaveLength(1)
    tables.channelClosed(old, '10.0.0.1:55555', 'gone')
    expect(tables.brokerAddrTable.get('a')?.brokerAddrs).toEqual(new Map([[0, '10.0.0.9:10911']]))
  })

  test('a version question says changed unless the version is equal, and an equal one is a sign of life', () => {
    const { tables, channel, clock } = fresh()
    const version = registration().dataVersion
    expect(tables.compareVersion('10.0.0.1:10911', version)).toEqual({ changed: true, known: undefined })
    tables.register(registration(), channel)
    clock.advance(100_000)
    expect(tables.compareVersion('10.0.0.1:10911', { ...version, counter: 2 })).toEqual({
      changed: true,
      known: version,
    })
    expect(tables.brokerLiveTable.get('10.0.0.1:10911')?.lastUpdate).toBe(clock.now() - 100_000)
    expect(tables.compareVersion('10.0.0.1:10911', version)).toEqual({ changed: false, known: version })
    clock.advance(100_000)
    expect(tables.expire()).toEqual([])
  })

  test('filter servers are kept while a broker names them and shown in routes', () => {
    const { tables, channel } = fresh()
    tables.register(registration({ filterServerList: ['10.0.0.1:30000'] }), channel)
    expect(routeOf(tables, 'T')?.filterServerTable).toEqual(new Map([['10.0.0.1:10911', ['10.0.0.1:30000']]]))
    tables.register(registration(), channel)
    expect(tables.filterServerTable.size).toBe(0)
  })
})

describe('leaving', () => {
  test('unregister of the last address removes the broker, its cluster and its topics', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.register(registration({ brokerName: 'b', brokerAddr: '10.0.1.1:10911', topics: [topic('T')] }), channel)
    tables.unregister('a', '10.0.0.1:10911', 0)
    expect([...tables.topicQueueTable.keys()]).toEqual(['T'])
    expect([...tables.clusterAddrTable.get('C')!]).toEqual(['b'])
    tables.unregister('b', '10.0.1.1:10911', 0)
    for (const table of [
      tables.topicQueueTable,
      tables.brokerAddrTable,
      tables.clusterAddrTable,
      tables.brokerLiveTable,
    ]) {
      expect(table.size).toBe(0)
    }
  })

  test('while a slave remains, the topics of a master that left stay routed', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.register(registration(slave), new FakeChannel())
    tables.unregister('a', '10.0.0.1:10911', 0)
    expect(routeOf(tables, 'T')?.brokerDatas[0].brokerAddrs).toEqual(new Map([[1, '10.0.0.2:10911']]))
  })

  test('a former master that stops does not take its successor out of the routes', () => {
    const { tables, channel, log } = fresh()
    tables.register(registration(), channel)
    tables.register(registration({ brokerAddr: '10.0.0.9:10911' }), new FakeChannel())
    tables.unregister('a', '10.0.0.1:10911', 0)
    expect(tables.brokerAddrTable.get('a')?.brokerAddrs).toEqual(new Map([[0, '10.0.0.9:10911']]))
    expect(routeOf(tables, 'T')).toBeDefined()
    expect(log.lines.at(-1)).toMatch(/unregistered; 10\.0\.0\.9:10911 has its place and keeps it/)
    tables.unregister('unknown', '10.9.9.9:1', 0)
  })

  test('unregister goes by address: the id is not compared', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.unregister('a', '10.0.0.1:10911', 7)
    expect(tables.brokerAddrTable.size + tables.brokerLiveTable.size + tables.topicQueueTable.size).toBe(0)
  })

  test("a closed connection removes its brokers at once; a client's removes nothing", () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.channelClosed(new FakeChannel(), '10.0.0.7:40000', 'reset')
    expect(tables.brokerAddrTable.size).toBe(1)
    tables.channelClosed(channel, '10.0.0.1:40001', 'reset')
    expect(tables.brokerAddrTable.size + tables.brokerLiveTable.size + tables.topicQueueTable.size).toBe(0)
  })

  test('a broker that reconnected is not removed when its former connection closes', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.register(registration(), new FakeChannel())
    tables.channelClosed(channel, '10.0.0.1:40001', 'reset')
    expect(tables.brokerAddrTable.size).toBe(1)
  })

  test('a broker silent for more than 120 s expires with its connection, one at exactly 120 s does not', () => {
    const { tables, channel, clock } = fresh()
    tables.register(registration(), channel)
    clock.advance(120_000)
    expect(tables.expire()).toEqual([])
    clock.advance(1)
    expect(tables.expire()).toEqual(['10.0.0.1:10911'])
    expect(channel.closedBecause).toContain('expired')
    expect(tables.topicQueueTable.size).toBe(0)
  })

  test('a 5.x broker that asks for 10 s expires after 10 s, and lives on by heartbeats', () => {
    const { tables, channel, clock } = fresh()
    tables.register(registration({ heartbeatTimeoutMs: 10_000 }), channel)
    clock.advance(9_000)
    tables.heartbeat('10.0.0.1:10911')
    clock.advance(9_000)
    expect(tables.expire()).toEqual([])
    clock.advance(1_001)
    expect(tables.expire()).toEqual(['10.0.0.1:10911'])
  })
})

/** What 5.x brokers with enableSlaveActingMaster bring about. */
describe('acting masters', () => {
  const acting = { enableActingMaster: true }
  const addressesIn = (tables: RouteTables) => {
    const route = routeOf(tables, 'T')
    return route && withActingMasters(route, 'T').brokerDatas.map((it) => [...it.brokerAddrs])
  }

  test('without a master the smallest id is shown in its place, takes no messages, and gives it back', () => {
    const { tables, channel, perms } = fresh()
    tables.register(registration(acting), channel)
    tables.register(registration({ ...slave, ...acting }), new FakeChannel())
    const third = { ...slave, ...acting, brokerId: 2, brokerAddr: '10.0.0.3:10911' }
    tables.register(registration(third), new FakeChannel())
    tables.channelClosed(channel, '10.0.0.1:40001', 'reset')
    expect(perms('T')).toEqual([4])
    expect(addressesIn(tables)).toEqual([
      [
        [0, '10.0.0.2:10911'],
        [2, '10.0.0.3:10911'],
      ],
    ])
    tables.register(registration({ ...slave, ...acting, counter: 2 }), new FakeChannel())
    expect(perms('T')).toEqual([4])
    tables.register(registration(acting), channel)
    expect(perms('T')).toEqual([6])
    expect(addressesIn(tables)?.[0]).toContainEqual([0, '10.0.0.1:10911'])
    expect(addressesIn(tables)?.[0]).toContainEqual([1, '10.0.0.2:10911'])
  })

  test('a slave of 5.x that finds nobody speaks for its topics; one of 4.9 does not', () => {
    const { tables, perms } = fresh()
    tables.register(registration(slave), new FakeChannel())
    expect(perms('T')).toEqual([])
    tables.register(registration({ ...slave, enableActingMaster: false, counter: 2 }), new FakeChannel())
    expect(perms('T')).toEqual([6])
    expect(addressesIn(tables)).toEqual([[[1, '10.0.0.2:10911']]])
  })

  test('brokers of the name are told of a smaller id that came and of the smallest that left', () => {
    const notices: MinBrokerNotice[] = []
    const tables = new RouteTables(new FakeClock(), new ArrayLog(), { minBrokerChanged: (it) => notices.push(it) })
    tables.register(registration(slave), new FakeChannel())
    tables.register(registration({ ...slave, brokerId: 2, brokerAddr: '10.0.0.3:10911' }), new FakeChannel())
    expect(notices).toEqual([])
    tables.register(registration(), new FakeChannel())
    tables.unregister('a', '10.0.0.3:10911', 2)
    tables.unregister('a', '10.0.0.1:10911', 0)
    expect(notices).toEqual([
      {
        brokerName: 'a',
        minBrokerId: 0,
        minBrokerAddr: '10.0.0.1:10911',
        offlineBrokerAddr: undefined,
        haBrokerAddr: '10.0.0.1:10912',
        to: ['10.0.0.2:10911', '10.0.0.3:10911'],
      },
      {
        brokerName: 'a',
        minBrokerId: 1,
        minBrokerAddr: '10.0.0.2:10911',
        offlineBrokerAddr: '10.0.0.1:10911',
        haBrokerAddr: undefined,
        to: ['10.0.0.2:10911'],
      },
    ])
    tables.unregister('a', '10.0.0.2:10911', 1)
    expect(notices).toHaveLength(2)
  })

  test('a master of an older state does not take the place of a newer one', () => {
    const { tables, channel, log } = fresh()
    const state = (stateVersion: number) => ({ dataVersion: { stateVersion, timestamp: 1000, counter: 1 } })
    tables.register(registration(state(2)), channel)
    tables.register(registration({ ...state(1), brokerAddr: '10.0.0.9:10911' }), new FakeChannel())
    expect(tables.brokerAddrTable.get('a')?.brokerAddrs).toEqual(new Map([[0, '10.0.0.1:10911']]))
    expect(tables.brokerLiveTable.has('10.0.0.9:10911')).toBe(false)
    expect(log.matching(/^warn .*state 1 is older than 2 of 10\.0\.0\.1:10911/)).toHaveLength(1)
    tables.register(registration({ ...state(3), brokerAddr: '10.0.0.9:10911' }), new FakeChannel())
    expect(tables.brokerAddrTable.get('a')?.brokerAddrs).toEqual(new Map([[0, '10.0.0.9:10911']]))
  })
})

describe('administration', () => {
  test('a wiped write permission stays wiped through registrations, new topics and reconnects until it is added', () => {
    const { tables, channel, clock, perms } = fresh()
    tables.register(registration({ topics: [topic('T', 7), topic('U', 4)] }), channel)
    expect(tables.wipeWritePerm('a')).toBe(2)
    expect([...perms('T'), ...perms('U')]).toEqual([5, 4])
    tables.register(registration({ counter: 2, topics: [topic('T', 7), topic('New', 6)] }), channel)
    expect([...perms('T'), ...perms('New')]).toEqual([5, 4])
    clock.advance(200_000)
    tables.expire()
    tables.register(registration({ counter: 2 }), channel)
    expect(perms('T')).toEqual([4])
    expect(tables.addWritePerm('a')).toBe(2)
    expect(perms('T')).toEqual([6])
    tables.register(registration({ counter: 3, topics: [topic('T', 7)] }), channel)
    expect(perms('T')).toEqual([7])
  })

  test('wiping an unknown broker touches nothing and is not remembered', () => {
    const { tables, channel, perms } = fresh()
    expect(tables.wipeWritePerm('a')).toBe(0)
    tables.register(registration(), channel)
    expect(perms('T')).toEqual([6])
  })

  test('deleting a topic removes it everywhere, or from the brokers of one cluster', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.register(registration({ brokerName: 'b', clusterName: 'D', brokerAddr: '10.0.1.1:10911' }), channel)
    tables.deleteTopic('T', 'D')
    expect([...tables.topicQueueTable.get('T')!.keys()]).toEqual(['a'])
    tables.deleteTopic('T', 'Unknown')
    tables.deleteTopic('T', 'C')
    expect(tables.topicQueueTable.has('T')).toBe(false)
    tables.deleteTopic('U', undefined)
    tables.deleteTopic('never there', undefined)
    expect(tables.topicQueueTable.size).toBe(0)
  })

  test('a deleted topic comes back with the next change of its broker, not before', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    tables.deleteTopic('T', undefined)
    tables.register(registration(), channel)
    expect(tables.topicQueueTable.has('T')).toBe(false)
    tables.register(registration({ counter: 2 }), channel)
    expect(tables.topicQueueTable.has('T')).toBe(true)
  })

  test('register-topic: a broker that is not known ends it, and keeps a new topic out', () => {
    const { tables, channel } = fresh()
    tables.register(registration(), channel)
    const at = (brokerName: string, name: string) => ({ ...topic(name), brokerName })
    tables.registerTopic([at('a', 'X'), at('nobody', 'X')])
    expect([...tables.topicQueueTable.keys()]).toEqual(['T', 'U'])
    tables.registerTopic([at('a', 'X')])
    expect([...tables.topicQueueTable.keys()]).toEqual(['T', 'U', 'X'])
    tables.registerTopic([{ ...at('a', 'X'), perm: 4 }, at('nobody', 'X')])
    expect(tables.topicQueueTable.get('X')?.get('a')?.perm).toBe(4)
  })

  test('topic lists: by cluster, by unit flags, and of the system', () => {
    const { tables, channel } = fresh()
    tables.register(
      registration({ topics: [topic('T'), topic('Unit', 6, 4, 1), topic('Sub', 6, 4, 2), topic('Both', 6, 4, 3)] }),
      channel,
    )
    tables.register(
      registration({ brokerName: 'b', clusterName: 'D', brokerAddr: '10.0.1.1:10911', topics: [topic('V')] }),
      channel,
    )
    expect(topicsOfCluster(tables, 'C')).toEqual(['T', 'Unit', 'Sub', 'Both'])
    expect(topicsOfCluster(tables, 'nowhere')).toEqual([])
    expect(unitTopics(tables, 'unit')).toEqual(['Unit', 'Both'])
    expect(unitTopics(tables, 'unit-sub')).toEqual(['Sub', 'Both'])
    expect(unitTopics(tables, 'unit-sub-without-unit')).toEqual(['Sub'])
    expect(systemTopics(tables)).toEqual({ topicList: ['C', 'a', 'D', 'b'], brokerAddr: '10.0.0.1:10911' })
    expect(systemTopics(new RouteTables(new FakeClock(), new ArrayLog()))).toEqual({
      topicList: [],
      brokerAddr: undefined,
    })
  })
})
