// @ts-check
/**
 * Drain of a backlog: one pull after the other on each queue, 32 messages at most, over one connection, until the
 * wanted number was received. The records are walked, so that a short or torn answer is noticed.
 */

import { openCalls, RawConnection } from './connection.mjs'
import { CODES, OPAQUE_MIN, opaqueOf, pullFrame } from './frames.mjs'
import { Histogram } from './histogram.mjs'

/**
 * @param {{address: string, topic: string, queues: number, count: number, from?: number[], batch?: number, timeoutMs?: number}} options
 * @returns {Promise<{count: number, bytes: number, pulls: number, seconds: number, latency: object}>}
 */
export async function drain(options) {
  const batch = options.batch ?? 32
  const offsets = options.from?.slice() ?? new Array(options.queues).fill(0)
  const since = new Float64Array(options.queues)
  const histogram = new Histogram()
  let count = 0
  let bytes = 0
  let pulls = 0
  let round = 0
  const began = performance.now()
  await new Promise((done, failed) => {
    const timer = setTimeout(
      () => failed(new Error(`drained ${count} of ${options.count}`)),
      options.timeoutMs ?? 120_000,
    )
    /** @param {number} queueId */
    const pull = (queueId) => {
      const opaque = OPAQUE_MIN + (round++ % 10_000_000) * options.queues + queueId
      since[queueId] = performance.now()
      connection.socket.write(
        pullFrame({ topic: options.topic, queueId, offset: offsets[queueId], count: batch, opaque }),
      )
    }
    const connection = new RawConnection(options.address, (buffer, start, end, length) => {
      const queueId = (opaqueOf(buffer, start + 8, start + 8 + length) - OPAQUE_MIN) % options.queues
      if (queueId < 0) return
      histogram.record((performance.now() - since[queueId]) * 1000)
      pulls++
      let at = start + 8 + length
      let records = 0
      while (at < end) {
        const size = buffer.readInt32BE(at)
        if (size < 91 || at + size > end) return finish(new Error(`a torn record in the answer of queue ${queueId}`))
        at += size
        records++
      }
      if (records === 0) {
        // Nothing there yet (dispatch is behind), or this queue is empty while the others are not.
        if (count < options.count) setTimeout(pull, 5, queueId)
        return
      }
      bytes += end - (start + 8 + length)
      count += records
      offsets[queueId] += records
      if (count >= options.count) finish()
      else pull(queueId)
    })
    /** @param {Error} [error] */
    const finish = (error) => {
      clearTimeout(timer)
      connection.close()
      if (error === undefined) done(undefined)
      else failed(error)
    }
    connection.opened.then(() => {
      connection.socket.on('error', finish)
      for (let queueId = 0; queueId < options.queues; queueId++) pull(queueId)
    }, failed)
  })
  return { count, bytes, pulls, seconds: (performance.now() - began) / 1000, latency: histogram.summary() }
}

/** Creates a topic with `queues` queues (request 17), as an administrator would. */
export async function createTopic(
  /** @type {string} */ address,
  /** @type {string} */ topic,
  /** @type {number} */ queues,
) {
  const calls = await openCalls(address)
  try {
    const { header } = await calls.call(CODES.createTopic, {
      readQueueNums: String(queues),
      perm: '6',
      writeQueueNums: String(queues),
      topicFilterType: 'SINGLE_TAG',
      topic,
      defaultTopic: 'TBW102',
      topicSysFlag: '0',
      order: 'false',
    })
    if (header.code !== 0) throw new Error(`topic ${topic} was not created: ${header.code} ${header.remark}`)
  } finally {
    calls.close()
  }
}

/** The next offset of each queue (request 30). */
export async function maxOffsets(
  /** @type {string} */ address,
  /** @type {string} */ topic,
  /** @type {number} */ queues,
) {
  const calls = await openCalls(address)
  try {
    const offsets = []
    for (let queueId = 0; queueId < queues; queueId++) {
      const { header } = await calls.call(CODES.maxOffset, { topic, queueId: String(queueId) })
      if (header.code !== 0) throw new Error(`no max offset of ${topic}/${queueId}: ${header.code} ${header.remark}`)
      offsets.push(Number(header.extFields.offset))
    }
    return offsets
  } finally {
    calls.close()
  }
}
