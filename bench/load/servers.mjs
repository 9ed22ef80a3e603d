// @ts-check
/**
 * The servers under test behind one face: Apache's broker, ours, ours of another build, and the bare one, each on a fresh folder.
 *
 * `readyMs` is the time from the start of the process until the first message was acknowledged, tried every 10 ms.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { properties, startApacheBroker } from '../../tools/apache/apache.mjs'
import { resolveApache } from '../../tools/apache/fetch.mjs'
import { freeBrokerPort, ServerProcess, until } from '../../tools/apache/process.mjs'
import { openCalls } from './connection.mjs'
import { CODES } from './frames.mjs'

const project = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const READY_MS_MAX = 60_000

/**
 * @typedef {'apache' | 'basalt' | 'before' | 'bare'} Kind before: Basalt as built in another folder
 * @typedef {{kind: string, address: string, pid: number, readyMs: number, process: ServerProcess, folder: string}} Server
 * @typedef {{folder: string, config?: Record<string, string | number | boolean>}} StartOptions
 */

/**
 * The servers of a list ("basalt,apache") that can be had here; Apache's is left out loudly.
 * @param {string} list
 * @param {string} version of Apache
 * @returns {Kind[]}
 */
export function availableKinds(list, version) {
  const kinds = /** @type {Kind[]} */ (list.split(','))
  const jars = kinds.some((kind) => kind === 'apache') ? resolveApache(version) : undefined
  if (jars === undefined || jars.available) return kinds
  console.error(`*** Apache RocketMQ ${version} IS LEFT OUT: ${jars.reason} ***`)
  return kinds.filter((kind) => kind !== 'apache')
}

/**
 * @param {Kind} kind
 * @param {StartOptions & {version?: string, before?: string}} options before: the root of the other build
 * @returns {Promise<Server>}
 */
export async function startServer(kind, options) {
  mkdirSync(options.folder, { recursive: true })
  const port = await freeBrokerPort()
  const began = performance.now()
  const server = await start(kind, port, options)
  const address = `127.0.0.1:${port}`
  if (kind === 'bare') await server.listening(port)
  else await until(() => acknowledges(address), READY_MS_MAX, server)
  return { kind, address, pid: server.pid, readyMs: performance.now() - began, process: server, folder: options.folder }
}

/**
 * @param {Kind} kind
 * @param {number} port
 * @param {StartOptions & {version?: string, before?: string}} options
 * @returns {Promise<ServerProcess>}
 */
async function start(kind, port, options) {
  if (kind === 'apache') {
    // 1 GiB of heap: the default of its scripts (8 GiB) would only take longer to fill, less makes it collect more often.
    const heap = ['-Xms512m', '-Xmx1g', '-XX:MaxDirectMemorySize=1g']
    return startApacheBroker({
      version: options.version ?? '4.9.7',
      folder: options.folder,
      port,
      heap,
      wait: false,
      ...(options.config === undefined ? {} : { config: options.config }),
    })
  }
  if (kind === 'bare') {
    const args = [join(project, 'bench', 'bare-server.mjs'), '--port', String(port)]
    return new ServerProcess({
      name: 'bare server',
      command: process.execPath,
      args,
      cwd: options.folder,
      log: join(options.folder, 'bare.out'),
    })
  }
  return startBasalt({ ...options, port, root: kind === 'before' ? options.before : project })
}

/**
 * Our broker as a process of its own, by its command; returns before it is ready.
 * @param {StartOptions & {port: number, namesrv?: string, store?: string, root?: string}} options root: where it was built
 */
export async function startBasalt(options) {
  mkdirSync(options.folder, { recursive: true })
  const store = options.store ?? join(options.folder, 'store')
  const config = join(options.folder, 'broker.conf')
  const text = properties({
    brokerClusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    brokerId: 0,
    flushDiskType: 'ASYNC_FLUSH',
    // Without a NameServer unless one is named: so is Apache's broker here, and no port is taken.
    ...(options.namesrv === undefined ? { nameServerInside: 'never' } : { namesrvAddr: options.namesrv }),
    brokerIP1: '127.0.0.1',
    listenPort: options.port,
    haListenPort: options.port + 1,
    storePathRootDir: store,
    storePathCommitLog: join(store, 'commitlog'),
    autoCreateTopicEnable: true,
    ...options.config,
  })
  writeFileSync(config, text)
  return new ServerProcess({
    name: 'Basalt broker',
    command: process.execPath,
    args: [join(options.root ?? project, 'bin', 'basaltmq.js'), 'broker', '-c', config],
    cwd: options.folder,
    log: join(options.folder, 'broker.out'),
  })
}

/** Is a message to an auto-created topic acknowledged? */
async function acknowledges(/** @type {string} */ address) {
  /** @type {Awaited<ReturnType<typeof openCalls>> | undefined} */
  let calls
  try {
    calls = await openCalls(address)
    const fields = {
      a: 'bench-ready',
      b: 'BenchReady',
      c: 'TBW102',
      d: '4',
      e: '0',
      f: '0',
      g: String(Date.now()),
      h: '0',
      i: 'WAIT\u0001false',
      j: '0',
      k: 'false',
      m: 'false',
    }
    const { header } = await calls.call(CODES.send, fields, Buffer.from('ready?'), 1000)
    return header.code === 0
  } catch {
    return false
  } finally {
    calls?.close()
  }
}

/** What a result must say about where it was measured. */
export function machine() {
  return {
    date: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  }
}
