// @ts-check
/**
 * How fast does a push consumer take a backlog: ours against the Java client of 4.9.7, from the same broker?
 *
 *     npm run build && node bench/client/consume.mjs [--brokers apache,basalt] [--clients ours,java] [--rounds 3] [--count 300000]
 *                                                    [--size 1024] [--queues 8] [--batch 1]
 *
 * Setup: one broker at a time with a backlog of `count` messages; each client is a process of its own and a group of its own, the
 * clients in turn, a listener that counts and adds up the lengths of bodies; loopback, one machine for broker and client. Measured from the
 * first message to the last. The first run of each is not counted: it warms the broker (and Java's client begins cold every time, as a
 * consumer that is restarted does). Prints medians, and writes bench/results/client-consume.json.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Producer } from '../../dist/client/producer/producer.js'
import { startApacheBroker, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { runJava } from '../../tools/apache/java.mjs'
import { freeBrokerPort, ServerProcess, until } from '../../tools/apache/process.mjs'
import { openCalls } from '../load/connection.mjs'
import { createTopic } from '../load/drain.mjs'
import { machine } from '../load/servers.mjs'
import { median } from '../load/stats.mjs'

const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: 'apache,basalt' },
    clients: { type: 'string', default: 'ours,java' },
    rounds: { type: 'string', default: '3' },
    count: { type: 'string', default: '300000' },
    size: { type: 'string', default: '1024' },
    queues: { type: 'string', default: '8' },
    batch: { type: 'string', default: '1' },
    version: { type: 'string', default: '4.9.7' },
  },
})
const [count, size, queues, batch, rounds] = ['count', 'size', 'queues', 'batch', 'rounds'].map((name) =>
  Number(values[/** @type {keyof typeof values} */ (name)]),
)
const folder = mkdtempSync(join(tmpdir(), 'basalt-consume-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const TOPIC = 'Drain'

/** @param {string} kind */
async function startBroker(kind) {
  const [namesrvPort, port] = [await freeBrokerPort(), await freeBrokerPort()]
  const namesrv = `127.0.0.1:${namesrvPort}`
  const names = await startApacheNamesrv({
    version: values.version,
    folder: join(folder, `${kind}-names`),
    port: namesrvPort,
  })
  await names.listening(namesrvPort)
  const store = join(folder, `${kind}-store`)
  /** @type {ServerProcess} */
  let broker
  if (kind === 'apache') {
    const config = { waitTimeMillsInSendQueue: 10_000, osPageCacheBusyTimeOutMills: 10_000 }
    broker = await startApacheBroker({
      version: values.version,
      folder: join(folder, kind),
      port,
      namesrv,
      store,
      config,
    })
  } else {
    const home = join(folder, kind)
    mkdirSync(home, { recursive: true })
    const conf = join(home, 'broker.conf')
    const lines = {
      brokerName: 'broker-a',
      namesrvAddr: namesrv,
      brokerIP1: '127.0.0.1',
      listenPort: port,
      storePathRootDir: store,
    }
    writeFileSync(
      conf,
      Object.entries(lines)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
    const command = fileURLToPath(new URL('../../bin/basaltmq.js', import.meta.url))
    broker = new ServerProcess({
      name: 'Basalt broker',
      command: process.execPath,
      args: [command, 'broker', '-c', conf],
      cwd: home,
      log: join(home, 'broker.out'),
    })
    await broker.listening(port)
  }
  const routed = async () => {
    try {
      const calls = await openCalls(namesrv)
      const { header, body } = await calls.call(105, { topic: TOPIC }, undefined, 2000)
      calls.close()
      return header.code === 0 && body.toString().includes(`127.0.0.1:${port}`)
    } catch {
      return false
    }
  }
  await until(
    () =>
      createTopic(`127.0.0.1:${port}`, TOPIC, queues).then(
        () => true,
        () => false,
      ),
    60_000,
    broker,
    200,
  )
  await until(routed, 60_000, broker, 100)
  return {
    namesrv,
    async close() {
      await broker.kill()
      await names.kill()
    },
  }
}

/** @param {string} namesrv */
async function fill(namesrv) {
  const producer = new Producer({ nameserver: namesrv, group: 'Fill', sendMsgTimeout: 30_000 })
  const body = Buffer.alloc(size, 'x')
  const messages = Array.from({ length: 200 }, () => ({ topic: TOPIC, body }))
  let left = count
  const lane = async () => {
    while (left > 0) {
      left -= messages.length
      await producer.sendBatch(messages)
    }
  }
  await Promise.all(Array.from({ length: 4 }, lane))
  await producer.close()
}

/** @param {string} client @param {string} namesrv @param {string} group */
async function run(client, namesrv, group) {
  if (client === 'java') {
    const args = [`namesrv=${namesrv}`, `topic=${TOPIC}`, `group=${group}`, `count=${count}`, `batch=${batch}`]
    // As a consumer in production: no limit on compilers, 512 MiB.
    const java = ['-Xmx512m', '-XX:-UseSerialGC', '-XX:+UseG1GC', '-XX:TieredStopAtLevel=4']
    const program = runJava({ version: values.version, main: 'Drain', args, folder: join(folder, group), java })
    await program.ended
    const [[seen, milliseconds]] = program.of('DRAINED')
    return (Number(seen) / Number(milliseconds)) * 1000
  }
  const script = fileURLToPath(new URL('./drain-process.mjs', import.meta.url))
  const flags = (process.env.DRAIN_FLAGS ?? '').split(' ').filter((flag) => flag !== '')
  const child = spawn(
    process.execPath,
    [...flags, script, JSON.stringify({ namesrv, topic: TOPIC, group, count, batch })],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let text = ''
  for await (const chunk of child.stdout) text += chunk
  const { count: seen, milliseconds } = JSON.parse(text)
  return (seen / milliseconds) * 1000
}

const clients = values.clients.split(',')
/** @type {Record<string, Record<string, number[]>>} */
const rates = {}
console.log(
  `node ${process.version}, ${machine().cores} cores, ${count} messages of ${size} bytes, ${queues} queues, batch ${batch}`,
)
for (const kind of values.brokers.split(',')) {
  const broker = await startBroker(kind)
  try {
    await fill(broker.namesrv)
    rates[kind] = Object.fromEntries(clients.map((client) => [client, []]))
    for (let round = 0; round <= rounds; round++) {
      for (const client of clients) {
        const rate = await run(client, broker.namesrv, `g-${kind}-${client}-${round}`)
        if (round > 0) rates[kind][client].push(rate)
      }
    }
  } finally {
    await broker.close()
  }
  for (const client of clients) {
    const list = rates[kind][client]
    console.log(
      `${kind.padEnd(8)} ${client.padEnd(6)} ${Math.round(median(list)).toLocaleString('en')} messages/s   (${list.map((rate) => Math.round(rate).toLocaleString('en')).join(', ')})`,
    )
  }
}
const results = fileURLToPath(new URL('../results/', import.meta.url))
mkdirSync(results, { recursive: true })
writeFileSync(
  join(results, 'client-consume.json'),
  JSON.stringify({ machine: machine(), count, size, queues, batch, rates }, undefined, 2),
)
