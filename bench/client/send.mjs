// @ts-check
/**
 * How fast does a producer send: ours against the Java client of 4.9.7 and ali-ons, to the same broker?
 *
 *     npm run build && node bench/client/send.mjs [--brokers apache,basalt] [--clients ours,java,java-threads,ali-ons] [--rounds 3]
 *                                                 [--flights 1,64,256] [--seconds 3] [--size 1024]
 *
 * Setup: one broker at a time; every client is a process of its own, the clients in turn; loopback, one machine of few cores for
 * client and broker. The first round is not counted: it warms the broker. Bodies of `size` bytes, 4 queues, asynchronous flush. Each number in flight is warmed up before it is counted
 * (Java longer: its compilers). In flight: asynchronous sends under a semaphore (java), threads that wait (java-threads), promises
 * for the others. Prints medians over the rounds and the ratios of ours to the others; writes bench/results/client-send-*.json.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startApacheBroker, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { runJava } from '../../tools/apache/java.mjs'
import { freeBrokerPort, until } from '../../tools/apache/process.mjs'
import { openCalls } from '../load/connection.mjs'
import { createTopic } from '../load/drain.mjs'
import { machine, startBasalt } from '../load/servers.mjs'
import { median } from '../load/stats.mjs'
import { table, thousands, writeResult } from '../load/table.mjs'

const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: 'apache,basalt' },
    clients: { type: 'string', default: 'ours,java,java-threads,ali-ons' },
    rounds: { type: 'string', default: '3' },
    flights: { type: 'string', default: '1,64,256' },
    seconds: { type: 'string', default: '3' },
    size: { type: 'string', default: '1024' },
    version: { type: 'string', default: '4.9.7' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const TOPIC = 'Load'
const QUEUES = 4
const WARM_MS = { java: 3000, others: 1000 }
const rounds = Number(values.rounds)
const flights = values.flights.split(',').map(Number)
const clients = values.clients.split(',')
const folder = mkdtempSync(join(values.folder, 'basalt-send-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** @param {string} kind */
async function startBroker(kind) {
  const [namesrvPort, port] = [await freeBrokerPort(), await freeBrokerPort()]
  const namesrv = `127.0.0.1:${namesrvPort}`
  const names = await startApacheNamesrv({
    ...{ version: values.version, folder: join(folder, `${kind}-names`), port: namesrvPort },
  })
  await names.listening(namesrvPort)
  const options = { folder: join(folder, kind), store: join(folder, `${kind}-store`), port, namesrv }
  const heap = ['-Xms512m', '-Xmx1g', '-XX:MaxDirectMemorySize=1g']
  // On a busy machine it would turn sends away that waited for a fifth of a second.
  const config = { waitTimeMillsInSendQueue: 10_000, osPageCacheBusyTimeOutMills: 10_000 }
  const broker =
    kind === 'apache'
      ? await startApacheBroker({ ...options, version: values.version, heap, config })
      : await startBasalt(options)
  const address = `127.0.0.1:${port}`
  await until(() => succeeds(() => createTopic(address, TOPIC, QUEUES)), 60_000, broker, 200)
  await until(() => succeeds(() => routed(namesrv, address)), 60_000, broker, 100)
  const close = async () => {
    await broker.kill()
    await names.kill()
    rmSync(options.store, { recursive: true, force: true })
  }
  return { namesrv, close, pid: broker.pid }
}

/** @param {() => Promise<unknown>} run */
function succeeds(run) {
  return run().then(
    () => true,
    () => false,
  )
}

/** @param {string} namesrv @param {string} address */
async function routed(namesrv, address) {
  const calls = await openCalls(namesrv)
  const { header, body } = await calls.call(105, { topic: TOPIC }, undefined, 2000)
  calls.close()
  if (header.code !== 0 || !body.toString().includes(address)) throw new Error('not yet')
}

/** @param {Omit<Cell, 'flight'>[]} cells @param {'client' | 'broker'} who */
function coresOf(cells, who) {
  const list = cells.map(({ cores }) => cores?.[who]).filter((it) => it !== undefined)
  return list.length === 0 ? '-' : median(list).toFixed(2)
}

/** @typedef {{flight: number, rate: number, failed: number, cpuUs?: number, cores?: {client: number, broker: number}}} Cell */

/**
 * Sends a second by number in flight.
 * @param {string} client @param {{namesrv: string, pid: number}} broker
 * @returns {Promise<Cell[]>}
 */
async function run(client, { namesrv, pid }) {
  const seconds = Number(values.seconds)
  if (client.startsWith('java')) {
    const mode = client === 'java' ? 'async' : 'sync'
    const options = { namesrv, topic: TOPIC, size: values.size, flights: values.flights, seconds, mode }
    const args = Object.entries({ ...options, warm: WARM_MS.java }).map(([name, value]) => `${name}=${value}`)
    // As a producer in production: all compilers, 512 MiB.
    const java = ['-Xmx512m', '-XX:-UseSerialGC', '-XX:+UseG1GC', '-XX:TieredStopAtLevel=4']
    const program = runJava({ version: values.version, main: 'SendLoad', args, folder: join(folder, 'java'), java })
    await program.ended
    return program
      .of('RATE')
      .map((fields) => fields.map(Number))
      .map(([flight, sent, failed, ms, cpuMs]) => {
        return { flight, rate: (sent / ms) * 1000, failed, cpuUs: (cpuMs * 1000) / Math.max(1, sent) }
      })
  }
  const script = fileURLToPath(new URL('./send-process.mjs', import.meta.url))
  const flags = (process.env.SEND_FLAGS ?? '').split(' ').filter((flag) => flag !== '')
  const options = {
    client,
    namesrv,
    topic: TOPIC,
    size: Number(values.size),
    flights,
    warm: WARM_MS.others,
    seconds,
    brokerPid: pid,
  }
  const child = spawn(process.execPath, [...flags, script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const chunk of child.stdout) text += chunk
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ flight, sent, failed, ms, cpuMs, brokerCpuMs }) => {
      const cores = { client: cpuMs / ms, broker: brokerCpuMs / ms }
      return { flight, rate: (sent / ms) * 1000, failed, cpuUs: (cpuMs * 1000) / Math.max(1, sent), cores }
    })
}

/** @type {Record<string, Record<string, Record<string, Omit<Cell, 'flight'>[]>>>} */
const measured = {}
console.log(
  `node ${process.version}, ${machine().cores} cores, ${rounds} rounds of ${values.seconds} s, ${values.size} bytes, ${QUEUES} queues`,
)
for (const kind of values.brokers.split(',')) {
  const broker = await startBroker(kind)
  measured[kind] = Object.fromEntries(
    clients.map((client) => [client, Object.fromEntries(flights.map((flight) => [flight, []]))]),
  )
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const client of clients) {
        for (const { flight, ...one } of await run(client, broker)) {
          if (round > 0) measured[kind][client][flight].push(one)
        }
      }
    }
  } finally {
    await broker.close()
  }
  /** @param {string} client @param {number} flight */
  const rate = (client, flight) => median((measured[kind][client]?.[flight] ?? []).map((one) => one.rate))
  const rows = clients.flatMap((client) =>
    flights.map((flight) => {
      const cells = measured[kind][client]?.[flight] ?? []
      const cpu = cells.map(({ cpuUs }) => cpuUs).filter((us) => us !== undefined)
      return [
        ...[client, String(flight), thousands(rate(client, flight))],
        client === 'ours' ? '' : `${(rate('ours', flight) / rate(client, flight)).toFixed(2)}`,
        cpu.length === 0 ? '-' : median(cpu).toFixed(1),
        ...['client', 'broker'].map((who) => coresOf(cells, /** @type {'client' | 'broker'} */ (who))),
        String(cells.reduce((sum, { failed }) => sum + failed, 0)),
      ]
    }),
  )
  console.log(`\n${kind}`)
  console.log(
    table(['client', 'in flight', 'sends/s', 'ours / it', 'CPU us', 'cores', 'of the broker', 'failed'], rows),
  )
}
console.log(`\nwritten: ${writeResult('client-send', { machine: machine(), values, measured })}`)
process.exit(0)
