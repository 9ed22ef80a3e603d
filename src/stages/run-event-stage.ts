/**
 * The frame of a worker thread that lives in an event loop, because it has sockets (HA, DLedger). The others sleep in Atomics.wait and
 * have run-stage.ts.
 *
 *   begin ─▶ create ─▶ ready … messages … stop ─▶ close ─▶ ended
 */
import { workerData } from 'node:worker_threads'
import type { StageSpawn, ToStage } from './messages.ts'
import { failedMessage, type SharedRuntime, sharedRuntime } from './stage-runtime.ts'

export interface EventStage {
  /** A message of the main thread other than begin and stop. */
  take(message: ToStage): void
  close(): void | Promise<void>
}

export type Begin = ToStage & { kind: 'begin' }

export interface EventRuntime extends SharedRuntime {
  /** Ends the thread, and the broker, with this error. */
  fail(error: unknown): void
}

export function runEventStage(
  create: (start: StageSpawn, runtime: EventRuntime, begin: Begin) => Promise<EventStage>,
): void {
  const start = workerData as StageSpawn
  const { port } = start
  const shared = sharedRuntime(start)
  const { post } = shared
  let stage: EventStage | undefined
  const fail = (error: unknown) => {
    post(failedMessage(error))
    port.close()
  }
  const end = async () => {
    try {
      await stage?.close()
    } catch (error) {
      fail(error)
      return
    }
    post({ kind: 'ended' })
    port.close()
  }
  const runtime: EventRuntime = { ...shared, fail }
  process.on('uncaughtException', fail)
  port.on('message', (message: ToStage) => {
    if (message.kind === 'stop') void end()
    else if (message.kind === 'begin') {
      create(start, runtime, message).then((created) => {
        stage = created
        post({ kind: 'ready' })
      }, fail)
    } else stage?.take(message)
  })
}
