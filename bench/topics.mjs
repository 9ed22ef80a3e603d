// @ts-check
/**
 * What do many topics cost? 2,000 topics of 4 queues with a message in each queue:
 *
 *     node bench/topics.mjs [--topics 2000] [--queues 4] [--in-flight 1] [--rounds 3] [--servers basalt,apache]
 *
 * Setup: a fresh store; topics are created by request 17 over one connection (in-flight of them at a time), then one message of
 * 1 KiB goes to each queue, 64 in flight. Measured: seconds to create, private memory 10 s after the last message, blocks on disk of
 * the ConsumeQueues, seconds from SIGTERM to the end of the process, and from its start to the first acknowledgement.
 * Writes bench/results/topics-*.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openCalls } from './load/connection.mjs'
import { measureFigures } from './load/figures.mjs'
import { CODES } from './load/frames.mjs'
import { processStats } from './load/proc.mjs'
import { availableKinds, machine, startServer } from './load/servers.mjs'
import { writeResult } from './load/table.mjs'

const SENDS_IN_FLIGHT = 64
const SETTLED_MS = 10_000
const STOP_MS_MAX = 300_000
const STEPS = /** @type {const} */ (['createSeconds', 'rssAnonMiB', 'queueMiB', 'stopSeconds', 'startSeconds'])

const { values } = parseArgs({
  options: {
    topics: { type: 'string', default: '2000' },
    queues: { type: 'string', default: '4' },
    'in-flight': { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    servers: { type: 'string', default: 'basalt,apache' },
    version: { type: 'string', default: '4.9.7' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const topics = Number(values.topics)
const queues = Number(values.queues)
const kinds = availableKinds(values.servers, values.version)
const folder = mkdtempSync(join(values.folder, 'basalt-topics-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** @typedef {Record<typeof STEPS[number], number>} Round */
const measured = await measureFigures({
  title: `${topics} topics x ${queues} queues`,
  kinds,
  rounds: Number(values.rounds),
  figures: STEPS,
  measure,
})
console.log(`written: ${writeResult('topics', { machine: machine(), options: values, measured })}`)
process.exit(0)

/** @param {import('./load/servers.mjs').Kind} kind @param {string} name @returns {Promise<Round>} */
async function measure(kind, name) {
  const options = { folder: join(folder, name), version: values.version }
  let server = await startServer(kind, options)
  try {
    const calls = await openCalls(server.address)
    const began = performance.now()
    await each(topics, Number(values['in-flight']), (i) => accepted(calls, CODES.createTopic, topicFields(i)))
    const createSeconds = (performance.now() - began) / 1000
    await each(topics * queues, SENDS_IN_FLIGHT, (i) =>
      accepted(calls, CODES.send, sendFields(i), Buffer.alloc(1024, 'x')),
    )
    calls.close()
    await sleep(SETTLED_MS)
    const { rssAnonMiB } = processStats(server.pid)
    const stopping = performance.now()
    if (!(await server.process.stop(STOP_MS_MAX))) throw new Error(`${kind} did not stop in ${STOP_MS_MAX} ms`)
    const stopSeconds = (performance.now() - stopping) / 1000
    const queueMiB =
      Number(
        /^\d+/.exec(
          execFileSync('du', ['-sk', join(options.folder, 'store', 'consumequeue')], { encoding: 'utf8' }),
        )?.[0],
      ) / 1024
    server = await startServer(kind, options)
    return { createSeconds, rssAnonMiB, queueMiB, stopSeconds, startSeconds: server.readyMs / 1000 }
  } finally {
    await server.process.kill()
    rmSync(options.folder, { recursive: true, force: true })
  }
}

/** Runs `work` for 0…count-1, so many at a time. @param {number} count @param {number} inFlight @param {(i: number) => Promise<void>} work */
async function each(count, inFlight, work) {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}

/** @param {Awaited<ReturnType<typeof openCalls>>} calls @param {number} code @param {Record<string, string>} fields @param {Buffer} [body] */
async function accepted(calls, code, fields, body) {
  const { header } = await calls.call(code, fields, body, 60_000)
  if (header.code !== 0) throw new Error(`request ${code} was answered ${header.code} ${header.remark}`)
}

/** @param {number} i @returns {Record<string, string>} */
function topicFields(i) {
  const count = String(queues)
  const rest = { perm: '6', topicFilterType: 'SINGLE_TAG', defaultTopic: 'TBW102', topicSysFlag: '0', order: 'false' }
  return { topic: `Many${i}`, readQueueNums: count, writeQueueNums: count, ...rest }
}

/** @param {number} i @returns {Record<string, string>} */
function sendFields(i) {
  const topic = `Many${Math.floor(i / queues)}`
  const first = {
    a: 'bench-producer',
    b: topic,
    c: 'TBW102',
    d: '4',
    e: String(i % queues),
    f: '0',
    g: String(Date.now()),
  }
  return { ...first, h: '0', i: 'WAIT\u0001true', j: '0', k: 'false', m: 'false' }
}
