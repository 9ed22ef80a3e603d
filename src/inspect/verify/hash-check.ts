/**
 * Blocks of a sealed segment against its side checksums: hashed while the records are checked, from the same bytes. Blocks on:
 * the disk.
 */
import { closeSync, openSync } from 'node:fs'
import { type BlockHash, HASHED_BLOCK, HashedWindow, loadBlockHash, readBlock } from '../../store/checksums/index.ts'
import { LogFolders } from '../../store/commitlog/index.ts'
import type { InspectSettings } from '../geometry.ts'

export interface HashedRange {
  /** Of the segment. */
  start: number
  /** The first block, and the hash of it and of those behind. */
  first: number
  hashes: BigUint64Array
}

/** Of a thread: from its first read to finish() a check does not give way to another one. */
let blocks: Uint8Array | undefined

export class HashCheck {
  readonly window: HashedWindow
  private readonly range: HashedRange
  private readonly fd: number

  /** Undefined where the segment is not there: retention was faster, or others say that it is missing. */
  static async open(settings: InspectSettings, range: HashedRange): Promise<HashCheck | undefined> {
    const hash = await loadBlockHash()
    try {
      return new HashCheck(settings, range, hash)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  private constructor(settings: InspectSettings, range: HashedRange, hash: BlockHash) {
    const { start, first, hashes } = range
    const folder = new LogFolders(settings)
    blocks ??= Buffer.allocUnsafeSlow(2 * HASHED_BLOCK)
    const fd = openSync(folder.pathAt(start), 'r')
    this.fd = fd
    this.range = range
    this.window = new HashedWindow({
      ...{
        folder,
        segmentSize: settings.mappedFileSizeCommitLog,
        start,
        first,
        end: first + hashes.length,
        hash,
        buffer: blocks,
      },
      source: (block, into) => readBlock(fd, block, into),
    })
  }

  /** Reads what nobody has read of the blocks; those that are not what was hashed. */
  finish(): number[] {
    const { window, range, fd } = this
    try {
      window.finish()
    } finally {
      closeSync(fd)
    }
    const wrong: number[] = []
    for (const [i, hash] of range.hashes.entries()) if (window.hashes[i] !== hash) wrong.push(range.first + i)
    return wrong
  }
}

/** A segment in which no records are looked for. */
export async function hashSegment({
  settings,
  range,
}: {
  settings: InspectSettings
  range: HashedRange
}): Promise<number[]> {
  const check = await HashCheck.open(settings, range)
  try {
    return check?.finish() ?? []
  } finally {
    check?.window.close()
  }
}
