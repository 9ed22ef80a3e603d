/**
 * The pool (piscina): threads for what may wait for a disk. None runs until something cold is asked for, and they end
 * when they have been idle, so that a broker that only serves hot messages pays nothing for them.
 */
import { Piscina } from 'piscina'
import { describe } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { threadArguments } from '../stages/thread-arguments.ts'
import type {
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

const THREADS_MAX = 2
const IDLE_MS = 10_000
/** Requests that may wait for a thread; a further one is an error at once. */
const QUEUE_MAX = 10_000

export class Pool {
  private readonly piscina: Piscina
  private readonly settings: StoreSettings

  constructor(settings: StoreSettings, log: Log = silentLog) {
    this.settings = settings
    const here = import.meta.url
    const entry = here.endsWith('.ts') ? new URL('../../dist/stages/pool.js', here) : new URL('../stages/pool.js', here)
    this.piscina = new Piscina({
      filename: entry.href,
      minThreads: 0,
      maxThreads: THREADS_MAX,
      idleTimeout: IDLE_MS,
      maxQueue: QUEUE_MAX,
      recordTiming: false,
      ...threadArguments(),
    })
    // Of a thread that died without a task: nobody waits for it, and the next task gets another one.
    this.piscina.on('error', (error: unknown) => log.error(`a thread of the pool ended: ${describe(error)}`))
  }

  /** Tasks that wait for a thread. */
  get waiting(): number {
    return this.piscina.queueSize
  }

  readRecords(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined> {
    return this.piscina.run({ settings: this.settings, offsets, sizes }, { name: 'readRecords' })
  }

  view(physicalOffset: number, end: number): Promise<Uint8Array | undefined> {
    return this.piscina.run({ settings: this.settings, physicalOffset, end }, { name: 'viewRecord' })
  }

  offsetByTime(task: Omit<OffsetByTimeTask, 'settings'>): Promise<number> {
    return this.piscina.run({ settings: this.settings, ...task }, { name: 'offsetByTime' })
  }

  lookUpUnits(task: Omit<LookUpUnitsTask, 'settings'>): Promise<FoundUnits> {
    return this.piscina.run({ settings: this.settings, ...task }, { name: 'lookUpUnits' })
  }

  listUnits(task: Omit<ListUnitsTask, 'settings'>): Promise<ListedUnit[]> {
    return this.piscina.run({ settings: this.settings, ...task }, { name: 'listUnits' })
  }

  queryByKey(task: Omit<QueryByKeyTask, 'settings'>): Promise<KeyQueryResult> {
    return this.piscina.run({ settings: this.settings, ...task }, { name: 'queryByKey' })
  }

  verify(from: number, to: number, bytesMax: number): Promise<VerifiedLog> {
    return this.piscina.run({ settings: this.settings, from, to, bytesMax }, { name: 'verify' })
  }

  close(): Promise<void> {
    return this.piscina.destroy()
  }
}
