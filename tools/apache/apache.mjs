// @ts-check
/**
 * Starts and stops Apache's NameServer and broker, as oracle and opponent.
 *
 *     const namesrv = await startApacheNamesrv({ version: '4.9.7', port: 19876, folder })
 *     const broker = await startApacheBroker({ version: '4.9.7', folder, port: 21911, namesrv: namesrv.address, config: { flushDiskType: 'SYNC_FLUSH' } })
 *     await broker.stop()      // or .kill()
 *
 * Owns:      the processes and, in `folder`, a home (logback configuration), logs and (unless configured) the store.
 * Invariant: nothing is written outside `folder`: user.home points into it, because Apache logs to ~/logs.
 * Ports:     a broker takes port (main), port - 2 (VIP) and port + 1 (HA).
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolveApache } from './fetch.mjs'
import { freeBrokerPort, ServerProcess } from './process.mjs'

const HEAP = ['-Xms256m', '-Xmx512m', '-XX:MaxDirectMemorySize=512m']
const NAMESRV_HEAP = ['-Xms64m', '-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
// 4.9 unmaps its files through JDK internals, which Java 9 and later keep closed.
const OPENED = ['java.nio', 'sun.nio.ch', 'java.lang', 'java.util', 'jdk.internal.ref', 'jdk.internal.misc']
const LOGBACKS = [
  'logback_broker.xml',
  'logback_namesrv.xml',
  'logback_tools.xml',
  'rmq.broker.logback.xml',
  'rmq.namesrv.logback.xml',
  'rmq.tools.logback.xml',
  'rmq.client.logback.xml',
]

/**
 * @typedef {ServerProcess & {version: string, address: string, port: number}} ApacheServer
 */

/** Thrown when the jars cannot be had: callers that can go on without skip loudly. */
export class ApacheUnavailable extends Error {
  /** @param {string} version @param {string} reason */
  constructor(version, reason) {
    super(`Apache RocketMQ ${version} is unavailable: ${reason}`)
    this.code = 'APACHE_UNAVAILABLE'
  }
}

/**
 * The jars, or ApacheUnavailable.
 * @param {string} version
 */
export function apacheJars(version) {
  const jars = resolveApache(version)
  if (!jars.available) throw new ApacheUnavailable(version, jars.reason)
  return jars
}

/**
 * The java arguments that every Apache program gets: class path, opened packages, a home inside `folder`.
 * @param {import('./fetch.mjs').ApacheJars} jars
 * @param {string} folder
 * @param {string[]} [classes] folders to put before the jars
 */
export function javaArguments(jars, folder, classes = []) {
  const home = join(folder, 'home')
  mkdirSync(join(home, 'conf'), { recursive: true })
  mkdirSync(join(folder, 'logs'), { recursive: true })
  for (const name of LOGBACKS) writeFileSync(join(home, 'conf', name), logback(join(folder, 'logs', `${name}.log`)))
  const opened = jars.java < 9 ? [] : OPENED.flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`])
  return [
    ...opened,
    '-XX:-UsePerfData',
    `-Duser.home=${folder}`,
    `-Drocketmq.home.dir=${home}`,
    `-Drocketmq.client.logRoot=${join(folder, 'logs')}`,
    `-Drmq.logback.configurationFile=${join(home, 'conf', 'rmq.broker.logback.xml')}`,
    '-cp',
    [...classes, jars.classpath].join(':'),
  ]
}

/** @param {string} file */
function logback(file) {
  return `<configuration>
<appender name="F" class="ch.qos.logback.core.FileAppender"><file>${file}</file><append>true</append>
<encoder><pattern>%d{HH:mm:ss.SSS} %p %t - %m%n</pattern></encoder></appender>
<root level="\${basalt.apache.log:-WARN}"><appender-ref ref="F"/></root></configuration>
`
}

/**
 * @param {{version: string, folder: string, port?: number, heap?: string[], java?: string[],
 *          config?: Record<string, string | number | boolean>}} options config: RocketMQ's keys, they win
 * @returns {Promise<ApacheServer>} ready to take requests
 */
export async function startApacheNamesrv(options) {
  const jars = apacheJars(options.version)
  mkdirSync(options.folder, { recursive: true })
  const port = options.port ?? (await freeBrokerPort())
  const config = join(options.folder, 'namesrv.conf')
  const kvConfigPath = join(options.folder, 'kvConfig.json')
  writeFileSync(config, properties({ listenPort: port, kvConfigPath, ...options.config }))
  const args = [...(options.heap ?? NAMESRV_HEAP), ...(options.java ?? []), ...javaArguments(jars, options.folder)]
  const server = new ServerProcess({
    name: `Apache NameServer ${options.version}`,
    command: 'java',
    args: [...args, 'org.apache.rocketmq.namesrv.NamesrvStartup', '-c', config],
    cwd: options.folder,
    log: join(options.folder, 'namesrv.out'),
  })
  await server.says('boot success')
  return Object.assign(server, { version: options.version, port, address: `127.0.0.1:${port}` })
}

/**
 * @param {{version: string, folder: string, port?: number, store?: string, namesrv?: string, name?: string, cluster?: string,
 *          config?: Record<string, string | number | boolean>, heap?: string[], java?: string[], wait?: boolean,
 *          ownGroup?: boolean}} options
 *   store: the store's root (default folder/store). config: RocketMQ's keys, they win. wait: false returns at once.
 *   ownGroup: out of reach of a Ctrl-C at the terminal.
 * @returns {Promise<ApacheServer & {store: string, vipPort: number, haPort: number}>}
 */
export async function startApacheBroker(options) {
  const jars = apacheJars(options.version)
  mkdirSync(options.folder, { recursive: true })
  const port = options.port ?? (await freeBrokerPort())
  const store = options.store ?? join(options.folder, 'store')
  const config = join(options.folder, 'broker.conf')
  writeFileSync(
    config,
    properties({
      brokerClusterName: options.cluster ?? 'DefaultCluster',
      brokerName: options.name ?? 'broker-a',
      brokerId: 0,
      brokerRole: 'ASYNC_MASTER',
      flushDiskType: 'ASYNC_FLUSH',
      ...(options.namesrv === undefined ? {} : { namesrvAddr: options.namesrv }),
      brokerIP1: '127.0.0.1',
      brokerIP2: '127.0.0.1',
      listenPort: port,
      haListenPort: port + 1,
      storePathRootDir: store,
      storePathCommitLog: join(store, 'commitlog'),
      autoCreateTopicEnable: true,
      ...options.config,
    }),
  )
  const args = [...(options.heap ?? HEAP), ...(options.java ?? []), ...javaArguments(jars, options.folder)]
  const server = new ServerProcess({
    name: `Apache broker ${options.version}`,
    command: 'java',
    args: [...args, 'org.apache.rocketmq.broker.BrokerStartup', '-c', config],
    cwd: options.folder,
    log: join(options.folder, 'broker.out'),
    ownGroup: options.ownGroup === true,
  })
  // Its ports open before it has started all its parts: a stop in that moment fails.
  if (options.wait !== false) await server.says('boot success')
  return Object.assign(server, {
    version: options.version,
    port,
    address: `127.0.0.1:${port}`,
    store,
    vipPort: port - 2,
    haPort: port + 1,
  })
}

/** @param {Record<string, string | number | boolean>} values */
export function properties(values) {
  return `${Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`
}
