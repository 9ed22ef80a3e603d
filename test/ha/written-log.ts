/** A log as a master's append writes it, to be cut anywhere. */
import { BLANK_MAGIC, recordSize, writeRecord } from '../../src/store/commitlog/record.ts'

export const SEGMENT = 1024
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }

/** Records of these body lengths, blanks at the ends of files. Also where each record ends. */
export function logOf(bodies: readonly number[], start = 0) {
  const bytes = Buffer.alloc((bodies.length + 1) * SEGMENT)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const ends: number[] = []
  let at = 0
  for (const body of bodies) {
    const size = recordSize(body, 1, 0, 4, 4)
    const left = SEGMENT - ((start + at) % SEGMENT)
    if (size + 8 > left) {
      view.setInt32(at, left)
      view.setInt32(at + 4, BLANK_MAGIC)
      at += left
    }
    const input = {
      queueId: 0,
      bornTimestamp: 1,
      bornHost: HOST,
      storeTimestamp: 1,
      storeHost: HOST,
      topic: 'T',
      properties: '',
    }
    at += writeRecord(bytes, view, at, { ...input, physicalOffset: start + at, body: Buffer.alloc(body, 7) })
    ends.push(start + at)
  }
  return { bytes: bytes.subarray(0, at), ends }
}
