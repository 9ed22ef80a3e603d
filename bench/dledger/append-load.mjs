// @ts-check
/**
 * Raw APPENDs of DLedger's own protocol over one connection, closed loop: frames made once, only the opaque patched.
 *
 *     node bench/dledger/append-load.mjs '{"address":"127.0.0.1:1","group":"g","id":"n0","inFlight":64,"seconds":2,"bodyBytes":1024}'
 *
 * Prints one line of JSON: rate, p50Ms, p99Ms, refused.
 */
import { connect } from 'node:net'

const { address, group, id, inFlight, seconds, bodyBytes = 1024, warmSeconds = 0 } = JSON.parse(process.argv[2] ?? '{}')
const [host, port] = address.split(':')
const OPAQUE = 1_000_000_000

const body = Buffer.from(JSON.stringify({ group, remoteId: id, body: Buffer.alloc(bodyBytes, 'x').toString('base64') }))
const header = Buffer.from(
  `{"code":50001,"flag":0,"language":"JAVA","opaque":${OPAQUE},"serializeTypeCurrentRPC":"JSON","version":409}`,
)
const frame = Buffer.alloc(8 + header.length + body.length)
frame.writeInt32BE(4 + header.length + body.length, 0)
frame.writeInt32BE(header.length, 4)
header.copy(frame, 8)
body.copy(frame, 8 + header.length)
const opaqueAt = 8 + header.indexOf(String(OPAQUE))
const frames = Array.from({ length: inFlight }, () => Buffer.from(frame))

const began = new Float64Array(inFlight)
/** @type {number[]} */
const times = []
let refused = 0
let isMeasuring = warmSeconds === 0
let since = performance.now()
const socket = connect(Number(port), host)
socket.setNoDelay(true)

/** @param {number} slot */
function send(slot) {
  const it = frames[slot]
  it.write(String(OPAQUE + slot), opaqueAt, 'latin1')
  began[slot] = performance.now()
  socket.write(it)
}

/** @type {Buffer} */
let rest = Buffer.alloc(0)
socket.on('data', (bytes) => {
  const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
  let at = 0
  const now = performance.now()
  socket.cork()
  while (at + 4 <= all.length) {
    const end = at + 4 + all.readInt32BE(at)
    if (end > all.length) break
    const bodyAt = at + 8 + (all.readInt32BE(at + 4) & 0xffffff)
    const head = all.toString('latin1', at + 8, bodyAt)
    const slot = Number(/"opaque":(\d+)/.exec(head)?.[1]) - OPAQUE
    if (!all.toString('latin1', bodyAt, end).includes('"code":200')) refused++
    else if (isMeasuring) times.push(now - began[slot])
    send(slot)
    at = end
  }
  socket.uncork()
  rest = at === all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(at))
})
socket.on('connect', () => {
  for (let i = 0; i < inFlight; i++) send(i)
  setTimeout(() => {
    isMeasuring = true
    refused = 0
    since = performance.now()
    setTimeout(tell, seconds * 1000)
  }, warmSeconds * 1000)
})

function tell() {
  const rate = times.length / ((performance.now() - since) / 1000)
  times.sort((a, b) => a - b)
  /** @param {number} part */
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? null
  console.log(JSON.stringify({ rate, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), refused }))
  process.exit(0)
}
