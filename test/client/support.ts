/** What client tests share: a clock that is moved, options of a client, waiting. */

import type { ClientClock } from '../../src/client/timers.ts'
import type { Log } from '../../src/log.ts'

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
