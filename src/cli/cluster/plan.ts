/**
 * What `basaltmq broker --cluster N` is to start: members, ports, folders, each member's broker.conf.
 *
 *   <folder>/cluster.json       how many, their ports, the processes of the last run: a later run is the same cluster
 *   <folder>/n0/broker.conf     kept; what makes it a member is written anew, and --set; "basaltmq broker -c" runs it alone
 *   <folder>/n0/store           its store
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { freeBrokerPort, isFree } from '../../bench/ports.ts'
import { type BrokerConfig, editProperties, formatProperties, resolveConfig, splitSet } from '../../config/index.ts'
import { ConfigError, describe } from '../../errors.ts'
import { writeDurably } from '../../store/metadata/durable-file.ts'
import type { Io } from '../io.ts'

export interface ClusterFlags {
  /** true: without a number. */
  cluster: string | true
  store?: string
  port?: string
  restart?: string
  config?: string
  set: readonly string[]
}

export interface MemberPlan {
  id: string
  folder: string
  /** Its configuration file. */
  conf: string
  confText: string
  /** As typed by whoever starts it alone. */
  command: string
  port: number
  dledgerPort: number
}

export interface ClusterPlan {
  folder: string
  group: string
  namesrvPort: number
  members: readonly MemberPlan[]
  config: BrokerConfig
  warnings: readonly string[]
  isNew: boolean
}

interface Kept {
  namesrvPort: number
  ports: { clients: number; dledger: number }[]
  pids: number[]
}

const SIZES = [3, 5, 7]
const HOST = '127.0.0.1'
const FIRST_PORT = 10_911
const FIRST_NAMESRV_PORT = 9876
const STEP = 10
/** Beside the port for clients: fast port, port for slaves (told, not opened), DLedger's. */
const FAST = -2
const DLEDGER = 2
const SEGMENT = 64 * 1024 * 1024

const HEAD = '# A member of a cluster for trying out, started by "basaltmq broker --cluster".\n'
/** Until somebody says otherwise: this machine alone, small files, a new leader within a second. */
const DEFAULTS: [key: string, value: string][] = [
  ['brokerName', 'cluster'],
  ['brokerIP1', HOST],
  ['bindAddress', HOST],
  ['mappedFileSizeCommitLog', String(SEGMENT)],
  ['dLedgerFastElection', 'true'],
]

/** They follow from what the cluster is. */
const OWN_KEYS = [
  ...[
    'enableDLegerCommitLog',
    'dLegerGroup',
    'dLegerPeers',
    'dLegerSelfId',
    'listenPort',
    'fastListenPort',
    'haListenPort',
  ],
  ...['storePathRootDir', 'storePathCommitLog', 'storePathDLedgerCommitLog', 'storePathClassicCommitLog'],
  ...['namesrvAddr', 'nameServerInside', 'nameServerInsidePort', 'brokerId', 'brokerRole'],
]

export async function planCluster(io: Io, flags: ClusterFlags): Promise<ClusterPlan> {
  const size = sizeOf(flags.cluster)
  if (flags.config !== undefined)
    throw usage('-c is for one broker: a cluster for trying out takes keys by --set, for all of its members')
  const keys = keysOf(flags.set)
  const folder = resolve(io.cwd, flags.store ?? 'cluster')
  const kept = keptIn(folder)
  if (kept !== undefined && kept.ports.length !== size) {
    throw new ConfigError('OTHER_CLUSTER', {
      what: `the cluster that is kept there has ${kept.ports.length} members, not ${size}`,
      where: folder,
      todo: `give --cluster ${kept.ports.length}, or another folder with --store`,
    })
  }
  const ports = await portsOf(flags.port, size, kept)
  await checkPorts(ports, folder, kept)
  const members = membersOf(io, folder, ports, keys)
  const resolved = members.map(({ conf, confText }) =>
    resolveConfig({ role: 'broker', file: conf, texts: new Map([[conf, confText]]), env: {}, cwd: io.cwd }),
  )
  const [{ config }] = resolved
  return {
    ...{ folder, group: config.dLegerGroup, namesrvPort: ports.namesrvPort, members, config },
    warnings: [...new Set(resolved.flatMap(({ warnings }) => warnings))],
    isNew: kept === undefined,
  }
}

/** What the next run goes by. */
export function keepPlan({ folder, namesrvPort, members }: ClusterPlan, pids: readonly number[]): void {
  const ports = members.map(({ port, dledgerPort }) => ({ clients: port, dledger: dledgerPort }))
  const kept: Kept = { namesrvPort, ports, pids: [...pids] }
  mkdirSync(folder, { recursive: true })
  writeDurably(fileIn(folder), `${JSON.stringify(kept, undefined, 2)}\n`)
}

const fileIn = (folder: string) => join(folder, 'cluster.json')

function keptIn(folder: string): Kept | undefined {
  const file = fileIn(folder)
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept
  } catch (error) {
    const todo = 'remove it: the ports are chosen anew, the stores stay'
    throw new ConfigError('BAD_CLUSTER_FILE', { what: `it cannot be read: ${describe(error)}`, where: file, todo })
  }
}

function sizeOf(word: string | true): number {
  const size = word === true ? SIZES[0] : Number(word)
  if (SIZES.includes(size)) return size
  throw usage(
    `--cluster is "${word}": a group has 3, 5 or 7 members, so that a majority is left when one or more are gone`,
  )
}

/** Of all members. */
function keysOf(words: readonly string[]): ReadonlyMap<string, string> {
  const keys = new Map(words.map(splitSet).map(([key, value]) => [key, value.trim()]))
  for (const key of keys.keys()) {
    if (OWN_KEYS.includes(key))
      throw usage(`--set ${key}: each member of a cluster for trying out has its own, made by --cluster`)
  }
  return keys
}

async function portsOf(flag: string | undefined, size: number, kept: Kept | undefined): Promise<Omit<Kept, 'pids'>> {
  if (flag === undefined && kept !== undefined) return kept
  const first = flag === undefined ? FIRST_PORT : Number(flag)
  const last = first + STEP * (size - 1)
  if (!Number.isInteger(first) || first < 0 || (first > 0 && first < 4) || last > 65_000)
    throw usage(
      `--port is "${flag}": expected the port for clients of n0; the others follow by tens; 0 takes free ones`,
    )
  const ports: Kept['ports'] = []
  for (let i = 0; i < size; i++) {
    const clients = first === 0 ? await freeBrokerPort() : first + STEP * i
    ports.push({ clients, dledger: first === 0 ? await freeBrokerPort() : clients + DLEDGER })
  }
  const beside = flag === undefined ? FIRST_NAMESRV_PORT : first - 1
  return { ports, namesrvPort: first === 0 ? await freeBrokerPort() : beside }
}

/** All that are taken are named: one after the other would be found otherwise. */
async function checkPorts({ namesrvPort, ports }: Omit<Kept, 'pids'>, folder: string, kept: Kept | undefined) {
  const wanted: [port: number, whose: string][] = [[namesrvPort, 'NameServer']]
  for (const [i, { clients, dledger }] of ports.entries())
    wanted.push([clients, `n${i}`], [clients + FAST, `n${i}, fast`], [dledger, `n${i}, DLedger`])
  const taken: string[] = []
  for (const [port, whose] of wanted) if (!(await isFree(port))) taken.push(`${port} (${whose})`)
  if (taken.length === 0) return
  const alive = (kept?.pids ?? []).filter(isAlive)
  throw new ConfigError('PORTS_IN_USE', {
    what: `${taken.length === 1 ? 'a port is' : 'ports are'} taken on this machine: ${taken.join(', ')}`,
    where: folder,
    todo:
      alive.length > 0
        ? `members of an earlier run may still be there, pid ${alive.join(', ')}: end them; or give --port, where 0 takes free ones`
        : 'end who has them, or give --port PORT (the others follow by tens), where 0 takes free ones',
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function membersOf(
  io: Io,
  folder: string,
  { namesrvPort, ports }: Omit<Kept, 'pids'>,
  set: ReadonlyMap<string, string>,
): MemberPlan[] {
  const peers = ports.map(({ dledger }, i) => `n${i}-${HOST}:${dledger}`).join(';')
  return ports.map(({ clients, dledger }, i) => {
    const id = `n${i}`
    const own = join(folder, id)
    const conf = join(own, 'broker.conf')
    const keys = new Map(set)
    for (const [key, value] of [
      ['enableDLegerCommitLog', 'true'],
      ['dLegerPeers', peers],
      ['dLegerSelfId', id],
      ['listenPort', String(clients)],
      ['storePathRootDir', join(own, 'store')],
      ['namesrvAddr', `${HOST}:${namesrvPort}`],
    ])
      keys.set(key, value)
    const before = existsSync(conf) ? readFileSync(conf, 'utf8') : HEAD + formatProperties(DEFAULTS)
    const confText = editProperties(before, keys)
    const shown = relative(io.cwd, conf)
    const path = shown.startsWith('..') ? conf : shown
    const command = `basaltmq broker -c ${/[^\w./-]/.test(path) ? JSON.stringify(path) : path}`
    return { id, folder: own, conf, confText, command, port: clients, dledgerPort: dledger }
  })
}

function usage(what: string): ConfigError {
  return new ConfigError('USAGE', { what, todo: 'see "basaltmq broker --help"' })
}
