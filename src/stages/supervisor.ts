/**
 * Starts the worker threads, hands them the shared memory, and watches them.
 *
 * A thread that dies ends the broker: nothing half alive. Whoever owns the supervisor is told once, with the name of the
 * thread and the reason, and decides how to answer those who wait (broker/broker.ts).
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { ControlBlock } from '../concurrency/control-block.ts'
import { wakeUrgently } from '../concurrency/wake.ts'
import type { FoundLog } from '../dledger/index.ts'
import { describe, StoreError } from '../errors.ts'
import { THREADS } from '../faults.ts'
import type { Log } from '../log.ts'
import type { FromStage, KnownQueue, StageName, StageSpawn, ToStage } from './messages.ts'
import { threadArguments } from './thread-arguments.ts'

export interface StageFailure {
  stage: StageName
  code: string
  message: string
}

export interface SupervisorOptions {
  control: ControlBlock
  start: Omit<StageSpawn, 'stage' | 'port' | 'knownQueues'>
  log: Log
  onFailure(failure: StageFailure): void
  onMessage(stage: StageName, message: FromStage): void
}

interface Running {
  worker: Worker
  port: MessagePort
  ready: Promise<void>
  ended: Promise<void>
  hasEnded: boolean
}

/** Stage threads share little JavaScript and few objects: a small young generation keeps a broker's memory low. */
const YOUNG_GENERATION_MB = 4

export class Supervisor {
  private readonly stages = new Map<StageName, Running>()
  private readonly options: SupervisorOptions
  private hasFailed = false
  private isTerminated = false

  constructor(options: SupervisorOptions) {
    this.options = options
  }

  /** The threads load their code, which takes them longer than most recoveries take, and wait for begin(). */
  start(names: StageName[]): void {
    for (const name of names) this.stages.set(name, this.spawn(name))
  }

  /** Resolves when all threads are in their loops. */
  async begin(
    knownQueues: KnownQueue[],
    names: readonly StageName[] = [...this.stages.keys()],
    dledger?: FoundLog | undefined,
  ): Promise<void> {
    for (const name of names) this.post(name, { kind: 'begin', knownQueues, dledger })
    await Promise.all(names.map((name) => this.stages.get(name)?.ready))
  }

  post(name: StageName, message: ToStage): void {
    const { control } = this.options
    this.stages.get(name)?.port.postMessage(message)
    wakeUrgently(control.words, ControlBlock.index(name))
  }

  /** Lets a stage drain and end. Returns at once when it is not running. */
  async stop(name: StageName): Promise<void> {
    const running = this.stages.get(name)
    if (running === undefined || running.hasEnded) return
    const { control } = this.options
    Atomics.or(control.words, ControlBlock.index('stop'), THREADS[name])
    // They live in event loops, which no word wakes.
    if (name === 'ha' || name === 'dledger') this.post(name, { kind: 'stop' })
    wakeUrgently(control.words, ControlBlock.index(name))
    await running.ended
  }

  /** Ends all threads where they stand. */
  async terminate(): Promise<void> {
    this.isTerminated = true
    await Promise.all([...this.stages.values()].map((stage) => stage.worker.terminate()))
    for (const stage of this.stages.values()) stage.port.close()
  }

  private spawn(name: StageName): Running {
    const { port1, port2 } = new MessageChannel()
    const workerData: StageSpawn = { ...this.options.start, stage: name, port: port2 }
    const worker = new Worker(stageEntry(name), {
      name: `basalt-${name}`,
      workerData,
      transferList: [port2],
      ...threadArguments(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    const running: Running = {
      worker,
      port: port1,
      ready: Promise.resolve(),
      ended: Promise.resolve(),
      hasEnded: false,
    }
    running.ready = new Promise((resolve, reject) => {
      running.ended = new Promise((end) => {
        const hear = (message: FromStage) => {
          if (message.kind === 'ready') resolve()
          else if (message.kind === 'ended') running.hasEnded = true
          else if (message.kind === 'failed') this.fail(name, message.code, message.message, reject)
          else if (message.kind === 'log')
            this.options.log[message.level](message.message, { stage: name, ...message.fields })
          else this.options.onMessage(name, message)
        }
        port1.on('message', hear)
        worker.on('error', (error) => this.fail(name, 'STAGE_FAILED', describe(error), reject))
        worker.on('exit', (status) => {
          // The exit may overtake the thread's last words, which still wait in the port.
          for (let mail = receiveMessageOnPort(port1); mail !== undefined; mail = receiveMessageOnPort(port1)) {
            hear(mail.message as FromStage)
          }
          port1.close()
          end()
          if (!running.hasEnded)
            this.fail(name, 'STAGE_ENDED', `the ${name} thread ended with status ${status}`, reject)
          running.hasEnded = true
        })
      })
    })
    // begin() looks at it; a thread may die before.
    running.ready.catch(() => {})
    return running
  }

  private fail(stage: StageName, code: string, message: string, reject: (error: Error) => void): void {
    reject(new StoreError(code, { what: `the ${stage} thread failed: ${message}` }))
    if (this.hasFailed || this.isTerminated) return
    this.hasFailed = true
    this.options.onFailure({ stage, code, message })
  }
}

/** Worker threads run JavaScript: from the sources (tests) the compiled twin in dist is taken. */
function stageEntry(name: StageName): URL {
  const here = import.meta.url
  return here.endsWith('.ts') ? new URL(`../../dist/stages/${name}.js`, here) : new URL(`./${name}.js`, here)
}
