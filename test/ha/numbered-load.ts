/** Numbered messages from several senders, which go on whatever happens to their broker; and which numbers a broker has. */

import { TestClient } from '../support/client.ts'
import { until } from './support.ts'

const OK = 0
const BROKEN_PAUSE_MS = 20

export interface NumberedLoadOptions {
  address: string
  topic: string
  queues: number
  senders?: number
  /** Of each sender, between two messages. */
  pauseMs?: number
}

export class NumberedLoad {
  /** Answered 0. */
  readonly confirmed: number[] = []
  readonly codes = new Map<number, number>()
  private readonly client: TestClient
  private readonly options: NumberedLoadOptions
  private readonly tasks: Promise<void>[]
  private isRunning = true
  private number = 0

  constructor(options: NumberedLoadOptions) {
    this.options = options
    this.client = new TestClient(options.address)
    this.tasks = Array.from({ length: options.senders ?? 32 }, () => this.run())
  }

  /** Until so many more are confirmed. */
  more(count: number, limitMs: number): Promise<void> {
    const wanted = this.confirmed.length + count
    return until(() => this.confirmed.length >= wanted, limitMs)
  }

  async stop(): Promise<void> {
    this.isRunning = false
    await Promise.all(this.tasks)
    await this.client.close()
  }

  private async run(): Promise<void> {
    const { topic, queues, pauseMs } = this.options
    while (this.isRunning) {
      this.number += 1
      const number = this.number
      const body = Buffer.alloc(200 + ((number * 379) % 4000), `n${number} `)
      try {
        const { code } = await this.client.send(topic, body, { queueId: number % queues }, 5000)
        this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
        if (code === OK) this.confirmed.push(number)
        if (pauseMs !== undefined) await pause(pauseMs)
      } catch {
        await pause(BROKEN_PAUSE_MS)
      }
    }
  }
}

export async function numbersOn(address: string, topic: string, queues: number): Promise<Set<number>> {
  const client = new TestClient(address)
  const numbers = new Set<number>()
  try {
    for (let queueId = 0; queueId < queues; queueId += 1) {
      for (const { body } of await client.drain(topic, queueId)) {
        numbers.add(Number(/^n(\d+) /.exec(Buffer.from(body).toString('latin1'))?.[1]))
      }
    }
  } finally {
    await client.close()
  }
  return numbers
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
