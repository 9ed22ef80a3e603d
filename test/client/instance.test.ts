/** What clients of one id share: routes, heartbeats, connections, requests from brokers, time. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bodyOf, listOf, member, textAt } from '../../src/admin/json.ts'
import { ClientInstance } from '../../src/client/instance.ts'
import { obtainInstance, releaseInstance } from '../../src/client/instances.ts'
import { type ClientOptions, resolveOptions } from '../../src/client/options.ts'
import { answerTo, request } from '../../src/remoting/command.ts'
import { REQUEST } from '../../src/remoting/request-codes.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { eventually, MovedClock } from './support.ts'

let broker: TestBroker

beforeAll(async () => {
  broker = await startTestBroker()
})
afterAll(() => broker.close())

const options = (more: Partial<ClientOptions> = {}) =>
  resolveOptions({ nameserver: broker.namesrv, group: 'g', ...more })

/** Client ids that the broker has for a producer group. */
async function membersOf(instance: ClientInstance, group: string): Promise<string[]> {
  const answer = await instance.invoke(
    broker.address,
    request(REQUEST.GET_PRODUCER_CONNECTION_LIST, { producerGroup: group }),
  )
  return answer.code === 0 ? listOf(member(bodyOf(answer), 'connectionSet')).map((one) => textAt(one, 'clientId')) : []
}

test('a broker knows the client before anything else that it asks on a connection', async () => {
  const instance = obtainInstance(options())
  instance.registerProducer({ group: 'g', topics: () => [] })
  await instance.routes.lookAsNew('anything')
  expect(await membersOf(instance, 'g')).toEqual([instance.clientId])
  await instance.unregisterProducer('g')
  expect(await membersOf(instance, 'g')).toEqual([])
  await releaseInstance(instance)
})

test('a connection that is opened again is told of the groups at once', async () => {
  const instance = obtainInstance(options())
  instance.registerProducer({ group: 'again', topics: () => [] })
  await instance.routes.lookAsNew('anything')
  expect(await membersOf(instance, 'again')).toEqual([instance.clientId])
  instance.remoting.drop(broker.address, 'the test says so')
  await eventually(() => instance.remoting.opened(broker.address) === undefined)
  expect(await membersOf(instance, 'again')).toEqual([instance.clientId])
  await releaseInstance(instance)
})

test('heartbeats go every 30 s by the clock that is moved, and none after close', async () => {
  const clock = new MovedClock()
  const instance = obtainInstance(options({ clock }))
  await instance.routes.lookAsNew('anything')
  clock.advance(1000)
  await eventually(() => instance.brokerVersions.size === 1)
  instance.brokerVersions.clear()
  clock.advance(29_000)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(instance.brokerVersions.size).toBe(0)
  clock.advance(1000)
  await eventually(() => instance.brokerVersions.size === 1)
  await releaseInstance(instance)
  expect(instance.timers.count).toBe(0)
})

test('clients of one id share an instance; the last one closes it', async () => {
  const first = obtainInstance(options({ instanceName: 'shared' }))
  const second = obtainInstance(options({ instanceName: 'shared' }))
  expect(second).toBe(first)
  expect(() => obtainInstance(options({ instanceName: 'shared', headers: 'ROCKETMQ' }))).toThrow(
    expect.objectContaining({ code: 'BAD_OPTION' }),
  )
  first.registerProducer({ group: 'once', topics: () => [] })
  expect(() => second.registerProducer({ group: 'once', topics: () => [] })).toThrow(
    expect.objectContaining({ code: 'GROUP_IN_USE', hint: expect.stringContaining('instanceName') }),
  )
  await releaseInstance(first)
  expect(first.isClosed).toBe(false)
  await releaseInstance(second)
  expect(first.isClosed).toBe(true)
  const third = obtainInstance(options({ instanceName: 'shared' }))
  expect(third).not.toBe(first)
  await releaseInstance(third)
})

test.each(['JSON', 'ROCKETMQ'] as const)(
  'routes come with %s headers, and queues are always the same objects',
  async (headers) => {
    const instance = obtainInstance(options({ headers }))
    const topic = `route-${headers}`
    expect(await instance.routes.get(topic)).toBeUndefined()
    const route = await instance.routes.lookAsNew(topic)
    expect(route?.publishQueues.map(({ queueId }) => queueId)).toEqual([0, 1, 2, 3])
    expect(route?.publishQueues[2]).toBe(instance.routes.queue(topic, route!.publishQueues[0].brokerName, 2))
    expect(instance.routes.masterOf(route!.publishQueues[0].brokerName)).toBe(broker.address)
    await releaseInstance(instance)
  },
)

test('requests of a broker go to the handlers of their code in turn', async () => {
  const instance = obtainInstance(options())
  const heard: string[] = []
  instance.serve(40, (command) => {
    heard.push(`first ${command.ext?.consumerGroup}`)
    return command.ext?.consumerGroup === 'a' ? answerTo(command, 0) : undefined
  })
  const end = instance.serve(40, (command) => {
    heard.push(`second ${command.ext?.consumerGroup}`)
    return answerTo(command, 0)
  })
  const serve = (group: string) =>
    (instance as unknown as { serveRequest(c: unknown, a: string): Promise<{ code: number }> }).serveRequest(
      request(40, { consumerGroup: group }),
      'x',
    )
  await serve('a')
  await serve('b')
  end()
  expect((await serve('b')).code).toBe(1)
  expect(heard).toEqual(['first a', 'first b', 'second b', 'first b'])
  await releaseInstance(instance)
})

test('no NameServer is one error that names them all', async () => {
  const instance = new ClientInstance(options({ nameserver: '127.0.0.1:1;127.0.0.1:2' }), undefined, () => {})
  await expect(instance.routes.look('t')).rejects.toMatchObject({
    name: 'ClientError',
    code: 'NO_NAMESRV',
    retriable: true,
    message: expect.stringMatching(/127\.0\.0\.1:[12].*127\.0\.0\.1:[12]/),
  })
  await instance.close()
})
