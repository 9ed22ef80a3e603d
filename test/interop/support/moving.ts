/**
 * A broker of either make as an operator runs it: a process with a properties file, started, stopped and started again with another
 * role on the same store and port; and a NameServer that outlives all of them.
 */
import { join } from 'node:path'
import { createTopic } from '../../../bench/load/drain.mjs'
import { startApacheBroker } from '../../../tools/apache/apache.mjs'
import { mqadmin } from '../../../tools/apache/java.mjs'
import { freeBrokerPort, type ServerProcess, until } from '../../../tools/apache/process.mjs'
import { logBytes, logStart } from '../../ha/support.ts'
import { TestClient } from '../../support/client.ts'
import {
  APACHE_JAVA,
  APACHE_PATIENCE,
  type Config,
  isRouted,
  type Kind,
  ORACLE,
  registerAgain,
  type Scratch,
  SMALL_FILES,
  startOurs,
} from './systems.ts'

const RUNTIME_INFO = 28
const TOPICS = 21
const LOG_FILE = Number(SMALL_FILES.mappedFileSizeCommitLog)

export type Role = 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE'

/** A place for a broker: store and port stay, make and role change. */
export class Place {
  readonly store: string
  readonly port: number
  readonly #scratch: Scratch
  readonly #namesrv: string
  #process: ServerProcess | undefined
  #client: TestClient | undefined

  constructor(scratch: Scratch, namesrv: string, port: number, name: string) {
    this.#scratch = scratch
    this.#namesrv = namesrv
    this.port = port
    this.store = scratch.sub(`store-${name}`)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get client(): TestClient {
    this.#client ??= new TestClient(this.address)
    return this.#client
  }

  async start(kind: Kind, role: Role, config: Config = {}): Promise<void> {
    const folder = this.#scratch.sub(`${kind}-${role}`)
    const values = { ...SMALL_FILES, ...config, brokerRole: role, brokerId: role === 'SLAVE' ? 1 : 0 }
    const { port, store } = this
    if (kind === 'apache') {
      const apache = { ...APACHE_PATIENCE, ...values }
      const options = {
        version: ORACLE,
        folder,
        java: APACHE_JAVA,
        port,
        store,
        namesrv: this.#namesrv,
        config: apache,
      }
      this.#process = await startApacheBroker(options)
      await registerAgain(this.address)
    } else {
      this.#process = startOurs('broker', folder, {
        brokerClusterName: 'DefaultCluster',
        brokerName: 'broker-a',
        namesrvAddr: this.#namesrv,
        brokerIP1: '127.0.0.1',
        listenPort: port,
        storePathRootDir: store,
        storePathCommitLog: join(store, 'commitlog'),
        ...values,
      })
      await this.#process.listening(port)
    }
  }

  /** A clean stop; true when it went by itself. */
  async stop(): Promise<boolean> {
    await this.#client?.close()
    this.#client = undefined
    return (await this.#process?.stop()) ?? true
  }

  async kill(): Promise<void> {
    await this.#client?.close()
    this.#client = undefined
    await this.#process?.kill()
  }

  /** Where its log ends. */
  async logEnd(): Promise<number> {
    return Number((await this.runtime()).commitLogMaxOffset ?? -1)
  }

  /** Empty while a Java broker answers 28 with an error: until all its counters are there. */
  async runtime(): Promise<Record<string, string>> {
    const { body } = await this.client.invoke(RUNTIME_INFO)
    if (body === undefined) return {}
    return (JSON.parse(Buffer.from(body).toString()) as { table: Record<string, string> }).table
  }

  /** Creates it and waits until clients find it. */
  async createTopic(topic: string): Promise<void> {
    await createTopic(this.address, topic, 4)
    await until(() => isRouted(this.#namesrv, topic, this.address), 60_000, this.#process, 50)
  }

  async hasTopic(topic: string): Promise<boolean> {
    const { body } = await this.client.invoke(TOPICS)
    return body !== undefined && Buffer.from(body).includes(`"${topic}"`)
  }

  log(): string {
    return this.#process?.tail(25) ?? ''
  }
}

/** The slave has all that its master has, and the master gets nothing new any more. Returns where both end. */
export async function standStill(master: Place, slave: Place): Promise<number> {
  let end = -1
  let since = 0
  const isStill = async () => {
    const [here, there] = [await master.logEnd(), await slave.logEnd()]
    if (here !== there || here !== end) {
      end = here
      since = performance.now()
    }
    return here === there && performance.now() - since > 1500
  }
  await until(isStill, 60_000, undefined, 100)
  return end
}

/** Whether both logs hold the same bytes from where the later one begins, up to `to`. */
export function sameBytes(one: Place, other: Place, to: number): { from: number; equal: boolean } {
  const from = Math.max(logStart(one.store, LOG_FILE), logStart(other.store, LOG_FILE))
  const [here, there] = [one, other].map(({ store }) => logBytes(store, from, to, LOG_FILE))
  return { from, equal: here.length === to - from && here.equals(there) }
}

/** mqadmin as the guide has it. */
export async function admin(scratch: Scratch, namesrv: string, ...commands: string[][]): Promise<string[]> {
  return await mqadmin({
    version: ORACLE,
    folder: scratch.sub('admin'),
    commands: commands.map(([name, ...rest]) => [name, '-n', namesrv, ...rest]),
  })
}

export async function startNames(scratch: Scratch): Promise<{ process: ServerProcess; address: string }> {
  const port = await freeBrokerPort()
  const folder = scratch.sub('namesrv')
  const process = startOurs('namesrv', folder, { listenPort: port, kvConfigPath: join(folder, 'kvConfig.json') })
  await process.listening(port)
  return { process, address: `127.0.0.1:${port}` }
}
