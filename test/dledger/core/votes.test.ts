/** What a voter answers, row by row of DLedger's table, and where it is stricter. */
import { expect, test } from 'vitest'
import type { MemberResponse, VoteRequest } from '../../../src/dledger/core/index.ts'
import { answersIn, Bench } from './support.ts'

const LOG = { term: 3, beginIndex: 0, endIndex: 9, endTerm: 2 }
const vote = (request: Partial<VoteRequest>) => ({
  kind: 'VOTE' as const,
  ledgerEndIndex: 9,
  ledgerEndTerm: 2,
  term: 3,
  ...request,
})
const result = (response: MemberResponse | undefined) =>
  response?.kind === 'VOTE' ? `${response.voteResult} t${response.term}` : undefined

test.each([
  ['a stranger', { leaderId: 'n9' }, 'REJECT_UNKNOWN_LEADER t3'],
  ['itself from outside', { leaderId: 'n0' }, 'REJECT_UNEXPECTED_LEADER t3'],
  [
    'an older last term, whatever the term',
    { ledgerEndTerm: 1, ledgerEndIndex: 99, term: 8 },
    'REJECT_EXPIRED_LEDGER_TERM t3',
  ],
  ['a shorter log, whatever the term', { ledgerEndIndex: 8, term: 8 }, 'REJECT_SMALL_LEDGER_END_INDEX t3'],
  ['an older term', { term: 2 }, 'REJECT_EXPIRED_VOTE_TERM t3'],
  ['this term, no vote given yet', {}, 'ACCEPT t3'],
  ['a larger term: adopted and voted for in the same call', { term: 8 }, 'ACCEPT t8'],
])('asked by %s', (_, request, expected) => {
  expect(result(new Bench(LOG).ask(vote(request)))).toBe(expected)
})

test('one vote a term, kept over a restart; the same candidate may ask again', () => {
  expect(result(new Bench({ ...LOG, voteFor: 'n2' }).ask(vote({})))).toBe('REJECT_ALREADY_VOTED t3')
  expect(result(new Bench({ ...LOG, voteFor: 'n1' }).ask(vote({})))).toBe('ACCEPT t3')
})

test('who hears a leader says so', () => {
  const bench = new Bench(LOG)
  bench.ask({ kind: 'HEART_BEAT', leaderId: 'n2', term: 3 })
  expect(result(bench.ask(vote({})))).toBe('REJECT_ALREADY_HAS_LEADER t3')
})

test('the answer leaves when term and vote are durable, not before', () => {
  const bench = new Bench(LOG)
  const request = { ...vote({ term: 8 }), group: 'g1', remoteId: 'n0', localId: 'n1', leaderId: 'n1' }
  const out = bench.put({ kind: 'request', token: 1, request }, false)
  expect(answersIn(out)).toEqual([])
  expect(out).toContainEqual({ kind: 'persist', sequence: 1, term: 8, voteFor: 'n1' })
  expect(answersIn(bench.put({ kind: 'persisted', sequence: 1 })).map(result)).toEqual(['ACCEPT t8'])
})

test('a member that led before a restart does not ask to lead in that term again', () => {
  const bench = new Bench({ ...LOG, voteFor: 'n0' })
  const asked = bench.put({ kind: 'tick' })
  const call = asked.find((effect) => effect.kind === 'send')
  expect(call).toMatchObject({ request: { kind: 'VOTE', term: 3 } })
  const out = asked.flatMap((effect) =>
    effect.kind === 'send'
      ? bench.put({
          kind: 'response',
          peer: effect.peer,
          call: effect.call,
          response: { kind: 'VOTE', code: 200, term: 3, voteResult: 'ACCEPT' },
        })
      : [],
  )
  // The accepted round was a probe: the next one is in a new term.
  expect(bench.core.role).toBe('CANDIDATE')
  expect(out).toContainEqual(expect.objectContaining({ kind: 'persist', term: 4, voteFor: 'n0' }))
})
