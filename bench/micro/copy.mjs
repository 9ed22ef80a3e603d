/**
 * Questions: how are a kilobyte of body best copied into a ring, and its CRC computed? By length, at any alignment, because
 * bodies start anywhere in a socket's chunk. V8 of Node 20 copies shared memory byte by byte.
 */
import { crc32 as zlibCrc32 } from 'node:zlib'
import { copyBytes, copyWithCrc, crc32 } from '../../dist/native/index.js'
import { crcOfBody } from '../../dist/store/commitlog/crc.js'

const OPS = 500
const SOURCE = 1 << 17
const LENGTHS = [16, 64, 256, 1024, 4096, 65_536]
const SHARED_MASK = 0x7ffff

const source = Buffer.alloc(SOURCE)
for (let i = 0; i < SOURCE; i++) source[i] = Math.imul(i, 0x9e3779b1) >>> 24
/** Keeps results from being optimized away. */
let sink = 0

export const copy = {
  name: 'copy',
  unit: 'copy',
  make() {
    const ring = Buffer.from(new SharedArrayBuffer(1 << 20))
    const rows = LENGTHS.flatMap((length) => [
      row(`Buffer.copy to shared ${length}`, (at) =>
        source.copy(ring, (at * 1037) & SHARED_MASK, at & 63, (at & 63) + length),
      ),
      row(`set of a view to shared ${length}`, (at) =>
        ring.set(source.subarray(at & 63, (at & 63) + length), (at * 1037) & SHARED_MASK),
      ),
      row(`copyBytes to shared ${length}`, (at) => copyBytes(ring, (at * 1037) & SHARED_MASK, source, at & 63, length)),
      row(`Buffer.copy, zlib.crc32 of a view ${length}`, (at) => {
        source.copy(ring, (at * 1037) & SHARED_MASK, at & 63, (at & 63) + length)
        sink ^= zlibCrc32(source.subarray(at & 63, (at & 63) + length))
      }),
      row(`copyWithCrc ${length}`, (at) => {
        sink ^= copyWithCrc(ring, (at * 1037) & SHARED_MASK, source, at & 63, length)
      }),
    ])
    return { rows, close() {} }
  },
}

export const crc = {
  name: 'crc',
  unit: 'body',
  make() {
    const rows = LENGTHS.flatMap((length) => [
      row(`zlib.crc32 of a view ${length}`, (at) => {
        sink ^= zlibCrc32(source.subarray(at & 63, (at & 63) + length))
      }),
      row(`crc32 (addon) ${length}`, (at) => {
        sink ^= crc32(source, at & 63, length)
      }),
      row(`crcOfBody (store) ${length}`, (at) => {
        sink ^= crcOfBody(source, at & 63, (at & 63) + length)
      }),
    ])
    return { rows, close() {} }
  },
}

function row(name, once) {
  return {
    name,
    ops: OPS,
    run() {
      for (let i = 0; i < OPS; i++) once(i)
      return sink === 0.5
    },
  }
}
