// @ts-check
/**
 * What does a consumer that waits cost? 1,000 consumers of as many groups, each with a connection and a held pull on an empty queue:
 *
 *     node bench/held-pulls.mjs [--consumers 1000] [--seconds 30] [--rounds 3] [--servers basalt,apache]
 *
 * Private memory of the server before the connections, after them, and with their pulls held (20 s; renewed when answered, as
 * a consumer does), in KiB each; CPU while nothing happens; and how long one message to each queue takes to reach all of them.
 * Writes bench/results/held-pulls-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openCalls, RawConnection } from './load/connection.mjs'
import { createTopic } from './load/drain.mjs'
import { measureFigures } from './load/figures.mjs'
import { OPAQUE_MIN, pullFrame, sendFrame } from './load/frames.mjs'
import { processStats } from './load/proc.mjs'
import { availableKinds, machine, startServer } from './load/servers.mjs'
import { writeResult } from './load/table.mjs'

const TOPIC = 'Idle'
const HOLD_MS = 20_000
const SETTLED_MS = 3000
const ARRIVAL_MS_MAX = 30_000
const BUFFER_BYTES = 128 << 10
const FIGURES = /** @type {const} */ (['connectionKiB', 'pullKiB', 'cpuPercent', 'arrivedMs'])

const { values } = parseArgs({
  options: {
    consumers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '3' },
    servers: { type: 'string', default: 'basalt,apache' },
    version: { type: 'string', default: '4.9.7' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const consumers = Number(values.consumers)
const kinds = availableKinds(values.servers, values.version)
const folder = mkdtempSync(join(values.folder, 'basalt-held-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** @typedef {Record<typeof FIGURES[number], number>} Round */
const measured = await measureFigures({
  title: `${consumers} held pulls`,
  kinds,
  rounds: Number(values.rounds),
  figures: FIGURES,
  measure,
})
console.log(`written: ${writeResult('held-pulls', { machine: machine(), options: values, measured })}`)
process.exit(0)

/** @param {import('./load/servers.mjs').Kind} kind @param {string} name @returns {Promise<Round>} */
async function measure(kind, name) {
  const options = { folder: join(folder, name), version: values.version }
  const server = await startServer(kind, options)
  /** @type {RawConnection[]} */
  const connections = []
  try {
    await createTopic(server.address, TOPIC, consumers)
    await sleep(SETTLED_MS)
    const kib = () => processStats(server.pid).rssAnonMiB * 1024
    const atFirst = kib()
    let arrived = 0
    for (let queueId = 0; queueId < consumers; queueId++) {
      const connection = new RawConnection(
        server.address,
        (_bytes, start, end, length) => {
          const isFound = end > start + 8 + length
          if (isFound) arrived++
          else pull(connection, queueId)
        },
        undefined,
        BUFFER_BYTES,
      )
      await connection.opened
      connections.push(connection)
    }
    await sleep(SETTLED_MS)
    const connected = kib()
    for (const [queueId, connection] of connections.entries()) pull(connection, queueId)
    await sleep(SETTLED_MS)
    const cpuBefore = processStats(server.pid).cpuMs
    await sleep(Number(values.seconds) * 1000)
    const cpuPercent = (processStats(server.pid).cpuMs - cpuBefore) / Number(values.seconds) / 10
    const held = kib()
    const arrivedMs = await sendToAll(server.address, () => arrived)
    return {
      connectionKiB: (connected - atFirst) / consumers,
      pullKiB: (held - connected) / consumers,
      cpuPercent,
      arrivedMs,
    }
  } finally {
    for (const connection of connections) connection.close()
    await server.process.kill()
    rmSync(options.folder, { recursive: true, force: true })
  }
}

/** @param {RawConnection} connection @param {number} queueId */
function pull(connection, queueId) {
  const frame = pullFrame({
    topic: TOPIC,
    queueId,
    offset: 0,
    count: 32,
    opaque: OPAQUE_MIN + queueId,
    suspendMs: HOLD_MS,
  })
  connection.socket.write(frame)
}

/** @param {string} address @param {() => number} arrived */
async function sendToAll(address, arrived) {
  const calls = await openCalls(address)
  const began = performance.now()
  calls.write(
    Buffer.concat(
      Array.from({ length: consumers }, (_, queueId) =>
        sendFrame({ topic: TOPIC, queueId, body: new Uint8Array(1024), unique: '0'.repeat(32) }),
      ),
    ),
  )
  while (arrived() < consumers) {
    if (performance.now() - began > ARRIVAL_MS_MAX) throw new Error(`${arrived()} of ${consumers} messages arrived`)
    await sleep(1)
  }
  calls.close()
  return performance.now() - began
}
