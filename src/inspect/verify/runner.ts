/**
 * Where verify's tasks run: in threads, one a core, or for a small store in this one: to start threads takes longer than such a
 * store does.
 */
import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type * as Tasks from './tasks.ts'

type TaskName = keyof typeof Tasks
type Task<N extends TaskName> = Parameters<(typeof Tasks)[N]>[0]
type Result<N extends TaskName> = Awaited<ReturnType<(typeof Tasks)[N]>>

export interface Runner {
  readonly threads: number
  run<N extends TaskName>(name: N, task: Task<N>): Promise<Result<N>>
  close(): Promise<void>
}

/** Each takes about 20 MB; so many read faster than disks do. */
const THREADS_MAX = 6
/** See broker/pool.ts: piscina's require() of ES modules may abort the process. */
const WITHOUT_REQUIRE = process.allowedNodeEnvironmentFlags.has('--no-experimental-require-module')
  ? { execArgv: ['--no-experimental-require-module'] }
  : {}

/** `threads` 0: here. */
export async function runnerOf(threads: number): Promise<Runner> {
  if (threads === 0) {
    const tasks = await import('./tasks.ts')
    return {
      threads: 1,
      async run<N extends TaskName>(name: N, task: Task<N>): Promise<Result<N>> {
        // Progress is shown in between.
        await new Promise(setImmediate)
        const run = tasks[name] as unknown as (given: Task<N>) => Promise<Result<N>>
        return run(task)
      },
      async close() {},
    }
  }
  const here = import.meta.url
  const entry = here.endsWith('.ts') ? '../../../dist/inspect/verify/tasks.js' : './tasks.js'
  const piscina = new Piscina({
    filename: new URL(entry, here).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    recordTiming: false,
    resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 },
    ...WITHOUT_REQUIRE,
  })
  return {
    threads,
    run: (name, task) => piscina.run(task, { name }) as Promise<Result<typeof name>>,
    close: () => piscina.destroy(),
  }
}

export function threadsFor(bytes: number): number {
  return bytes < SMALL_BYTES ? 0 : Math.min(availableParallelism(), THREADS_MAX)
}

const SMALL_BYTES = 32 * 1024 * 1024
