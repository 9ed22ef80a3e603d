// @ts-check
/** Groups of three members as processes, ours and the JVM's (dledger 0.3.1.2), and what they are asked. */
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runJava } from '../../tools/apache/java.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = resolve(HERE, '../..')
export const GROUP = 'g1'

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
      server.close(() => done(port))
    })
  })
}

/** CPU time of a process in ms. @param {number} pid */
function cpuMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return 0
  }
}

export class Group {
  /** @param {{ kind: 'basalt' | 'jvm', root?: string, fast?: boolean, flushBeforeAck?: boolean, node?: string[] }} options */
  constructor(options) {
    this.options = options
    this.folder = mkdtempSync(join(tmpdir(), 'basalt-bench-dledger-'))
    /** @type {Record<string, string>} */
    this.peers = {}
    /** What members of ours said. @type {{ at: number, text: string }[]} */
    this.said = []
    /** @type {Map<string, { pid: number, kill: () => Promise<void> }>} */
    this.running = new Map()
  }

  get peersText() {
    return Object.entries(this.peers)
      .map(([id, address]) => `${id}-${address}`)
      .join(';')
  }

  async start() {
    for (const id of ['n0', 'n1', 'n2']) this.peers[id] = `127.0.0.1:${await freePort()}`
    await Promise.all(Object.keys(this.peers).map((id) => this.startOne(id)))
  }

  /** @param {string} id */
  async startOne(id) {
    const storeBaseDir = join(this.folder, id)
    mkdirSync(storeBaseDir, { recursive: true })
    if (this.options.kind === 'jvm') {
      const args = [GROUP, id, this.peersText, storeBaseDir, String(1024 ** 3), String(5 * 1024 * 1024 * 32)]
      const started = runJava({ version: '4.9.7', main: 'DLedgerMember', args, folder: storeBaseDir })
      await started.until('ready')
      this.running.set(id, /** @type {any} */ (started))
      return
    }
    const { fast = false, flushBeforeAck = false, root = ROOT, node = [] } = this.options
    const options = { group: GROUP, selfId: id, peers: this.peersText, storeBaseDir, flushBeforeAck, fast }
    const child = spawn(
      process.execPath,
      [...node, join(root, 'test/dledger/member-process.mjs'), JSON.stringify(options)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        cwd: storeBaseDir,
      },
    )
    const ended = new Promise((done) => child.once('exit', done))
    this.running.set(id, {
      pid: child.pid ?? 0,
      kill: async (signal = 'SIGKILL') => {
        child.kill(/** @type {NodeJS.Signals} */ (signal))
        await ended
      },
    })
    await new Promise((done) =>
      child.stdout?.on('data', (text) => {
        this.said.push({ at: performance.now(), text: `${id}: ${String(text).trim()}` })
        if (String(text).includes('ready')) done(undefined)
      }),
    )
  }

  /** @param {string} id */
  async kill(id, signal = 'SIGKILL') {
    const it = this.running.get(id)
    this.running.delete(id)
    await /** @type {any} */ (it)?.kill(signal)
  }

  /** Who leads, once somebody does. */
  async leader(timeoutMs = 40_000) {
    for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(50))
      for (const [id, address] of Object.entries(this.peers)) {
        const answer = await ask(address, 50_000, { group: GROUP, remoteId: id }).catch(() => undefined)
        if (answer?.leaderId === id) return id
      }
    throw new Error(`no leader in ${timeoutMs} ms`)
  }

  cpuMs() {
    let sum = 0
    for (const { pid } of this.running.values()) sum += cpuMs(pid)
    return sum
  }

  /**
   * @param {{ inFlight: number, seconds: number, warmSeconds?: number, bodyBytes?: number }} load
   * @returns {Promise<{ rate: number, p50Ms: number, p99Ms: number, maxMs: number, refused: number, cpuUs: number }>}
   */
  async load(load) {
    const id = await this.leader()
    const options = JSON.stringify({ address: this.peers[id], group: GROUP, id, ...load })
    const before = this.cpuMs()
    const { stdout } = await promisify(execFile)(process.execPath, [join(HERE, 'append-load.mjs'), options])
    const found = JSON.parse(stdout)
    const appends = found.rate * (load.seconds + (load.warmSeconds ?? 0))
    return { ...found, cpuUs: ((this.cpuMs() - before) * 1000) / appends }
  }

  async close() {
    await Promise.all([...this.running.keys()].map((id) => this.kill(id)))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/**
 * One request over a connection of its own.
 * @param {string} address
 * @param {number} code
 * @param {Record<string, unknown>} body
 * @returns {Promise<Record<string, any>>}
 */
export async function ask(address, code, body, timeoutMs = 1000) {
  const { RemotingClient } = await import('../../dist/remoting/client.js')
  const { request } = await import('../../dist/remoting/command.js')
  const client = new RemotingClient({ connectTimeoutMs: timeoutMs })
  try {
    const answer = await client.invoke(address, request(code, undefined, Buffer.from(JSON.stringify(body))), timeoutMs)
    return JSON.parse(Buffer.from(answer.body ?? '{}').toString())
  } finally {
    await client.close()
  }
}
