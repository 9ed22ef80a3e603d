/** Pushes: what a leader sends, how few steps it needs, and what a follower takes. */
import { expect, test } from 'vitest'
import { CODES, type Effect, type PushRequest } from '../../../src/dledger/core/index.ts'
import { answersIn, Bench, batch } from './support.ts'

const pushesIn = (effects: Effect[]) =>
  effects.flatMap((effect) =>
    effect.kind === 'send' && effect.request.kind === 'PUSH'
      ? [{ ...effect, request: effect.request as PushRequest }]
      : [],
  )
const readsIn = (effects: Effect[]) => effects.flatMap((effect) => (effect.kind === 'read' ? [effect] : []))

/** Answers reads and pushes as followers with logs of `end` would, until nothing more is asked. */
function serve(bench: Bench, effects: Effect[], ends: number[]): { compares: number; effects: number } {
  let compares = 0
  let count = 0
  const queue = [...effects]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    count++
    if (next.kind === 'read')
      queue.push(
        ...bench.put({
          kind: 'read',
          ticket: next.ticket,
          entries: batch(next.from, next.to - next.from + 1, bench.core.term),
        }),
      )
    if (next.kind !== 'send' || next.request.kind !== 'PUSH') continue
    const { type, entries, term } = next.request
    if (type === 'COMPARE') compares++
    const { peer } = next
    const first = entries?.firstIndex ?? -1
    if (type === 'APPEND') ends[peer] = first + entries!.count - 1
    const code = type === 'COMPARE' && first > ends[peer]! ? CODES.INCONSISTENT_STATE : CODES.SUCCESS
    const response = { kind: 'PUSH' as const, code, term, index: first, beginIndex: 0, endIndex: ends[peer]!, count: 1 }
    queue.push(...bench.put({ kind: 'response', peer, call: next.call, response }))
  }
  return { compares, effects: count }
}

test('a new leader writes its no-op, opens the gate, compares, and commits all with the no-op', () => {
  const bench = new Bench({ term: 1, endIndex: 9, endTerm: 1, voteFor: 'n1' })
  bench.ask({ kind: 'VOTE', term: 1, ledgerEndIndex: 9, ledgerEndTerm: 1 } as never)
  bench.core.candidate.raiseTerm = true
  bench.now = 5000
  const out = bench.lead()
  expect(out).toContainEqual({ kind: 'appendNoop', epoch: 0, term: 2 })
  expect(out).toContainEqual({ kind: 'openGate', epoch: 0, term: 2 })
  expect(bench.core.commitIndex).toBe(-1)
  serve(bench, readsIn(out), [0, 9, 9])
  expect(bench.core.commitIndex).toBe(10)
})

test('where logs part is found in few steps, however long ago', () => {
  const bench = new Bench()
  const out = bench.lead()
  serve(bench, readsIn(out), [0, 0, 0])
  serve(bench, bench.appended(100_000), [0, 0, 0])
  expect(bench.core.commitIndex).toBe(100_000)
  // A follower that comes back with an entry of another leader at 50,001 and everything behind it.
  const mine = 50_000
  const queue = bench.put({ kind: 'reached', peer: 1 })
  queue.push(...bench.heartbeatsAnswered(bench.put({ kind: 'tick' })))
  let compares = 0
  let truncatedTo = -1
  for (let next = queue.shift(); next !== undefined && truncatedTo < 0; next = queue.shift()) {
    if (next.kind === 'read')
      queue.push(...bench.put({ kind: 'read', ticket: next.ticket, entries: batch(next.from, 1, bench.core.term) }))
    for (const push of pushesIn([next])) {
      if (push.request.type === 'COMPARE') compares++
      const asked = push.request.entries!.firstIndex
      if (push.request.type === 'TRUNCATE') truncatedTo = asked
      const code = asked <= mine ? CODES.SUCCESS : CODES.INCONSISTENT_STATE
      const response = { kind: 'PUSH' as const, code, term: 0, index: asked, beginIndex: 0, endIndex: 90_000, count: 1 }
      queue.push(...bench.put({ kind: 'response', peer: push.peer, call: push.call, response }))
    }
  }
  expect(truncatedTo).toBe(mine)
  expect(compares).toBeLessThan(40)
})

test('a leader’s work is per push, not per entry', () => {
  const bench = new Bench()
  const ends = [0, 0, 0]
  serve(bench, readsIn(bench.lead()), ends)
  let effects = 0
  for (let end = 1000; end <= 100_000; end += 1000) effects += serve(bench, bench.appended(end), ends).effects
  expect(bench.core.commitIndex).toBe(100_000)
  expect(effects).toBeLessThan(100 * 10)
})

test('a follower takes APPEND only behind what it has compared', () => {
  const bench = new Bench({ term: 1, endIndex: 4, endTerm: 1 })
  const push = { kind: 'PUSH' as const, term: 1, commitIndex: 4 }
  expect(bench.ask({ ...push, type: 'APPEND', entries: batch(5, 1, 1) })?.code).toBe(CODES.INCONSISTENT_STATE)
  const asked = bench.put({
    kind: 'request',
    token: 2,
    request: {
      ...push,
      type: 'COMPARE',
      entries: batch(4, 1, 1),
      group: 'g1',
      remoteId: 'n0',
      localId: 'n1',
      leaderId: 'n1',
    },
  })
  const compare = asked.find((effect) => effect.kind === 'compare')
  expect(bench.core.commitIndex).toBe(-1)
  expect(answersIn(bench.put({ kind: 'compared', ticket: compare!.ticket, equal: true }))).toMatchObject([
    { code: CODES.SUCCESS, index: 4, beginIndex: 0, endIndex: 4, count: 1 },
  ])
  expect(bench.core.commitIndex).toBe(4)
  expect(bench.ask({ ...push, type: 'APPEND', entries: batch(5, 3, 1) })).toBeUndefined()
  expect(answersIn(bench.appended(7))).toMatchObject([{ code: CODES.SUCCESS, index: 5, endIndex: 7, count: 3 }])
})

test('with flushBeforeAck the answer waits for the sync', () => {
  const bench = new Bench({}, { flushBeforeAck: true })
  const request = { kind: 'PUSH' as const, term: 0, commitIndex: -1, type: 'APPEND' as const, entries: batch(0, 2, 0) }
  expect(bench.ask(request)).toBeUndefined()
  expect(answersIn(bench.appended(1))).toEqual([])
  expect(answersIn(bench.put({ kind: 'flushed', epoch: 0, index: 0 }))).toEqual([])
  expect(answersIn(bench.put({ kind: 'flushed', epoch: 0, index: 1 }))).toMatchObject([{ code: CODES.SUCCESS }])
})

test('what is committed is never cut, and somebody is told', () => {
  const bench = new Bench({ term: 1, endIndex: 9, endTerm: 1, commitIndex: 9 })
  const request = {
    kind: 'PUSH' as const,
    group: 'g1',
    remoteId: 'n0',
    localId: 'n1',
    leaderId: 'n1',
    term: 2,
    commitIndex: 4,
  }
  const out = bench.put({
    kind: 'request',
    token: 1,
    request: { ...request, type: 'TRUNCATE', entries: batch(4, 1, 1) },
  })
  expect(answersIn(out)).toMatchObject([{ code: CODES.INCONSISTENT_STATE, endIndex: 9 }])
  expect(out).toContainEqual({
    kind: 'alarm',
    what: expect.stringContaining('truncates to 4, but 9 is committed here'),
  })
})
