/**
 * kill -9 in the middle of transactions, again and again on one store: at random, and between the messages that make up one
 * transaction. What was committed is delivered, at least once; what was rolled back, or never acknowledged, is not; and
 * every half message ends.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TRANSACTION_FAILPOINTS } from '../../../src/faults.ts'
import { type BrokerProcess, startBrokerProcess, TINY } from '../../faults/support/broker-process.ts'
import { TestClient } from '../../support/client.ts'
import { COMMIT, ROLLBACK, TransactionClient, UNKNOWN } from './transaction-client.ts'

const CONFIG = {
  ...TINY,
  transactionCheckInterval: 100,
  transactionTimeOut: 50,
  transactionCheckMax: 1000,
  // Offsets are stored when the log is on disk: not ten seconds later in a test.
  flushCommitLogThoroughInterval: 200,
}
const TOPIC = 'Orders'
const PRODUCERS = 4
const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC'
const GROUP = 'CID_RMQ_SYS_TRANS'
/** What happens at the end of a local transaction, and what its producer says when it is asked. */
const PLANS = [
  { end: COMMIT, check: COMMIT },
  { end: ROLLBACK, check: ROLLBACK },
  { end: UNKNOWN, check: COMMIT },
  { end: UNKNOWN, check: ROLLBACK },
]

class Ledger {
  /** By the body of the message: what its producer has decided. */
  private readonly decisions = new Map<string, number>()
  private next = 0

  async run(producer: TransactionClient, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const number = this.next++
      const body = `m${number}`
      const plan = PLANS[number % PLANS.length]
      try {
        const half = await producer.half(TOPIC, body, {}, { e: String(number % 4) })
        if (half.code !== 0) throw new Error(half.remark)
        // From here on it is the local transaction that counts, whatever happens to the broker.
        this.decisions.set(body, plan.check)
        if (plan.end !== UNKNOWN) await producer.end(half, plan.end)
      } catch {
        // Never acknowledged: its local transaction did not run.
        if (!this.decisions.has(body)) this.decisions.set(body, ROLLBACK)
        await sleep(5)
      }
    }
  }

  /** Unknown while the answer to its half is under way. */
  answer(body: string): number {
    return this.decisions.get(body) ?? UNKNOWN
  }

  committed(): string[] {
    return [...this.decisions].filter(([, decision]) => decision === COMMIT).map(([body]) => body)
  }
}

test.each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)(
  '%s: brokers killed between the messages of transactions leave each of them whole',
  async (flushDiskType) => {
    const folder = mkdtempSync(join(tmpdir(), 'basalt-tx-'))
    const ledger = new Ledger()
    const config = { ...CONFIG, flushDiskType }
    try {
      const points = flushDiskType === 'ASYNC_FLUSH' ? [...TRANSACTION_FAILPOINTS, undefined] : ['half-copied']
      for (const point of points) {
        const passes = point === 'transaction-offsets' ? 2 : 1 + Math.floor(Math.random() * 40)
        const env: Record<string, string> = point === undefined ? {} : { BASALT_FAILPOINT: `${point}:${passes}` }
        await using broker = await startBrokerProcess({ folder, config, env })
        await underLoad(broker, ledger, point === undefined ? 150 + Math.random() * 250 : 3000)
        if (point !== undefined) expect(broker.hasExited, `${point}:${passes} was not passed`).toBe(true)
        await broker.kill()
      }
      await using broker = await startBrokerProcess({ folder, config })
      const delivered = await whenAllHaveEnded(broker, ledger)
      expect([...new Set(delivered)].toSorted()).toEqual(ledger.committed().toSorted())
      const twice = delivered.length - new Set(delivered).size
      console.log(`${flushDiskType}: ${new Set(delivered).size} committed, ${twice} delivered a second time`)
      expect(twice).toBeLessThan(delivered.length / 4)
      expect(await broker.stop()).toEqual({ status: 0, signal: null })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

/** Until the broker dies by itself, or for so long. */
async function underLoad(broker: BrokerProcess, ledger: Ledger, ms: number): Promise<void> {
  const until = performance.now() + ms
  const isOver = () => broker.hasExited || performance.now() > until
  const producers = await online(broker, ledger)
  await Promise.all(producers.map((producer) => ledger.run(producer, isOver)))
  await broker.kill()
  await Promise.all(producers.map((producer) => producer.close()))
}

async function online(broker: BrokerProcess, ledger: Ledger): Promise<TransactionClient[]> {
  const producers = Array.from({ length: PRODUCERS }, () => new TransactionClient(broker.address))
  for (const producer of producers) {
    producer.answer = ({ message }) => ledger.answer(Buffer.from(message.body).toString())
    await producer.heartbeat().catch(() => {})
  }
  return producers
}

/** Bodies in the topic, once the checks have nothing left to ask. */
async function whenAllHaveEnded(broker: BrokerProcess, ledger: Ledger): Promise<string[]> {
  const producers = await online(broker, ledger)
  const client = new TestClient(broker.address)
  const place = { topic: HALF, queueId: '0' }
  await expect
    .poll(
      async () => {
        const { ext: end } = await client.invoke(30, place)
        const { ext: front } = await client.invoke(14, { ...place, consumerGroup: GROUP })
        return [Number(front?.offset) > 0, Number(end?.offset) - Number(front?.offset)]
      },
      { timeout: 15_000, interval: 50 },
    )
    .toEqual([true, 0])
  const delivered: string[] = []
  for (let queueId = 0; queueId < 4; queueId += 1) {
    for (const { body } of await client.drain(TOPIC, queueId)) delivered.push(Buffer.from(body).toString())
  }
  await Promise.all([...producers, client].map((one) => one.close()))
  return delivered
}
