/**
 * Groups of unmodified Java clients: who idles, who gets everything, what a reset and a shrinking topic do to them. All groups of
 * a version live in one JVM at the same time, and both versions wait for their resets together.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openCalls } from '../../bench/load/connection.mjs'
import { runJava } from '../../tools/apache/java.mjs'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

const SENT = 10
const WAIT = { timeout: 60_000, interval: 50 }

/** One version's broker, and its clients in a JVM. */
class World {
  readonly isFive: boolean
  /** Code of the answer to 222. A client needs ten seconds and more for what follows: it has them meanwhile. */
  reset: Promise<number> = Promise.resolve(-1)
  private readonly version: string
  private readonly scratch = new Scratch()
  private readonly stop: string
  private system: System | undefined
  private java: ReturnType<typeof runJava> | undefined

  constructor(version: string) {
    this.version = version
    this.isFive = version.startsWith('5')
    this.stop = join(this.scratch.sub('members'), 'stop')
  }

  get program() {
    if (this.java === undefined) throw new Error('the clients are not started')
    return this.java
  }

  async start(): Promise<void> {
    const { scratch, version, isFive, stop } = this
    const system = await startSystem({ scratch, config: isFive ? { useServerSideResetOffset: true } : {} })
    this.system = system
    const sets = ['Idle/3', 'Broad/2/broadcast', 'Reset/1', 'Shrink/2', ...(isFive ? ['Second/2/v2'] : [])]
    for (const set of sets) {
      const [name] = set.split('/')
      const queues = name === 'Shrink' ? 16 : 2
      await this.topic(name, queues, queues)
    }
    const args = [`namesrv=${system.namesrv}`, `sets=${sets.join()}`, `send=${SENT}`, 'loop=Shrink', `stop=${stop}`]
    this.java = runJava({ version, main: 'Members', args, folder: scratch.sub('java') })
    await this.program.until('HAS', sets.length)
    this.reset = this.resetWhenConsumed()
    this.reset.catch(() => {})
  }

  async close(): Promise<void> {
    await this.java?.kill()
    await this.system?.close()
    this.scratch.remove()
  }

  async call(code: number, ext: Record<string, string>) {
    const calls = await openCalls(this.system!.address)
    try {
      return await calls.call(code, ext, undefined, 5000)
    } finally {
      calls.close()
    }
  }

  topic(name: string, write: number, read: number) {
    const numbers = { writeQueueNums: String(write), readQueueNums: String(read), perm: '6' }
    const more = { topicFilterType: 'SINGLE_TAG', order: 'false' }
    return this.call(17, { topic: name, defaultTopic: 'TBW102', ...numbers, ...more })
  }

  /** Keys by member of a group. */
  got(name: string): Map<string, string[]> {
    const members = new Map<string, string[]>()
    for (const [group, member, key] of this.program.of('GOT')) {
      if (group === name) members.set(member, [...(members.get(member) ?? []), key])
    }
    return members
  }

  all(name: string): string[] {
    return [...this.got(name).values()].flat()
  }

  /** Queues that each member of a group has now. */
  has(name: string): number[] {
    const members = new Map<string, number>()
    for (const [group, member, count] of this.program.of('HAS')) if (group === name) members.set(member, Number(count))
    return [...members.values()].sort()
  }

  async offset(code: 14 | 30, topic: string, queueId: number): Promise<number> {
    const ext = { topic, queueId: String(queueId), consumerGroup: `G-${topic}` }
    return Number((await this.call(code, ext)).header.extFields?.offset)
  }

  sentToShrink(): string[] {
    return this.program
      .of('SENT')
      .filter(([name]) => name === 'Shrink')
      .map(([, key]) => key)
  }

  endLoop(): Promise<void> {
    writeFileSync(this.stop, '')
    return this.program.until('STOPPED')
  }

  private async resetWhenConsumed(): Promise<number> {
    await vi.waitFor(() => expect(this.all('Reset').sort()).toEqual(keys('Reset')), WAIT)
    // 4.9 asks that the group has an offset of each queue.
    await vi.waitFor(async () => {
      for (const queueId of [0, 1]) expect(await this.offset(14, 'Reset', queueId)).toBe(SENT / 2)
    }, WAIT)
    const reset = { topic: 'Reset', group: 'G-Reset', timestamp: '0', isForce: 'true' }
    return (await this.call(222, reset)).header.code
  }
}

const keys = (name: string) => Array.from({ length: SENT }, (_, i) => `${name}-${i}`).sort()
const worlds = new Map<string, World>()

describe.skipIf(!apacheIsThere(...CLIENTS))(`groups of Java clients and the ${KIND} broker`, () => {
  beforeAll(async () => {
    for (const version of CLIENTS) worlds.set(version, new World(version))
    for (const world of worlds.values()) await world.start()
  })
  afterAll(async () => {
    for (const world of worlds.values()) await world.close()
  })

  test.each(CLIENTS)('%s: a consumer beyond the number of queues idles; the others get everything', async (version) => {
    const world = worlds.get(version)!
    await vi.waitFor(() => expect(world.has('Idle')).toEqual([0, 1, 1]), WAIT)
    await vi.waitFor(() => expect(new Set(world.all('Idle')).size).toBe(SENT), WAIT)
    const { body } = await world.call(38, { consumerGroup: 'G-Idle' })
    expect(JSON.parse(body.toString()).consumerIdList).toHaveLength(3)
  })

  test.each(CLIENTS)('%s: broadcasting: each member gets everything', async (version) => {
    const world = worlds.get(version)!
    await vi.waitFor(() => {
      for (const member of ['0', '1'])
        expect([...new Set(world.got('Broad').get(member))].sort()).toEqual(keys('Broad'))
    }, WAIT)
    expect(world.has('Broad')).toEqual([2, 2])
  })

  test.each(CLIENTS)('%s: a topic that shrinks from 16 to 8 queues under load loses nothing', async (version) => {
    const world = worlds.get(version)!
    await vi.waitFor(() => expect(world.has('Shrink')).toEqual([8, 8]), WAIT)
    await world.topic('Shrink', 8, 16)
    // Until producers have heard of it: from then on the upper queues are written no more.
    await new Promise((fulfil) => setTimeout(fulfil, 1500))
    const quiet = world.sentToShrink().length
    await vi.waitFor(() => expect(world.sentToShrink().length).toBeGreaterThan(quiet + 40), WAIT)
    const since = new Set(world.sentToShrink().slice(quiet))
    await vi.waitFor(() => expect(world.all('Shrink').filter((key) => since.has(key)).length).toBeGreaterThan(30), WAIT)
    for (const [name, , key, queueId] of world.program.of('GOT')) {
      if (name === 'Shrink' && since.has(key)) expect(Number(queueId)).toBeLessThan(8)
    }
    await vi.waitFor(async () => {
      for (let queueId = 8; queueId < 16; queueId++) {
        expect(await world.offset(14, 'Shrink', queueId)).toBe(await world.offset(30, 'Shrink', queueId))
      }
    }, WAIT)
    await world.topic('Shrink', 8, 8)
    await vi.waitFor(() => expect(world.has('Shrink')).toEqual([4, 4]), WAIT)
    await world.endLoop()
    const gone = () => world.sentToShrink().filter((key) => !world.all('Shrink').includes(key))
    await vi.waitFor(() => expect(gone()).toEqual([]), WAIT)
  })

  test('5.3.3: heartbeat V2: members keep their subscriptions, and share the queues', async () => {
    const world = worlds.get('5.3.3')!
    await vi.waitFor(() => expect(world.has('Second')).toEqual([1, 1]), WAIT)
    await vi.waitFor(() => expect(new Set(world.all('Second')).size).toBe(SENT), WAIT)
    const { body } = await world.call(203, { consumerGroup: 'G-Second' })
    expect(body.toString()).toContain('"topic":"Second"')
    expect(world.has('Second')).toEqual([1, 1])
  })

  test.each(CLIENTS)('%s: a reset by time gives everything again, once', async (version) => {
    const world = worlds.get(version)!
    expect(await world.reset).toBe(0)
    await vi.waitFor(() => expect(world.all('Reset').length).toBeGreaterThanOrEqual(2 * SENT), WAIT)
    for (const key of keys('Reset')) expect(world.all('Reset').filter((each) => each === key)).toHaveLength(2)
  })
})
