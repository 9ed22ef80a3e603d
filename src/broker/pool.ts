/**
 * The pool (piscina): threads for what may wait for a disk. None runs until something cold is asked for, and they end
 * when they have been idle, so that a broker that only serves hot messages pays nothing for them.
 *
 * A thread has one task at a time; the others stand in a line of ours, where those that are too late are found.
 */
import { Piscina } from 'piscina'
import { describe } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { threadArguments } from '../stages/thread-arguments.ts'
import type { FilteredRecords, FilterRecordsRequest } from '../store/commitlog/index.ts'
import type {
  FirstUnitsTask,
  FoundUnits,
  ListedUnit,
  ListUnitsTask,
  LookUpUnitsTask,
  OffsetByTimeTask,
} from '../store/consumequeue/index.ts'
import type { QueryByKeyTask } from '../store/index/index.ts'
import type { KeyQueryResult } from '../store/message-store.ts'
import type { VerifiedLog } from '../store/recovery/index.ts'
import type { StoreSettings } from '../store/settings.ts'
import { RefusedRequest } from './router.ts'
import { WaitingLine } from './waiting-line.ts'

export interface PoolSettings extends StoreSettings {
  readonly brokerFastFailureEnable: boolean
  readonly waitTimeMillsInPullQueue: number
  readonly pullThreadPoolQueueCapacity: number
  readonly queryThreadPoolQueueCapacity: number
}

const THREADS_MAX = 2
const IDLE_MS = 10_000
/**
 * piscina tries require() before import(). Where that takes ES modules (Node 20.17 and later), a thread that is ended meanwhile
 * aborts the process: "IsGraphAsync must be used on an instantiated module", seen at a stop within 50 ms of the first cold read.
 */
const WITHOUT_REQUIRE = process.allowedNodeEnvironmentFlags.has('--no-experimental-require-module')
  ? { execArgv: ['--no-experimental-require-module'] }
  : {}

export class Pool {
  readonly line: WaitingLine
  private readonly piscina: Piscina
  private readonly settings: PoolSettings
  private running = 0

  constructor(settings: PoolSettings, log: Log = silentLog) {
    this.settings = settings
    this.line = new WaitingLine((kind) =>
      kind === 'pull' ? settings.pullThreadPoolQueueCapacity : settings.queryThreadPoolQueueCapacity,
    )
    const here = import.meta.url
    const entry = here.endsWith('.ts') ? new URL('../../dist/stages/pool.js', here) : new URL('../stages/pool.js', here)
    this.piscina = new Piscina({
      filename: entry.href,
      minThreads: 0,
      maxThreads: THREADS_MAX,
      idleTimeout: IDLE_MS,
      recordTiming: false,
      ...threadArguments(),
      ...WITHOUT_REQUIRE,
    })
    // Of a thread that died without a task: nobody waits for it, and the next task gets another one.
    this.piscina.on('error', (error: unknown) => log.error(`a thread of the pool ended: ${describe(error)}`))
  }

  /** Records of a pull. Rejects with RefusedRequest (code 2) when no thread had time for it. */
  readRecords(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined> {
    return this.run('pull', 'readRecords', { offsets, sizes })
  }

  filterRecords(request: FilterRecordsRequest): Promise<FilteredRecords> {
    return this.run('pull', 'filterRecords', request)
  }

  view(physicalOffset: number, end: number): Promise<Uint8Array | undefined> {
    return this.run('query', 'viewRecord', { physicalOffset, end })
  }

  offsetByTime(task: Omit<OffsetByTimeTask, 'settings'>): Promise<number> {
    return this.run('query', 'offsetByTime', task)
  }

  lookUpUnits(task: Omit<LookUpUnitsTask, 'settings'>): Promise<FoundUnits> {
    return this.run('query', 'lookUpUnits', task)
  }

  firstUnits(task: Omit<FirstUnitsTask, 'settings'>): Promise<Float64Array> {
    return this.run('query', 'firstUnits', task)
  }

  listUnits(task: Omit<ListUnitsTask, 'settings'>): Promise<ListedUnit[]> {
    return this.run('query', 'listUnits', task)
  }

  queryByKey(task: Omit<QueryByKeyTask, 'settings'>): Promise<KeyQueryResult> {
    return this.run('query', 'queryByKey', task)
  }

  verify(from: number, to: number, bytesMax: number): Promise<VerifiedLog> {
    return this.run('query', 'verify', { from, to, bytesMax })
  }

  /** Now and then: refuses pulls that have waited too long. `now`: monotonic milliseconds. */
  tick(now: number): void {
    const { brokerFastFailureEnable, waitTimeMillsInPullQueue } = this.settings
    if (brokerFastFailureEnable) this.line.expire('pull', waitTimeMillsInPullQueue, now)
  }

  close(): Promise<void> {
    this.line.close(new RefusedRequest(RESPONSE.SERVICE_NOT_AVAILABLE, 'the broker is stopping'))
    return this.piscina.destroy()
  }

  private run<T>(kind: 'pull' | 'query', name: string, task: object): Promise<T> {
    if (this.running < THREADS_MAX) return this.start(name, task)
    return new Promise((fulfil, reject) => {
      this.line.add({ kind, since: performance.now(), run: () => fulfil(this.start(name, task)), refuse: reject })
    })
  }

  private async start<T>(name: string, task: object): Promise<T> {
    this.running += 1
    try {
      return await this.piscina.run({ settings: this.settings, ...task }, { name })
    } finally {
      this.running -= 1
      this.line.runNext()
    }
  }
}
