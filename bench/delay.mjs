// @ts-check
/**
 * How late is a delayed message, and what does its delivery cost, while 100,000 wait?
 *
 *     node bench/delay.mjs [--messages 100000] [--rate 20000] [--delay 15] [--rounds 3] [--servers basalt,apache]
 *
 * Setup: messages of 1 KiB are sent at the rate, in turn to four levels of one delay, longer than the sending takes: all of
 * them wait before the first is due. They come due as they were sent ("spread"), and in the other cell as fast as the broker
 * takes them ("burst"). Late is the store time of the delivered record minus the delivery time, in ms, from the records
 * themselves. A batch of append has one store time, that of its begin: "earliest" shows by how much it may lie before the
 * delivery time. CPU is the broker's from the first delivery time to the last delivery.
 * Writes bench/results/delay-*.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openCalls } from './load/connection.mjs'
import { createTopic } from './load/drain.mjs'
import { processStats } from './load/proc.mjs'
import { availableKinds, machine, startServer } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { table, writeResult } from './load/table.mjs'

const SEND = 310
const PULL = 11
const MAX_OFFSET = 30
const LEVELS = 4
const IN_FLIGHT = 256
const RECORD = { size: 0, queueOffset: 20, storeTimestamp: 56 }
const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    rate: { type: 'string', default: '20000' },
    delay: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '3' },
    size: { type: 'string', default: '1024' },
    servers: { type: 'string', default: 'basalt,apache' },
    version: { type: 'string', default: '4.9.7' },
    flush: { type: 'string', default: 'ASYNC_FLUSH' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const messages = Number(values.messages) - (Number(values.messages) % LEVELS)
const delayMs = Number(values.delay) * 1000
const body = Buffer.alloc(Number(values.size), 'x')
const kinds = availableKinds(values.servers, values.version)
const folder = mkdtempSync(join(values.folder, 'basalt-delay-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** @typedef {{p50: number, p99: number, max: number, earliest: number, seconds: number, cpuUs: number}} Round */
/** @type {Record<string, Round[]>} */
const measured = {}
for (const [cell, rate] of /** @type {const} */ ([
  ['spread', Number(values.rate)],
  ['burst', Number.POSITIVE_INFINITY],
])) {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const one = await measure(kind, rate, `${cell}-${round}`)
      const name = `${cell} ${kind}`
      measured[name] = [...(measured[name] ?? []), one]
      console.error(
        `  ${name}: late p50 ${one.p50} p99 ${one.p99} max ${one.max} ms, ${one.cpuUs.toFixed(1)} us a message`,
      )
    }
  }
}
const rows = Object.entries(measured).map(([name, list]) => {
  const of = (/** @type {(one: Round) => number} */ pick) => median(list.map(pick))
  return [
    name,
    of((one) => one.p50),
    of((one) => one.p99),
    of((one) => one.max),
    Math.min(...list.map((one) => one.earliest)),
    of((one) => one.seconds).toFixed(1),
    of((one) => one.cpuUs).toFixed(1),
  ]
})
console.log(
  table([`${messages} wait`, 'late p50 ms', 'p99', 'max', 'earliest', 'due to done s', 'CPU us/msg'], rows.toSorted()),
)
console.log(`written: ${writeResult('delay', { machine: machine(), options: values, measured })}`)
process.exit(0)

/** @param {import('./load/servers.mjs').Kind} kind @param {number} rate @param {string} name @returns {Promise<Round>} */
async function measure(kind, rate, name) {
  const levels = Array(LEVELS).fill(`${values.delay}s`).join(' ')
  const place = join(folder, `${kind}-${name}`)
  const config = { messageDelayLevel: levels, flushDiskType: values.flush }
  const server = await startServer(kind, { folder: place, version: values.version, config })
  const calls = await openCalls(server.address)
  try {
    await createTopic(server.address, 'Delay', LEVELS)
    const sentFor = await sendAll(calls, rate)
    if (sentFor > delayMs) throw new Error(`sending took ${Math.round(sentFor)} ms: give a longer --delay`)
    await sleep(delayMs - sentFor - 100)
    const before = processStats(server.pid).cpuMs
    const began = performance.now()
    while ((await stored(calls, 'Delay')) < messages) {
      if (performance.now() - began > 5 * delayMs + 60_000) throw new Error('not everything was delivered')
      await sleep(20)
    }
    const seconds = (performance.now() - began - 100) / 1000
    const cpuUs = ((processStats(server.pid).cpuMs - before) * 1000) / messages
    /** @type {number[]} */
    const late = []
    for (let level = 1; level <= LEVELS; level++) {
      const waited = await storeTimes(calls, SCHEDULE, level - 1)
      const delivered = await storeTimes(calls, 'Delay', level - 1)
      for (let i = 0; i < delivered.length; i++) late.push(delivered[i] - waited[i] - delayMs)
    }
    late.sort((a, b) => a - b)
    const at = (/** @type {number} */ share) => late[Math.min(late.length - 1, Math.floor(share * late.length))]
    return { p50: at(0.5), p99: at(0.99), max: at(1), earliest: late[0], seconds, cpuUs }
  } finally {
    calls.close()
    await server.process.kill()
    rmSync(place, { recursive: true, force: true })
  }
}

/** Milliseconds that it took. @param {Awaited<ReturnType<typeof openCalls>>} calls @param {number} rate */
async function sendAll(calls, rate) {
  const began = performance.now()
  let next = 0
  let failed = 0
  const worker = async () => {
    while (next < messages) {
      const i = next++
      const ahead = began + (i * 1000) / rate - performance.now()
      if (ahead > 1) await sleep(ahead)
      const header = { a: 'PG', b: 'Delay', c: 'TBW102', d: '4', e: String(i % LEVELS), f: '0', g: String(Date.now()) }
      const more = { h: '0', i: `DELAY\u0001${1 + (i % LEVELS)}\u0002KEYS\u0001k${i}`, j: '0', k: 'false', m: 'false' }
      const answer = await calls.call(SEND, { ...header, ...more }, body, 30_000)
      if (answer.header.code !== 0) failed++
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  if (failed > 0) throw new Error(`${failed} sends were refused`)
  return performance.now() - began
}

/** @param {Awaited<ReturnType<typeof openCalls>>} calls @param {string} topic */
async function stored(calls, topic) {
  let sum = 0
  for (let queueId = 0; queueId < LEVELS; queueId++) {
    const { header } = await calls.call(MAX_OFFSET, { topic, queueId: String(queueId) }, undefined, 10_000)
    sum += Number(header.extFields?.offset ?? 0)
  }
  return sum
}

/** Store times of a queue's records, by queue offset. @param {Awaited<ReturnType<typeof openCalls>>} calls @param {string} topic @param {number} queueId */
async function storeTimes(calls, topic, queueId) {
  /** @type {number[]} */
  const times = []
  for (let queueOffset = 0; ; queueOffset = times.length) {
    const header = { consumerGroup: 'Bench', topic, queueId: String(queueId), queueOffset: String(queueOffset) }
    const rest = { maxMsgNums: '32', sysFlag: '4', commitOffset: '0', suspendTimeoutMillis: '0', subscription: '*' }
    const filter = { subVersion: '0', expressionType: 'TAG' }
    const answer = await calls.call(PULL, { ...header, ...rest, ...filter }, undefined, 30_000)
    if (answer.header.code !== 0) return times
    const view = new DataView(answer.body.buffer, answer.body.byteOffset, answer.body.length)
    for (let at = 0; at < answer.body.length; at += view.getInt32(at + RECORD.size)) {
      times[Number(view.getBigInt64(at + RECORD.queueOffset))] = Number(view.getBigInt64(at + RECORD.storeTimestamp))
    }
  }
}
