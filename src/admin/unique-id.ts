/**
 * UNIQ_KEY as Java's clients make it: 16 bytes as upper-case hex: ip (4), process (2), a number of the program (4), milliseconds
 * since the month began (4), counter (2).
 *
 * One part a message changes, the counter; the others are kept as text. Two threads of a process differ in the program's
 * number, which is random.
 */
import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0').toUpperCase())

const front = (() => {
  const bytes = Buffer.alloc(10)
  const address = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  bytes.set((address ?? '127.0.0.1').split('.').map(Number))
  bytes.writeUInt16BE(process.pid & 0xffff, 4)
  bytes.set(randomBytes(4), 6)
  return bytes.toString('hex').toUpperCase()
})()

let counter = randomBytes(2).readUInt16BE()
/** The month that ids are made in, and the text of the last millisecond. */
let monthBegan = 0
let monthEnds = 0
let lastNow = -1
let lastText = ''

/** A clock that runs back over the beginning of the month by less than this gives 0, as in Java. */
const BACK_MS_MAX = 1_000_000

export function uniqueId(now: number): string {
  if (now !== lastNow) textOf(now)
  counter = (counter + 1) & 0xffff
  return lastText + HEX[counter >>> 8] + HEX[counter & 0xff]
}

function textOf(now: number): void {
  if (now >= monthEnds || now < monthBegan - BACK_MS_MAX) {
    const date = new Date(now)
    monthBegan = new Date(date.getFullYear(), date.getMonth(), 1).getTime()
    monthEnds = new Date(date.getFullYear(), date.getMonth() + 1, 1).getTime()
  }
  const since = Math.max(0, now - monthBegan)
  lastNow = now
  lastText = front + HEX[since >>> 24] + HEX[(since >>> 16) & 0xff] + HEX[(since >>> 8) & 0xff] + HEX[since & 0xff]
}
