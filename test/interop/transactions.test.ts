/**
 * Java's transaction producers against the broker: commit, rollback, checks, what is given up, traces; and stores with open
 * transactions that change hands between Apache's broker and ours.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mqadmin } from '../../tools/apache/java.mjs'
import { TestClient } from '../support/client.ts'
import { differences, hashes, holes, pushConsumer, readAll, transactions } from './support/programs.ts'
import {
  apacheIsThere,
  CLIENTS,
  type Config,
  KIND,
  type Kind,
  ORACLE,
  Scratch,
  type System,
  startSystem,
} from './support/systems.ts'

const CHECKS_MAX = 4
const CHECKS = {
  // Long enough for what is decided at once to be known before it is asked about, on a busy machine, too.
  ...{ transactionCheckInterval: 700, transactionTimeOut: 1500, transactionCheckMax: CHECKS_MAX },
  // Ours stores offsets once the log is on disk.
  flushCommitLogThoroughInterval: 500,
}
const EXPIRED = 'TRANS_CHECK_MAX_TIME_TOPIC'
const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC'
const OP = 'RMQ_SYS_TRANS_OP_HALF_TOPIC'
const IDLE = 15_000

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)(`transactions of %s and the ${KIND} broker`, (version) => {
  const scratch = new Scratch()
  let system: System
  const topicOf = (name: string) => `Tx-${version.replaceAll('.', '_')}-${name}`
  const common = (topic: string) => ({ namesrv: system.namesrv, topic, group: `P-${topic}` })

  beforeAll(async () => {
    system = await startSystem({ scratch, config: { ...CHECKS, traceTopicEnable: true } })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test('what is committed at once or when checked arrives unchanged, what is rolled back does not', async () => {
    const topic = topicOf('Ends')
    const count = 60
    // By i % 4: commit, rollback, unknown and committed when checked, unknown and rolled back when checked.
    const sending = transactions(scratch, version, {
      ...common(topic),
      ...{ count, plan: 'cruu', checks: 'uucr', waits: count / 2, idle: IDLE, max: 20_000 },
    })
    const { halves, checks, tries } = await sending.done()
    expect(tries).toEqual([])
    expect(halves.length).toBe(count)
    const plan = (key: string) => Number(key.split('-')[1]) % 4
    const wanted = halves.filter(({ key }) => plan(key) === 0 || plan(key) === 2)
    const consumer = pushConsumer(scratch, version, {
      ...{ namesrv: system.namesrv, topic, group: `G-${topic}`, distinct: wanted.length, idle: IDLE },
    })
    const received = await consumer.done()
    expect(differences(hashes(wanted), hashes(received))).toEqual([])
    const queues = new Map(halves.map((half) => [half.key, half.queueId]))
    for (const { key, queueId, msgId } of received) {
      expect(queueId).toBe(queues.get(key))
      expect(msgId).toBe(halves.find((half) => half.key === key)?.msgId)
    }
    // Only the unknown are asked about, by their real topic and queue, with the body that was sent.
    expect(new Set(checks.map(({ key }) => plan(key)))).toEqual(new Set([2, 3]))
    for (const check of checks) {
      const half = halves.find(({ key }) => key === check.key)
      expect(check).toMatchObject({ hash: half?.hash, topic, queueId: half?.queueId, msgId: half?.msgId })
      expect(check.queueOffset).toBeGreaterThan(half?.queueOffset ?? 0)
    }
  })

  test('a transaction that stays unknown is asked about transactionCheckMax times, then given up', async () => {
    const topic = topicOf('Unknown')
    const sending = transactions(scratch, version, {
      ...common(topic),
      ...{ count: 3, plan: 'u', checks: 'u', idle: 2500, seed: 7 },
    })
    const { halves, checks } = await sending.done()
    for (const { key } of halves) {
      const asked = checks.filter((check) => check.key === key)
      const all = Array.from({ length: CHECKS_MAX }, (_, i) => i + 1)
      // Apache counts a round in which no producer was there to be asked.
      const counted = KIND === 'apache' ? all.slice(-asked.length) : all
      expect(asked.length).toBeGreaterThan(1)
      expect(asked.map(({ checkTimes }) => checkTimes)).toEqual(counted)
    }
    const { records } = await readAll(scratch, version, { namesrv: system.namesrv, topics: EXPIRED })
    expect(records.filter(({ key }) => key.startsWith('s7-')).length).toBe(3)
    // Nobody has lost count: all halves and op messages are used up.
    await expect.poll(() => openIn(system), { timeout: 5000 }).toEqual({ [HALF]: 0, [OP]: 0 })
  })

  test('CHECK_IMMUNITY_TIME_IN_SECONDS: not asked before, asked after', async () => {
    const topic = topicOf('Immune')
    const started = Date.now()
    const sending = transactions(scratch, version, {
      ...common(topic),
      ...{ count: 2, plan: 'u', checks: 'c', immunity: 2, waits: 2, idle: IDLE },
    })
    await sending.program.until('SENT')
    const sent = Date.now()
    await sending.program.until('CHECK')
    expect(Date.now() - started).toBeGreaterThan(2000)
    // Apache counts each round in which it did not ask: a few more would be too many for it.
    expect(Date.now() - sent).toBeLessThan(6000)
    const { halves } = await sending.done()
    const received = await pushConsumer(scratch, version, {
      ...{ namesrv: system.namesrv, topic, group: `G-${topic}`, distinct: 2, idle: IDLE },
    }).done()
    expect(differences(hashes(halves), hashes(received))).toEqual([])
  })

  test('traces of a transaction are found by its id', async () => {
    const topic = topicOf('Traced')
    const { halves } = await transactions(scratch, version, {
      ...common(topic),
      ...{ count: 4, plan: 'cr', trace: true, idle: 1000 },
    }).done()
    const { records } = await readAll(scratch, version, { namesrv: system.namesrv, topics: 'RMQ_SYS_TRACE_TOPIC' })
    const keys = records.flatMap(({ key }) => key.split(' '))
    for (const { msgId } of halves) expect(keys).toContain(msgId)
    const [found] = await mqadmin({
      version,
      folder: scratch.sub('admin'),
      commands: [['queryMsgTraceById', '-n', system.namesrv, '-i', halves[0].msgId]],
    })
    expect(found).toContain(`P-${topic}`)
    expect(found).toContain('success')
  })
})

/** Who leaves open transactions, how it ends, who takes over. */
const HANDOVERS: { writer: Kind; version: string; end: 'a clean stop' | 'kill -9'; reader: Kind }[] = [
  { writer: KIND, version: ORACLE, end: 'a clean stop', reader: 'apache' },
  { writer: KIND, version: ORACLE, end: 'kill -9', reader: 'apache' },
  { writer: 'apache', version: ORACLE, end: 'kill -9', reader: KIND },
  // It keeps op messages in memory for a while: kill -9 takes the last ones.
  { writer: 'apache', version: '5.3.3', end: 'a clean stop', reader: KIND },
]

describe.skipIf(!apacheIsThere(...CLIENTS))('a store with open transactions that changes hands', () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  test.each(HANDOVERS)(
    '$reader asks about what $writer ($version) left open by $end, and about nothing else',
    async ({ writer, version, end, reader }) => {
      const store = scratch.sub('store')
      const topic = 'Handover'
      const group = 'P-Handover'
      const count = 40
      // Apache counts on while nobody is there.
      const config = { ...CHECKS, transactionCheckMax: 1000 }
      // Op messages of 5.3 wait for others for so long.
      const batches: Config = version.startsWith('5') ? { transactionOpBatchInterval: 100 } : {}
      const first = await startSystem({ scratch, kind: writer, version, store, config: { ...config, ...batches } })
      const open = { namesrv: first.namesrv, topic, group, plan: 'cruu', count }
      let halves: Awaited<ReturnType<ReturnType<typeof transactions>['done']>>['halves']
      try {
        // All the open ones have been asked about, in vain; the store has copies of them.
        const asks = count / 2
        halves = (await transactions(scratch, ORACLE, { ...open, checks: 'u', idle: IDLE, asks }).done()).halves
        if (end === 'a clean stop') await first.stop()
        else await first.kill()
      } finally {
        await first.close()
      }

      const second = await startSystem({ scratch, kind: reader, store, port: first.port, config })
      try {
        const asked = transactions(scratch, ORACLE, {
          ...{ namesrv: second.namesrv, topic, group, count: 4, seed: 2, plan: 'u', checks: 'c', orphans: 'c' },
          ...{ waits: count / 2 + 4, idle: IDLE },
        })
        const { halves: later, checks } = await asked.done()
        const unknown = halves.filter(({ decision }) => decision === 'UNKNOW')
        expect(new Set(checks.map(({ key }) => key))).toEqual(new Set([...unknown, ...later].map(({ key }) => key)))
        const wanted = halves.filter(({ decision }) => decision !== 'ROLLBACK_MESSAGE').concat(later)
        const read = await readAll(scratch, ORACLE, { namesrv: second.namesrv, topics: topic })
        expect(read.bad).toEqual([])
        expect(holes(read.records)).toEqual([])
        expect(differences(hashes(wanted), hashes(read.records))).toEqual([])
        await expect.poll(() => openIn(second), { timeout: 5000 }).toEqual({ [HALF]: 0, [OP]: 0 })
      } catch (error) {
        console.error(`the log of the broker that took over:\n${second.log()}`)
        throw error
      } finally {
        await second.close()
      }
    },
  )
})

/** Halves and op messages that are not used up, by the offsets of the checks. */
async function openIn(system: System): Promise<Record<string, number>> {
  const client = new TestClient(system.address)
  const open: Record<string, number> = {}
  for (const topic of [HALF, OP]) {
    const end = await client.invoke(30, { topic, queueId: '0' })
    const front = await client.invoke(14, { topic, queueId: '0', consumerGroup: 'CID_RMQ_SYS_TRANS' })
    open[topic] = Number(end.ext?.offset) - Number(front.ext?.offset)
  }
  await client.close()
  return open
}
