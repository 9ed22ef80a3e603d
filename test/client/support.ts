/** What client tests share: a clock that is moved, a NameServer that says what it is told to, waiting. */

import type { ClientClock } from '../../src/client/timers.ts'
import { systemClock } from '../../src/clock.ts'
import { type Log, silentLog } from '../../src/log.ts'
import { answerTo } from '../../src/remoting/command.ts'
import type { Connection } from '../../src/remoting/connection.ts'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { RESPONSE } from '../../src/remoting/response-codes.ts'
import { RemotingServer } from '../../src/remoting/server.ts'

/** Runs at the machine's pace from the system's time on, plus what a test moved it by. */
export class MovedClock implements ClientClock {
  #by = 0
  readonly #listeners = new Set<() => void>()

  now(): number {
    return Date.now() + this.#by
  }

  onMoved(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  advance(ms: number): void {
    this.#by += ms
    for (const listener of [...this.#listeners]) listener()
  }
}

/** What was said, by level. */
export class HeardLog implements Log {
  readonly lines: string[] = []
  info(message: string): void {
    this.lines.push(`info ${message}`)
  }
  warn(message: string): void {
    this.lines.push(`warn ${message}`)
  }
  error(message: string): void {
    this.lines.push(`error ${message}`)
  }
}

export async function eventually(check: () => boolean | Promise<boolean>, timeoutMs = 5000): Promise<void> {
  const until = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > until) throw new Error(`not within ${timeoutMs} ms: ${check}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A NameServer that says of every topic that it is at that address, and of those that `hides` picks that nobody has them. */
export async function namesrvThatNames(
  address: string,
  hides: (topic: string) => boolean = () => false,
): Promise<{ address: string; close(): Promise<void> }> {
  const body = Buffer.from(
    JSON.stringify({
      brokerDatas: [{ brokerAddrs: { 0: address }, brokerName: 'cable', cluster: 'c' }],
      queueDatas: [{ brokerName: 'cable', perm: 6, readQueueNums: 4, writeQueueNums: 4, topicSysFlag: 0 }],
    }),
  )
  const handler = {
    opened() {},
    closed() {},
    frame(c: Connection, bytes: Buffer, start: number, end: number) {
      const command = decodeCommand(bytes, start, end)
      const isHidden = hides(String(command.ext?.topic ?? ''))
      c.send({ ...answerTo(command, isHidden ? RESPONSE.TOPIC_NOT_EXIST : 0), body: isHidden ? undefined : body })
      return 'taken' as const
    },
  }
  const server = new RemotingServer({ host: '127.0.0.1', port: 0, handler, log: silentLog, clock: systemClock })
  const port = await server.listen()
  return { address: `127.0.0.1:${port}`, close: () => server.close() }
}
