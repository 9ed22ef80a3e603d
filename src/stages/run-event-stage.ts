/**
 * The frame of a worker thread that lives in an event loop, because it has sockets (HA). The others sleep in Atomics.wait and
 * have run-stage.ts.
 *
 *   begin ─▶ create ─▶ ready … messages … stop ─▶ close ─▶ ended
 */
import { workerData } from 'node:worker_threads'
import { ControlBlock } from '../concurrency/control-block.ts'
import { QueueTable } from '../concurrency/queue-table.ts'
import { BasaltError } from '../errors.ts'
import { FaultSwitches } from '../faults.ts'
import type { FromStage, StageSpawn, ToStage } from './messages.ts'
import type { StageRuntime } from './run-stage.ts'

export interface EventStage {
  /** A message of the main thread other than begin and stop. */
  take(message: ToStage): void
  close(): void
}

export type EventRuntime = Omit<StageRuntime, 'receive'> & {
  /** Ends the thread, and the broker, with this error. */
  fail(error: unknown): void
}

export function runEventStage(create: (start: StageSpawn, runtime: EventRuntime) => Promise<EventStage>): void {
  const start = workerData as StageSpawn
  const { port } = start
  const post = (message: FromStage) => port.postMessage(message)
  const say = (level: 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) =>
    post({ kind: 'log', level, message, fields })
  let stage: EventStage | undefined
  const end = () => {
    stage?.close()
    post({ kind: 'ended' })
    port.close()
  }
  const fail = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined
    const code = error instanceof BasaltError ? error.code : 'STAGE_FAILED'
    post({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error), stack })
    port.close()
  }
  const runtime: EventRuntime = {
    control: ControlBlock.attach(start.control),
    queues: QueueTable.attach(start.queues),
    faults: start.faults === undefined ? undefined : new FaultSwitches(start.faults),
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    post,
    fail,
  }
  process.on('uncaughtException', fail)
  port.on('message', (message: ToStage) => {
    if (message.kind === 'stop') end()
    else if (message.kind === 'begin') {
      create(start, runtime).then((created) => {
        stage = created
        post({ kind: 'ready' })
      }, fail)
    } else stage?.take(message)
  })
}
