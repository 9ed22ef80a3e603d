/** What is wrong with a DLedger group, in sentences, the worst first. */
import type { BrokerAddress } from '../cluster.ts'
import type { DLedgerMemberLook } from './look.ts'
import type { DLedgerPeer } from './member.ts'

interface Configured {
  selfId: string
  broker: BrokerAddress
  peers: readonly DLedgerPeer[]
}

const BEHIND_MAX = 1000

export function dledgerNotes(
  members: readonly DLedgerMemberLook[],
  leader: DLedgerMemberLook | undefined,
  configured: readonly Configured[],
): string[] {
  const there = members.filter(({ role }) => role !== undefined)
  const quorum = Math.floor(members.length / 2) + 1
  const notes: string[] = []
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).join(', ')
  if (there.length < quorum)
    notes.push(
      `${there.length} of ${members.length} members answer here, and it takes ${quorum}: nobody can lead, and nothing is taken until more are back`,
    )
  else if (leader === undefined)
    notes.push(
      `nobody leads: ${ids(there)} answer, which are enough; an election is under way, or they do not reach each other`,
    )
  const others = there.filter(({ role, id }) => role === 'LEADER' && id !== leader?.id)
  if (leader !== undefined && others.length > 0)
    notes.push(
      `${ids(others)} takes itself for the leader, too, in an older term: it is cut off, commits nothing, and steps down`,
    )
  const strays = there.filter(({ role, leaderId }) => role === 'FOLLOWER' && leaderId !== leader?.id)
  if (leader !== undefined && strays.length > 0)
    notes.push(
      `${ids(strays)} follows ${strays[0].leaderId}, not ${leader.id}: it has not heard of the election, or is cut off`,
    )
  const seeking = there.filter(({ role }) => role === 'CANDIDATE')
  if (leader !== undefined && seeking.length > 0)
    notes.push(`${ids(seeking)} knows no leader: it starts, or does not reach ${leader.id}`)
  if (leader?.isReady === false)
    notes.push(`${leader.id} leads and takes no messages yet: what was before is not committed, or not dispatched`)
  if (leader?.broker !== undefined && leader.broker.id !== 0 && leader.isReady !== false)
    notes.push(`the NameServer does not have ${leader.id} as master yet: clients go by it`)
  for (const { id, memberError, brokerError, broker } of members) {
    if (memberError !== '') notes.push(`${id} tells nothing at its DLedger port: ${memberError}`)
    if (brokerError !== '') notes.push(`${id} tells nothing at its broker port: ${brokerError}`)
    if (broker === undefined && memberError === '')
      notes.push(`${id} runs, and is not registered with the NameServer that was asked`)
  }
  for (const { id, lagEntries } of members)
    if (lagEntries !== undefined && lagEntries >= BEHIND_MAX)
      notes.push(`${id} is ${lagEntries} entries behind: from ${BEHIND_MAX} on it cannot be given the leadership`)
  const texts = new Map(configured.map(({ selfId, peers }) => [selfId, textOf(peers)]))
  const own = texts.get(configured[0]?.selfId)
  for (const [id, text] of texts)
    if (text !== own) notes.push(`${id} has other dLegerPeers: ${text}; ${configured[0].selfId} has ${own}`)
  return notes
}

function textOf(peers: readonly DLedgerPeer[]): string {
  return peers.map(({ id, address }) => `${id}-${address}`).join(';')
}
