/**
 * Load for the loss experiment and the fault campaign: numbered messages over raw connections, several in flight on each; what came of each is in
 * the ledger. Beside it the positions are sampled and their order asserted.
 *
 *   const ledger = new Ledger()
 *   const load = new Load({ address: broker.address, ledger })
 *   load.start()
 *   …                                        // the fault
 *   await load.stop()
 *   expect(judge(ledger, await readBack(broker.address))).toEqual([])
 */
import { BareClient, records } from '../bare-client.ts'
import type { Ledger, ReadMessage } from './ledger.ts'

export { type JudgeOptions, judge, Ledger, missing, type Place, type ReadMessage } from './ledger.ts'

export const TOPIC = 'Faults'
export const QUEUES = 4
const NUMBER_BYTES = 12
const RUNTIME_INFO = 28
const QUERY_MESSAGE = 12
const FAR_FUTURE = 9_999_999_999_999
const DRAIN_COUNT = 32

export interface LoadOptions {
  address: string
  ledger: Ledger
  topic?: string
  queues?: number
  connections?: number
  /** In all. */
  inFlight?: number
  bodyBytes?: number
  timeoutMs?: number
  /** Pause of each sender after an answer other than 0. */
  pauseMs?: number
  samplesEveryMs?: number
}

export interface Sample {
  at: number
  positions: Record<string, number>
}

export class Load {
  /** The order of positions was broken, or none could be had: what and when. */
  readonly brokenPositions: string[] = []
  readonly samples: Sample[] = []
  /** Milliseconds of every answer, in the order in which they came. */
  readonly latencies: { at: number; ms: number; code: number }[] = []
  /** Sends that ended without an answer: connection lost, timed out. */
  readonly unanswered: string[] = []
  readonly line: BareClient[]
  private readonly options: Required<LoadOptions>
  private readonly admin: BareClient
  private isRunning = false
  private tasks: Promise<void>[] = []

  constructor(options: LoadOptions) {
    this.options = {
      topic: TOPIC,
      queues: QUEUES,
      connections: 2,
      inFlight: 32,
      bodyBytes: 512,
      timeoutMs: 30_000,
      pauseMs: 5,
      samplesEveryMs: 50,
      ...options,
    }
    const { address, connections } = this.options
    this.line = Array.from({ length: connections }, () => new BareClient(address))
    this.admin = new BareClient(address)
  }

  start(): void {
    this.isRunning = true
    const { connections, inFlight } = this.options
    for (let sender = 0; sender < inFlight; sender += 1) this.tasks.push(this.keepSending(sender % connections))
    this.tasks.push(this.keepSampling())
  }

  /** Resolves once every send has its answer, or will get none. */
  async stop(): Promise<void> {
    this.isRunning = false
    await Promise.all(this.tasks)
    this.tasks = []
    await Promise.all([...this.line, this.admin].map((client) => client.close()))
  }

  /** Waits until so many more were acknowledged. */
  async acknowledged(more: number, limitMs = 60_000): Promise<void> {
    const { ledger } = this.options
    const target = ledger.acknowledged.size + more
    const end = performance.now() + limitMs
    while (ledger.acknowledged.size < target) {
      if (performance.now() > end)
        throw new Error(`only ${ledger.acknowledged.size} of ${target} acknowledged within ${limitMs} ms`)
      await pause(2)
    }
  }

  /** The largest value seen of a position, by the broker's own word. */
  seen(position: string): number {
    return this.samples.reduce((largest, { positions }) => Math.max(largest, positions[position] ?? 0), 0)
  }

  private async keepSending(line: number): Promise<void> {
    while (this.isRunning) {
      const code = await this.sendOne(line)
      if (code !== 0) await pause(this.options.pauseMs)
    }
  }

  /** One message; its answer's code, or -1 when none came. */
  private async sendOne(line: number): Promise<number> {
    const { ledger, topic, queues, bodyBytes, timeoutMs } = this.options
    const number = ledger.take(line)
    const queueId = number % queues
    const sentAt = performance.now()
    const key = String(number)
    try {
      const properties = { KEYS: key, UNIQ_KEY: `F${key.padStart(31, '0')}`, TAGS: `T${number % 3}` }
      const answer = await this.line[line].send(topic, bodyOf(number, bodyBytes), { queueId, properties }, timeoutMs)
      const now = performance.now()
      this.latencies.push({ at: now, ms: now - sentAt, code: answer.code })
      if (answer.code !== 0) {
        ledger.refused.set(number, { code: answer.code, remark: answer.remark })
        return answer.code
      }
      ledger.acknowledged.set(number, {
        queueId: Number(answer.ext?.queueId),
        queueOffset: Number(answer.ext?.queueOffset),
        physicalOffset: Number.parseInt(answer.ext!.msgId.slice(16), 16),
      })
      return 0
    } catch (error) {
      this.unanswered.push(String(error))
      return -1
    }
  }

  private async keepSampling(): Promise<void> {
    while (this.isRunning) {
      try {
        const positions = await positionsOf(this.admin)
        this.samples.push({ at: performance.now(), positions })
        const broken = brokenOrder(positions)
        if (broken !== undefined) this.brokenPositions.push(broken)
      } catch {
        // The broker is gone: the senders say so.
      }
      await pause(this.options.samplesEveryMs)
    }
  }
}

/** What request 28 says of the positions. */
export async function positionsOf(client: BareClient): Promise<Record<string, number>> {
  const answer = await client.invoke(RUNTIME_INFO, {}, undefined, 30_000)
  const { table } = JSON.parse(Buffer.from(answer.body!).toString()) as { table: Record<string, string> }
  const positions: Record<string, number> = {}
  for (const [name, value] of Object.entries(table)) {
    if (name.startsWith('basalt_position_')) positions[name.slice('basalt_position_'.length)] = Number(value)
  }
  return positions
}

/** retained ≤ dispatched ≤ committed ≤ appended; settled ≤ dispatched; flushed, replicated ≤ appended. */
export function brokenOrder(positions: Record<string, number>): string | undefined {
  const pairs: [string, string][] = [
    ['retained', 'dispatched'],
    ['dispatched', 'committed'],
    ['committed', 'appended'],
    ['settled', 'dispatched'],
    ['flushed', 'appended'],
    ['replicated', 'appended'],
  ]
  for (const [small, large] of pairs) {
    if (!(positions[small] <= positions[large]))
      return `${small} ${positions[small]} is above ${large} ${positions[large]}`
  }
  return undefined
}

/** Those of the numbers that a query by key finds (QUERY_MESSAGE). */
export async function findByKeys(address: string, numbers: number[], topic = TOPIC): Promise<Set<number>> {
  const client = new BareClient(address)
  const found = new Set<number>()
  try {
    for (const number of numbers) {
      const ext = { topic, key: String(number), maxNum: '32', beginTimestamp: '0', endTimestamp: String(FAR_FUTURE) }
      const answer = await client.invoke(QUERY_MESSAGE, ext, undefined, 30_000)
      for (const message of answer.code === 0 ? records(answer.body) : []) {
        if (message !== undefined && numberOf(message.body) === number) found.add(number)
      }
    }
    return found
  } finally {
    await client.close()
  }
}

/** Everything in storage, queue after queue, in queue order. */
export async function readBack(address: string, topic = TOPIC, queues = QUEUES): Promise<ReadMessage[]> {
  const client = new BareClient(address)
  try {
    const read: ReadMessage[] = []
    for (let queueId = 0; queueId < queues; queueId += 1) await drain(client, topic, queueId, read)
    return read
  } finally {
    await client.close()
  }
}

async function drain(client: BareClient, topic: string, queueId: number, into: ReadMessage[]): Promise<void> {
  for (let offset = 0; ; ) {
    const { code, next, messages, answer } = await client.pull(topic, queueId, offset, { count: DRAIN_COUNT })
    for (const message of messages) {
      if (message === undefined) throw new Error(`an answer of ${topic}/${queueId} at ${offset} holds no record`)
      const { body, queueOffset, physicalOffset } = message
      into.push({ number: numberOf(body), queueId, queueOffset, physicalOffset })
    }
    if (code === 19 || (code === 17 && offset === 0)) return
    if ((code !== 0 && code !== 20 && code !== 21) || next <= offset)
      throw new Error(`pull of ${topic}/${queueId} at ${offset} answered ${code} ${answer.remark}, next ${next}`)
    offset = next
  }
}

export function bodyOf(number: number, bytes: number): Buffer {
  const body = Buffer.alloc(Math.max(bytes, NUMBER_BYTES), `basalt ${number} `)
  body.write(String(number).padStart(NUMBER_BYTES, '0'))
  return body
}

/** NaN when the body is not one of ours, byte for byte. */
export function numberOf(body: Uint8Array): number {
  const number = Number(Buffer.from(body.subarray(0, NUMBER_BYTES)).toString('latin1'))
  return Buffer.compare(bodyOf(number, body.length), body) === 0 ? number : Number.NaN
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
