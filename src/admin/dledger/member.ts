/**
 * Members of DLedger groups, asked at their own ports: who leads, in which term, and to hand leadership over.
 *
 *   METADATA              leader and members; the term too where the member is ours
 *   HEART_BEAT, term −1   refused for its old term (403) with the member's term: nothing is changed by it. Of JVM members
 *   LEADERSHIP_TRANSFER   to the leader, which answers when the other leads, or does not
 *
 * These ports know neither TLS nor accounts. Source: spec/dledger.md §3.3, §4.6, §4.8.
 */
import { CODES } from '../../dledger/core/codes.ts'
import { codeOf, readMetadata, readResponse, writeRequest } from '../../dledger/wire/index.ts'
import { request } from '../../remoting/command.ts'
import { AdminClient } from '../admin-client.ts'
import { AdminError } from '../admin-error.ts'

/** Of the remoting header: every request that was processed. */
const PROCESSED = 200
/** How long a leader and its transferee wait for one another, a hop each, and a second. */
const TRANSFER_MS = 8000

/** One entry of dLegerPeers. */
export interface DLedgerPeer {
  id: string
  /** "host:port" */
  address: string
}

export interface MemberSays {
  /** Undefined while it knows none. */
  leaderId: string | undefined
  /** −1 where it does not tell. */
  term: number
}

export interface TransferAnswer {
  code: number
  term: number
}

/** `n0-host:port;n1-host:port`; what is none is left out. */
export function peersIn(text: string): DLedgerPeer[] {
  return text.split(';').flatMap((word) => {
    const [, id, address] = /^\s*([^-\s]+)-(\S+:\d+)\s*$/.exec(word) ?? []
    return id === undefined || address === undefined ? [] : [{ id, address }]
  })
}

export class DLedgerMembers {
  private readonly client: AdminClient

  constructor(timeoutMs?: number) {
    this.client = new AdminClient({ namesrv: [], timeoutMs })
  }

  /** `others`: ids of the group, one of which the question for the term goes by. */
  async ask(group: string, { id, address }: DLedgerPeer, others: readonly string[]): Promise<MemberSays> {
    const base = { group, remoteId: id, localId: undefined, leaderId: undefined, term: -1 }
    const asked = { kind: 'METADATA', ...base } as const
    const { code, leaderId, term } = readMetadata(await this.send(address, codeOf(asked), writeRequest(asked)))
    if (code !== CODES.SUCCESS) throw notThatMember(group, id, address, code)
    return { leaderId, term: term >= 0 ? term : await this.termOf(group, id, address, others) }
  }

  async transfer(group: string, leader: DLedgerPeer, to: string, term: number): Promise<TransferAnswer> {
    const base = { group, remoteId: leader.id, localId: undefined, leaderId: undefined, term }
    const what = { transferId: leader.id, transfereeId: to, takeLeadershipLedgerIndex: 0 }
    const asked = { kind: 'LEADERSHIP_TRANSFER', ...base, ...what } as const
    const body = await this.send(leader.address, codeOf(asked), writeRequest(asked), TRANSFER_MS)
    const { code, term: now } = readResponse('LEADERSHIP_TRANSFER', body)
    return { code, term: now }
  }

  close(): Promise<void> {
    return this.client.close()
  }

  private async termOf(group: string, id: string, address: string, others: readonly string[]): Promise<number> {
    const leaderId = others.find((other) => other !== id) ?? id
    const asked = { kind: 'HEART_BEAT', group, remoteId: id, localId: undefined, leaderId, term: -1 } as const
    return readResponse('HEART_BEAT', await this.send(address, codeOf(asked), writeRequest(asked))).term
  }

  private async send(address: string, code: number, body: Buffer, timeoutMs?: number): Promise<Uint8Array | undefined> {
    const asked = request(code, undefined, body)
    return (await this.client.ask(address, asked, { also: [PROCESSED], timeoutMs })).body
  }
}

function notThatMember(group: string, id: string, where: string, code: number): AdminError {
  const what =
    code === CODES.UNKNOWN_GROUP
      ? `what answers there is no member of group ${group}`
      : code === CODES.UNKNOWN_MEMBER
        ? `what answers there is not ${id} of group ${group}`
        : `${id} answers with code ${code}`
  return new AdminError('OTHER_MEMBER', { what, where, todo: 'compare dLegerPeers, dLegerGroup and dLegerSelfId' })
}
