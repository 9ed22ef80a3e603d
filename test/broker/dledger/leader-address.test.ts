/** Which of the addresses that a NameServer knows of a group is its leader's. */
import { expect, test } from 'vitest'
import { leaderIn } from '../../../src/broker/replication/leader-address.ts'
import { parse } from '../../../src/remoting/fastjson.ts'

const OWN = 'host-a:1'

function find(addresses: string, leaderId = 'n1'): string | undefined {
  const body = `{"brokerAddrTable":{"b":{"brokerAddrs":{${addresses}},"brokerName":"b","cluster":"c"}},"clusterAddrTable":{}}`
  return leaderIn(parse(body), { brokerName: 'b', leaderId, ownAddress: OWN })
}

test.each([
  ['the master that is registered', '0:"host-b:1",1:"host-a:1",3:"host-c:1"', 'host-b:1'],
  ['while it is known as a slave only, that: the master is the one before', '0:"host-c:1",2:"host-b:1"', 'host-b:1'],
  ['while nobody is the master', '1:"host-a:1",2:"host-b:1"', 'host-b:1'],
  ['nobody, where this one led and the new leader is not known', '0:"host-a:1",3:"host-c:1"', undefined],
  ['nobody, where none is registered', '', undefined],
])('%s', (_, addresses, expected) => {
  expect(find(addresses)).toBe(expected)
})

test('a body of another form finds nobody', () => {
  const asked = { brokerName: 'b', leaderId: 'n1', ownAddress: OWN }
  for (const body of [null, [], {}, { brokerAddrTable: null }, { brokerAddrTable: { b: { brokerAddrs: { 0: 5 } } } }])
    expect(leaderIn(body, asked)).toBeUndefined()
})
