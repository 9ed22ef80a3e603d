/** Appends that wait: each is answered once, in order, whatever ends it. */
import { expect, test } from 'vitest'
import { type AppendAnswer, PendingAppends } from '../../../src/dledger/core/index.ts'

test('committed, too late, abandoned: each exactly once', () => {
  const pending = new PendingAppends()
  for (let index = 0; index < 5000; index++)
    pending.add({ token: index, index, pos: index * 100, deadline: 2500 + index })
  const out: AppendAnswer[] = []
  pending.committed(1999, out)
  pending.expire(2500 + 2999, out)
  expect(pending.size).toBe(2000)
  pending.abandon(out)
  expect(pending.size).toBe(0)
  expect(out.map((answer) => answer.token)).toEqual(Array.from({ length: 5000 }, (_, token) => token))
  expect(out[1999]).toEqual({ token: 1999, code: 200, index: 1999, pos: 199_900 })
  expect(out[2000]).toEqual({ token: 2000, code: 502, index: 2000, pos: -1 })
  expect(out[4999]).toEqual({ token: 4999, code: 501, index: 4999, pos: -1 })
})

test('beyond 10,000 a leader takes no more', () => {
  const pending = new PendingAppends()
  for (let index = 0; index < 10_000; index++) pending.add({ token: index, index, pos: 0, deadline: 1 })
  expect(pending.isFull).toBe(true)
})
