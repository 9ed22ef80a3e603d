/**
 * Where the broker of a DLedger group's leader is. dLegerPeers has the members' ports for each other only, so a NameServer is
 * asked:
 *
 *   brokerAddrs of our brokerName is {0: A, 2: B, 3: C}, and n1 leads
 *     2 is there ─▶ B        n1 is known as a slave still, and A led before it, dead or not
 *     2 is not   ─▶ A        n1 is the master that is registered
 *
 * RocketMQ's slave takes the master that the answer to a registration names, which is the dead one for a while. Blocks on: nothing.
 */
import { parse } from '../../remoting/fastjson.ts'
import { REQUEST, RESPONSE, type RemotingCommand, request } from '../../remoting/index.ts'
import { entriesOf } from '../metadata.ts'

export interface LeaderSearch {
  readonly client: { invoke(address: string, command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> }
  readonly namesrvs: readonly string[]
  readonly brokerName: string
  /** "n1": the number + 1 is its brokerId while it does not lead. */
  readonly leaderId: string
  readonly ownAddress: string
}

const TIMEOUT_MS = 3000

/** "host:port"; undefined while no NameServer knows. Never rejects. */
export async function findLeader({ namesrvs, ...search }: LeaderSearch): Promise<string | undefined> {
  for (const namesrv of namesrvs) {
    const found = await askOne(search, namesrv).catch(() => undefined)
    if (found !== undefined) return found
  }
  return undefined
}

async function askOne(search: Omit<LeaderSearch, 'namesrvs'>, namesrv: string): Promise<string | undefined> {
  const answer = await search.client.invoke(namesrv, request(REQUEST.GET_BROKER_CLUSTER_INFO), TIMEOUT_MS)
  return answer.code === RESPONSE.SUCCESS ? leaderIn(parse(answer.body ?? '{}'), search) : undefined
}

/** `info`: the body of the answer to 106. */
export function leaderIn(
  info: unknown,
  { brokerName, leaderId, ownAddress }: Pick<LeaderSearch, 'brokerName' | 'leaderId' | 'ownAddress'>,
): string | undefined {
  const table = new Map(entriesOf((info as { brokerAddrTable?: unknown } | null)?.brokerAddrTable))
  const addresses = new Map(entriesOf((table.get(brokerName) as { brokerAddrs?: unknown } | undefined)?.brokerAddrs))
  const found = addresses.get(String(Number(leaderId.slice(1)) + 1)) ?? addresses.get('0')
  return typeof found === 'string' && found !== '' && found !== ownAddress ? found : undefined
}
