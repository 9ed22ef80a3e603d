/**
 * DLedger's own clients at a broker: who leads, and what stands in the log. Appends are refused: whatever is no record would stop
 * the dispatch of every member.
 */
import { StoreError } from '../errors.ts'
import { CODES, type Core } from './core/index.ts'
import type { DLedgerLog } from './log/index.ts'
import type { Peer } from './peers.ts'
import type { AnyResponse } from './transport/index.ts'
import { type ClientRequest, refusal, WireBatch } from './wire/index.ts'

/** Throws what the asker is told. */
export function answerClient(
  request: ClientRequest,
  { core, log, peers, group }: { core: Core; log: DLedgerLog; peers: readonly Peer[]; group: string },
): AnyResponse {
  switch (request.kind) {
    case 'METADATA': {
      const addresses = Object.fromEntries(peers.map(({ id, address }) => [id, address]))
      return {
        kind: 'METADATA',
        code: CODES.SUCCESS,
        group,
        leaderId: core.leaderId,
        peers: addresses,
        term: core.term,
      }
    }
    case 'APPEND':
      throw new StoreError('NO_RAW_APPENDS', {
        what: 'this member holds the log of a broker, which takes no entries but messages',
        todo: "send a message to the group's master",
      })
    case 'GET': {
      const index = request.beginIndex ?? -1
      if (core.role !== 'LEADER') return refusal(request, CODES.NOT_LEADER, core.leaderId)
      if (index > log.endIndex) return refusal(request, CODES.INDEX_OUT_OF_RANGE, core.leaderId)
      const entry = log.entryAt(index)
      if (entry === undefined) return refusal(request, CODES.INDEX_LESS_THAN_LOCAL_BEGIN, core.leaderId)
      return { kind: 'GET', code: CODES.SUCCESS, group, term: -1, entries: new WireBatch([entry]) }
    }
  }
}
