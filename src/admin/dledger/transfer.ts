/**
 * Leadership of a DLedger group handed to another member: asked of the leader, and watched until the other leads and clients find it.
 *
 * Nothing is lost by it: the leader takes no messages from the request on, the other has all of them, then votes are asked for.
 */
import { CODES } from '../../dledger/core/codes.ts'
import type { AdminClient } from '../admin-client.ts'
import { AdminError } from '../admin-error.ts'
import { brokersOf } from '../cluster.ts'
import type { Waiter } from '../drain.ts'
import { dledgerGroups } from './groups.ts'
import type { DLedgerGroupLook, DLedgerMemberLook } from './look.ts'
import type { DLedgerMembers } from './member.ts'

export interface Transferred {
  from: string
  to: string
  term: number
  /** From the request until the other leads. */
  ms: number
  /** Clients find it: the NameServer has it as master. Undefined where its broker is not known there. */
  isMaster: boolean | undefined
}

const LOOK_MS = 50
/** A term changes under our hands when nobody asked for it: then it is asked once more. */
const TRIES = 2

export async function transferLeadership(
  admin: AdminClient,
  ports: DLedgerMembers,
  group: DLedgerGroupLook,
  to: DLedgerMemberLook,
  waiter: Waiter,
  waitMs: number,
): Promise<Transferred> {
  const began = waiter.now()
  const until = began + waitMs
  const from = await askLeader(admin, ports, group, to)
  let term = -1
  for (;;) {
    const says = await ports
      .ask(
        group.group,
        to,
        group.members.map(({ id }) => id),
      )
      .catch(() => undefined)
    if (says?.leaderId === to.id) {
      term = says.term
      break
    }
    if (waiter.now() >= until) {
      throw new AdminError('NOT_TRANSFERRED', {
        what: `${from} agreed, and ${to.id} does not lead ${waitMs} ms later: it takes ${says?.leaderId ?? 'nobody'} for the leader`,
        where: to.address,
        todo: 'see "basaltmq admin dledger status"',
        retriable: true,
      })
    }
    await waiter.sleep(LOOK_MS)
  }
  const ms = waiter.now() - began
  return { from, to: to.id, term, ms, isMaster: await untilMaster(admin, to, waiter, until) }
}

/** The leader that has done it. */
async function askLeader(
  admin: AdminClient,
  ports: DLedgerMembers,
  first: DLedgerGroupLook,
  to: DLedgerMemberLook,
): Promise<string> {
  let group = first
  for (let tried = 1; ; tried++) {
    const leader = group.members.find(({ id }) => id === group.leaderId)
    if (leader === undefined) throw noLeader(group)
    const { code, term } = await ports.transfer(group.group, leader, to.id, group.term)
    if (code === CODES.SUCCESS) return leader.id
    const isStale = code === CODES.NOT_LEADER || code === CODES.INCONSISTENT_TERM
    if (!isStale || tried === TRIES) throw refusedWith(code, term, group, leader, to)
    const broker = leader.broker?.address ?? group.members.find((it) => it.broker !== undefined)?.broker?.address
    const again = await dledgerGroups(admin, ports, { broker })
    group = again.find((it) => it.group === group.group) ?? group
  }
}

export function noLeader({ group, notes }: DLedgerGroupLook): AdminError {
  return new AdminError('NO_LEADER', {
    what: `group ${group} has no leader that could hand over: ${notes[0] ?? 'none answers'}`,
    todo: 'wait for the election, or see "basaltmq admin dledger status"',
    retriable: true,
  })
}

async function untilMaster(
  admin: AdminClient,
  { broker }: DLedgerMemberLook,
  waiter: Waiter,
  until: number,
): Promise<boolean | undefined> {
  if (broker === undefined || admin.namesrv.length === 0) return undefined
  for (;;) {
    const all = await brokersOf(admin).catch(() => [])
    if (all.some(({ id, address }) => id === 0 && address === broker.address)) return true
    if (waiter.now() >= until) return false
    await waiter.sleep(LOOK_MS)
  }
}

function refusedWith(
  code: number,
  term: number,
  group: DLedgerGroupLook,
  leader: DLedgerMemberLook,
  to: DLedgerMemberLook,
): AdminError {
  const [what, todo] = meaningOf(code, leader.id, to) ?? [
    `${leader.id} answers with code ${code}`,
    'see its log, and "basaltmq admin dledger status"',
  ]
  const about = `leadership of ${group.group} stays where it is (code ${code}${term >= 0 ? `, term ${term}` : ''}): ${what}`
  return new AdminError('NOT_TRANSFERRED', { what: about, where: leader.address, todo, retriable: true }, code)
}

function meaningOf(code: number, leader: string, to: DLedgerMemberLook): [what: string, todo: string] | undefined {
  const again = 'give the command again'
  switch (code) {
    case CODES.UNKNOWN_MEMBER:
      return [`${leader} has no member ${to.id} in its dLegerPeers`, 'dLegerPeers must be the same everywhere']
    case CODES.NOT_LEADER:
      return [`${leader} leads no more`, `${again}: the group may have elected somebody`]
    case CODES.EXPIRED_TERM:
    case CODES.INCONSISTENT_TERM:
      return ['the term changed meanwhile: there was an election', again]
    case CODES.INCONSISTENT_LEADER:
      return [`${to.id} does not follow ${leader}`, `wait until "dledger status" has ${to.id} as its follower`]
    case CODES.TERM_NOT_READY:
      return [`${to.id} is still taking up the term`, again]
    case CODES.FALL_BEHIND_TOO_MUCH:
      return [`${to.id} is 1000 entries behind or more`, 'wait until its lag in "dledger status" is small']
    case CODES.TAKE_LEADERSHIP_FAILED:
      return [
        `${to.id} did not get the last entries in time, or was not elected`,
        `${again} when there is less to send`,
      ]
    case CODES.LEADER_PENDING_FULL:
      return [`${leader} has too many messages that no majority has yet`, 'wait until its followers keep up']
    case CODES.LEADER_NOT_READY:
      return [`${leader} has just been elected and is not ready`, again]
    case CODES.LEADER_TRANSFERRING:
      return ['another transfer is under way', 'see who leads when it is over']
    case CODES.TIMEOUT:
    case CODES.NETWORK_ERROR:
      return [`${to.id} does not answer ${leader}`, 'see that it runs, and that members reach each other']
    case CODES.UNEXPECTED_ARGUMENT:
      return [`${leader} does not take itself for the one that was asked`, 'compare dLegerPeers and dLegerSelfId']
    default:
      return undefined
  }
}
