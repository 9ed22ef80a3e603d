// @ts-check
/**
 * From the send to the consumer's callback: messages at a steady rate to all queues of a topic, and a held pull on each queue,
 * renewed as soon as it is answered. A body starts with the moment its message was due; the latency runs from there until the
 * record has been read out of the pull's answer, in the same process, so by one clock.
 */

import { RawConnection } from './connection.mjs'
import { createTopic, maxOffsets } from './drain.mjs'
import { OPAQUE_MIN, opaqueAt, opaqueOf, pullFrame, sendFrame } from './frames.mjs'
import { Histogram } from './histogram.mjs'

const TICK_MS = 1
const LAST_ONES_MS = 2000
const HOLD_MS = 15_000
const BATCH = 32
/** A record's body, with an IPv4 store host (spec/store-format.md §2). */
const BODY_AT = 88

/**
 * @param {{address: string, topic: string, queues: number, rate: number, bodySize: number, warmupMs: number, durationMs: number}} options
 * @param {() => void} onMeasured the warm-up is over
 * @returns {Promise<{count: number, seconds: number, lost: number, latency: object}>} lost: sent and never seen by the consumer
 */
export async function push(options, onMeasured) {
  await createTopic(options.address, options.topic, options.queues)
  const histogram = new Histogram()
  const consumer = await consume(options, (due) => {
    if (due >= measuredFrom) histogram.record((performance.now() - due) * 1000)
  })
  let measuredFrom = Number.POSITIVE_INFINITY
  const producer = await produce(options)
  await pause(options.warmupMs)
  onMeasured()
  measuredFrom = performance.now()
  const sentBefore = producer.sent()
  await pause(options.durationMs)
  producer.stop()
  const seconds = (performance.now() - measuredFrom) / 1000
  const count = producer.sent() - sentBefore
  const end = performance.now() + LAST_ONES_MS
  while (consumer.seen() < producer.sent() && performance.now() < end) await pause(TICK_MS)
  const lost = producer.sent() - consumer.seen()
  producer.close()
  consumer.close()
  return { count, seconds, lost, latency: histogram.summary() }
}

/**
 * One connection with a held pull a queue, from the queues' ends on.
 * @param {{address: string, topic: string, queues: number}} options
 * @param {(due: number) => void} onMessage
 */
async function consume({ address, topic, queues }, onMessage) {
  const offsets = await maxOffsets(address, topic, queues)
  let round = 0
  let seen = 0
  const pull = (/** @type {number} */ queueId) => {
    const opaque = OPAQUE_MIN + (round++ % 10_000_000) * queues + queueId
    const frame = pullFrame({ topic, queueId, offset: offsets[queueId], count: BATCH, opaque, suspendMs: HOLD_MS })
    connection.socket.write(frame)
  }
  const connection = new RawConnection(address, (bytes, start, end, length) => {
    const opaque = opaqueOf(bytes, start + 8, start + 8 + length)
    if (opaque < OPAQUE_MIN) return
    const queueId = (opaque - OPAQUE_MIN) % queues
    for (let at = start + 8 + length; at < end; at += bytes.readInt32BE(at)) {
      onMessage(bytes.readDoubleBE(at + BODY_AT))
      offsets[queueId]++
      seen++
    }
    pull(queueId)
  })
  await connection.opened
  for (let queueId = 0; queueId < queues; queueId++) pull(queueId)
  return { seen: () => seen, close: () => connection.close() }
}

/**
 * Messages fall due in even steps; each tick sends what is due.
 * @param {{address: string, topic: string, queues: number, rate: number, bodySize: number}} options
 */
async function produce({ address, topic, queues, rate, bodySize }) {
  const connection = new RawConnection(address, () => {})
  await connection.opened
  const frames = Array.from({ length: queues }, (_, queueId) =>
    sendFrame({ topic, queueId, body: new Uint8Array(bodySize), unique: '0'.repeat(32) }),
  )
  const at = opaqueAt(frames[0])
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    for (const due = ((performance.now() - began) * rate) / 1000; sent < due; sent++) {
      const frame = Buffer.from(frames[sent % queues])
      frame.write(String(OPAQUE_MIN + sent), at, 'latin1')
      frame.writeDoubleBE(began + (sent * 1000) / rate, frame.length - bodySize)
      connection.socket.write(frame)
    }
  }, TICK_MS)
  return { sent: () => sent, stop: () => clearInterval(timer), close: () => connection.close() }
}

const pause = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms))
