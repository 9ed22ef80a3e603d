import fc from 'fast-check'
import { expect, test } from 'vitest'
import { heartbeat, rig, subscription } from '../rig.ts'

const connection = fc.integer({ min: 0, max: 3 })
const group = fc.constantFrom('G', 'H')
const topics = fc.subarray(['T', 'U', 'V'])
const step = fc.oneof(
  fc.record({ kind: fc.constant('beat' as const), connection, group, topics }),
  fc.record({ kind: fc.constant('leave' as const), connection, group }),
  fc.record({ kind: fc.constant('close' as const), connection }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(20_000, 70_000, 130_000) }),
)

/** group → connection → clock of the last heartbeat; group → topics of the last heartbeat of anybody. */
test('after any heartbeats, departures and silences the members are those of a ten-line model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { ask, state, connect, clock } = rig()
      const open = [0, 1, 2, 3].map(() => connect())
      const members = new Map<string, Map<number, number>>()
      const subscribed = new Map<string, Set<string>>()
      const leave = (name: string, at: number) => {
        const known = members.get(name)
        known?.delete(at)
        if (known?.size === 0) {
          members.delete(name)
          subscribed.delete(name)
        }
      }
      for (const it of steps) {
        for (const c of open) c.sent.length = 0
        const told = new Map<number, string[]>()
        if (it.kind === 'beat') {
          const known = members.get(it.group) ?? new Map<number, number>()
          const isNew = !known.has(it.connection)
          const before = subscribed.get(it.group) ?? new Set()
          const differs = before.size !== it.topics.length || it.topics.some((t) => !before.has(t))
          members.set(it.group, known.set(it.connection, clock.ms))
          subscribed.set(it.group, new Set(it.topics))
          const body = heartbeat(`c${it.connection}`, { [it.group]: it.topics.map((t) => subscription(t)) })
          await ask(34, undefined, body, { from: open[it.connection] })
          if (isNew || differs) for (const at of known.keys()) told.set(at, [it.group])
        } else if (it.kind === 'leave') {
          const was = members.get(it.group)?.has(it.connection) ?? false
          leave(it.group, it.connection)
          await ask(35, { clientID: `c${it.connection}`, consumerGroup: it.group }, undefined, {
            from: open[it.connection],
          })
          if (was) for (const at of members.get(it.group)?.keys() ?? []) told.set(at, [it.group])
        } else if (it.kind === 'close') {
          for (const name of ['G', 'H']) {
            const was = members.get(name)?.has(it.connection) ?? false
            leave(name, it.connection)
            if (was) for (const at of members.get(name)?.keys() ?? []) told.set(at, [...(told.get(at) ?? []), name])
          }
          open[it.connection].close('closed by the peer')
          open[it.connection] = connect()
        } else {
          clock.ms += it.ms
          const silent = new Set<number>()
          for (const known of members.values()) {
            for (const [at, last] of known) if (last < clock.ms - 120_000) silent.add(at)
          }
          state.tick()
          for (const at of silent) for (const name of ['G', 'H']) leave(name, at)
          for (const at of silent) {
            expect(open[at].closed).toBe(true)
            open[at] = connect()
          }
        }
        if (it.kind !== 'wait') {
          for (const [at, c] of open.entries()) expect(c.notified().sort()).toEqual((told.get(at) ?? []).sort())
        }
        const ids = open.map((c) => c.id)
        for (const name of ['G', 'H']) {
          const online = state.consumers.group(name)
          expect([...(online?.members.keys() ?? [])].sort()).toEqual(
            [...(members.get(name)?.keys() ?? [])].map((at) => ids[at]).sort(),
          )
          expect([...(online?.subscribed() ?? [])].map((s) => s.topic).sort()).toEqual(
            [...(subscribed.get(name) ?? [])].sort(),
          )
        }
      }
    }),
    { numRuns: 150 },
  )
})
