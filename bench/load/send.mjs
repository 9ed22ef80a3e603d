// @ts-check
/**
 * Load by sends: closed loop (a fixed number in flight) or open loop (a fixed rate, waiting counted).
 *
 * Each connection has one slot a message in flight; a slot holds its frame for good. When the slot's answer has come its
 * frame has left the process, so only the opaque is written anew and the same bytes go out again. The opaque tells the
 * slot: opaque = OPAQUE_MIN + round * slots + slot.
 */

import { Worker } from 'node:worker_threads'
import { RawConnection } from './connection.mjs'
import { isOk, OPAQUE_COUNT, OPAQUE_MIN, opaqueAt, opaqueOf, sendFrame } from './frames.mjs'
import { Histogram } from './histogram.mjs'

const OPEN_SLOTS = 8192
/** More ticks would only take CPU time from the servers: each is a wake-up of two threads. */
const TICK_MS_MIN = 0.25

/** Sleeps exactly (a timer of Node's is a millisecond late) and wakes the main thread, unless it has not come to the last tick yet. */
const METRONOME = `
const { workerData: { shared, began, periodMs }, parentPort } = require('node:worker_threads')
const word = new Int32Array(shared)
const rest = new Int32Array(new SharedArrayBuffer(4))
const now = () => performance.timeOrigin + performance.now() - began
for (let n = Math.ceil(now() / periodMs); ; n++) {
  const left = n * periodMs - now()
  if (left > 0) Atomics.wait(rest, 0, 0, left)
  if (Atomics.exchange(word, 0, 1) === 0) parentPort.postMessage(0)
}`

/**
 * @typedef {{address: string, topic: string, connections: number, depth: number, bodySize: number, queues: number, rate?: number}} SendOptions
 *   depth: messages in flight on each connection (closed loop); rate: messages a second over all connections (open loop)
 */

/** What all connections share: the measured part of the run. */
export class Meter {
  constructor() {
    this.histogram = new Histogram()
    this.measuring = false
    /** Open loop: what was due in [from, to) counts, whenever it is answered: else the slowest of the end would be missing. */
    this.from = Infinity
    this.to = Infinity
    /** Stored, and answered while measuring. */
    this.ok = 0
    /** Stored, of those that count: as many as the histogram has. */
    this.counted = 0
    this.failed = 0
    /** Answers by code. @type {Map<number, number>} */
    this.codes = new Map()
    this.sent = 0
    /** @type {string | undefined} */
    this.firstFailure = undefined
  }
}

class SendConnection {
  /**
   * @param {SendOptions} options
   * @param {Meter} meter
   * @param {number} id
   * @param {number} slots
   */
  constructor(options, meter, id, slots) {
    this.meter = meter
    this.slots = slots
    this.open = options.rate !== undefined
    const body = Buffer.alloc(options.bodySize)
    for (let at = 0; at < body.length; at++) body[at] = 97 + (at % 26)
    const frames = []
    for (let slot = 0; slot < slots; slot++) {
      const unique = `C0A80001${(id * slots + slot).toString(16).toUpperCase().padStart(24, '0')}`
      frames.push(sendFrame({ topic: options.topic, queueId: (id + slot) % options.queues, body, unique }))
    }
    this.length = frames[0].length
    if (frames.some((frame) => frame.length !== this.length)) throw new Error('frames differ in length')
    this.frames = Buffer.concat(frames)
    this.opaqueAt = opaqueAt(frames[0])
    this.round = new Int32Array(slots)
    /** When the message of a slot was sent (closed) or was due (open), ms. */
    this.since = new Float64Array(slots)
    this.rounds = Math.floor(OPAQUE_COUNT / slots)
    /** Slots free to send, a stack for the open loop; the answered ones of this read for the closed one. */
    this.free = new Int32Array(slots)
    this.freeCount = 0
    this.now = 0
    this.stopped = false
    this.inFlight = 0
    this.connection = new RawConnection(
      options.address,
      (bytes, start, _end, length) => this.answered(bytes, start + 8, start + 8 + length),
      () => this.drained(),
    )
  }

  /** @param {Buffer} bytes @param {number} start @param {number} end */
  answered(bytes, start, end) {
    const opaque = opaqueOf(bytes, start, end)
    if (opaque < OPAQUE_MIN) return
    if (this.now === 0) this.now = performance.now()
    const slot = (opaque - OPAQUE_MIN) % this.slots
    const meter = this.meter
    const since = this.since[slot]
    const counts = this.open ? since >= meter.from && since < meter.to : meter.measuring
    if (isOk(bytes, start, end)) {
      if (meter.measuring) meter.ok++
      if (counts) {
        meter.counted++
        meter.histogram.record((this.now - since) * 1000)
      }
    } else {
      if (counts) {
        meter.failed++
        const { code } = JSON.parse(bytes.toString('utf8', start, end))
        meter.codes.set(code, (meter.codes.get(code) ?? 0) + 1)
      }
      meter.firstFailure ??= bytes.toString('utf8', start, end)
    }
    this.inFlight--
    this.free[this.freeCount++] = slot
  }

  drained() {
    this.now = 0
    if (this.open || this.stopped) return
    const count = this.freeCount
    this.freeCount = 0
    this.send(this.free, 0, count, performance.now())
  }

  /**
   * Sends the slots list[from, to) with one writev; neighbours in memory go as one piece.
   * @param {Int32Array} list
   * @param {number} from
   * @param {number} to
   * @param {number} since
   */
  send(list, from, to, since) {
    if (from === to) return
    const socket = this.connection.socket
    socket.cork()
    let first = list[from]
    let next = first
    for (let index = from; index < to; index++) {
      const slot = list[index]
      this.round[slot] = (this.round[slot] + 1) % this.rounds
      this.writeOpaque(slot * this.length + this.opaqueAt, OPAQUE_MIN + this.round[slot] * this.slots + slot)
      this.since[slot] = since
      if (slot !== next) {
        socket.write(this.frames.subarray(first * this.length, next * this.length))
        first = slot
      }
      next = slot + 1
    }
    socket.write(this.frames.subarray(first * this.length, next * this.length))
    socket.uncork()
    this.inFlight += to - from
    this.meter.sent += to - from
  }

  /** @param {number} at @param {number} value ten digits */
  writeOpaque(at, value) {
    let rest = value
    for (let digit = at + 9; digit >= at; digit--) {
      const tenth = (rest / 10) | 0
      this.frames[digit] = 48 + rest - tenth * 10
      rest = tenth
    }
  }

  start() {
    for (let slot = 0; slot < this.slots; slot++) this.free[slot] = slot
    this.freeCount = this.open ? this.slots : 0
    if (!this.open) this.send(this.free, 0, this.slots, performance.now())
  }
}

/**
 * Opens the connections and starts to send. The caller sets meter.measuring after the warm-up.
 * @param {SendOptions} options
 */
export async function startSending(options) {
  const meter = new Meter()
  const open = options.rate !== undefined
  const connections = Array.from(
    { length: options.connections },
    (_, id) =>
      new SendConnection(options, meter, id, open ? Math.ceil(OPEN_SLOTS / options.connections) : options.depth),
  )
  await Promise.all(connections.map((one) => one.connection.opened))
  for (const one of connections) {
    one.connection.socket.on('error', (error) => {
      meter.firstFailure ??= `connection: ${error.message}`
    })
    one.connection.socket.on('close', () => {
      one.stopped = true
      one.inFlight = 0
    })
    one.start()
  }
  const ticker = open ? openLoop(connections, options.rate ?? 0) : undefined
  return {
    meter,
    begin() {
      meter.from = performance.now()
      meter.measuring = true
      return meter.from
    },
    end() {
      meter.to = performance.now()
      meter.measuring = false
      ticker?.last(meter.to)
      return meter.to
    },
    /** Stops sending (open loop: once all that was due is sent) and waits until what is in flight was answered. */
    async stop(timeoutMs = 10_000) {
      const end = performance.now() + timeoutMs
      while ((ticker?.backlog() ?? 0) > 0 && performance.now() < end) await new Promise((r) => setTimeout(r, 5))
      ticker?.stop()
      for (const one of connections) one.stopped = true
      while (connections.some((one) => one.inFlight > 0) && performance.now() < end)
        await new Promise((r) => setTimeout(r, 5))
      const lost = connections.reduce((sum, one) => sum + one.inFlight, 0)
      for (const one of connections) one.connection.close()
      return { unanswered: lost, backlog: ticker?.backlog() ?? 0 }
    },
  }
}

/**
 * Messages fall due in even steps; each tick sends what is due, and a message's time counts from when it was due. When
 * all slots wait for answers the due ones queue here, still counted.
 * @param {SendConnection[]} connections
 * @param {number} rate
 */
function openLoop(connections, rate) {
  const began = performance.now()
  let sent = 0
  let turn = 0
  let end = Infinity
  const one = new Int32Array(1)
  // The first is due at once.
  const dueBy = (/** @type {number} */ now) => Math.floor(((Math.min(now, end) - began) * rate) / 1000) + 1
  const tick = () => {
    const due = dueBy(performance.now())
    for (const connection of connections) connection.connection.socket.cork()
    let blocked = 0
    while (sent < due && blocked < connections.length) {
      const connection = connections[turn]
      turn = (turn + 1) % connections.length
      if (connection.freeCount === 0) {
        blocked++
        continue
      }
      blocked = 0
      one[0] = connection.free[--connection.freeCount]
      connection.send(one, 0, 1, began + (sent * 1000) / rate)
      sent++
    }
    for (const connection of connections) connection.connection.socket.uncork()
  }
  const shared = new SharedArrayBuffer(4)
  const word = new Int32Array(shared)
  const metronome = new Worker(METRONOME, {
    eval: true,
    workerData: { shared, began: performance.timeOrigin + began, periodMs: Math.max(TICK_MS_MIN, 1000 / rate) },
  })
  metronome.on('message', () => {
    Atomics.store(word, 0, 0)
    tick()
  })
  return {
    stop: () => void metronome.terminate(),
    /** Nothing is due from then on. */
    last: (/** @type {number} */ now) => {
      end = now
    },
    backlog: () => Math.max(0, dueBy(performance.now()) - sent),
  }
}
