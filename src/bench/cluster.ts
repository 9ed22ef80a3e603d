/**
 * A master, where the mode has one a slave, and where asked for a NameServer: real processes on a fresh folder.
 *
 *   const cluster = await Cluster.start({ folder, mode: { flush: 'SYNC_FLUSH', replication: 'SYNC_MASTER' } })
 *   cluster.master.address              // the slave has everything, and a message is answered SEND_OK
 *   await cluster.master.kill()
 *   await cluster.master.start()        // on the same store and ports
 *   await cluster.waitInSync()
 *   await cluster.close()
 *
 * Owns:      the processes, the folder. Both brokers have the mode's flushDiskType.
 * Invariant: without a NameServer the slave knows only haMasterAddress: it has the log, not the master's tables.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RemotingClient } from '../remoting/index.ts'
import {
  type BrokerConfigText,
  BrokerNode,
  type BrokerNodeOptions,
  PACKAGE,
  properties,
  READY_MS_MAX,
  READY_TOPIC,
  type System,
} from './broker-node.ts'
import { freeBrokerPort } from './ports.ts'
import type { Mode } from './results.ts'
import { ServerProcess, until } from './server-process.ts'

export interface ClusterOptions {
  /** For everything; made, and removed by close(). */
  readonly folder: string
  readonly mode: Mode
  /** basalt unless said. */
  readonly system?: System
  readonly apacheVersion?: string
  /** Keys of both brokers, of the master, of the slave; they win over what the mode says. */
  readonly config?: BrokerConfigText
  readonly masterConfig?: BrokerConfigText
  readonly slaveConfig?: BrokerConfigText
  /** Of both brokers of ours. */
  readonly env?: Readonly<Record<string, string>>
  /** A NameServer of ours that both register with: then the slave gets the master's tables, and clients find both. */
  readonly namesrv?: boolean
  /** The way to the master's port for slaves: what the slave connects to instead (a delaying proxy). */
  readonly link?: (haAddress: string) => Promise<string>
  /** Ends what runs, also while it starts. */
  readonly signal?: AbortSignal
}

export const APACHE_DEFAULT = '4.9.7'
const OK = 0

export class Cluster {
  readonly mode: Mode
  readonly system: System
  readonly folder: string
  readonly master: BrokerNode
  readonly slave: BrokerNode | undefined
  /** "host:port" */
  readonly namesrv: string | undefined
  private readonly options: ClusterOptions
  private readonly client: RemotingClient
  private namesrvProcess: ServerProcess | undefined

  private constructor(options: ClusterOptions, client: RemotingClient, ports: Ports, haAddress: string) {
    this.options = options
    this.client = client
    this.mode = options.mode
    this.system = options.system ?? 'basalt'
    this.folder = options.folder
    this.namesrv = ports.namesrv === undefined ? undefined : `127.0.0.1:${ports.namesrv}`
    const { flush, replication } = options.mode
    const common = {
      system: this.system,
      apacheVersion: options.apacheVersion ?? APACHE_DEFAULT,
      namesrv: this.namesrv,
      client,
      ...(options.env === undefined ? {} : { env: options.env }),
    } satisfies Partial<BrokerNodeOptions>
    this.master = new BrokerNode({
      ...common,
      role: 'master',
      folder: join(options.folder, 'master'),
      port: ports.master,
      config: {
        flushDiskType: flush,
        brokerRole: replication === 'none' ? 'ASYNC_MASTER' : replication,
        // RocketMQ 5's SYNC_MASTER waits for nobody unless it is told for how many.
        ...(replication === 'SYNC_MASTER' && isFive(this.system, common.apacheVersion) ? TWO_REPLICAS : {}),
        ...options.config,
        ...options.masterConfig,
      },
    })
    if (ports.slave === undefined) return
    this.slave = new BrokerNode({
      ...common,
      role: 'slave',
      folder: join(options.folder, 'slave'),
      port: ports.slave,
      config: { flushDiskType: flush, haMasterAddress: haAddress, ...options.config, ...options.slaveConfig },
    })
  }

  /** Everything runs and the slave is in sync; or it throws with the log's tail, and nothing is left running. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    rmSync(options.folder, { recursive: true, force: true })
    mkdirSync(options.folder, { recursive: true })
    const ports: Ports = {
      master: await freeBrokerPort(),
      slave: options.mode.replication === 'none' ? undefined : await freeBrokerPort(),
      namesrv: options.namesrv === true ? await freeBrokerPort() : undefined,
    }
    const client = new RemotingClient()
    const direct = `127.0.0.1:${ports.master + 1}`
    const haAddress = ports.slave === undefined ? direct : ((await options.link?.(direct)) ?? direct)
    const cluster = new Cluster(options, client, ports, haAddress)
    const kill = () => {
      for (const node of cluster.nodes) if (node.isRunning) node.process.signal('SIGKILL')
    }
    options.signal?.addEventListener('abort', kill, { once: true })
    try {
      options.signal?.throwIfAborted()
      if (ports.namesrv !== undefined) await cluster.startNamesrv(ports.namesrv)
      await cluster.master.start()
      await cluster.slave?.start()
      await cluster.waitInSync()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    } finally {
      options.signal?.removeEventListener('abort', kill)
    }
  }

  get nodes(): readonly BrokerNode[] {
    return this.slave === undefined ? [this.master] : [this.master, this.slave]
  }

  /** Until a message is answered SEND_OK and the slave's log ends where the master's does. Other senders must be quiet. */
  async waitInSync(timeoutMs = READY_MS_MAX): Promise<void> {
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

  private async isInSync(): Promise<boolean> {
    if ((await this.master.send(READY_TOPIC, 'in sync?')) !== OK) return false
    if (this.slave === undefined) return true
    const end = await this.master.logEnd()
    // What was sent a moment ago is on its way.
    for (let look = 0; look < LOOKS; look += 1) {
      if ((await this.slave.logEnd()) === end) return end > 0
      await new Promise((done) => setTimeout(done, LOOK_MS))
    }
    return false
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
const isFive = (system: System, version: string) => system === 'apache' && !version.startsWith('4.')

interface Ports {
  readonly master: number
  readonly slave: number | undefined
  readonly namesrv: number | undefined
}

const LOOKS = 20
const LOOK_MS = 10
