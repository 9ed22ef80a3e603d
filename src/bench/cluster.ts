/**
 * A master, where the mode has one a slave, and where asked for a NameServer: real processes on a fresh folder. With DLEDGER three
 * brokers that elect their master: `master` is who leads.
 *
 *   const cluster = await Cluster.start({ folder, mode: { flush: 'SYNC_FLUSH', replication: 'SYNC_MASTER' } })
 *   cluster.master.address              // the slave has everything, and a message is answered SEND_OK
 *   await cluster.master.kill()
 *   await cluster.master.start()        // on the same store and ports
 *   await cluster.waitInSync()
 *   await cluster.close()
 *
 * Owns:      the processes, the folder. All brokers have the mode's flushDiskType.
 * Invariant: without a NameServer the slave knows only haMasterAddress: it has the log, not the master's tables.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { REQUEST, RemotingClient, request } from '../remoting/index.ts'
import {
  type BrokerConfigText,
  BrokerNode,
  PACKAGE,
  properties,
  READY_MS_MAX,
  READY_TOPIC,
  type System,
} from './broker-node.ts'
import { MEMBERS, memberConfig, waitForLeader, waitForTopic } from './group.ts'
import { freeBrokerPort } from './ports.ts'
import { isPair, type Mode } from './results.ts'
import { ServerProcess, until } from './server-process.ts'

export interface ClusterOptions {
  /** For everything; made, and removed by close(). */
  readonly folder: string
  readonly mode: Mode
  /** basalt unless said. */
  readonly system?: System
  readonly apacheVersion?: string
  /** Keys of all brokers, of the master, of the slave; they win over what the mode says. */
  readonly config?: BrokerConfigText
  readonly masterConfig?: BrokerConfigText
  readonly slaveConfig?: BrokerConfigText
  /** Of a group's members, by their number. */
  readonly memberConfig?: (index: number) => BrokerConfigText
  /** Of all brokers of ours; of a group's members, by their number, besides. */
  readonly env?: Readonly<Record<string, string>>
  readonly memberEnv?: (index: number) => Readonly<Record<string, string>>
  /** A NameServer of ours that both register with: then the slave gets the master's tables, and clients find both. A group has one. */
  readonly namesrv?: boolean
  /**
   * The way to the master's port for slaves: what the slave connects to instead (a delaying proxy). Of a group the way of each member
   * to the port of each other one, by their numbers.
   */
  readonly link?: (haAddress: string, from: number, to: number) => Promise<string>
  /** Ends what runs, also while it starts. */
  readonly signal?: AbortSignal
}

export const APACHE_DEFAULT = '4.9.7'
const OK = 0

export class Cluster {
  readonly mode: Mode
  readonly system: System
  readonly folder: string
  /** In a pair the master first. */
  readonly nodes: readonly BrokerNode[]
  /** "host:port" */
  readonly namesrv: string | undefined
  private readonly options: ClusterOptions
  private readonly client: RemotingClient
  private leader: BrokerNode
  /** Of a group: from the start of its processes until its leader acknowledged. */
  readyMs = 0
  private namesrvProcess: ServerProcess | undefined

  private constructor(options: ClusterOptions, client: RemotingClient, ports: Ports, links: Links) {
    this.options = options
    this.client = client
    this.mode = options.mode
    this.system = options.system ?? 'basalt'
    this.folder = options.folder
    this.namesrv = ports.namesrv === undefined ? undefined : `127.0.0.1:${ports.namesrv}`
    this.nodes = options.mode.replication === 'DLEDGER' ? this.members(ports, links) : this.pair(ports, links)
    this.leader = this.nodes[0]
  }

  /** Everything runs and the slave is in sync; or it throws with the log's tail, and nothing is left running. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    rmSync(options.folder, { recursive: true, force: true })
    mkdirSync(options.folder, { recursive: true })
    const { replication } = options.mode
    // RocketMQ 5.3's slave forgets haMasterAddress before it connects, and with it believes no NameServer: it must not be set.
    const mustBeTold = isPair(options.mode) && isFive(options) && options.namesrv !== true
    const count = replication === 'DLEDGER' ? MEMBERS : replication === 'none' ? 1 : 2
    const [namesrv, ...brokers] = await freePorts(1 + count)
    const needsNames = options.namesrv === true || mustBeTold || replication === 'DLEDGER'
    const ports: Ports = { brokers, namesrv: needsNames ? namesrv : undefined }
    const links = await linksBetween(options, brokers)
    const cluster = new Cluster(options, new RemotingClient(), ports, links)
    const kill = () => {
      for (const node of cluster.nodes) if (node.isRunning) node.process.signal('SIGKILL')
    }
    options.signal?.addEventListener('abort', kill, { once: true })
    try {
      options.signal?.throwIfAborted()
      if (ports.namesrv !== undefined) await cluster.startNamesrv(ports.namesrv)
      if (replication === 'DLEDGER') await cluster.startMembers()
      else await cluster.master.start()
      if (mustBeTold) await cluster.tellOfMaster(links(1, 0))
      if (isPair(options.mode)) await cluster.slave?.start()
      await cluster.waitInSync()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    } finally {
      options.signal?.removeEventListener('abort', kill)
    }
  }

  /** Of a group: who led when that was last found out (waitInSync, findLeader). */
  get master(): BrokerNode {
    return this.leader
  }

  /** Of a group: any other member. */
  get slave(): BrokerNode | undefined {
    return this.slaves[0]
  }

  get slaves(): readonly BrokerNode[] {
    return this.nodes.filter((node) => node !== this.leader)
  }

  /** Of a group, of those that run: whoever acknowledges. */
  async findLeader(timeoutMs = READY_MS_MAX): Promise<BrokerNode> {
    if (this.mode.replication === 'DLEDGER') {
      this.leader = await waitForLeader([this.leader, ...this.slaves], timeoutMs)
    }
    return this.leader
  }

  /** Every broker knows it. */
  waitForTopic(topic: string, timeoutMs = READY_MS_MAX): Promise<void> {
    return waitForTopic(this.nodes, topic, this.client, timeoutMs)
  }

  /** Until a message is answered SEND_OK and all logs end where the master's does. Other senders must be quiet. */
  async waitInSync(timeoutMs = READY_MS_MAX): Promise<void> {
    await this.findLeader(timeoutMs)
    await until(() => this.isInSync(), timeoutMs, this.slave?.process ?? this.master.process, 20)
  }

  pause(): void {
    for (const node of this.nodes) node.pause()
  }

  resume(): void {
    for (const node of this.nodes) node.resume()
  }

  /** Clean stops, the slave first. */
  async stop(): Promise<void> {
    for (const node of this.nodes.toReversed()) if (node.isRunning) await node.stop()
  }

  /** kill -9 of everything, and the folder goes. */
  async close(): Promise<void> {
    await this.client.close()
    await Promise.all(this.nodes.map((node) => (node.isRunning ? node.kill() : undefined)))
    await this.namesrvProcess?.kill()
    await rm(this.options.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  private async startMembers(): Promise<void> {
    const began = performance.now()
    const starting = Promise.all(this.nodes.map((node) => node.start()))
    await Promise.all([starting, this.findLeader()])
    this.readyMs = performance.now() - began
  }

  private async isInSync(): Promise<boolean> {
    if ((await this.master.send(READY_TOPIC, 'in sync?')) !== OK) return false
    // What was sent a moment ago is on its way. Members of the original tell their log's end of what is committed, a second later.
    const looks = this.mode.replication === 'DLEDGER' ? LOOKS_GROUP : LOOKS
    for (let look = 0; look < looks; look += 1) {
      const [end, ...others] = await Promise.all([this.master, ...this.slaves].map((node) => node.logEnd()))
      if (others.every((other) => other === end)) return end > 0 || this.slaves.length === 0
      await new Promise((done) => setTimeout(done, LOOK_MS))
    }
    return false
  }

  private pair(ports: Ports, links: Links): BrokerNode[] {
    const { options } = this
    const { flush, replication } = options.mode
    const [port, slavePort] = ports.brokers
    const master = new BrokerNode({
      ...this.common(),
      role: 'master',
      namesrv: options.namesrv === true ? this.namesrv : undefined,
      folder: join(options.folder, 'master'),
      port,
      config: {
        flushDiskType: flush,
        brokerRole: replication === 'none' ? 'ASYNC_MASTER' : replication,
        // RocketMQ 5's SYNC_MASTER waits for nobody unless it is told for how many.
        ...(replication === 'SYNC_MASTER' && isFive(options) ? TWO_REPLICAS : {}),
        ...options.config,
        ...options.masterConfig,
      },
    })
    if (slavePort === undefined) return [master]
    const slave = new BrokerNode({
      ...this.common(),
      role: 'slave',
      namesrv: this.namesrv,
      folder: join(options.folder, 'slave'),
      port: slavePort,
      config: {
        flushDiskType: flush,
        ...(isFive(options) ? {} : { haMasterAddress: links(1, 0) }),
        ...options.config,
        ...options.slaveConfig,
      },
    })
    return [master, slave]
  }

  private members(ports: Ports, links: Links): BrokerNode[] {
    const { options, namesrv } = this
    return ports.brokers.map((port, index) => {
      const peers = ports.brokers.map((_, other) => links(index, other))
      const common = this.common()
      return new BrokerNode({
        ...common,
        ...{ role: 'member', name: `member n${index}`, namesrv, folder: join(options.folder, `n${index}`), port },
        env: { ...common.env, ...options.memberEnv?.(index) },
        config: {
          ...{ flushDiskType: options.mode.flush, ...memberConfig(index, peers) },
          ...{ ...options.config, ...options.memberConfig?.(index) },
        },
      })
    })
  }

  private common() {
    const { env = {}, apacheVersion = APACHE_DEFAULT } = this.options
    return { system: this.system, apacheVersion, client: this.client, env }
  }

  /** Says to the NameServer what the master would, but for the way to its port for slaves. */
  private async tellOfMaster(haServerAddr: string): Promise<void> {
    const { brokerName, brokerClusterName } = this.master.config
    const ext = {
      brokerName: String(brokerName),
      clusterName: String(brokerClusterName),
      brokerAddr: this.master.address,
      brokerId: '0',
      haServerAddr,
      heartbeatTimeoutMillis: String(TOLD_MS),
    }
    // The connection stays open: it is the sign of life.
    await this.client.invoke(this.namesrv!, request(REQUEST.REGISTER_BROKER, ext), 5000)
  }

  private async startNamesrv(port: number): Promise<void> {
    const folder = join(this.folder, 'namesrv')
    mkdirSync(folder, { recursive: true })
    const config = join(folder, 'namesrv.conf')
    writeFileSync(config, properties({ listenPort: port, kvConfigPath: join(folder, 'kvConfig.json') }))
    this.namesrvProcess = new ServerProcess({
      name: 'basaltmq NameServer',
      command: process.execPath,
      args: [join(PACKAGE, 'bin', 'basaltmq.js'), 'namesrv', '-c', config],
      cwd: folder,
      log: join(folder, 'namesrv.out'),
      env: { NAMESRV_ADDR: '' },
      ownGroup: true,
    })
    await this.namesrvProcess.listening(port)
  }
}

const TWO_REPLICAS = { inSyncReplicas: 2, totalReplicas: 2 }
const isFive = ({ system, apacheVersion = APACHE_DEFAULT }: ClusterOptions) =>
  system === 'apache' && !apacheVersion.startsWith('4.')

interface Ports {
  readonly brokers: readonly number[]
  readonly namesrv: number | undefined
}

/** Where `from` finds the port of `to` for other brokers. */
type Links = (from: number, to: number) => string

/** A slave's to its master, every member's to every other one. */
async function linksBetween(options: ClusterOptions, brokers: readonly number[]): Promise<Links> {
  const direct = (to: number) => `127.0.0.1:${brokers[to] + 1}`
  const longer = new Map<string, string>()
  for (let from = 0; from < brokers.length; from += 1) {
    for (let to = 0; to < brokers.length; to += 1) {
      if (from === to || options.link === undefined || (isPair(options.mode) && to !== 0)) continue
      longer.set(`${from} ${to}`, await options.link(direct(to), from, to))
    }
  }
  return (from, to) => longer.get(`${from} ${to}`) ?? direct(to)
}

const TOLD_MS = 24 * 3_600_000
/** A broker takes three ports around its own. */
const PORTS_A_BROKER = 4

async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = await freeBrokerPort()
    if (ports.every((other) => Math.abs(other - port) >= PORTS_A_BROKER)) ports.push(port)
  }
  return ports
}

const LOOKS = 20
const LOOKS_GROUP = 200
const LOOK_MS = 10
