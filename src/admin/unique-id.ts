/**
 * UNIQ_KEY as Java's clients make it: 16 bytes as upper-case hex: ip (4), process (2), a number of the program (4), milliseconds
 * since the month began (4), counter (2).
 */

import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'

const front = (() => {
  const bytes = Buffer.alloc(10)
  const address = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  bytes.set((address ?? '127.0.0.1').split('.').map(Number))
  bytes.writeUInt16BE(process.pid & 0xffff, 4)
  bytes.set(randomBytes(4), 6)
  return bytes.toString('hex')
})()

let counter = randomBytes(2).readUInt16BE()

export function uniqueId(now: number): string {
  const date = new Date(now)
  const monthBegan = new Date(date.getFullYear(), date.getMonth(), 1).getTime()
  counter = (counter + 1) & 0xffff
  const rest = Buffer.alloc(6)
  rest.writeUInt32BE((now - monthBegan) >>> 0, 0)
  rest.writeUInt16BE(counter, 4)
  return (front + rest.toString('hex')).toUpperCase()
}
