/**
 * One slot of <root>/basalt/positions: 256 bytes, big-endian.
 *
 *     0  int32  magic "BPOS"        4  int32 version 1
 *     8  int64  sequence            the larger of two valid slots counts
 *    16  int64  writtenAt           ms, for people
 *    24  int32  pid                28  int32 state: 0 running, 1 stopped cleanly
 *    32  bytes  boot id, 36 characters, 4 of zeros
 *    72  int64  inode              80  int64 birth time of the positions file itself, ns (0 unknown)
 *    88  int64  appended, dispatched, retained, allocated, replicated   (live: true as long as the page cache is)
 *   128  int64  flushed, settled                                        (durable: true after a power cut too)
 *   144  int64  segmentSize        152  int32 epoch
 *   252  uint32 CRC-32 of the 252 bytes before
 *
 * A slot lies within one sector of its own, so that a torn write damages one slot only.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../../assert.ts'

export const SLOT_SIZE = 256
const MAGIC = 0x42504f53
const VERSION = 1
const BOOT_ID_SIZE = 36
const CRC_AT = 252

export interface PositionsSlot {
  sequence: number
  writtenAt: number
  pid: number
  isClean: boolean
  bootId: string
  inode: bigint
  birthTime: bigint
  appended: number
  dispatched: number
  retained: number
  allocated: number
  replicated: number
  flushed: number
  settled: number
  segmentSize: number
  epoch: number
}

const NUMBERS = [
  ['sequence', 8],
  ['writtenAt', 16],
  ['appended', 88],
  ['dispatched', 96],
  ['retained', 104],
  ['allocated', 112],
  ['replicated', 120],
  ['flushed', 128],
  ['settled', 136],
  ['segmentSize', 144],
] as const

/** `bytes` holds a slot of before, or zeros: each byte that is ever written is written by every slot. */
export function encodeSlot(slot: PositionsSlot, bytes = Buffer.alloc(SLOT_SIZE)): Buffer {
  assert(slot.flushed <= slot.appended, 'flushed above appended')
  assert(slot.settled <= slot.dispatched, 'settled above dispatched')
  bytes.writeInt32BE(MAGIC, 0)
  bytes.writeInt32BE(VERSION, 4)
  for (const [name, at] of NUMBERS) bytes.writeBigInt64BE(BigInt(slot[name]), at)
  bytes.writeInt32BE(slot.pid, 24)
  bytes.writeInt32BE(slot.isClean ? 1 : 0, 28)
  bytes.fill(0, 32, 32 + BOOT_ID_SIZE)
  bytes.write(slot.bootId, 32, BOOT_ID_SIZE, 'latin1')
  bytes.writeBigUInt64BE(BigInt.asUintN(64, slot.inode), 72)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, slot.birthTime), 80)
  bytes.writeInt32BE(slot.epoch, 152)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT)
  return bytes
}

/** Undefined for a slot that is torn, damaged, never written or of a later version. */
export function decodeSlot(bytes: Buffer): PositionsSlot | undefined {
  if (bytes.length < SLOT_SIZE) return undefined
  if (bytes.readInt32BE(0) !== MAGIC || bytes.readInt32BE(4) !== VERSION) return undefined
  if (bytes.readUInt32BE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT))) return undefined
  const number = (at: number) => Number(bytes.readBigInt64BE(at))
  return {
    sequence: number(8),
    writtenAt: number(16),
    pid: bytes.readInt32BE(24),
    isClean: bytes.readInt32BE(28) === 1,
    bootId: bytes.toString('latin1', 32, 32 + BOOT_ID_SIZE).replace(/\0+$/, ''),
    inode: bytes.readBigUInt64BE(72),
    birthTime: bytes.readBigUInt64BE(80),
    appended: number(88),
    dispatched: number(96),
    retained: number(104),
    allocated: number(112),
    replicated: number(120),
    flushed: number(128),
    settled: number(136),
    segmentSize: number(144),
    epoch: bytes.readInt32BE(152),
  }
}
