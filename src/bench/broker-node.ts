/**
 * One broker of a cluster under test, ours or Apache's, as a process of its own: it can be stopped, killed, frozen, and
 * started again on the same ports and store.
 *
 * Owns:      the process and its folder (broker.conf, broker.out, store/).
 * Ports:     port (clients), port - 2 (clients without pulls), port + 1 (slaves; members of a group).
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { REQUEST, type RemotingClient, request } from '../remoting/index.ts'
import { ServerProcess, until } from './server-process.ts'

export type BrokerConfigText = Readonly<Record<string, string | number | boolean>>
export type System = 'basalt' | 'apache'
/** member: of a group, which elects its master. */
export type Role = 'master' | 'slave' | 'member'

export interface BrokerNodeOptions {
  readonly system: System
  readonly role: Role
  /** Told where it is at fault; its role unless said. */
  readonly name?: string
  readonly folder: string
  readonly port: number
  readonly namesrv?: string | undefined
  /** RocketMQ's keys, and of ours ours; they win. */
  readonly config: BrokerConfigText
  /** Version of Apache's broker. */
  readonly apacheVersion: string
  readonly env?: Readonly<Record<string, string>>
  /** Shared by the cluster, which closes it. */
  readonly client: RemotingClient
}

/** The package's root, from src/bench and from dist/bench. */
export const PACKAGE = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
export const READY_MS_MAX = 60_000
const ANSWER_MS_MAX = 2000
/** The defaults of its scripts (8 GiB) would only take longer to fill; less makes it collect more often. */
const APACHE_HEAP = ['-Xms512m', '-Xmx1g', '-XX:MaxDirectMemorySize=1g']
/** Stored, or stored without what the mode promises: either way it serves. */
const STORED = new Set([0, 10, 11, 12])
export const READY_TOPIC = 'BenchReady'
/** A member's follow from who leads. */
const ROLE_KEYS: Readonly<Record<Role, BrokerConfigText>> = {
  master: { brokerId: 0, brokerRole: 'ASYNC_MASTER' },
  slave: { brokerId: 1, brokerRole: 'SLAVE' },
  member: {},
}

/** What of tools/apache/apache.mjs is used: it is no TypeScript, and is loaded only where Apache is asked for. */
interface ApacheTools {
  startApacheBroker(options: {
    version: string
    folder: string
    port: number
    store: string
    namesrv?: string
    heap: string[]
    wait: boolean
    ownGroup: boolean
    config: BrokerConfigText
  }): Promise<ServerProcess>
}

export class BrokerNode {
  readonly system: System
  readonly role: Role
  readonly name: string
  readonly folder: string
  readonly store: string
  readonly port: number
  /** Of clients, "host:port". */
  readonly address: string
  /** Of slaves, of the other members. */
  readonly haAddress: string
  readonly config: BrokerConfigText
  private readonly options: BrokerNodeOptions
  private current: ServerProcess | undefined

  constructor(options: BrokerNodeOptions) {
    this.options = options
    this.system = options.system
    this.role = options.role
    this.name = options.name ?? options.role
    this.folder = options.folder
    this.port = options.port
    this.store = join(options.folder, 'store')
    this.address = `127.0.0.1:${options.port}`
    this.haAddress = `127.0.0.1:${options.port + 1}`
    this.config = {
      brokerClusterName: 'DefaultCluster',
      brokerName: 'broker-a',
      ...ROLE_KEYS[options.role],
      ...options.config,
    }
  }

  /** Throws before the first start(). */
  get process(): ServerProcess {
    if (this.current === undefined) throw new Error(`the ${this.name} was not started`)
    return this.current
  }

  get isRunning(): boolean {
    return this.current !== undefined && !this.current.ended
  }

  /** Starts it and waits until it serves: a master takes messages, others say where their log ends. `env` beside that of the options. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.isRunning) throw new Error(`the ${this.name} runs already`)
    mkdirSync(this.folder, { recursive: true })
    this.current = this.system === 'basalt' ? this.spawnOurs(env) : await this.spawnApache()
    await until(() => this.serves(), READY_MS_MAX, this.current)
  }

  /** SIGTERM; true when it went by itself. */
  stop(timeoutMs?: number): Promise<boolean> {
    return this.process.stop(timeoutMs)
  }

  /** SIGKILL: what the page cache has is there at the next start. */
  kill(): Promise<void> {
    return this.process.kill()
  }

  /** SIGSTOP: it stands still, its connections stay. */
  pause(): void {
    this.process.signal('SIGSTOP')
  }

  resume(): void {
    this.process.signal('SIGCONT')
  }

  /** Its disk is gone. Not while it runs. */
  eraseStore(): void {
    if (this.isRunning) throw new Error(`the ${this.name} runs on ${this.store}`)
    rmSync(this.store, { recursive: true, force: true })
  }

  /** Its runtime table (request 28); undefined while it cannot tell. `ask`: what ours adds to it (STAGE_COUNTS_ASK). */
  async runtime(ask: Readonly<Record<string, string>> = {}): Promise<Readonly<Record<string, string>> | undefined> {
    try {
      const command = request(REQUEST.GET_BROKER_RUNTIME_INFO, ask)
      const { code, body } = await this.options.client.invoke(this.address, command, ANSWER_MS_MAX)
      // A Java broker answers with an error until all its counters are there.
      if (code !== 0 || body === undefined) return undefined
      return (JSON.parse(Buffer.from(body).toString()) as { table: Record<string, string> }).table
    } catch {
      return undefined
    }
  }

  /** End of its log; -1 while it cannot tell. */
  async logEnd(): Promise<number> {
    return Number((await this.runtime())?.commitLogMaxOffset ?? -1)
  }

  /** Sends one small message; the wire code of the answer, -1 without one. */
  async send(topic: string, body: string): Promise<number> {
    const ext = {
      a: 'bench-ready',
      b: topic,
      c: 'TBW102',
      d: '4',
      e: '0',
      f: '0',
      g: String(Date.now()),
      h: '0',
      i: 'WAIT\u0001true',
      j: '0',
      k: 'false',
      m: 'false',
    }
    try {
      const command = request(REQUEST.SEND_MESSAGE_V2, ext, Buffer.from(body))
      return (await this.options.client.invoke(this.address, command, 2 * ANSWER_MS_MAX)).code
    } catch {
      return -1
    }
  }

  private async serves(): Promise<boolean> {
    // Its ports open before it has started all its parts.
    if (this.system === 'apache' && !this.process.output().includes('boot success')) return false
    if (this.role !== 'master') return (await this.logEnd()) >= 0
    return STORED.has(await this.send(READY_TOPIC, 'ready?'))
  }

  private spawnOurs(env: Readonly<Record<string, string>>): ServerProcess {
    const { namesrv, port } = this.options
    const config = join(this.folder, 'broker.conf')
    writeFileSync(
      config,
      properties({
        ...(namesrv === undefined ? { nameServerInside: 'never' } : { namesrvAddr: namesrv }),
        brokerIP1: '127.0.0.1',
        listenPort: port,
        haListenPort: port + 1,
        storePathRootDir: this.store,
        storePathCommitLog: join(this.store, 'commitlog'),
        ...this.config,
      }),
    )
    return new ServerProcess({
      name: `basaltmq ${this.name}`,
      command: process.execPath,
      args: [join(PACKAGE, 'bin', 'basaltmq.js'), 'broker', '-c', config],
      cwd: this.folder,
      log: join(this.folder, 'broker.out'),
      // What the caller's shell exports for brokers of its own is not meant for these.
      env: { NAMESRV_ADDR: '', ...this.options.env, ...env },
      ownGroup: true,
    })
  }

  private async spawnApache(): Promise<ServerProcess> {
    const { apacheVersion, port, namesrv } = this.options
    const url = new URL('../../tools/apache/apache.mjs', import.meta.url).href
    const { startApacheBroker } = (await import(url)) as ApacheTools
    return startApacheBroker({
      version: apacheVersion,
      folder: this.folder,
      port,
      store: this.store,
      ...(namesrv === undefined ? {} : { namesrv }),
      heap: APACHE_HEAP,
      wait: false,
      ownGroup: true,
      config: this.config,
    })
  }
}

export function properties(values: BrokerConfigText): string {
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}\n`)
  return lines.join('')
}
