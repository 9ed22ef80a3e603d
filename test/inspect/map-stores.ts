/** A store with a bit of everything, made by a real broker, and what is in it record by record. */
import { LogRecords, openStore } from '../../src/inspect/index.ts'
import { REQUEST } from '../../src/remoting/request-codes.ts'
import type { TestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'

export const QUEUES = 2
/** Queue offsets of groups: of Half two groups, the slower one counts; of Some its second queue was never read. */
export const OFFSETS: [group: string, topic: string, queueId: number, offset: number][] = [
  ['all', 'Read', 0, 30],
  ['all', 'Read', 1, 30],
  ['fast', 'Half', 0, 28],
  ['slow', 'Half', 0, 11],
  ['fast', 'Half', 1, 30],
  ['slow', 'Half', 1, 7],
  ['once', 'Some', 0, 4],
]

export async function fillStore(broker: TestBroker): Promise<void> {
  const client = new TestClient(broker.address)
  try {
    for (let i = 0; i < 60; i += 1) {
      for (const topic of ['Read', 'Half', 'Some', 'Nobody', 'Gone']) {
        await client.send(topic, 'x'.repeat(100 + ((i * 37) % 900)), { queueId: i % QUEUES })
      }
      if (i % 6 === 0) await client.send('Later', 'wait for it', { properties: { DELAY: '18' } })
    }
    for (const [consumerGroup, topic, queueId, offset] of OFFSETS) {
      const ext = { consumerGroup, topic, queueId: String(queueId), commitOffset: String(offset) }
      await client.invoke(REQUEST.UPDATE_CONSUMER_OFFSET, ext)
    }
    await client.invoke(REQUEST.DELETE_TOPIC_IN_BROKER, { topic: 'Gone' })
  } finally {
    await client.close()
  }
}

export interface Recorded {
  at: number
  size: number
  topic: string
  queueId: number
  queueOffset: number
}

/** Every record of the log, by the log alone. */
export function recordsOf(root: string): Recorded[] {
  using records = new LogRecords(openStore(root), {})
  const found: Recorded[] = []
  for (const item of records.items()) {
    if (item?.kind !== 'record') continue
    const { physicalOffset: at, size, topic, queueId, queueOffset } = item.message
    found.push({ at, size, topic, queueId, queueOffset })
  }
  return found
}

export const sizesOf = (records: readonly { size: number }[]) => records.reduce((sum, { size }) => sum + size, 0)

/** What the map must say of a record of fillStore(). */
export function kindOf({ topic, queueId, queueOffset }: Recorded): string {
  if (topic === 'Gone') return 'garbage'
  if (topic === 'SCHEDULE_TOPIC_XXXX') return 'waiting'
  const own = OFFSETS.filter((each) => each[1] === topic)
  if (own.length === 0) return 'nobody'
  const groups = new Set(own.map(([group]) => group))
  const offsets = [...groups].map((group) => own.find((each) => each[0] === group && each[2] === queueId)?.[3] ?? 0)
  return queueOffset < Math.min(...offsets) ? 'consumed' : 'unread'
}
