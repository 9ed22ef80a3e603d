/** offsets.json of a broadcasting consumer: Java's is read by ours, and ours by Java's, in the same place; each goes on where the other stopped. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Producer, PushConsumer } from '../../src/client/index.ts'
import { pushConsumer } from './support/programs.ts'
import { apacheIsThere, CLIENTS, Scratch, type System, startSystem } from './support/systems.ts'

const patience = { timeout: 60_000 }

describe.skipIf(!apacheIsThere(...CLIENTS))('a broadcasting consumer that changes its language', () => {
  const scratch = new Scratch()
  let system: System

  beforeAll(async () => {
    system = await startSystem({ scratch })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test.concurrent.each(CLIENTS)('Java %s, ours, and Java again', async (version) => {
    const topic = `Broad-${version.replaceAll('.', '_')}`
    const group = `G-${topic}`
    await system.createTopic(topic)
    // The same home each time: user.home of the JVM.
    const folder = scratch.sub(`home-${version}`)
    const home = join(folder, '.rocketmq_offsets')
    const options = { namesrv: system.namesrv, topic, group, broadcast: true, instance: 'moves', idle: 60_000 }
    const javaConsumes = async (distinct: number) =>
      (await pushConsumer(scratch, version, { ...options, distinct }, [], folder).done()).map(({ key }) => key)
    await using producer = new Producer({ nameserver: system.namesrv, group: `P-${topic}` })
    const send = async (keys: string[]) => {
      for (const key of keys) await producer.send({ topic, body: key, keys: key })
      return keys.sort()
    }
    const keys = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}-${i}`)

    const first = await send(keys(9, 'java'))
    expect((await javaConsumes(first.length)).sort()).toEqual(first)
    expect(consumed(home, group)).toBe(9)
    const [clientId] = readdirSync(home)
    const [clientIP, instanceName] = clientId.split('@')

    const sent = await send(keys(6, 'ours'))
    const got: string[] = []
    await using consumer = new PushConsumer({
      ...{ nameserver: system.namesrv, group, clientIP, instanceName, offsetStoreFolder: home },
      messageModel: 'BROADCASTING',
      subscriptions: { [topic]: '*' },
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      listener: ([message]) => void got.push(message.keys[0]),
    })
    await consumer.start()
    await vi.waitFor(() => expect(got.length).toBeGreaterThanOrEqual(sent.length), patience)
    await consumer.close()
    expect(got.sort()).toEqual(sent)
    expect(consumed(home, group)).toBe(15)
    expect(readdirSync(home)).toEqual([clientId])

    const last = await send(keys(4, 'again'))
    expect((await javaConsumes(last.length)).sort()).toEqual(last)
    expect(consumed(home, group)).toBe(19)
  })
})

/** What the file of the group says, all queues together. */
function consumed(home: string, group: string): number {
  const [clientId] = readdirSync(home)
  const text = readFileSync(join(home, clientId, group, 'offsets.json'), 'utf8')
  return [...text.matchAll(/\}\s*:\s*(\d+)/g)].reduce((sum, [, offset]) => sum + Number(offset), 0)
}
