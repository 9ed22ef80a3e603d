/** Producers that are connected, by group, as each broker tells (328). */
import { request } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import type { AdminClient } from './admin-client.ts'
import { type BrokerAddress, eachOf } from './cluster.ts'
import { bodyOf, compareText, listOf, member, numberAt, pairsOf, textAt, textOf } from './json.ts'

export interface Producer {
  group: string
  clientId: string
  address: string
  language: string
  version: number
  lastHeard: number
  brokerName: string
}

export async function producersOf(admin: AdminClient, brokers: readonly BrokerAddress[]): Promise<Producer[]> {
  const lists = await eachOf(brokers, async (broker) => {
    const body = bodyOf(await admin.ask(broker.address, request(REQUEST.GET_ALL_PRODUCER_INFO)))
    return pairsOf(member(body, 'data')).flatMap(([group, members]) =>
      listOf(members).map((one) => ({
        group: textOf(group),
        clientId: textAt(one, 'clientId'),
        // As Java prints a socket address: "/192.0.2.1:40430".
        address: textAt(one, 'remoteIP').replace(/^.*\//, ''),
        language: textAt(one, 'language'),
        version: numberAt(one, 'version'),
        lastHeard: numberAt(one, 'lastUpdateTimestamp'),
        brokerName: broker.name,
      })),
    )
  })
  return lists.flat().sort((a, b) => compareText(a.group, b.group) || compareText(a.clientId, b.clientId))
}
