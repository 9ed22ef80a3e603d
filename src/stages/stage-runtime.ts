/** What every worker thread has of the process, whether it sleeps in Atomics.wait (run-stage.ts) or in an event loop (run-event-stage.ts). */
import { ControlBlock } from '../concurrency/control-block.ts'
import { QueueTable } from '../concurrency/queue-table.ts'
import { BasaltError } from '../errors.ts'
import { FaultSwitches } from '../faults.ts'
import type { Log } from '../log.ts'
import type { FromStage, StageSpawn } from './messages.ts'

export interface SharedRuntime {
  control: ControlBlock
  queues: QueueTable
  faults: FaultSwitches | undefined
  /** Lines go to the main thread's log. */
  log: Log
  post(message: FromStage): void
}

export function sharedRuntime(start: StageSpawn): SharedRuntime {
  const post = (message: FromStage) => start.port.postMessage(message)
  const say = (level: 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) =>
    post({ kind: 'log', level, message, fields })
  return {
    control: ControlBlock.attach(start.control),
    queues: QueueTable.attach(start.queues),
    faults: start.faults === undefined ? undefined : new FaultSwitches(start.faults),
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    post,
  }
}

/** Upon which the supervisor ends the broker. */
export function failedMessage(error: unknown): FromStage {
  const stack = error instanceof Error ? error.stack : undefined
  const code = error instanceof BasaltError ? error.code : 'STAGE_FAILED'
  return { kind: 'failed', code, message: error instanceof Error ? error.message : String(error), stack }
}
