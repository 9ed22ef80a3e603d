// @ts-check
/**
 * One raw connection of the load generator: splits what arrives into frames without copying whole ones, and a small
 * request/answer call for what is not measured (create a topic, ask an offset).
 */
import { connect } from 'node:net'
import { OPAQUE_COUNT, OPAQUE_MIN, requestFrame } from './frames.mjs'

const BUFFER_BYTES = 4 << 20
const READ_BYTES_MIN = 64 << 10

/**
 * @typedef {(bytes: Buffer, start: number, end: number, headerLength: number) => void} OnFrame
 *   a whole frame in bytes[start, end), start = its length field; valid during the call only
 */
export class RawConnection {
  /**
   * @param {string} address host:port
   * @param {OnFrame} onFrame
   * @param {() => void} [onDrained] all frames of one read were given
   * @param {number} [bufferBytes] must hold the largest frame, and a read more
   */
  constructor(address, onFrame, onDrained, bufferBytes = BUFFER_BYTES) {
    const colon = address.lastIndexOf(':')
    this.onFrame = onFrame
    this.onDrained = onDrained
    // What has come and is not taken yet is bytes[head, tail); the next read goes right behind it.
    this.bytes = Buffer.allocUnsafeSlow(bufferBytes)
    this.view = new DataView(this.bytes.buffer)
    this.head = 0
    this.tail = 0
    this.socket = connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
      onread: { buffer: () => this.room(), callback: (count) => this.take(count) },
    })
    this.opened = new Promise((done, failed) => {
      this.socket.once('connect', () => done(undefined))
      this.socket.once('error', failed)
    })
  }

  room() {
    if (this.bytes.length - this.tail < READ_BYTES_MIN) {
      this.bytes.copyWithin(0, this.head, this.tail)
      this.tail -= this.head
      this.head = 0
      if (this.bytes.length === this.tail) throw new Error(`a frame is larger than ${this.bytes.length} bytes`)
    }
    return this.bytes.subarray(this.tail)
  }

  /** @param {number} count */
  take(count) {
    this.tail += count
    while (this.tail - this.head >= 8) {
      const end = this.head + 4 + this.view.getInt32(this.head)
      if (end > this.tail) break
      this.onFrame(this.bytes, this.head, end, this.view.getInt32(this.head + 4) & 0xffffff)
      this.head = end
    }
    if (this.head === this.tail) this.head = this.tail = 0
    this.onDrained?.()
    return true
  }

  close() {
    this.socket.destroy()
  }
}

/**
 * Requests that are not measured, one after the other over a connection of its own.
 * @param {string} address
 */
export async function openCalls(address) {
  /** @type {Map<number, (answer: {header: any, body: Buffer}) => void>} */
  const waiting = new Map()
  let next = 0
  const connection = new RawConnection(address, (bytes, start, end, length) => {
    const header = JSON.parse(bytes.toString('utf8', start + 8, start + 8 + length))
    if ((header.flag & 1) === 0) return
    const done = waiting.get(header.opaque)
    waiting.delete(header.opaque)
    done?.({ header, body: Buffer.from(bytes.subarray(start + 8 + length, end)) })
  })
  await connection.opened
  connection.socket.on('error', () => {})
  return {
    /**
     * @param {number} code
     * @param {Record<string, string>} extFields
     * @param {Uint8Array} [body]
     * @returns {Promise<{header: any, body: Buffer}>}
     */
    call(code, extFields, body, timeoutMs = 10_000) {
      const opaque = OPAQUE_MIN + (next++ % OPAQUE_COUNT)
      return new Promise((done, failed) => {
        const timer = setTimeout(() => failed(new Error(`no answer to code ${code} in ${timeoutMs} ms`)), timeoutMs)
        waiting.set(opaque, (answer) => {
          clearTimeout(timer)
          done(answer)
        })
        connection.socket.write(requestFrame(code, extFields, opaque, body))
      })
    },
    /** Frames whose answers nobody waits for. @param {Uint8Array} frames */
    write: (frames) => void connection.socket.write(frames),
    close: () => connection.close(),
  }
}
