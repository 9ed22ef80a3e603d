/**
 * The side checksums of one sealed CommitLog segment: `<store>/basalt/checksums/<name of the segment>`, ours, beside the
 * files that RocketMQ knows. What it says is what was read of the segment when it was hashed, and nothing about who wrote it.
 *
 *   0 magic "BSCS"   4 version 1      8 block size, 1 MiB      12 count of blocks
 *  16 start         24 size          32 hashed at, ms          40 segment's mtime, ns      48 segment's inode
 *  56 xxhash64 (seed 0) of each block, 8 bytes each           then CRC-32 of all before
 *
 * Big-endian. Written whole: temporary file, sync, rename, sync of the folder. A file that is not whole is a reason in words,
 * never an exception: nothing that was acknowledged depends on it. Blocks on: the disk. Documented in docs/checksums.md.
 */
import { type BigIntStats, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe } from '../../errors.ts'
import { namesIn } from '../commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { errnoOf, writeDurably } from '../metadata/durable-file.ts'
import { offsetName } from '../offset-name.ts'
import { FOLDERS } from '../settings.ts'
import { HASHED_BLOCK } from './block-hash.ts'

export interface SegmentChecksums {
  /** Of the segment in the log, and bytes of it. */
  start: number
  size: number
  /** Milliseconds since 1970. */
  hashedAt: number
  /** The segment's modification time when it was hashed, ns since 1970: who writes to it later moves it, a bad disk does not. */
  modifiedAt: bigint
  inode: bigint
  /** Of each block of HASHED_BLOCK bytes; the last one may be shorter. */
  hashes: BigUint64Array
}

export type ReadChecksums =
  | { kind: 'ok'; checksums: SegmentChecksums }
  | { kind: 'missing' }
  /** Not what was written, or not of this segment: `problem` says why in words. */
  | { kind: 'bad'; problem: string }

const MAGIC = 0x42534353
const VERSION = 1
const HEADER = 56
const CRC_SIZE = 4
const HASH_SIZE = 8
const NAME = /^\d{20}$/

export function checksumsFolder(root: string): string {
  return join(root, FOLDERS.own, 'checksums')
}

export function checksumsPath(root: string, start: number): string {
  return join(checksumsFolder(root), offsetName(start))
}

export function blockCount(size: number): number {
  return Math.ceil(size / HASHED_BLOCK)
}

export function encodeChecksums({ start, size, hashedAt, modifiedAt, inode, hashes }: SegmentChecksums): Buffer {
  const bytes = Buffer.alloc(HEADER + hashes.length * HASH_SIZE + CRC_SIZE)
  bytes.writeUInt32BE(MAGIC, 0)
  bytes.writeUInt32BE(VERSION, 4)
  bytes.writeUInt32BE(HASHED_BLOCK, 8)
  bytes.writeUInt32BE(hashes.length, 12)
  bytes.writeBigUInt64BE(BigInt(start), 16)
  bytes.writeBigUInt64BE(BigInt(size), 24)
  bytes.writeBigUInt64BE(BigInt(hashedAt), 32)
  bytes.writeBigUInt64BE(modifiedAt, 40)
  bytes.writeBigUInt64BE(inode, 48)
  for (let block = 0; block < hashes.length; block += 1)
    bytes.writeBigUInt64BE(hashes[block], HEADER + block * HASH_SIZE)
  const end = bytes.length - CRC_SIZE
  bytes.writeUInt32BE(crc32(bytes.subarray(0, end)), end)
  return bytes
}

export function decodeChecksums(bytes: Buffer): Exclude<ReadChecksums, { kind: 'missing' }> {
  if (bytes.length < HEADER + CRC_SIZE) return bad(`it has ${bytes.length} bytes, less than its header`)
  if (bytes.readUInt32BE(0) !== MAGIC) return bad('it does not begin with its magic')
  const version = bytes.readUInt32BE(4)
  if (version !== VERSION) return bad(`it is of version ${version}, and this program knows version ${VERSION}`)
  const end = bytes.length - CRC_SIZE
  if (bytes.readUInt32BE(end) !== crc32(bytes.subarray(0, end))) return bad('its own CRC is wrong')
  const count = bytes.readUInt32BE(12)
  const blockSize = bytes.readUInt32BE(8)
  if (blockSize !== HASHED_BLOCK) return bad(`its blocks have ${blockSize} bytes, not ${HASHED_BLOCK}`)
  const [start, size, hashedAt] = [16, 24, 32].map((at) => Number(bytes.readBigUInt64BE(at)))
  if (![start, size, hashedAt].every(Number.isSafeInteger)) return bad('it has a number beyond 2^53')
  if (count !== blockCount(size) || end !== HEADER + count * HASH_SIZE)
    return bad(`it has ${end - HEADER} bytes of hashes for ${size} bytes of the log`)
  const hashes = new BigUint64Array(count)
  for (let block = 0; block < count; block += 1) hashes[block] = bytes.readBigUInt64BE(HEADER + block * HASH_SIZE)
  const modifiedAt = bytes.readBigUInt64BE(40)
  const inode = bytes.readBigUInt64BE(48)
  return { kind: 'ok', checksums: { start, size, hashedAt, modifiedAt, inode, hashes } }
}

/** Those of the segment that begins at `start`. Never throws. */
export function readChecksums(root: string, start: number): ReadChecksums {
  let bytes: Buffer
  try {
    bytes = readFileSync(checksumsPath(root, start))
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? { kind: 'missing' } : bad(`it cannot be read: ${describe(error)}`)
  }
  const read = decodeChecksums(bytes)
  if (read.kind === 'ok' && read.checksums.start !== start)
    return bad(`it is of the segment that begins at ${read.checksums.start}`)
  return read
}

/** On disk when it returns. Throws StoreError DISK_FULL or FILE_WRITE, or the system's error where there is no folder to be made. */
export function writeChecksums(root: string, checksums: SegmentChecksums): void {
  mkdirSync(checksumsFolder(root), { recursive: true })
  writeDurably(checksumsPath(root, checksums.start), encodeChecksums(checksums))
}

export interface ChecksumNames {
  /** Starts of the segments that have a file, ascending. */
  starts: number[]
  /** Paths of whatever else is there: a temporary file of a write that did not end. */
  strays: string[]
}

/** Empty without a folder. Throws the system's error where the folder cannot be listed. */
export function listChecksums(root: string): ChecksumNames {
  const folder = checksumsFolder(root)
  const starts: number[] = []
  const strays: string[] = []
  for (const name of namesIn(folder)) {
    const start = Number(name)
    if (NAME.test(name) && Number.isSafeInteger(start)) starts.push(start)
    else strays.push(join(folder, name))
  }
  starts.sort((a, b) => a - b)
  return { starts, strays }
}

/** The segment goes, or something else takes its place. Does not throw: a file that stays is told from the segment by its mtime. */
export function forgetChecksums(root: string, start: number, disk: StoreDisk = realDisk): void {
  try {
    disk.remove(checksumsPath(root, start))
  } catch {
    // As above.
  }
}

/**
 * Before bytes of the log at or above `from` are written again: the files of all segments that reach above it go, durably. Does
 * not throw, as forgetChecksums().
 */
export function forgetChecksumsFrom(root: string, from: number, segmentSize: number, disk: StoreDisk = realDisk): void {
  try {
    const gone = listChecksums(root).starts.filter((start) => start + segmentSize > from)
    for (const start of gone) forgetChecksums(root, start, disk)
    if (gone.length > 0) disk.syncFolder(checksumsFolder(root))
  } catch {
    // No start depends on them.
  }
}

/** mtime of some file systems and copies has a second or a millisecond, not a nanosecond. */
const SAME_NS = 1_000_000n

/**
 * Whether somebody wrote to the segment, or put another file in its place, after it was hashed: in words, or undefined where
 * nobody did and what differs is the disk's doing. `status` from stat with bigint.
 */
export function changedSince(checksums: SegmentChecksums, status: BigIntStats): string | undefined {
  const when = (ns: bigint) => new Date(Number(ns / 1_000_000n)).toISOString()
  if (status.mtimeNs > checksums.modifiedAt + SAME_NS)
    return `the file was written to at ${when(status.mtimeNs)}, after it was hashed`
  if (status.ino !== checksums.inode) return 'it is a copy, not the file that was hashed'
  return undefined
}

function bad(problem: string): { kind: 'bad'; problem: string } {
  return { kind: 'bad', problem }
}
