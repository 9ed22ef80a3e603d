// @ts-check
/**
 * Frames as Apache's Java client writes them (recorded in test/vectors), prepared once, so that the load generator
 * measures the server and not itself.
 *
 *     | total i32 | type 0, header length i24 | JSON header … "opaque":1000000000 … | body |
 *
 * Invariant: an opaque always has ten digits, so it is patched in place and nothing moves.
 */
export const OPAQUE_MIN = 1_000_000_000
export const OPAQUE_COUNT = 1_147_483_647
const VERSION = 407 // V4_9_7

export const CODES = { pull: 11, createTopic: 17, maxOffset: 30, send: 310 }

/**
 * @param {object} header
 * @param {Uint8Array} [body]
 */
export function frameOf(header, body = new Uint8Array(0)) {
  const text = Buffer.from(JSON.stringify(header))
  const frame = Buffer.alloc(8 + text.length + body.length)
  frame.writeInt32BE(4 + text.length + body.length, 0)
  frame.writeInt32BE(text.length, 4)
  text.copy(frame, 8)
  frame.set(body, 8 + text.length)
  return frame
}

/**
 * @param {number} code
 * @param {Record<string, string>} extFields
 * @param {number} opaque
 * @param {Uint8Array} [body]
 */
export function requestFrame(code, extFields, opaque, body) {
  const header = {
    code,
    extFields,
    flag: 0,
    language: 'JAVA',
    opaque,
    serializeTypeCurrentRPC: 'JSON',
    version: VERSION,
  }
  return frameOf(header, body)
}

/**
 * SEND_MESSAGE_V2 with the properties of a Java client: UNIQ_KEY, WAIT, TAGS.
 * @param {{topic: string, queueId: number, body: Uint8Array, unique: string, keys?: string}} m
 */
export function sendFrame(m) {
  const keys = m.keys === undefined ? '' : `KEYS\u0001${m.keys}\u0002`
  const properties = `${keys}UNIQ_KEY\u0001${m.unique}\u0002WAIT\u0001true\u0002TAGS\u0001TagA`
  const fields = {
    a: 'bench-producer',
    b: m.topic,
    c: 'TBW102',
    d: '4',
    e: String(m.queueId),
    f: '0',
    g: String(Date.now()),
    h: '0',
    i: properties,
    j: '0',
    k: 'false',
    m: 'false',
    n: 'broker-a',
  }
  return requestFrame(CODES.send, fields, OPAQUE_MIN, m.body)
}

/** Where the ten digits of the opaque start in a frame made here. */
export function opaqueAt(/** @type {Buffer} */ frame) {
  const key = '"opaque":'
  const at = frame.indexOf(key, 8)
  if (at < 0) throw new Error('no opaque in the frame')
  return at + key.length
}

/**
 * PULL_MESSAGE as DefaultMQPullConsumer writes it: the subscription in the header, no hold unless `suspendMs`.
 * @param {{topic: string, queueId: number, offset: number, count: number, opaque: number, suspendMs?: number}} p
 */
export function pullFrame(p) {
  const fields = {
    queueId: String(p.queueId),
    maxMsgNums: String(p.count),
    sysFlag: p.suspendMs === undefined ? '4' : '6',
    commitOffset: '0',
    subscription: '*',
    suspendTimeoutMillis: String(p.suspendMs ?? 20_000),
    bname: 'broker-a',
    topic: p.topic,
    queueOffset: String(p.offset),
    expressionType: 'TAG',
    subVersion: '0',
    consumerGroup: 'bench-consumer',
  }
  return requestFrame(CODES.pull, fields, p.opaque)
}

/** The opaque in an answer's JSON header [start, end), read from behind, where Java writes it. -1 when there is none. */
export function opaqueOf(/** @type {Buffer} */ bytes, /** @type {number} */ start, /** @type {number} */ end) {
  for (let at = end - 1; at > start + 8; at--) {
    // "opaque":  ends in  q u e " :
    if (
      bytes[at] === 58 &&
      bytes[at - 1] === 34 &&
      bytes[at - 2] === 101 &&
      bytes[at - 3] === 117 &&
      bytes[at - 4] === 113
    ) {
      let value = 0
      for (let digit = at + 1; digit < end; digit++) {
        const c = bytes[digit]
        if (c < 48 || c > 57) break
        value = value * 10 + (c - 48)
      }
      return value
    }
  }
  return -1
}

/** Does the header say code 0? Java writes `{"code":0,` first; any other order is parsed. */
export function isOk(/** @type {Buffer} */ bytes, /** @type {number} */ start, /** @type {number} */ end) {
  if (bytes[start + 1] === 34 && bytes[start + 2] === 99 && bytes[start + 7] === 58) {
    return bytes[start + 8] === 48 && bytes[start + 9] === 44
  }
  return JSON.parse(bytes.toString('utf8', start, end)).code === 0
}
