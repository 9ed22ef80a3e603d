/**
 * The flags of `bench modes` as one checked plan of what to measure. Throws ConfigError, which ends the command with status 2.
 *
 * Sets of defaults: the whole suite, --quick (about a minute) and --surface (a map over disk and link); flags win over them.
 */
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { ConfigError } from '../../errors.ts'
import type { BrokerConfigText, System } from '../broker-node.ts'
import { APACHE_DEFAULT } from '../cluster.ts'
import { type CellKey, FLUSH_MODES, type Injected, type Mode, REPLICATION_MODES } from '../results.ts'
import { gridOf, injectedOf, list, listOf, number, seconds, sizeOf, wrong } from './values.ts'

/** As commander gives them. */
export interface ModesFlags {
  quick?: boolean
  modes?: string
  inFlight?: string
  rate?: string
  size?: string
  rounds?: string
  seconds?: string
  warmUp?: string
  connections?: string
  transfer?: string
  inject?: string
  surface?: string | boolean
  against?: string
  set?: string[]
  folder?: string
  out?: string
}

export interface ModesOptions {
  readonly modes: readonly Mode[]
  readonly systems: readonly System[]
  readonly apacheVersion: string
  /** Closed loop. */
  readonly inFlight: readonly number[]
  /** Open loop, messages a second. */
  readonly rates: readonly number[]
  readonly sizes: readonly number[]
  readonly transfers: readonly CellKey['haTransfer'][]
  readonly points: readonly Injected[]
  readonly rounds: number
  readonly seconds: number
  /** Of our servers, and of Apache's, before their first cell. */
  readonly warmUpSeconds: number
  readonly apacheWarmUpSeconds: number
  readonly connections: number
  /** Has memory for the page cache ready before each visit: seconds each, so in the whole suite only. */
  readonly touchesMemory: boolean
  /** Keys of all brokers. */
  readonly config: BrokerConfigText
  /** Where the stores are. */
  readonly folder: string
  /** Where the reports go. */
  readonly out: string
  /** What the result says of itself. */
  readonly told: Readonly<Record<string, string>>
}

const ROLE_WORDS = { none: '', ASYNC_MASTER: '+async', SYNC_MASTER: '+sync', DLEDGER: '+dledger' } as const
/** "sync+async": the flush, and the master's role where there is a slave; "sync+dledger": a group of three. */
export const MODE_WORDS: Readonly<Record<string, Mode>> = Object.fromEntries(
  FLUSH_MODES.flatMap((flush) =>
    REPLICATION_MODES.map((replication) => [
      `${flush === 'SYNC_FLUSH' ? 'sync' : 'async'}${ROLE_WORDS[replication]}`,
      { flush, replication },
    ]),
  ),
)

const ALL_MODES = Object.keys(MODE_WORDS).join(',')
/** What a run is without a flag of its own. */
const SUITE = { inFlight: '1,64,256', rate: '2000', size: '1024,8192', rounds: '5', seconds: '3', warmUp: '2' }
const QUICK = { inFlight: '1,64', rate: '', size: '1024', rounds: '1', seconds: '2', warmUp: '0.5' }
const SURFACE = { inFlight: '1,64', rate: '', size: '1024', rounds: '1', seconds: '1', warmUp: '0.5' }
/** A JVM compiles for seconds. */
const APACHE_WARM_UP = '6'
export const SURFACE_GRID = 'fdatasync=0/1/5/10ms,rtt=0/1/5/10ms'
export const RESULTS_FOLDER = 'bench/results'
const BODY_MAX = 4 << 20
const IN_FLIGHT_MAX = 4096

export function modesOptions(flags: ModesFlags, cwd: string): ModesOptions {
  if (flags.quick === true && flags.surface !== undefined) throw exclude('--quick', '--surface')
  if (flags.inject !== undefined && flags.surface !== undefined) throw exclude('--inject', '--surface')
  const defaults = flags.quick === true ? QUICK : flags.surface !== undefined ? SURFACE : SUITE
  // A load that is named is the load: the other kind is measured where it is named too.
  const isNamed = flags.inFlight !== undefined || flags.rate !== undefined
  const texts = {
    modes: flags.modes ?? ALL_MODES,
    'in-flight': flags.inFlight ?? (isNamed ? '' : defaults.inFlight),
    rate: flags.rate ?? (isNamed ? '' : defaults.rate),
    size: flags.size ?? defaults.size,
    rounds: flags.rounds ?? defaults.rounds,
    seconds: flags.seconds ?? defaults.seconds,
    'warm-up': flags.warmUp ?? defaults.warmUp,
    connections: flags.connections ?? '1',
    transfer: flags.transfer ?? 'stream',
  }
  const { systems, apacheVersion } = systemsOf(flags.against)
  const points = pointsOf(flags)
  const hasDisk = points.some(({ fdatasyncMs }) => fdatasyncMs > 0)
  if (hasDisk && systems.includes('apache')) {
    throw new ConfigError('BENCH_OPTION', {
      what: "the disk of Apache's broker cannot be made slower: it has no switch for that",
      todo: 'inject rtt only, or leave --against out',
    })
  }
  // So slow a pair sends little: the stage clocks look at more of it.
  const isSlowed = points.some(({ fdatasyncMs, rttMs }) => fdatasyncMs + rttMs > 0)
  const config = { ...(isSlowed ? { stageClockSampling: '4' } : {}), ...configOf(flags.set ?? []) }
  return {
    modes: listOf('--modes', texts.modes, MODE_WORDS),
    systems,
    apacheVersion,
    inFlight: list(texts['in-flight']).map((text) => number('--in-flight', text, 1, IN_FLIGHT_MAX)),
    rates: list(texts.rate).map((text) => number('--rate', text, 1, 1_000_000)),
    sizes: list(texts.size).map((text) => sizeOf('--size', text, BODY_MAX)),
    transfers: listOf('--transfer', texts.transfer, { stream: 'stream', pull: 'pull' } as const),
    points,
    rounds: number('--rounds', texts.rounds, 1, 1000),
    seconds: seconds('--seconds', texts.seconds, 0.1),
    warmUpSeconds: seconds('--warm-up', texts['warm-up'], 0),
    apacheWarmUpSeconds: seconds('--warm-up', flags.warmUp ?? APACHE_WARM_UP, 0),
    connections: number('--connections', texts.connections, 1, 1000),
    touchesMemory: defaults === SUITE,
    config,
    folder: resolve(cwd, flags.folder ?? tmpdir()),
    out: resolve(cwd, flags.out ?? RESULTS_FOLDER),
    told: {
      ...(flags.quick === true ? { quick: '' } : {}),
      ...texts,
      ...(flags.inject === undefined ? {} : { inject: flags.inject }),
      ...(flags.surface === undefined ? {} : { surface: gridText(flags.surface) }),
      ...(flags.against === undefined ? {} : { against: flags.against }),
      ...Object.fromEntries(Object.entries(config).map(([key, value]) => [`set ${key}`, String(value)])),
    },
  }
}

const gridText = (surface: string | boolean): string => (typeof surface === 'string' ? surface : SURFACE_GRID)

function pointsOf({ inject, surface }: ModesFlags): readonly Injected[] {
  if (surface !== undefined) return gridOf('--surface', gridText(surface))
  return [inject === undefined ? { fdatasyncMs: 0, rttMs: 0 } : injectedOf('--inject', inject)]
}

/** "apache" or "apache:5.3.3". */
function systemsOf(against: string | undefined): { systems: System[]; apacheVersion: string } {
  if (against === undefined) return { systems: ['basalt'], apacheVersion: APACHE_DEFAULT }
  const [name, version = APACHE_DEFAULT, ...rest] = against.split(':')
  if (name !== 'apache' || rest.length > 0 || !/^\d+\.\d+\.\d+$/.test(version)) {
    throw wrong('--against', against, `apache, or apache:VERSION (apache:${APACHE_DEFAULT})`)
  }
  return { systems: ['basalt', 'apache'], apacheVersion: version }
}

/** What is measured would not be what the result says. */
const OWN_KEYS = new Set([
  ...['flushDiskType', 'brokerRole', 'brokerId', 'haTransfer', 'haMasterAddress', 'listenPort'],
  ...['enableDLegerCommitLog', 'dLegerGroup', 'dLegerPeers', 'dLegerSelfId'],
])

export function configOf(pairs: readonly string[]): BrokerConfigText {
  const config: Record<string, string> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at <= 0) throw wrong('--set', pair, 'key=value')
    const key = pair.slice(0, at)
    if (OWN_KEYS.has(key))
      throw wrong('--set', pair, 'a key that the benchmark does not set itself (see --modes, --transfer)')
    config[key] = pair.slice(at + 1)
  }
  return config
}

function exclude(one: string, other: string): ConfigError {
  return new ConfigError('BENCH_OPTION', { what: `${one} and ${other} exclude each other`, todo: 'give one of them' })
}
