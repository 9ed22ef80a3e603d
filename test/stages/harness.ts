/** A stage without its thread: the shared memory, a mailbox, and what it posted. */
import { MessageChannel } from 'node:worker_threads'
import { onTestFinished, vi } from 'vitest'
import { createRing } from '../../src/concurrency/byte-ring.ts'
import { ControlBlock, GATE, type PositionName } from '../../src/concurrency/control-block.ts'
import { QueueTable } from '../../src/concurrency/queue-table.ts'
import { FaultSwitches } from '../../src/faults.ts'
import { createAppendHistory } from '../../src/metrics/append-history.ts'
import { createStageClock } from '../../src/metrics/stage-clock.ts'
import type { FromStage, KnownQueue, StageName, StageStart, ToStage } from '../../src/stages/messages.ts'
import type { StageRuntime } from '../../src/stages/run-stage.ts'
import type { StoreSettings } from '../../src/store/settings.ts'
import { type CapturedLog, capturedLog } from '../store/scratch.ts'

export interface StageHarness {
  start: StageStart
  runtime: StageRuntime
  control: ControlBlock
  queues: QueueTable
  faults: FaultSwitches
  log: CapturedLog
  mail: ToStage[]
  posted: FromStage[]
  /** Moves a position that another thread writes. */
  move(name: PositionName, to: number): void
}

export function stageHarness(
  stage: StageName,
  settings: StoreSettings,
  options: { knownQueues?: KnownQueue[]; control?: ControlBlock } = {},
): StageHarness {
  const control = options.control ?? ControlBlock.create()
  if (settings.flushDiskType === 'SYNC_FLUSH') control.setWord('gate', GATE.flushed)
  const queues = QueueTable.create(1024)
  const faults = new FaultSwitches()
  const log = capturedLog()
  const mail: ToStage[] = []
  const posted: FromStage[] = []
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => {
    port1.close()
    port2.close()
  })
  const ring = createRing(1024)
  const start: StageStart = {
    stage,
    control: control.buffer,
    queues: queues.buffer,
    submit: ring,
    acks: ring,
    definitions: ring,
    arrivals: ring,
    stageClock: createStageClock(),
    appendHistory: createAppendHistory(),
    faults: faults.buffer,
    settings,
    knownQueues: options.knownQueues ?? [],
    waker: 0n,
    port: port2,
  }
  const runtime: StageRuntime = {
    control,
    queues,
    faults,
    log,
    receive: () => mail.shift(),
    post: (message) => void posted.push(message),
  }
  const move = (name: PositionName, to: number) => control.writer(name).advance(to)
  return { start, runtime, control, queues, faults, log, mail, posted, move }
}

/** Waits for another thread as long as a busy machine may take. */
export function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 })
}
