/**
 * Groups of unmodified Java clients: who idles, who gets everything, what a reset and a shrinking topic do to them. All groups of
 * a version live in one JVM at the same time.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openCalls } from '../../bench/load/connection.mjs'
import { runJava } from '../../tools/apache/java.mjs'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

const SENT = 10
const WAIT = { timeout: 60_000, interval: 50 }

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(
  `groups of Java clients %s and the ${KIND} broker`,
  (version) => {
    const five = version.startsWith('5')
    const scratch = new Scratch()
    let system: System
    let program: ReturnType<typeof runJava>
    let stop: string

    const call = async (code: number, ext: Record<string, string>) => {
      const calls = await openCalls(system.address)
      try {
        return await calls.call(code, ext, undefined, 5000)
      } finally {
        calls.close()
      }
    }
    const topic = (name: string, write: number, read: number) => {
      const numbers = { writeQueueNums: String(write), readQueueNums: String(read), perm: '6' }
      return call(17, {
        topic: name,
        defaultTopic: 'TBW102',
        ...numbers,
        topicFilterType: 'SINGLE_TAG',
        order: 'false',
      })
    }
    /** Keys by member of a group. */
    const got = (name: string) => {
      const members = new Map<string, string[]>()
      for (const [group, member, key] of program.of('GOT')) {
        if (group === name) members.set(member, [...(members.get(member) ?? []), key])
      }
      return members
    }
    const all = (name: string) => [...got(name).values()].flat()
    const keys = (name: string) => Array.from({ length: SENT }, (_, i) => `${name}-${i}`).sort()
    /** Queues that each member of a group has now. */
    const has = (name: string) => {
      const members = new Map<string, number>()
      for (const [group, member, count] of program.of('HAS')) if (group === name) members.set(member, Number(count))
      return [...members.values()].sort()
    }

    beforeAll(async () => {
      system = await startSystem({ scratch, config: five ? { useServerSideResetOffset: true } : {} })
      const sets = ['Idle/3', 'Broad/2/broadcast', 'Reset/1', 'Shrink/2', ...(five ? ['Second/2/v2'] : [])]
      for (const set of sets) {
        const [name] = set.split('/')
        const queues = name === 'Shrink' ? 16 : 2
        await topic(name, queues, queues)
      }
      stop = join(scratch.sub('members'), 'stop')
      const args = [`namesrv=${system.namesrv}`, `sets=${sets.join()}`, `send=${SENT}`, 'loop=Shrink', `stop=${stop}`]
      program = runJava({ version, main: 'Members', args, folder: scratch.sub('java') })
      await program.until('HAS', sets.length)
    })
    afterAll(async () => {
      await program?.kill()
      await system?.close()
      scratch.remove()
    })

    test('a consumer beyond the number of queues idles; the others get everything once', async () => {
      await vi.waitFor(() => expect(has('Idle')).toEqual([0, 1, 1]), WAIT)
      await vi.waitFor(() => expect(new Set(all('Idle')).size).toBe(SENT), WAIT)
      const { body } = await call(38, { consumerGroup: 'G-Idle' })
      expect(JSON.parse(body.toString()).consumerIdList).toHaveLength(3)
    })

    test('broadcasting: each member gets everything', async () => {
      await vi.waitFor(() => {
        for (const member of ['0', '1']) expect([...new Set(got('Broad').get(member))].sort()).toEqual(keys('Broad'))
      }, WAIT)
      expect(has('Broad')).toEqual([2, 2])
    })

    test(`a reset by time ${five ? 'on the broker' : 'through the client'} gives everything again`, async () => {
      await vi.waitFor(() => expect(all('Reset').sort()).toEqual(keys('Reset')), WAIT)
      // 4.9 asks that the group has an offset of each queue.
      await vi.waitFor(async () => {
        for (const queueId of ['0', '1']) {
          const { header } = await call(14, { consumerGroup: 'G-Reset', topic: 'Reset', queueId })
          expect(Number(header.extFields?.offset)).toBe(5)
        }
      }, WAIT)
      const { header } = await call(222, { topic: 'Reset', group: 'G-Reset', timestamp: '0', isForce: 'true' })
      expect(header.code).toBe(0)
      await vi.waitFor(() => expect(all('Reset').length).toBeGreaterThanOrEqual(2 * SENT), WAIT)
      for (const key of keys('Reset')) expect(all('Reset').filter((each) => each === key)).toHaveLength(2)
    })

    test('a topic that shrinks from 16 to 8 queues under load loses nothing', async () => {
      await vi.waitFor(() => expect(has('Shrink')).toEqual([8, 8]), WAIT)
      await topic('Shrink', 8, 16)
      const sentTo = () => program.of('SENT').filter(([name]) => name === 'Shrink')
      const queuesOf = (from: number) => {
        const wanted = new Set(
          sentTo()
            .slice(from)
            .map(([, key]) => key),
        )
        const gotten = program.of('GOT').filter(([name, , key]) => name === 'Shrink' && wanted.has(key))
        return { sent: wanted.size, queues: new Set(gotten.map(([, , , queueId]) => Number(queueId))) }
      }
      // Until producers have heard of it: from then on the upper queues are written no more.
      await new Promise((fulfil) => setTimeout(fulfil, 1500))
      const quiet = sentTo().length
      await vi.waitFor(() => expect(queuesOf(quiet).sent).toBeGreaterThan(40), WAIT)
      expect(Math.max(...queuesOf(quiet).queues)).toBeLessThan(8)
      const isDrained = async () => {
        for (let queueId = 8; queueId < 16; queueId++) {
          const queue = { topic: 'Shrink', queueId: String(queueId) }
          const end = Number((await call(30, queue)).header.extFields?.offset)
          const done = Number((await call(14, { ...queue, consumerGroup: 'G-Shrink' })).header.extFields?.offset)
          expect(done).toBe(end)
        }
      }
      await vi.waitFor(isDrained, WAIT)
      await topic('Shrink', 8, 8)
      await vi.waitFor(() => expect(has('Shrink')).toEqual([4, 4]), WAIT)
      writeFileSync(stop, '')
      await program.until('STOPPED')
      const sent = sentTo().map(([, key]) => key)
      await vi.waitFor(() => expect(sent.filter((key) => !all('Shrink').includes(key))).toEqual([]), WAIT)
    })

    test.runIf(five)('heartbeat V2: members keep their subscriptions, and share the queues', async () => {
      await vi.waitFor(() => expect(has('Second')).toEqual([1, 1]), WAIT)
      await vi.waitFor(() => expect(new Set(all('Second')).size).toBe(SENT), WAIT)
      // Several heartbeats later, most of them without subscriptions.
      await new Promise((fulfil) => setTimeout(fulfil, 2500))
      const { body } = await call(203, { consumerGroup: 'G-Second' })
      expect(body.toString()).toContain('"topic":"Second"')
      expect(has('Second')).toEqual([1, 1])
    })
  },
)
