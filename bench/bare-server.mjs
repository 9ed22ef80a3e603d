// @ts-check
/**
 * What is the most that one Node thread could answer? A server that finds the frames and answers them, and does nothing
 * else: no header is parsed (only the opaque is copied), nothing is stored. The upper bound of every broker figure here.
 *
 *     node bench/bare-server.mjs [--port 0] [--parse]      prints "listening PORT"; --parse runs JSON.parse on each header
 */
import { createServer } from 'node:net'
import { parseArgs } from 'node:util'
import { frameOf, opaqueAt } from './load/frames.mjs'

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, parse: { type: 'boolean', default: false } },
})
const ANSWER = frameOf({
  code: 0,
  extFields: {
    queueId: '0',
    TRACE_ON: 'true',
    MSG_REGION: 'DefaultRegion',
    msgId: '7F0000010000614F0000000000000000',
    queueOffset: '0000000000',
  },
  flag: 1,
  language: 'JAVA',
  opaque: 1_000_000_000,
  serializeTypeCurrentRPC: 'JSON',
  version: 409,
})
const ANSWER_OPAQUE = opaqueAt(ANSWER)

const server = createServer({ noDelay: true }, (socket) => {
  let carry = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk])
    // A request is never shorter than 100 bytes, so the answers of one read fit in this.
    const out = Buffer.allocUnsafe(Math.ceil(bytes.length / 100) * ANSWER.length)
    let used = 0
    let at = 0
    while (bytes.length - at >= 8) {
      const end = at + 4 + bytes.readInt32BE(at)
      if (end > bytes.length) break
      const headerEnd = at + 8 + (bytes.readInt32BE(at + 4) & 0xffffff)
      if (values.parse) JSON.parse(bytes.toString('utf8', at + 8, headerEnd))
      ANSWER.copy(out, used)
      copyOpaque(bytes, at + 8, headerEnd, out, used + ANSWER_OPAQUE)
      used += ANSWER.length
      at = end
    }
    carry = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at))
    if (used > 0) socket.write(out.subarray(0, used))
  })
})
const EMPTY = Buffer.alloc(0)

/** The generator's opaques have ten digits: they are copied as text. */
function copyOpaque(
  /** @type {Buffer} */ from,
  /** @type {number} */ start,
  /** @type {number} */ end,
  /** @type {Buffer} */ to,
  /** @type {number} */ at,
) {
  for (let index = end - 1; index > start; index--) {
    if (from[index] === 58 && from[index - 2] === 101 && from[index - 3] === 117 && from[index - 4] === 113) {
      for (let digit = 0; digit < 10; digit++) to[at + digit] = from[index + 1 + digit]
      return
    }
  }
}

server.listen(Number(values.port), '127.0.0.1', () => {
  const address = server.address()
  console.log(`listening ${typeof address === 'object' ? address?.port : values.port}`)
})
process.once('SIGTERM', () => process.exit(0))
