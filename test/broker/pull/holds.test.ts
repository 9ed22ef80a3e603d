/** Held pulls without sockets: who is run, when, and what is looked at for it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Holds } from '../../../src/broker/pull/holds.ts'
import type { PullRequest } from '../../../src/broker/pull/pull-request.ts'
import { ControlBlock } from '../../../src/concurrency/control-block.ts'
import { QueueTable } from '../../../src/concurrency/queue-table.ts'
import type { Connection } from '../../../src/remoting/index.ts'

function setUp(maxHeldPulls = 1000) {
  const control = ControlBlock.create()
  const table = QueueTable.create(16)
  const ran: PullRequest[] = []
  const looked: [from: number, to: number][] = []
  /** Queue offsets of the messages that match. */
  const matching = new Set<number>()
  const holds: Holds = new Holds({
    control,
    table,
    maxHeldPulls,
    mayMatch: (_request, _queue, from, to) => {
      looked.push([from, to])
      for (let offset = from; offset < to; offset += 1) if (matching.has(offset)) return true
      return false
    },
    run: (request) => ran.push(request),
  })
  return { control, table, holds, ran, looked, matching }
}

const connection = {} as Connection

function pullAt(queueOffset: number, from: Connection = connection): PullRequest {
  return { connection: from, queueOffset } as PullRequest
}

describe('a held pull', () => {
  test('waits while nothing comes, and dispatch is told that somebody waits', () => {
    const { control, table, holds, ran } = setUp()
    table.setMax(3, 10)
    expect(holds.hold(3, pullAt(10), 1000)).toBe(true)
    holds.arrived(3)
    holds.tick(999)
    expect(ran).toEqual([])
    expect(table.isWaiting(3)).toBe(true)
    expect(control.word('heldPulls')).toBe(1)
    holds.tick(1000)
    expect(ran).toHaveLength(1)
    expect(table.isWaiting(3)).toBe(false)
    expect(control.word('heldPulls')).toBe(0)
  })

  test('is run at once when its message came between the read and the hold', () => {
    const { table, holds, ran, matching, control } = setUp()
    table.setMax(3, 11)
    matching.add(10)
    expect(holds.hold(3, pullAt(10), 1000)).toBe(true)
    expect(ran).toHaveLength(1)
    expect(holds.count).toBe(0)
    expect(control.word('heldPulls')).toBe(0)
  })

  test('looks at every new unit once, however often its queue grows', () => {
    const { table, holds, looked, ran, matching } = setUp()
    table.setMax(3, 10)
    holds.hold(3, pullAt(10), 1000)
    for (const max of [12, 12, 15, 16]) {
      table.setMax(3, max)
      holds.arrived(3)
    }
    expect(looked).toEqual([
      [10, 12],
      [12, 15],
      [15, 16],
    ])
    expect(ran).toEqual([])
    matching.add(16)
    table.setMax(3, 17)
    holds.arrived(3)
    expect(ran).toHaveLength(1)
  })

  test('is run at the next tick when its queue has grown by messages of other tags, as with 4.9.8', () => {
    const { table, holds, ran } = setUp()
    table.setMax(3, 10)
    holds.hold(3, pullAt(10), 1000)
    table.setMax(3, 12)
    holds.arrived(3)
    expect(ran).toEqual([])
    holds.tick(5)
    expect(ran).toHaveLength(1)
  })

  test('beyond the queue (its messages are not there yet) waits for its own offset', () => {
    const { table, holds, ran, matching } = setUp()
    table.setMax(3, 10)
    matching.add(10).add(12)
    holds.hold(3, pullAt(12), 1000)
    table.setMax(3, 11)
    holds.arrived(3)
    holds.tick(1)
    expect(ran).toEqual([])
    table.setMax(3, 13)
    holds.arrived(3)
    expect(ran).toHaveLength(1)
  })

  test('of a lost connection is forgotten, those of others stay', () => {
    const { holds, table, ran, control } = setUp()
    const other = {} as Connection
    holds.hold(1, pullAt(0), 10)
    holds.hold(2, pullAt(0), 10)
    holds.hold(2, pullAt(0, other), 10)
    holds.drop(connection)
    expect([holds.count, control.word('heldPulls')]).toEqual([1, 1])
    expect([table.isWaiting(1), table.isWaiting(2)]).toEqual([false, true])
    holds.drop(connection)
    holds.tick(10)
    expect(ran.map((request) => request.connection)).toEqual([other])
  })

  test('waits no longer because the clock was set back', () => {
    const { holds, ran } = setUp()
    holds.tick(10_000)
    holds.hold(1, pullAt(0), 25_000)
    holds.tick(9_000)
    expect(ran).toHaveLength(1)
  })

  test('beyond the limit is refused, and room comes back', () => {
    const { holds } = setUp(2)
    expect([1, 2, 3].map((queue) => holds.hold(queue, pullAt(0), 10))).toEqual([true, true, false])
    holds.drop(connection)
    expect(holds.hold(1, pullAt(0), 10)).toBe(true)
  })
})

test('a pull that is held again by what it is run for loses nothing', () => {
  const { table, control, ran } = setUp()
  const again: Holds = new Holds({
    control,
    table,
    maxHeldPulls: 10,
    mayMatch: () => true,
    run: (request) => {
      ran.push(request)
      if (ran.length === 1) again.hold(3, pullAt(2), 1000)
    },
  })
  again.hold(3, pullAt(0), 1000)
  again.hold(3, pullAt(1), 1000)
  table.setMax(3, 2)
  again.arrived(3)
  expect(ran.map((request) => request.queueOffset)).toEqual([0, 1])
  expect([again.count, control.word('heldPulls'), table.isWaiting(3)]).toEqual([1, 1, true])
})

test('property: counts, flags and who is run are those of a list that is searched', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('hold' as const), queue: fc.nat(2), at: fc.nat(20), deadline: fc.nat(50) }),
    fc.record({ kind: fc.constant('grow' as const), queue: fc.nat(2), by: fc.nat(3), matches: fc.boolean() }),
    fc.record({ kind: fc.constant('tick' as const), now: fc.nat(50) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const control = ControlBlock.create()
      const table = QueueTable.create(4)
      const matching = new Set<string>()
      const ran: PullRequest[] = []
      const holds: Holds = new Holds({
        control,
        table,
        maxHeldPulls: 1000,
        mayMatch: (_request, queue, from, to) => {
          for (let offset = from; offset < to; offset += 1) if (matching.has(`${queue}/${offset}`)) return true
          return false
        },
        run: (request) => ran.push(request),
      })
      let model: { queue: number; at: number; deadline: number }[] = []
      let runs = 0
      let last = 0
      const settle = (isDue: (held: (typeof model)[0]) => boolean) => {
        runs += model.filter(isDue).length
        model = model.filter((held) => !isDue(held))
      }
      const hasMatch = (queue: number, at: number) => {
        for (let offset = at; offset < table.max(queue); offset += 1)
          if (matching.has(`${queue}/${offset}`)) return true
        return false
      }
      for (const each of steps) {
        if (each.kind === 'hold') {
          model.push(each)
          holds.hold(each.queue, pullAt(each.at), each.deadline)
          settle(({ queue, at }) => queue === each.queue && hasMatch(queue, at))
        } else if (each.kind === 'grow') {
          const max = table.max(each.queue)
          if (each.matches) for (let i = 0; i < each.by; i += 1) matching.add(`${each.queue}/${max + i}`)
          table.setMax(each.queue, max + each.by)
          holds.arrived(each.queue)
          settle(({ queue, at }) => queue === each.queue && hasMatch(queue, at))
        } else {
          holds.tick(each.now)
          const wentBack = each.now < last
          last = each.now
          settle(({ queue, at, deadline }) => wentBack || deadline <= each.now || table.max(queue) > at)
        }
        expect(ran).toHaveLength(runs)
        expect(holds.count).toBe(model.length)
        expect(control.word('heldPulls')).toBe(model.length)
        for (const queue of [0, 1, 2]) expect(table.isWaiting(queue)).toBe(model.some((held) => held.queue === queue))
      }
    }),
  )
})
