/**
 * What runs in threads for comparisons: blocks of two logs against each other, hashes of blocks, and records counted. Two logs
 * that can be read are compared byte by byte in one pass; a hash stands for the one that is elsewhere, or was hashed before,
 * and only where it differs are both read.
 */
import { type BlockHash, loadBlockHash } from '../../store/checksums/block-hash.ts'
import type { InspectSettings } from '../geometry.ts'
import { LogWalk } from '../log-walk.ts'
import { messageAt } from '../message.ts'
import { LogBytes, type LogFile } from './log-bytes.ts'
import type { Range } from './ranges.ts'

export interface Block extends Range {
  hashA: bigint | undefined
  hashB: bigint | undefined
}

export interface CompareTask {
  /** Empty: it cannot be read. */
  filesA: LogFile[]
  filesB: LogFile[]
  blocks: Block[]
}

export interface DifferingRange extends Range {
  /** By bytes, and not only by the hash of a block. */
  isExact: boolean
}

export interface CompareResult {
  differing: DifferingRange[]
  /** Could not be compared: gone meanwhile, or a hash that covers more. */
  uncompared: Range[]
  bytesRead: number
}

/** Differences that lie closer together are one. */
const PIECE = 4096

export async function compareBlocks(task: CompareTask): Promise<CompareResult> {
  const hash = await loadBlockHash()
  const longest = Math.max(0, ...task.blocks.map(({ from, to }) => to - from))
  using a = new BlockSide(task.filesA, longest)
  using b = new BlockSide(task.filesB, longest)
  const result: CompareResult = { differing: [], uncompared: [], bytesRead: 0 }
  for (const block of task.blocks) {
    const { from, to, hashA, hashB } = block
    if (hashA !== undefined && hashA === hashB) continue
    const verdict = verdictOf(a, b, block, hash)
    if (verdict === 'uncompared') result.uncompared.push({ from, to })
    else if (verdict === 'hash') result.differing.push({ from, to, isExact: false })
    else if (verdict === 'bytes') differences(result.differing, a.bytes, b.bytes, from, to - from)
  }
  result.bytesRead = a.bytesRead + b.bytesRead
  return result
}

/** `bytes`: both have been read. */
function verdictOf(
  a: BlockSide,
  b: BlockSide,
  block: Block,
  hash: BlockHash,
): 'equal' | 'hash' | 'bytes' | 'uncompared' {
  const { hashA, hashB } = block
  if (hashA !== undefined && hashB !== undefined) return a.read(block) && b.read(block) ? 'bytes' : 'hash'
  const [known, unknown, expected] = hashA !== undefined ? [a, b, hashA] : [b, a, hashB]
  if (expected === undefined) return a.read(block) && b.read(block) ? 'bytes' : 'uncompared'
  if (!unknown.read(block)) return 'uncompared'
  if (hash(unknown.bytes.subarray(0, block.to - block.from)) === expected) return 'equal'
  return known.read(block) ? 'bytes' : 'hash'
}

class BlockSide implements Disposable {
  readonly bytes: Buffer
  bytesRead = 0
  private readonly log: LogBytes

  constructor(files: LogFile[], longest: number) {
    this.log = new LogBytes(files)
    this.bytes = Buffer.allocUnsafeSlow(longest)
  }

  read({ from, to }: Range): boolean {
    if (!this.log.read(this.bytes, from, to)) return false
    this.bytesRead += to - from
    return true
  }

  [Symbol.dispose](): void {
    this.log[Symbol.dispose]()
  }
}

function differences(found: DifferingRange[], a: Buffer, b: Buffer, from: number, length: number): void {
  if (a.compare(b, 0, length, 0, length) === 0) return
  for (let at = 0; at < length; at += PIECE) {
    let end = Math.min(at + PIECE, length)
    if (a.compare(b, at, end, at, end) === 0) continue
    let first = at
    while (a[first] === b[first]) first += 1
    while (a[end - 1] === b[end - 1]) end -= 1
    const last = found.at(-1)
    if (last?.isExact === true && from + first <= last.to + PIECE) last.to = from + end
    else found.push({ from: from + first, to: from + end, isExact: true })
  }
}

export interface HashTask {
  files: LogFile[]
  blocks: Range[]
}

/** Of each block; undefined for one that is gone. */
export async function hashBlocks({ files, blocks }: HashTask): Promise<(bigint | undefined)[]> {
  const hash = await loadBlockHash()
  using side = new BlockSide(files, Math.max(0, ...blocks.map(({ from, to }) => to - from)))
  return blocks.map((block) => (side.read(block) ? hash(side.bytes.subarray(0, block.to - block.from)) : undefined))
}

export interface CountTask {
  settings: InspectSettings
  segmentStarts: number[]
  /** Records that start in [from, to); a record starts at `from`. */
  from: number
  to: number
  isLive: boolean
}

export interface Counted {
  records: number
  firstTime: number
  lastTime: number
  /** Brokers that stored them: their storeHost. */
  hosts: string[]
}

const HOSTS_MAX = 8

export function countRecords({ settings, segmentStarts, from, to, isLive }: CountTask): Counted {
  using walk = new LogWalk({ settings, segmentStarts, from, limit: to, durable: to, isLive, checkCRC: false })
  const counted: Counted = { records: 0, firstTime: 0, lastTime: 0, hosts: [] }
  let lastHost = Buffer.alloc(0)
  while (walk.step() !== 'end') {
    if (!walk.isReadable || walk.at < from || walk.at >= to) continue
    const { record, window } = walk
    counted.records += 1
    if (counted.firstTime === 0) counted.firstTime = record.storeTimestamp
    counted.lastTime = record.storeTimestamp
    const hostEnd = record.storeHostStart + record.storeHostLength + 4
    if (lastHost.compare(window.bytes, record.storeHostStart, hostEnd) === 0) continue
    lastHost = Buffer.from(window.bytes.subarray(record.storeHostStart, hostEnd))
    const host = messageAt(window.bytes.subarray(record.at, record.at + record.totalSize))?.storeHost
    if (host !== undefined && counted.hosts.length < HOSTS_MAX && !counted.hosts.includes(host))
      counted.hosts.push(host)
  }
  return counted
}
