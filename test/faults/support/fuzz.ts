/**
 * Frames that no honest peer sends: what real clients, brokers and tools sent (test/vectors), changed in one or several ways, and
 * plain noise. The same seed makes the same frames.
 */
import { decodeCommand, encodeCommand } from '../../../src/remoting/frame.ts'
import { framesOf, SCENARIOS } from '../../remoting/vectors.ts'

export type Random = () => number

/** mulberry32. */
export function randomOf(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const RECORDED: Buffer[] = SCENARIOS.flatMap((scenario) =>
  framesOf(scenario).map(({ bytes }) => Buffer.from(bytes)),
)

const NOISE_MAX = 300
const BYTES_CHANGED_MAX = 8
/** What a field of a header is set to. */
const EXTREMES = [
  ...['', '-1', '0', '1', '2147483647', '-2147483648', '9223372036854775807', '-9223372036854775808', '1e9', 'NaN'],
  ...[
    'null',
    'true',
    '../../x',
    '%RETRY%',
    '\u0000',
    '\u0001\u0002',
    '"',
    '{',
    '[]',
    'ü'.repeat(200),
    'x'.repeat(40_000),
  ],
]

/** One frame, or what looks like one from afar. */
export function strangeFrame(random: Random): Buffer {
  const below = (limit: number) => Math.floor(random() * limit)
  const frame = Buffer.from(RECORDED[below(RECORDED.length)])
  switch (below(8)) {
    case 0: // As it was: replayed out of its order.
      return frame
    case 1: // Noise behind a length that fits.
      return withLength(noise(random, 4 + below(NOISE_MAX)))
    case 2: // Bare noise.
      return noise(random, 1 + below(NOISE_MAX))
    case 3: // The length, the mark, or a length within the header.
      frame.writeInt32BE([-1, 0, 3, 4, 0x7fffffff, 16_777_217, below(2000), frame.length][below(8)], below(2) * 4)
      return frame
    case 4: // Cut.
      return frame.subarray(0, 1 + below(frame.length))
    case 5: // Whole, with an extreme in its header.
      return withExtreme(frame, below) ?? frame
    case 6: // Whole, with another body.
      return withBody(frame, noise(random, below(NOISE_MAX)))
    default: // Some bytes are others; the length stays, so that the rest is looked at.
      for (let n = 1 + below(BYTES_CHANGED_MAX); n > 0; n -= 1) frame[4 + below(frame.length - 4)] = below(256)
      return frame
  }
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
}

function withLength(rest: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(rest.length)
  return Buffer.concat([length, rest])
}

function withExtreme(frame: Buffer, below: (limit: number) => number): Buffer | undefined {
  const command = decodeCommand(frame)
  const names = Object.keys(command.ext ?? {})
  if (names.length === 0) return undefined
  const name = names[below(names.length)]
  const ext = { ...command.ext, [name]: EXTREMES[below(EXTREMES.length)] }
  if (below(4) === 0) delete (ext as Record<string, string>)[name]
  return encodeCommand({ ...command, ext })
}

function withBody(frame: Buffer, body: Buffer): Buffer {
  return encodeCommand({ ...decodeCommand(frame), body })
}
