import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LOCK_MS_MAX, QueueLocks } from '../../../src/broker/groups/index.ts'
import { ManualClock } from '../rig.ts'

const queue = (queueId: number) => ({ brokerName: 'b', queueId, topic: 'T' })
const client = fc.constantFrom('a', 'b', 'c')
const queues = fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1 })
const step = fc.oneof(
  fc.record({ kind: fc.constant('lock' as const), client, queues }),
  fc.record({ kind: fc.constant('unlock' as const), client, queues }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 70_000 }), scans: fc.boolean() }),
)

test('a queue has one owner at a time: free, its own or 60 s not renewed, as the model has it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = new ManualClock()
      const locks = new QueueLocks(clock)
      const model = new Map<number, { client: string; since: number }>()
      for (const it of steps) {
        if (it.kind === 'lock') {
          const granted = locks.lock('G', it.queues.map(queue), it.client).map((q) => q.queueId)
          const wanted = it.queues.filter((id) => {
            const lock = model.get(id)
            return lock === undefined || lock.client === it.client || clock.ms - lock.since > LOCK_MS_MAX
          })
          expect(granted).toEqual(wanted)
          for (const id of wanted) model.set(id, { client: it.client, since: clock.ms })
        } else if (it.kind === 'unlock') {
          locks.unlock('G', it.queues.map(queue), it.client)
          for (const id of it.queues) if (model.get(id)?.client === it.client) model.delete(id)
        } else {
          clock.ms += it.ms
          if (it.scans) locks.scan()
        }
        for (let id = 0; id < 4; id++) {
          const lock = model.get(id)
          const isHeld = lock !== undefined && clock.ms - lock.since <= LOCK_MS_MAX
          expect(locks.owner('G', queue(id))).toBe(isHeld ? lock.client : undefined)
          expect(locks.owner('H', queue(id))).toBe(undefined)
        }
      }
    }),
  )
})
