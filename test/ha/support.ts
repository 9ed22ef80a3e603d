/** A master and its slaves of ours in one process, with small files; and whether their logs are the same bytes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { BrokerConfig } from '../../src/config/index.ts'
import { listSegments } from '../../src/store/commitlog/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { capturedLog, scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'

/** A log of many files: a few messages fill one. */
export const TINY: Partial<BrokerConfig> = {
  mappedFileSizeCommitLog: 128 * 1024,
  maxMessageSize: 32 * 1024,
  mappedFileSizeConsumeQueue: 20 * 500,
  maxHashSlotNum: 1000,
  maxIndexNum: 4000,
}
const RUNTIME_INFO = 28

export interface Node {
  readonly broker: TestBroker
  readonly client: TestClient
  readonly lines: ReturnType<typeof capturedLog>
  close(): Promise<void>
}

async function startNode(config: Partial<BrokerConfig>, folder?: string): Promise<Node> {
  const lines = capturedLog()
  // Its files are looked at when it has stopped.
  const broker = await startTestBroker({
    config: { ...TINY, ...config },
    log: lines,
    folder: folder ?? scratchFolder(),
  })
  const client = new TestClient(broker.address)
  let isClosed = false
  const close = async () => {
    if (isClosed) return
    isClosed = true
    await client.close()
    await broker.close()
  }
  onTestFinished(close)
  return { broker, client, lines, close }
}

export function startMaster(config: Partial<BrokerConfig> = {}, folder?: string): Promise<Node> {
  return startNode({ brokerRole: 'SYNC_MASTER', ...config }, folder)
}

/** `haMasterAddress` in the configuration leaves the NameServer out of it. */
export function startSlave(of: Node, config: Partial<BrokerConfig> = {}, folder?: string): Promise<Node> {
  const namesrvAddr = of.broker.namesrv
  return startNode({ brokerRole: 'SLAVE', brokerId: 1, nameServerInside: 'never', namesrvAddr, ...config }, folder)
}

export function haAddress({ broker }: Node): string {
  return `127.0.0.1:${broker.handle.engine.haPort}`
}

export function end({ broker }: Node): number {
  return broker.handle.engine.control.load('appended')
}

export async function runtime({ client }: Node): Promise<Record<string, string>> {
  const { body } = await client.invoke(RUNTIME_INFO)
  return (JSON.parse(Buffer.from(body!).toString()) as { table: Record<string, string> }).table
}

export async function until(holds: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const limit = performance.now() + limitMs
  while (!(await holds())) {
    if (performance.now() > limit) throw new Error(`not within ${limitMs} ms: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Sends that many messages of sizes that cut files anywhere; the codes of the answers. */
export async function sendMany({ client }: Node, count: number, topic = 'T'): Promise<number[]> {
  const codes: number[] = []
  for (let i = 0; i < count; i += 64) {
    const some = Array.from({ length: Math.min(64, count - i) }, (_, k) => {
      const body = Buffer.alloc(100 + (((i + k) * 379) % 3000), `message ${i + k} `)
      return client.send(topic, body, { queueId: (i + k) % 4, properties: { KEYS: `k${i + k}` } })
    })
    for (const answer of await Promise.all(some)) codes.push(answer.code)
  }
  return codes
}

/** Bytes [from, to) of the log in a store's folder. */
export function logBytes(folder: string, from: number, to: number, size = TINY.mappedFileSizeCommitLog!): Buffer {
  const parts = listSegments(join(folder, 'commitlog'), size)
    .filter(({ start }) => start + size > from && start < to)
    .map(({ path, start }) => readFileSync(path).subarray(Math.max(0, from - start), Math.min(size, to - start)))
  return Buffer.concat(parts)
}

export function logStart(folder: string, size = TINY.mappedFileSizeCommitLog!): number {
  return listSegments(join(folder, 'commitlog'), size)[0].start
}
