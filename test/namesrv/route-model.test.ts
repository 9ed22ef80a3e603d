/**
 * Random lives of a cluster against a model that has no tables of tables: three flat maps and their rules.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RouteTables } from '../../src/namesrv/route-tables.ts'
import { ArrayLog, FakeChannel, FakeClock, registration, topic } from './helpers.ts'

const brokerName = fc.constantFrom('a', 'b')
const brokerId = fc.integer({ min: 0, max: 2 })
const host = fc.integer({ min: 0, max: 2 })
const channel = fc.integer({ min: 0, max: 3 })
const topicNames = fc.subarray(['T', 'U', 'V'])
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      brokerName,
      brokerId,
      host,
      channel,
      counter: fc.integer({ min: 0, max: 2 }),
      topicNames,
      perm: fc.constantFrom(2, 4, 6, 7),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unregister' as const), brokerName, brokerId, host }) },
  fc.record({ do: fc.constant('close' as const), channel }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(40_000, 60_001, 121_000) }),
  fc.record({ do: fc.constant('wipe' as const), brokerName }),
  fc.record({ do: fc.constant('add' as const), brokerName }),
  fc.record({ do: fc.constant('delete' as const), topicName: fc.constantFrom('T', 'U', 'V') }),
)
type Operation = typeof operation extends fc.Arbitrary<infer O> ? O : never

/** Hosts are named after their broker, so an address belongs to one name. */
const addressOf = (name: string, at: number) => `${name}${at}:10911`

class Model {
  now = 0
  /** "name id" → address */
  readonly places = new Map<string, string>()
  /** address → what is known of it */
  readonly live = new Map<string, { counter: number; channel: number; at: number; isPartial: boolean }>()
  /** "topic name" → perm */
  readonly queues = new Map<string, number>()
  readonly wiped = new Set<string>()

  run(op: Operation): void {
    if (op.do === 'register') {
      const address = addressOf(op.brokerName, op.host)
      const place = `${op.brokerName} ${op.brokerId}`
      for (const [other, held] of this.places) if (held === address && other !== place) this.places.delete(other)
      const known = this.live.get(address)
      const take = !this.places.has(place) || known === undefined || known.isPartial || known.counter !== op.counter
      this.places.set(place, address)
      const isNext = known !== undefined && !known.isPartial && [0, 1].includes(op.counter - known.counter)
      const isPartial = op.topicNames.length === 1 && !isNext
      this.live.set(address, { counter: op.counter, channel: op.channel, at: this.now, isPartial })
      const perm = this.wiped.has(op.brokerName) ? op.perm & ~2 : op.perm
      if (op.brokerId === 0 && take) for (const name of op.topicNames) this.queues.set(`${name} ${op.brokerName}`, perm)
    } else if (op.do === 'unregister') {
      const address = addressOf(op.brokerName, op.host)
      this.live.delete(address)
      for (const [place, held] of this.places) if (held === address) this.places.delete(place)
      this.sweep()
    } else if (op.do === 'close') {
      this.drop((it) => it.channel === op.channel)
    } else if (op.do === 'pass') {
      this.now += op.ms
      this.drop((it) => it.at + 120_000 < this.now)
    } else if (op.do === 'wipe') {
      if (this.names().has(op.brokerName)) this.wiped.add(op.brokerName)
      for (const [key, perm] of this.queues) if (key.endsWith(` ${op.brokerName}`)) this.queues.set(key, perm & ~2)
    } else if (op.do === 'add') {
      this.wiped.delete(op.brokerName)
      for (const key of this.queues.keys()) if (key.endsWith(` ${op.brokerName}`)) this.queues.set(key, 6)
    } else {
      for (const key of this.queues.keys()) if (key.startsWith(`${op.topicName} `)) this.queues.delete(key)
    }
  }

  names(): Set<string> {
    return new Set([...this.places.keys()].map((place) => place.split(' ')[0]))
  }

  private drop(gone: (it: { channel: number; at: number }) => boolean): void {
    for (const [address, it] of this.live) {
      if (!gone(it)) continue
      this.live.delete(address)
      for (const [place, held] of this.places) if (held === address) this.places.delete(place)
    }
    this.sweep()
  }

  private sweep(): void {
    const names = this.names()
    for (const key of this.queues.keys()) if (!names.has(key.split(' ')[1])) this.queues.delete(key)
  }
}

function shapeOf(tables: RouteTables) {
  const places: string[] = []
  for (const data of tables.brokerAddrTable.values()) {
    expect(data.brokerAddrs.size).toBeGreaterThan(0)
    for (const [id, address] of data.brokerAddrs) places.push(`${data.brokerName} ${id}=${address}`)
  }
  const queues: string[] = []
  for (const [name, byBroker] of tables.topicQueueTable) {
    expect(byBroker.size).toBeGreaterThan(0)
    for (const data of byBroker.values()) queues.push(`${name} ${data.brokerName}=${data.perm}`)
  }
  const clusters = [...tables.clusterAddrTable].flatMap(([cluster, names]) =>
    [...names].map((name) => `${cluster} ${name}`),
  )
  return {
    places: places.sort(),
    queues: queues.sort(),
    clusters: clusters.sort(),
    live: [...tables.brokerLiveTable.keys()].sort(),
  }
}

test('any sequence of registrations, leavings, silences and closed connections leaves what the model says', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const clock = new FakeClock()
      const tables = new RouteTables(clock, new ArrayLog())
      const channels = [0, 1, 2, 3].map(() => new FakeChannel())
      const model = new Model()
      for (const op of operations) {
        model.run(op)
        if (op.do === 'register') {
          const { brokerName, brokerId, counter } = op
          const topics = op.topicNames.map((name) => topic(name, op.perm))
          const brokerAddr = addressOf(brokerName, op.host)
          tables.register(registration({ brokerName, brokerId, brokerAddr, topics, counter }), channels[op.channel])
        } else if (op.do === 'unregister')
          tables.unregister(op.brokerName, addressOf(op.brokerName, op.host), op.brokerId)
        else if (op.do === 'close') tables.channelClosed(channels[op.channel], 'client:1', 'closed')
        else if (op.do === 'wipe') tables.wipeWritePerm(op.brokerName)
        else if (op.do === 'add') tables.addWritePerm(op.brokerName)
        else if (op.do === 'delete') tables.deleteTopic(op.topicName, undefined)
        else {
          clock.advance(op.ms)
          tables.expire()
        }
        expect(shapeOf(tables)).toEqual({
          places: [...model.places].map(([place, address]) => `${place}=${address}`).sort(),
          queues: [...model.queues].map(([key, perm]) => `${key}=${perm}`).sort(),
          clusters: [...model.names()].map((name) => `C ${name}`).sort(),
          live: [...model.live.keys()].sort(),
        })
      }
    }),
    { numRuns: 500 },
  )
})
