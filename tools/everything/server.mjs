// @ts-check
/**
 * The broker of "everything at once": one process with its NameServer inside, killed and started again on the same store and ports,
 * and what an administrator does to its topics meanwhile.
 *
 * Owns: the process. Every administrative request is repeated until a broker that is up has answered it with success.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openCalls } from '../../bench/load/connection.mjs'
import { properties } from '../apache/apache.mjs'
import { freeBrokerPort, ServerProcess } from '../apache/process.mjs'

const COMMAND = join(resolve(dirname(fileURLToPath(import.meta.url)), '../..'), 'bin', 'basaltmq.js')
const UPDATE_TOPIC = 17
const DELETE_IN_BROKER = 215
const DELETE_IN_NAMESRV = 216
const ADMIN_MS_MAX = 60_000
/** 1 to 10 s for delayed messages; retries begin at the third. Segments, queue files and index files roll often. */
export const DELAY_LEVELS = '1s 2s 1s 2s 3s 3s 5s 5s 8s 10s 10s 10s 10s 10s 10s 10s 10s 10s'
const CONFIG = {
  brokerClusterName: 'DefaultCluster',
  brokerName: 'broker-a',
  brokerId: 0,
  nameServerInside: 'always',
  bindAddress: '127.0.0.1',
  brokerIP1: '127.0.0.1',
  autoCreateTopicEnable: false,
  enablePropertyFilter: true,
  messageDelayLevel: DELAY_LEVELS,
  transactionTimeOut: 3000,
  transactionCheckInterval: 2000,
  mappedFileSizeCommitLog: 16 << 20,
  mappedFileSizeConsumeQueue: 20 * 2000,
  maxHashSlotNum: 5000,
  maxIndexNum: 20_000,
  maxMessageSize: 1 << 20,
}

export class Server {
  /** @param {{folder: string, flushDiskType: string, port: number, namesrvPort: number}} options */
  constructor(options) {
    this.options = options
    this.address = `127.0.0.1:${options.port}`
    this.namesrv = `127.0.0.1:${options.namesrvPort}`
    /** @type {{from: number, to: number}[]} */
    this.outages = []
    /** @type {string[]} ends that nobody asked for */
    this.unasked = []
    /** @type {ServerProcess | undefined} */
    this.process = undefined
    this.starts = 0
  }

  async start() {
    const { folder, port, namesrvPort, flushDiskType } = this.options
    const config = join(folder, 'broker.conf')
    const store = join(folder, 'store')
    const ports = { listenPort: port, haListenPort: port + 1, nameServerInsidePort: namesrvPort }
    const paths = { storePathRootDir: store, storePathCommitLog: join(store, 'commitlog') }
    mkdirSync(folder, { recursive: true })
    writeFileSync(config, properties({ ...CONFIG, ...ports, ...paths, flushDiskType }))
    this.starts += 1
    const server = new ServerProcess({
      name: `Basalt broker, start ${this.starts}`,
      command: process.execPath,
      args: [COMMAND, 'broker', '-c', config],
      cwd: folder,
      log: join(folder, 'broker.out'),
    })
    this.process = server
    await server.says('Ctrl-C stops')
    void server.exit.then((status) => {
      if (this.process === server)
        this.unasked.push(`${server.name} ended by itself, status ${status}:\n${server.tail()}`)
    })
  }

  /** kill -9, a while of nothing, and a new start. @param {number} downMs */
  async killAndStart(downMs) {
    const from = Date.now()
    const server = this.process
    this.process = undefined
    await server?.kill()
    await sleep(downMs)
    await this.start()
    this.outages.push({ from, to: Date.now() })
  }

  /** A clean stop; what is wrong with it, if anything. */
  async stop() {
    const server = this.process
    this.process = undefined
    if (server === undefined) return 'it does not run'
    const isClean = await server.stop()
    return isClean && server.status === 0
      ? undefined
      : `the last stop was not clean: ${server.status}\n${server.tail()}`
  }

  async kill() {
    const server = this.process
    this.process = undefined
    await server?.kill()
  }

  /** @param {string} topic @param {{read: number, write: number}} queues */
  setQueues(topic, queues) {
    return this.#insist(this.address, UPDATE_TOPIC, {
      ...{ topic, readQueueNums: String(queues.read), writeQueueNums: String(queues.write) },
      ...{ perm: '6', topicFilterType: 'SINGLE_TAG', defaultTopic: 'TBW102', topicSysFlag: '0', order: 'false' },
    })
  }

  /** @param {string} topic */
  async deleteTopic(topic) {
    await this.#insist(this.address, DELETE_IN_BROKER, { topic })
    await this.#insist(this.namesrv, DELETE_IN_NAMESRV, { topic })
  }

  /**
   * @param {string} address
   * @param {number} code
   * @param {Record<string, string>} header
   */
  async #insist(address, code, header) {
    const end = performance.now() + ADMIN_MS_MAX
    for (let last = ''; performance.now() < end; await sleep(100)) {
      try {
        const calls = await openCalls(address)
        try {
          const answer = await calls.call(code, header, undefined, 3000)
          if (answer.header.code === 0) return
          last = `${answer.header.code} ${answer.header.remark}`
        } finally {
          calls.close()
        }
      } catch (error) {
        last = String(error)
      }
      if (performance.now() + 100 > end)
        throw new Error(`request ${code} ${JSON.stringify(header)} was never done: ${last}`)
    }
  }
}

/** @param {{folder: string, flushDiskType: string}} options */
export async function startServer(options) {
  const port = await freeBrokerPort()
  let namesrvPort = await freeBrokerPort()
  while (Math.abs(namesrvPort - port) < 5) namesrvPort = await freeBrokerPort()
  const server = new Server({ ...options, port, namesrvPort })
  await server.start()
  return server
}
