/**
 * Taking a broker out so that nobody notices (docs/operations.md, "Taking a broker out of service").
 *
 *   1. brokerPermission without write     sends are refused or go elsewhere, routes show no queue of it to write to
 *   2. wait                               until nothing is put for a while, and every group has consumed what is there
 *   3. with reads: permission 0           until consumers have gone, too
 *
 * Nothing here is irreversible: undo is the permission that was.
 */
import type { AdminClient } from './admin-client.ts'
import { delayedOf, type GroupLag, lagOfGroups } from './backlog.ts'
import { brokerConfig, changeBrokerConfig } from './brokers.ts'
import { type BrokerAddress, runtimeOf } from './cluster.ts'

/** Time as the procedures see it. */
export interface Waiter {
  now(): number
  sleep(ms: number): Promise<void>
}

export const PERMISSION = 'brokerPermission'
const WRITE = 2

export async function permissionOf(admin: AdminClient, address: string): Promise<number> {
  return Number((await brokerConfig(admin, address)).get(PERMISSION) ?? 6)
}

export async function setPermission(admin: AdminClient, address: string, permission: number): Promise<void> {
  await changeBrokerConfig(admin, address, new Map([[PERMISSION, String(permission)]]))
}

export const withoutWrite = (permission: number): number => permission & ~WRITE

export interface DrainState {
  permission: number
  putTotal: number
  getTotal: number
  /** How long nothing has been put, and nothing given to consumers. */
  quietPutsMs: number
  quietGetsMs: number
  /** Of the groups that count. */
  lags: GroupLag[]
  /** Delayed messages that come with the broker's return. */
  delayed: number
  /** Bytes that no slave has: lost for as long as the broker is away. Undefined where it does not tell. */
  unreplicated: number | undefined
  waitsFor: string[]
}

export interface DrainOptions {
  everyMs: number
  /** Producers ask for routes every 30 s. */
  quietMs: number
  /** Groups that nobody needs to wait for. */
  ignored: readonly string[]
  /** Wait until nothing is read either. */
  reads: boolean
}

/** Yields what is to be seen, until nothing is waited for. The caller decides how long to look. */
export async function* watchDrain(
  admin: AdminClient,
  broker: BrokerAddress,
  waiter: Waiter,
  options: DrainOptions,
): AsyncGenerator<DrainState> {
  let puts = { total: -1, since: waiter.now() }
  let gets = { total: -1, since: waiter.now() }
  for (;;) {
    const state = await look(admin, broker, options.ignored)
    const now = waiter.now()
    if (state.putTotal !== puts.total) puts = { total: state.putTotal, since: now }
    if (state.getTotal !== gets.total) gets = { total: state.getTotal, since: now }
    const quiet = { quietPutsMs: now - puts.since, quietGetsMs: now - gets.since }
    const waitsFor = waits({ ...state, ...quiet }, options)
    yield { ...state, ...quiet, waitsFor }
    if (waitsFor.length === 0) return
    await waiter.sleep(options.everyMs)
  }
}

type Seen = Omit<DrainState, 'waitsFor'>

async function look(
  admin: AdminClient,
  broker: BrokerAddress,
  ignored: readonly string[],
): Promise<Omit<Seen, 'quietPutsMs' | 'quietGetsMs'>> {
  const [permission, runtime, lags] = await Promise.all([
    permissionOf(admin, broker.address),
    runtimeOf(admin, broker.address),
    lagOfGroups(admin, broker.address),
  ])
  const hasSlave = runtime.basalt_slave_0 !== undefined
  return {
    permission,
    putTotal: Number(runtime.msgPutTotalTodayNow ?? 0),
    getTotal: Number(runtime.msgGetTotalTodayNow ?? 0),
    lags: lags.filter(({ group }) => !ignored.includes(group)),
    delayed: delayedOf(runtime),
    unreplicated: hasSlave ? Number(runtime.basalt_unreplicated_bytes) : undefined,
  }
}

function waits(seen: Seen, { quietMs, reads }: DrainOptions): string[] {
  const list: string[] = []
  if ((seen.permission & WRITE) !== 0) list.push('its write permission is still there')
  if (seen.quietPutsMs < quietMs) list.push(`messages came less than ${Math.round(quietMs / 1000)} s ago`)
  for (const { group, lag } of seen.lags) if (lag > 0) list.push(`group ${group} has ${lag} messages to consume`)
  if ((seen.unreplicated ?? 0) > 0) list.push(`${seen.unreplicated} bytes are on no slave yet`)
  if (reads && seen.quietGetsMs < quietMs) list.push(`messages were read less than ${Math.round(quietMs / 1000)} s ago`)
  return list
}
