/**
 * DLedger groups as an administrator sees them, of our brokers, Apache's, or both.
 *
 *   configurations of brokers   which groups there are, which broker is which member
 *   runtime tables              of ours role, term and indexes (basalt_dledger_… rows); of all where the committed log ends
 *   members' ports              who leads and in which term, of all; also where the broker's port is silent
 *
 * A JVM member tells no index: how far it has the log is known to a leader of ours, else from where its committed log ends.
 */
import { describe } from '../../errors.ts'
import type { AdminClient } from '../admin-client.ts'
import { AdminError, throwIfNotAllowed } from '../admin-error.ts'
import { brokerConfig } from '../brokers.ts'
import { type BrokerAddress, brokersOf, eachOf, findBroker, type RuntimeTable, runtimeOf } from '../cluster.ts'
import { compareText } from '../json.ts'
import { type DLedgerGroupLook, type DLedgerMemberLook, type DLedgerRole, dledgerRowsOf } from './look.ts'
import { type DLedgerMembers, type DLedgerPeer, type MemberSays, peersIn } from './member.ts'
import { dledgerNotes } from './notes.ts'

interface Found {
  group: string
  broker: BrokerAddress
  selfId: string
  peers: DLedgerPeer[]
}

export interface DLedgerWhere {
  group?: string | undefined
  /** Name, name:id or host:port of a broker. */
  broker?: string | undefined
}

/** By cluster and name. */
export async function dledgerGroups(
  admin: AdminClient,
  members: DLedgerMembers,
  where: DLedgerWhere = {},
): Promise<DLedgerGroupLook[]> {
  const found = await findMembers(admin, where)
  const groups = new Map<string, Found[]>()
  for (const each of found) {
    const key = `${each.broker.cluster}/${each.broker.name}/${each.group}`
    groups.set(key, [...(groups.get(key) ?? []), each])
  }
  const looks = await eachOf([...groups.values()], (known) => lookAtGroup(admin, members, known))
  return looks.sort((a, b) => compareText(a.cluster, b.cluster) || compareText(a.group, b.group))
}

/** Brokers that are members, by their own configuration. */
async function findMembers(admin: AdminClient, { group, broker }: DLedgerWhere): Promise<Found[]> {
  if (broker === undefined) {
    const all = await eachOf(await brokersOf(admin), (each) => foundAt(admin, each).catch(silent))
    return all.filter((each) => each !== undefined).filter((each) => group === undefined || each.group === group)
  }
  const own = await foundAt(admin, await findOne(admin, broker))
  if (own === undefined) {
    throw new AdminError('NO_MEMBER', {
      what: `${broker} is no member of a DLedger group: its enableDLegerCommitLog is not true`,
      todo: '"basaltmq admin dledger status" shows those that are',
    })
  }
  if (group !== undefined && own.group !== group) {
    throw new AdminError('NO_MEMBER', {
      what: `${broker} is a member of group ${own.group}, not of ${group}`,
      todo: 'give the group, or one of its brokers: "basaltmq admin dledger status" shows them',
    })
  }
  // Where an address was given there may be no NameServer.
  const others = (await brokersOf(admin).catch(() => [])).filter(
    ({ address, name }) => name === own.broker.name && address !== own.broker.address,
  )
  const found = await eachOf(others, (each) => foundAt(admin, each).catch(silent))
  return [own, ...found.filter((each) => each !== undefined).filter((each) => each.group === own.group)]
}

const ADDRESS = /^.+:\d{4,}$/

async function findOne(admin: AdminClient, word: string): Promise<BrokerAddress> {
  try {
    return await findBroker(admin, word)
  } catch (error) {
    if (!ADDRESS.test(word)) throw error
    return { cluster: '', name: '', id: -1, address: word }
  }
}

/** One that does not tell its configuration may be a member of none. */
function silent(error: unknown): undefined {
  throwIfNotAllowed(error)
}

async function foundAt(admin: AdminClient, broker: BrokerAddress): Promise<Found | undefined> {
  const config = await brokerConfig(admin, broker.address)
  if (config.get('enableDLegerCommitLog') !== 'true') return undefined
  return {
    group: config.get('dLegerGroup') ?? '',
    broker: {
      ...broker,
      cluster: config.get('brokerClusterName') ?? broker.cluster,
      name: config.get('brokerName') ?? broker.name,
    },
    selfId: config.get('dLegerSelfId') ?? '',
    peers: peersIn(config.get('dLegerPeers') ?? ''),
  }
}

async function lookAtGroup(admin: AdminClient, ports: DLedgerMembers, found: Found[]): Promise<DLedgerGroupLook> {
  const { group, peers, broker } = found[0]
  const ids = peers.map(({ id }) => id)
  const members = await eachOf(peers, (peer) => {
    const own = found.find(({ selfId }) => selfId === peer.id)
    return lookAtMember(admin, ports, { group, peer, ids, broker: own?.broker })
  })
  const leader = leaderOf(members)
  const runtime = leader === undefined ? {} : leader.runtime
  for (const member of members) setLag(member, leader, runtime)
  const looks = members.map(({ runtime: _, ...look }) => look)
  const head = {
    group,
    cluster: broker.cluster,
    brokerName: broker.name,
    leaderId: leader?.id,
    term: leader?.term ?? -1,
  }
  return { ...head, members: looks, notes: dledgerNotes(looks, leader, found) }
}

type Seen = DLedgerMemberLook & { runtime: RuntimeTable }

async function lookAtMember(
  admin: AdminClient,
  ports: DLedgerMembers,
  of: { group: string; peer: DLedgerPeer; ids: readonly string[]; broker: BrokerAddress | undefined },
): Promise<Seen> {
  const { group, peer, ids, broker } = of
  let [brokerError, memberError] = ['', '']
  const [runtime, says] = await Promise.all([
    broker === undefined
      ? {}
      : runtimeOf(admin, broker.address).catch((error: unknown): RuntimeTable => {
          throwIfNotAllowed(error)
          brokerError = describe(error)
          return {}
        }),
    ports.ask(group, peer, ids).catch((error: unknown): undefined => {
      memberError = describe(error)
    }),
  ])
  return { ...peer, broker, runtime, brokerError, memberError, ...told(peer.id, runtime, says) }
}

/** The runtime table of ours says more, and is as fresh. */
function told(id: string, runtime: RuntimeTable, says: MemberSays | undefined) {
  const number = (key: string) => (runtime[key] === undefined ? undefined : Number(runtime[key]))
  const own = dledgerRowsOf(runtime)
  const leaderId = own?.leaderId ?? says?.leaderId
  const role =
    says === undefined ? undefined : leaderId === id ? 'LEADER' : leaderId === undefined ? 'CANDIDATE' : 'FOLLOWER'
  return {
    version: runtime.brokerVersionDesc ?? '',
    role: own?.role ?? (role as DLedgerRole | undefined),
    isReady: own?.isReady,
    term: own?.term ?? says?.term ?? -1,
    leaderId,
    beginIndex: number('basalt_dledger_begin_index'),
    endIndex: number('basalt_dledger_end_index'),
    committedIndex: number('basalt_dledger_committed_index'),
    committedPos: number('basalt_position_replicated') ?? number('commitLogMaxOffset'),
    lagEntries: undefined,
    lagBytes: undefined,
  }
}

/** Of several that say they lead the one of the largest term: the others have not heard of it yet. */
function leaderOf(members: readonly Seen[]): Seen | undefined {
  const leaders = members.filter(({ role }) => role === 'LEADER')
  return leaders.toSorted((a, b) => b.term - a.term)[0]
}

/** By the leader's own count where it is ours: what members say of themselves is of another moment. */
function setLag(member: Seen, leader: Seen | undefined, runtime: RuntimeTable): void {
  if (leader === undefined || member === leader) return
  const [, match] = /match=(\d+)/.exec(runtime[`basalt_dledger_peer_${member.id}`] ?? '') ?? []
  const end = match === undefined ? member.endIndex : Number(match)
  member.endIndex ??= end
  if (end !== undefined && leader.endIndex !== undefined) member.lagEntries = Math.max(0, leader.endIndex - end)
  if (member.committedPos !== undefined && leader.committedPos !== undefined)
    member.lagBytes = Math.max(0, leader.committedPos - member.committedPos)
}
