/** The table of brokers: what the routes of several topics say of one broker, one after the other. */
import { expect, test } from 'vitest'
import type { Namesrvs } from '../../src/client/namesrv.ts'
import { RouteTable } from '../../src/client/route.ts'
import { answerTo, type RemotingCommand } from '../../src/remoting/command.ts'
import { RESPONSE } from '../../src/remoting/response-codes.ts'

/** A NameServer that answers with what `brokers` says at that time: id → address of the one broker there is. */
function table() {
  const state: { brokers: Record<number, string> | undefined } = { brokers: undefined }
  const namesrvs = {
    ask: async (command: RemotingCommand) => {
      if (state.brokers === undefined) return answerTo(command, RESPONSE.TOPIC_NOT_EXIST)
      const body = {
        brokerDatas: [{ brokerName: 'b', cluster: 'c', brokerAddrs: state.brokers }],
        queueDatas: [{ brokerName: 'b', perm: 6, readQueueNums: 2, writeQueueNums: 2, topicSysFlag: 0 }],
      }
      return { ...answerTo(command, 0), body: Buffer.from(JSON.stringify(body)) }
    },
  } as unknown as Namesrvs
  return { routes: new RouteTable(namesrvs, 1000), state }
}

test('a broker that has moved is where the newest route says, also where an older route of another topic is not looked at again', async () => {
  const { routes, state } = table()
  state.brokers = { 0: 'old:1', 1: 'slave:1' }
  await routes.look('Looked-after')
  await routes.look('Asked-for-once')
  state.brokers = { 0: 'new:1' }
  await routes.look('Looked-after')
  expect(routes.masterOf('b')).toBe('new:1')
  routes.dropOffline()
  expect(routes.masterOf('b')).toBe('new:1')
  expect(routes.allBrokers()).toEqual([{ name: 'b', id: 0, address: 'new:1' }])
})

test('roles that change: the slave is the master, and nobody is asked as its slave', async () => {
  const { routes, state } = table()
  state.brokers = { 0: 'one:1', 1: 'two:1' }
  await routes.look('T')
  state.brokers = { 0: 'two:1', 1: 'one:1' }
  await routes.look('T')
  expect([routes.placeOf('b', 0)?.address, routes.placeOf('b', 1)?.address]).toEqual(['two:1', 'one:1'])
  expect([routes.idOf('one:1'), routes.idOf('two:1')]).toEqual([1, 0])
  state.brokers = { 1: 'one:1' }
  await routes.look('T')
  routes.dropOffline()
  // No master: nothing to send to, and who reads is given the slave.
  expect(routes.masterOf('b')).toBeUndefined()
  expect(routes.known('T')?.publishQueues).toEqual([])
  expect(routes.placeOf('b', 0)).toEqual({ address: 'one:1', brokerId: 1 })
  expect(routes.idOf('two:1')).toBeUndefined()
})

test('a route that is gone is kept, its broker too, until nobody uses the topic', async () => {
  const { routes, state } = table()
  state.brokers = { 0: 'one:1' }
  await routes.look('T')
  state.brokers = undefined
  expect(await routes.look('T')).toBeUndefined()
  routes.dropOffline()
  expect(routes.masterOf('b')).toBe('one:1')
  routes.forget('T')
  routes.dropOffline()
  expect(routes.allBrokers()).toEqual([])
})
