/**
 * The loop of every worker thread: attach memory, say ready, step until told to stop, drain, close.
 *
 * A stage knows one thing, step(): it does what is there and returns how much that was. The runner puts it to sleep on its
 * wake word when there was nothing, after looking once more (concurrency/wake.ts), and turns what it throws into a `failed`
 * message, upon which the supervisor ends the broker.
 */
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { ControlBlock } from '../concurrency/control-block.ts'
import { sleep } from '../concurrency/wake.ts'
import { THREADS } from '../faults.ts'
import type { KnownQueue, StageSpawn, StageStart, ToStage } from './messages.ts'
import { failedMessage, type SharedRuntime, sharedRuntime } from './stage-runtime.ts'

export interface Stage {
  /** Does what is there without waiting; returns how much was done, 0 for nothing. */
  step(): number
  /** The second look before sleeping: true when step() would find something. */
  hasWork(): boolean
  /** Longest sleep in milliseconds; Infinity for a stage that only work wakes. */
  readonly idleMs: number
  /** Called once all work is done. */
  close(): void
}

export interface StageRuntime extends SharedRuntime {
  /** Next message of the main thread, if any. */
  receive(): ToStage | undefined
}

export function runStage(create: (start: StageStart, runtime: StageRuntime) => Stage): void {
  const start = workerData as StageSpawn
  const mail: ToStage[] = []
  const hasMail = () => {
    for (let next = receiveMessageOnPort(start.port); next !== undefined; next = receiveMessageOnPort(start.port)) {
      mail.push(next.message as ToStage)
    }
    return mail.length > 0
  }
  const shared = sharedRuntime(start)
  const { control, post } = shared
  const runtime: StageRuntime = { ...shared, receive: () => (hasMail() ? mail.shift() : undefined) }
  try {
    const knownQueues = start.knownQueues ?? awaitBegin(start, control)
    if (knownQueues !== undefined) {
      const stage = create({ ...start, knownQueues }, runtime)
      post({ kind: 'ready' })
      loop(start, runtime, stage, hasMail)
      stage.close()
    }
    post({ kind: 'ended' })
  } catch (error) {
    post(failedMessage(error))
  }
}

/** The queues that recovery has found; undefined when the thread is told to stop first. */
function awaitBegin({ stage, port }: StageSpawn, control: ControlBlock): KnownQueue[] | undefined {
  let first: ToStage | undefined
  const isStopping = () => (control.word('stop') & THREADS[stage]) !== 0
  const hasMail = () => {
    first ??= receiveMessageOnPort(port)?.message as ToStage | undefined
    return first !== undefined || isStopping()
  }
  while (!hasMail()) sleep(control.words, ControlBlock.index(stage), hasMail, Number.POSITIVE_INFINITY)
  return first?.kind === 'begin' ? first.knownQueues : undefined
}

function loop(start: StageSpawn, runtime: StageRuntime, stage: Stage, hasMail: () => boolean): void {
  const { control, faults } = runtime
  const word = ControlBlock.index(start.stage)
  const bit = THREADS[start.stage]
  const isStopping = () => (control.word('stop') & bit) !== 0
  const isBusy = () => hasMail() || stage.hasWork() || isStopping() || faults?.wants(start.stage) === true
  for (;;) {
    faults?.step(start.stage)
    if (stage.step() > 0) continue
    if (isStopping() && !hasMail() && !stage.hasWork()) return
    sleep(control.words, word, isBusy, stage.idleMs)
  }
}
