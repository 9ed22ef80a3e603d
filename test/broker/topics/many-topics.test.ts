/** Topics by the hundred: what each of them costs in descriptors and in writes of topics.json. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

const TOPICS = 400

test.runIf(process.platform === 'linux')(
  'queues cost no open files, and topics that sends create share writes of topics.json',
  async () => {
    const broker = await startTestBroker({ config: { mappedFileSizeConsumeQueue: 20 * 100 } })
    onTestFinished(() => broker.close())
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    const path = join(broker.folder, 'config', 'topics.json')
    await client.send('First', 'x')
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    // Each write is a new file under the name.
    const writes = new Set<number>()
    const watch = setInterval(() => writes.add(statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0), 1)
    const names = Array.from({ length: TOPICS }, (_, i) => `Many_${i}`)
    const sent = await Promise.all(names.map((topic, i) => client.send(topic, 'x', { queueId: i % 4 })))
    expect(sent.filter(({ code }) => code !== 0)).toEqual([])
    const { control } = broker.handle.engine
    await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
    await vi.waitFor(() => expect(topicsIn(path)).toEqual(expect.arrayContaining(names)), 10_000)
    clearInterval(watch)
    expect(descriptors() - before).toBeLessThan(TOPICS / 8)
    expect(writes.size).toBeLessThan(TOPICS / 8)
    const { messages } = await client.pull('Many_399', 3, 0)
    expect(messages.map(({ body }) => body.toString())).toEqual(['x'])
  },
  30_000,
)

function topicsIn(path: string): string[] {
  return Object.keys((JSON.parse(readFileSync(path, 'utf8')) as { topicConfigTable: object }).topicConfigTable)
}
