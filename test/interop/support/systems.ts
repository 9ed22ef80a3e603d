/**
 * A NameServer and a broker as processes of their own, ours or Apache's, behind one face: the same tests run on both.
 *
 * BASALT_INTEROP_BROKER=apache runs the whole suite on Apache's broker: it proves the tests, not us.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCalls } from '../../../bench/load/connection.mjs'
import { createTopic } from '../../../bench/load/drain.mjs'
import { properties, startApacheBroker, startApacheNamesrv } from '../../../tools/apache/apache.mjs'
import { resolveApache } from '../../../tools/apache/fetch.mjs'
import { freeBrokerPort, ServerProcess, until } from '../../../tools/apache/process.mjs'

export type Kind = 'basalt' | 'apache'
export type Config = Record<string, string | number | boolean>

export const KIND: Kind = process.env.BASALT_INTEROP_BROKER === 'apache' ? 'apache' : 'basalt'
export const CLIENTS = ['4.9.7', '5.3.3'] as const
/** The 4.9 that is complete at Maven Central; store and wire are those of 4.9.8. */
export const ORACLE = '4.9.7'

/** Small files, so that every test crosses segment, queue file and index file borders. */
export const SMALL_FILES: Config = {
  mappedFileSizeCommitLog: 1 << 20,
  mappedFileSizeConsumeQueue: 20 * 300,
  maxHashSlotNum: 500,
  maxIndexNum: 2000,
  maxMessageSize: 256 << 10,
}

const project = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const COMMAND = join(project, 'bin', 'basaltmq.js')
/**
 * Of an Apache broker that lives for seconds on a machine that others use too: the second compiler would only take the cores from
 * the test, and requests wait for a core without being turned away as "broker busy".
 */
export const APACHE_JAVA = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
export const APACHE_PATIENCE: Config = { waitTimeMillsInSendQueue: 10_000, osPageCacheBusyTimeOutMills: 10_000 }

const READY_MS_MAX = 60_000
/** After that one of Apache's is asked for it. */
const REGISTERED_MS_MAX = 300
const UPDATE_BROKER_CONFIG = 25
const ROUTE = 105

/** True when these versions can be had; else one loud line says why the tests are skipped. */
export function apacheIsThere(...versions: string[]): boolean {
  for (const version of versions) {
    const jars = resolveApache(version)
    if (!jars.available) {
      console.error(`\n*** INTEROP TESTS SKIPPED: Apache RocketMQ ${version} cannot be had: ${jars.reason} ***\n`)
      return false
    }
  }
  return true
}

/** A folder that goes away with the test. */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), 'basalt-interop-'))
  #count = 0

  sub(name: string): string {
    const folder = join(this.folder, `${++this.#count}-${name}`)
    mkdirSync(folder, { recursive: true })
    return folder
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export interface SystemOptions {
  scratch: Scratch
  kind?: Kind
  /** Of Apache's broker, where it is one. */
  version?: string
  store?: string
  /** A store names its broker's port in every record: whoever takes it over listens there, so that ids find it. */
  port?: number
  config?: Config
  /** Of the NameServer. */
  namesrvConfig?: Config
  /** Of Apache's broker, beside what every one gets: "-Dtls.server.mode=enforcing". */
  java?: readonly string[]
  /** Text of plain_acl.yml; then the broker checks it (aclEnable). */
  acl?: string
}

/** One NameServer, one broker. The broker can be stopped, killed and started again on the same store and ports. */
export class System {
  readonly namesrv: string
  readonly store: string
  readonly port: number
  /** plain_acl.yml, where there is one. */
  aclFile = ''
  readonly #options: SystemOptions
  readonly #namesrvProcess: ServerProcess
  #broker: ServerProcess | undefined

  constructor(options: SystemOptions, namesrvProcess: ServerProcess, namesrvPort: number, port: number) {
    this.#options = options
    this.#namesrvProcess = namesrvProcess
    this.namesrv = `127.0.0.1:${namesrvPort}`
    this.port = port
    this.store = options.store ?? options.scratch.sub('store')
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Starts the broker and waits until the NameServer knows it. */
  async start(): Promise<void> {
    const { scratch, version, java } = this.#options
    const kind = this.#options.kind ?? KIND
    const folder = scratch.sub(`${kind}-broker`)
    const config = this.#configIn(folder, kind)
    if (kind === 'apache') {
      this.#broker = await startApacheBroker({
        version: version ?? ORACLE,
        folder,
        java: [...APACHE_JAVA, ...(java ?? [])],
        port: this.port,
        store: this.store,
        namesrv: this.namesrv,
        config: { ...APACHE_PATIENCE, ...config },
      })
    } else {
      this.#broker = startOurs('broker', folder, {
        brokerClusterName: 'DefaultCluster',
        brokerName: 'broker-a',
        brokerId: 0,
        namesrvAddr: this.namesrv,
        brokerIP1: '127.0.0.1',
        listenPort: this.port,
        haListenPort: this.port + 1,
        storePathRootDir: this.store,
        storePathCommitLog: join(this.store, 'commitlog'),
        ...config,
      })
    }
    const began = performance.now()
    let isAsked = kind === 'basalt'
    await until(
      async () => {
        if (await isRouted(this.namesrv, 'TBW102', this.address)) return true
        if (!isAsked && performance.now() - began > REGISTERED_MS_MAX) {
          isAsked = true
          await registerAgain(this.address, config.brokerPermission)
        }
        return false
      },
      READY_MS_MAX,
      this.#broker,
      50,
    )
  }

  /** Where each kind looks for its rules. */
  #configIn(folder: string, kind: Kind): Config {
    const { config = {}, acl } = this.#options
    if (acl === undefined) return config
    const conf = join(folder, 'home', 'conf')
    mkdirSync(conf, { recursive: true })
    this.aclFile = join(conf, 'plain_acl.yml')
    writeFileSync(this.aclFile, acl)
    return { ...config, aclEnable: true, ...(kind === 'basalt' && { aclConfigPath: conf }) }
  }

  /** Creates a topic and waits until clients can find it. */
  async createTopic(topic: string, queues = 4): Promise<void> {
    await createTopic(this.address, topic, queues)
    await until(() => isRouted(this.namesrv, topic, this.address), READY_MS_MAX, this.#broker, 50)
  }

  /** A clean stop; true when it went by itself. */
  async stop(): Promise<boolean> {
    return (await this.#broker?.stop()) ?? true
  }

  async kill(): Promise<void> {
    await this.#broker?.kill()
  }

  /** What the broker said, for a failed test. */
  log(): string {
    return this.#broker?.tail(40) ?? ''
  }

  async close(): Promise<void> {
    await this.kill()
    await this.#namesrvProcess.kill()
  }
}

export async function startSystem(options: SystemOptions): Promise<System> {
  const folder = options.scratch.sub('namesrv')
  const namesrvPort = await freeBrokerPort()
  // Apache's brokers are at home with ours, too (namesrv-cluster.test.ts), and it starts sooner.
  const namesrv =
    KIND === 'apache' && options.kind !== 'basalt'
      ? await startApacheNamesrv({ version: options.version ?? ORACLE, folder, port: namesrvPort })
      : startOurs('namesrv', folder, {
          listenPort: namesrvPort,
          kvConfigPath: join(folder, 'kvConfig.json'),
          ...options.namesrvConfig,
        })
  await namesrv.listening(namesrvPort)
  const system = new System(options, namesrv, namesrvPort, options.port ?? (await freeBrokerPort()))
  try {
    await system.start()
  } catch (error) {
    await system.close()
    throw error
  }
  return system
}

export function startOurs(command: 'broker' | 'namesrv', folder: string, values: Config): ServerProcess {
  const config = join(folder, `${command}.conf`)
  writeFileSync(config, properties(values))
  return new ServerProcess({
    name: `Basalt ${command}`,
    command: process.execPath,
    args: [COMMAND, command, '-c', config],
    cwd: folder,
    log: join(folder, `${command}.out`),
  })
}

/**
 * Makes an Apache broker register now: it does when its permission is set, to the same as well. The first registration of 5.3 fails
 * where it has not tried its connection to the NameServer before; the next one would come after ten seconds.
 */
export async function registerAgain(broker: string, permission: Config[string] = 6): Promise<void> {
  try {
    const calls = await openCalls(broker)
    try {
      await calls.call(UPDATE_BROKER_CONFIG, {}, Buffer.from(`brokerPermission=${permission}\n`), 2000)
    } finally {
      calls.close()
    }
  } catch {
    // Its own time will come.
  }
}

/** Does the NameServer route the topic (TBW102: every broker has it) to this broker, and does that one accept? */
export async function isRouted(namesrv: string, topic: string, broker: string): Promise<boolean> {
  try {
    const names = await openCalls(namesrv)
    try {
      const { header, body } = await names.call(ROUTE, { topic }, undefined, 2000)
      if (header.code !== 0 || !body.toString().includes(broker)) return false
    } finally {
      names.close()
    }
    const calls = await openCalls(broker)
    calls.close()
    return true
  } catch {
    return false
  }
}
