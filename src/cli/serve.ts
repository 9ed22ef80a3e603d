/**
 * Runs a server until it is told to stop: one signal closes it cleanly, a second ends the process at once.
 */
import type { Io, StopSignal } from './io.ts'

export interface Served {
  /** Rejected when the server ended by a failure. Never settled by servers that do not fail on their own. */
  readonly closed?: Promise<void>
  close(): Promise<void>
}

/** Resolves when the server is closed, by a signal or on its own. Rejects with what `start` or the server failed of. */
export async function serve<T extends Served>(
  io: Io,
  start: () => Promise<T>,
  screen: (server: T) => string,
): Promise<void> {
  let isAsked = false
  let ask: (signal: StopSignal) => void = () => {}
  const asked = new Promise<StopSignal>((resolve) => {
    ask = resolve
  })
  const release = io.onSignal((signal) => {
    if (isAsked) io.exit(1)
    isAsked = true
    ask(signal)
  })
  try {
    const server = await start()
    if (!isAsked) io.out(screen(server))
    const ended = server.closed?.then(() => undefined)
    const signal = await (ended === undefined ? asked : Promise.race([asked, ended]))
    if (signal !== undefined) io.error(`basaltmq: ${signal}: closing; once more ends at once\n`)
    await server.close()
    await ended
  } finally {
    release()
  }
}
