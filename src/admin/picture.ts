/**
 * What `top` shows: one look at every broker. Rates come from two looks; before the second, from the broker's own figures.
 *
 * Of ours the runtime table has positions, the stage clock and what would be lost now (basalt_… rows); of Apache's brokers
 * what they have stands for it as far as it goes.
 */
import { describe } from '../errors.ts'
import type { AdminClient } from './admin-client.ts'
import { lagOfGroups, rateOf } from './backlog.ts'
import { type BrokerAddress, brokersOf, eachOf, type RuntimeTable, runtimeOf } from './cluster.ts'
import { type DLedgerRows, dledgerRowsOf } from './dledger/look.ts'
import { waitsOf } from './waits.ts'

export interface StageLatency {
  stage: string
  count: number
  p50Us: number
  p99Us: number
  p999Us: number
}

export interface BrokerLook {
  broker: BrokerAddress
  /** It did not answer; nothing else is known. */
  error: string | undefined
  version: string
  isOurs: boolean
  inTps: number
  outTps: number
  pendingSends: number
  heldPulls: number
  diskUsed: number
  /** Bytes that a power cut of this machine would take; undefined where it does not tell. */
  unflushed: number | undefined
  unreplicated: number | undefined
  /** Age of the oldest message that no slave has; -1: from before this process began. */
  unreplicatedMs: number | undefined
  storedOn: string | undefined
  /** Of a member of a DLedger group that is ours. */
  dledger: DLedgerRows | undefined
  stages: StageLatency[]
  waits: string[]
  runtime: RuntimeTable
  at: number
}

export interface GroupLook {
  group: string
  lag: number
  tps: number
  /** Store time of the oldest message that waits, as far as it is known; 0 if not. */
  oldest: number
  queues: number
}

export interface Picture {
  at: number
  brokers: BrokerLook[]
  groups: GroupLook[]
}

const LOOK_TIMEOUT_MS = 2000

export async function look(admin: AdminClient, now: () => number, before?: Picture): Promise<Picture> {
  const all = await brokersOf(admin)
  const brokers = await eachOf(all, (broker) => lookAt(admin, broker, now, before))
  const groups = new Map<string, GroupLook>()
  for (const { broker, error } of brokers) {
    if (broker.id !== 0 || error !== undefined) continue
    for (const { group, lag, tps, queues } of await lagOfGroups(admin, broker.address)) {
      const known = groups.get(group) ?? { group, lag: 0, tps: 0, oldest: 0, queues: 0 }
      const behind = queues.filter((queue) => queue.brokerOffset > queue.consumerOffset && queue.lastTimestamp > 0)
      const oldest = Math.min(known.oldest || Infinity, ...behind.map(({ lastTimestamp }) => lastTimestamp))
      groups.set(group, {
        group,
        lag: known.lag + lag,
        tps: known.tps + tps,
        oldest: Number.isFinite(oldest) ? oldest : 0,
        queues: known.queues + queues.length,
      })
    }
  }
  return {
    at: now(),
    brokers,
    groups: [...groups.values()].sort((a, b) => b.lag - a.lag || (a.group < b.group ? -1 : 1)),
  }
}

async function lookAt(
  admin: AdminClient,
  broker: BrokerAddress,
  now: () => number,
  before: Picture | undefined,
): Promise<BrokerLook> {
  const last = before?.brokers.find((one) => one.broker.address === broker.address && one.error === undefined)
  try {
    const runtime = await runtimeOf(admin, broker.address, Math.min(LOOK_TIMEOUT_MS, admin.timeoutMs))
    return seen(broker, runtime, now(), last)
  } catch (error) {
    return { ...seen(broker, {}, now(), undefined), error: describe(error) }
  }
}

function seen(broker: BrokerAddress, runtime: RuntimeTable, at: number, last: BrokerLook | undefined): BrokerLook {
  const number = (key: string) => (runtime[key] === undefined ? undefined : Number(runtime[key]))
  const isOurs = runtime.basalt_position_appended !== undefined
  const rate = (key: string, own: string) => {
    const seconds = last === undefined ? 0 : (at - last.at) / 1000
    if (last === undefined || seconds <= 0) return rateOf(runtime, own)
    return Math.max(0, Number(runtime[key]) - Number(last.runtime[key])) / seconds
  }
  return {
    broker,
    error: undefined,
    version: runtime.brokerVersionDesc ?? '',
    isOurs,
    inTps: rate('msgPutTotalTodayNow', 'putTps'),
    outTps: rate('msgGetTotalTodayNow', 'getTransferedTps'),
    pendingSends: number('basalt_pending_sends') ?? number('sendThreadPoolQueueSize') ?? 0,
    heldPulls: number('basalt_held_pulls') ?? 0,
    diskUsed: number('commitLogDiskRatio') ?? 0,
    unflushed: number('basalt_unflushed_bytes') ?? bytesOf(runtime.remainHowManyDataToFlush),
    unreplicated: number('basalt_unreplicated_bytes'),
    unreplicatedMs: number('basalt_unreplicated_ms'),
    storedOn: runtime.basalt_stored_on,
    dledger: dledgerRowsOf(runtime),
    stages: stagesOf(runtime),
    waits: waitsOf(runtime),
    runtime,
    at,
  }
}

const STAGE = /^count=(\d+) p50=(\d+)us p99=(\d+)us p99\.9=(\d+)us$/
/** In the order of a message's way; `total` is the whole of it. */
const STAGES = ['claimed', 'appended', 'flushed', 'replicated', 'acknowledged', 'total']

function stagesOf(runtime: RuntimeTable): StageLatency[] {
  return STAGES.flatMap((stage) => {
    const match = STAGE.exec(runtime[`basalt_stage_${stage}`] ?? '')
    if (match === null) return []
    const [count, p50Us, p99Us, p999Us] = match.slice(1).map(Number)
    return [{ stage, count, p50Us, p99Us, p999Us }]
  })
}

const UNITS: Record<string, number> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 }

/** "0 B", "1.5 MB". */
function bytesOf(text: string | undefined): number | undefined {
  const match = /^([\d.]+)\s*([KMGT]?)i?B$/i.exec(text?.trim() ?? '')
  return match === null ? undefined : Math.round(Number(match[1]) * (UNITS[`${match[2].toUpperCase()}B`] ?? 1))
}
