/**
 * What rounds of the loss experiment have in common: their options, the load, the power cut, the reading afterwards.
 *
 * Blocks on: disks, for the rebuilding of one.
 */
import { renameSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BareClient } from '../bare-client.ts'
import { type BrokerNode, READY_TOPIC } from '../broker-node.ts'
import type { Failure, Mode } from '../results.ts'
import { until } from '../server-process.ts'
import { Ledger, Load, positionsOf, type ReadMessage, readBack } from './load.ts'
import type { Observer, Random, Tearing } from './observer.ts'
import type { LossSettings } from './options.ts'

export interface RoundOptions {
  readonly folder: string
  readonly mode: Mode
  readonly failure: Failure
  readonly settings: LossSettings
  readonly random: Random
  /** Of the stores that lose their power; needed for machine-crash and majority-crash only. */
  readonly observer?: Observer | undefined
  /** Undefined: the disk has exactly what was synced. */
  readonly tearing?: Tearing | undefined
  /** Ends the round: it rejects, and leaves nothing. */
  readonly end: AbortSignal
  /** What was unusual about the round. */
  readonly say: (line: string) => void
}

/** Longer than any way back that needs nobody: what is not there by then counts as not there without an administrator. */
export const BACK_MS_MAX = 20_000
const SETTLED_MS_MAX = 20_000
const SETTLED_LOOK_MS = 40
export const QUEUES = 4
const CONNECTIONS = 2

/**
 * The observer takes the time after it has looked at what a sync is to write, as a disk does: what is appended meanwhile is not in it.
 * The broker's own switch waits before the sync, which is as good where no power is cut.
 */
export function slowDisk({ fdatasyncMs }: LossSettings, disk: string, observer?: Observer): Record<string, string> {
  if (observer !== undefined) return observer.env(disk, fdatasyncMs * 1000)
  return fdatasyncMs > 0 ? { BASALT_FAULTS: `slowSync=${fdatasyncMs}` } : {}
}

/** Load on a node until the random moment of its failure; stopped when the round ends before it. */
export async function loadUntilFailure(
  node: BrokerNode,
  { settings, random, end }: RoundOptions,
): Promise<{ ledger: Ledger; load: Load }> {
  const ledger = new Ledger()
  const load = startLoad(node, ledger, settings)
  try {
    await underLoad(node, ledger, load)
    await sleep(settings.loadMsMin + random() * (settings.loadMsMax - settings.loadMsMin), undefined, { signal: end })
  } catch (error) {
    await load.stop()
    throw error
  }
  return { ledger, load }
}

/** Over after BACK_MS_MAX, or with the round. */
export function patience(end: AbortSignal): { signal: AbortSignal; close(): void } {
  // Not AbortSignal.any() of a timeout: nobody holds that, and Node 20 may collect it before its time.
  const over = new AbortController()
  const giveUp = () => over.abort()
  const timer = setTimeout(giveUp, BACK_MS_MAX)
  end.addEventListener('abort', giveUp)
  const close = () => {
    clearTimeout(timer)
    end.removeEventListener('abort', giveUp)
    over.abort()
  }
  return { signal: over.signal, close }
}

function startLoad({ address }: BrokerNode, ledger: Ledger, { inFlight, bodySize }: LossSettings): Load {
  const load = new Load({
    address,
    ledger,
    topic: READY_TOPIC,
    queues: QUEUES,
    connections: CONNECTIONS,
    inFlight,
    bodyBytes: bodySize,
  })
  load.start()
  return load
}

/** Until messages are acknowledged and what was there before them is on disk, in any mode: the first read afterwards is of that. */
async function underLoad({ process }: BrokerNode, { acknowledged }: Ledger, load: Load): Promise<void> {
  await until(() => load.samples.length > 0, BACK_MS_MAX, process)
  const { appended } = load.samples[0].positions
  await until(() => acknowledged.size > 0 && load.seen('flushed') >= appended, BACK_MS_MAX, process)
}

/** The machine's disk has what was surely on it. */
export function cutPower(observer: Observer | undefined, disk: string, tearing: Tearing | undefined): void {
  if (observer === undefined) throw new Error('a machine crash cannot be had without the observer')
  const rebuilt = `${disk}.rebuilt`
  observer.rebuild(disk, rebuilt, tearing)
  rmSync(disk, { recursive: true })
  renameSync(rebuilt, disk)
  observer.adopt(disk)
}

/** Everything that a consumer gets, once the queues have all of the log. */
export async function readFrom(node: BrokerNode | undefined): Promise<ReadMessage[] | undefined> {
  if (node === undefined) return undefined
  const client = new BareClient(node.address)
  try {
    let end = -1
    // A slave may still be taking what had arrived: twice the same.
    const hasAll = async () => {
      const { dispatched, appended } = await positionsOf(client)
      const isQuiet = appended === end
      end = appended
      return isQuiet && dispatched >= appended
    }
    await until(hasAll, SETTLED_MS_MAX, node.process, SETTLED_LOOK_MS)
    return await readBack(node.address, READY_TOPIC, QUEUES)
  } finally {
    await client.close()
  }
}
