/**
 * What is to be done about side checksums, a block a step: sealed segments that have none are hashed, and all are read again
 * once in scrubInterval.
 *
 *   sealed = [retained, flushed) in whole segments ─▶ no file: hash, check, write ─▶ file
 *                                                  └▶ pass due: read from the disk, compare ─▶ damages
 *
 * Owns:      basalt/checksums, basalt/scrub.json.
 * Invariant: a segment is hashed only when it is below `flushed` as a whole, so that nobody appends to it and all of it is on disk;
 *            in a DLedger log also below `replicated`, so that no truncation comes to it.
 *            Nothing here throws: what the disk refuses is one warning, and tried again after a minute.
 * Called by: stages/checksums.ts, which waits between steps so that rates are kept. Blocks on: the disk.
 */
import { existsSync, rmSync } from 'node:fs'
import type { PositionName } from '../../concurrency/control-block.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { MapSlot } from '../../native/index.ts'
import { LogFolders } from '../commitlog/log-folders.ts'
import { errnoOf } from '../metadata/durable-file.ts'
import type { StoreSettings } from '../settings.ts'
import type { BlockHash } from './block-hash.ts'
import {
  checksumsPath,
  forgetChecksums,
  listChecksums,
  type SegmentChecksums,
  writeChecksums,
} from './checksum-file.ts'
import { type ReadingTools, SegmentHashing } from './hash-segment.ts'
import { Scrubber, type ScrubStatus } from './scrubber.ts'
import { sealedEnd } from './sealed-end.ts'
import { alignedBlocks } from './segment-reader.ts'

export type ChecksumSettings = Pick<
  StoreSettings,
  | 'storePathRootDir'
  | 'storePathCommitLog'
  | 'mappedFileSizeCommitLog'
  | 'enableDLegerCommitLog'
  | 'storePathClassicCommitLog'
  | 'sideChecksumRate'
  | 'scrubRate'
  | 'scrubInterval'
>

export interface KeeperOptions {
  /** Read at each step. */
  settings: ChecksumSettings
  control: { load(name: PositionName): number; now(): number }
  hash: BlockHash
  log: Log
  /** For tests. */
  retryMs?: number
}

export interface ChecksumStatus extends ScrubStatus {
  doing: 'nothing' | 'hashing' | 'scrubbing'
  /** Sealed segments with a file, without one yet, and those that were damaged before they could get one. */
  hashed: number
  missing: number
  refused: number
  /** Segments that end at or below it were looked for. */
  sealedTo: number
  /** What the disk refused last; empty: nothing. */
  problem: string
}

export interface Step {
  /** 0: there is nothing to do now. */
  bytes: number
  /** Bytes a second. */
  rate: number
}

const RETRY_MS = 60_000
const TOLD_MAX = 20
/** Of a step that failed: what else there is to be done is. */
const FAILED: Step = { bytes: 1, rate: 1024 * 1024 }

export class ChecksumKeeper {
  private readonly options: KeeperOptions
  private readonly tools: ReadingTools
  private readonly scrubber: Scrubber
  /** Segments that have a file. */
  private hashed = new Set<number>()
  private missing: number[] = []
  /** Damaged when they were to be hashed. */
  private readonly refused = new Set<number>()
  /** Not before that time, monotonic. */
  private readonly notBefore = new Map<number, number>()
  private hashing: SegmentHashing | undefined
  /** Hashed, and not yet on the disk. */
  private unwritten: SegmentChecksums | undefined
  private problem = ''
  private sealedTo = -1
  private doing: ChecksumStatus['doing'] = 'nothing'

  constructor(options: KeeperOptions) {
    const { settings, hash, log, control } = options
    this.options = options
    const slot = new MapSlot(settings.mappedFileSizeCommitLog)
    this.tools = { settings, hash, buffer: alignedBlocks(), slot }
    this.scrubber = new Scrubber({ settings, tools: this.tools, log, now: () => control.now() })
    this.look()
    for (const path of this.attempt(() => listChecksums(settings.storePathRootDir).strays) ?? [])
      this.attempt(() => rmSync(path, { force: true, recursive: true }))
  }

  /** Segments may have been sealed, or have gone. */
  look(): void {
    const { settings, control } = this.options
    const { storePathRootDir: root, mappedFileSizeCommitLog: size } = settings
    this.attempt(() => {
      const [retained, end] = [control.load('retained'), sealedEnd(control, settings)]
      const files = listChecksums(root).starts
      const isSealed = (start: number) => start >= retained - (retained % size) && start + size <= end
      const sealed = new LogFolders(settings)
        .segments()
        .filter((segment) => segment.size === size && isSealed(segment.start))
        .map(({ start }) => start)
      // Of segments that went while nobody removed these files with them.
      for (const start of files) if (start + size <= retained) forgetChecksums(root, start)
      this.hashed = new Set(files.filter((start) => sealed.includes(start)))
      this.sealedTo = end - (end % size)
      this.missing = sealed.filter((start) => !this.hashed.has(start) && !this.refused.has(start))
      this.scrubber.keep(this.hashed)
      if (this.missing.length === 0) this.problem = ''
    })
  }

  step(): Step {
    const { settings } = this.options
    const step = this.attempt(() => {
      if (this.unwritten !== undefined) this.write(this.unwritten)
      const bytes = this.hash()
      if (bytes > 0) {
        this.doing = 'hashing'
        return { bytes, rate: settings.sideChecksumRate }
      }
      const scrubbed = this.scrubber.step()
      for (const start of this.scrubber.takeSpoilt()) this.forget(start)
      this.doing = scrubbed > 0 ? 'scrubbing' : 'nothing'
      return { bytes: scrubbed, rate: settings.scrubRate }
    })
    return step ?? FAILED
  }

  status(): ChecksumStatus {
    const { doing, hashed, missing, refused, problem, hashing } = this
    const scrub = this.scrubber.status()
    if (hashing !== undefined) scrub.position = hashing.at
    const counts = { hashed: hashed.size, missing: missing.length, refused: refused.size }
    return { ...scrub, doing, ...counts, sealedTo: this.sealedTo, problem }
  }

  close(): void {
    this.hashing?.[Symbol.dispose]()
    this.scrubber.close()
    this.tools.slot.close()
  }

  /** Bytes that were read; 0: all that can be hashed is. */
  private hash(): number {
    const { control } = this.options
    // There is no use in more of them while they cannot be kept.
    if (this.unwritten !== undefined) return 0
    if (this.hashing === undefined) {
      const now = performance.now()
      const start = this.missing.find((each) => now >= (this.notBefore.get(each) ?? 0))
      if (start === undefined) return 0
      this.notBefore.set(start, now + this.retryMs)
      this.hashing = this.opened(start)
      return 1
    }
    const { hashing } = this
    const bytes = hashing.step()
    if (bytes > 0) return bytes
    this.hashing = undefined
    const result = hashing.result(control.now())
    hashing[Symbol.dispose]()
    if (result.kind === 'hashed') this.write(result.checksums)
    else if (result.kind === 'damaged') this.refuse(hashing.start, result.damaged)
    return 1
  }

  private opened(start: number): SegmentHashing | undefined {
    try {
      return new SegmentHashing(this.tools, start)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      this.missing = this.missing.filter((each) => each !== start)
      return undefined
    }
  }

  private write(checksums: SegmentChecksums): void {
    const { settings, control } = this.options
    const { storePathRootDir: root, mappedFileSizeCommitLog: size } = settings
    const { start } = checksums
    this.unwritten = undefined
    if (start + size <= control.load('retained')) return
    const now = performance.now()
    if (now < (this.notBefore.get(-1) ?? 0)) {
      this.unwritten = checksums
      return
    }
    try {
      writeChecksums(root, checksums)
    } catch (error) {
      this.unwritten = checksums
      this.notBefore.set(-1, now + this.retryMs)
      throw error
    }
    this.problem = ''
    this.missing = this.missing.filter((each) => each !== start)
    this.notBefore.delete(start)
    // Retention, which moves its mark first, may have removed the segment while this was written.
    if (start + size <= control.load('retained')) forgetChecksums(root, start)
    else {
      this.hashed.add(start)
      this.scrubber.hashed(start)
    }
  }

  private refuse(start: number, damaged: { from: number; to: number; problem: string }[]): void {
    const { settings, log } = this.options
    const file = new LogFolders(settings).pathAt(start)
    this.refused.add(start)
    this.missing = this.missing.filter((each) => each !== start)
    for (const { from, to, problem } of damaged.slice(0, TOLD_MAX))
      log.error(`a record of the CommitLog is damaged: ${problem} (${file} byte ${from - start})`, {
        ...{ code: 'RECORD_DAMAGED', file, offset: from - start, from, to },
      })
    log.warn(
      `a sealed CommitLog segment gets no side checksums: ${damaged.length} places in it are damaged already; it is looked at ` +
        'again at the next start',
      { file },
    )
  }

  /** Its file says nothing: it is hashed again. */
  private forget(start: number): void {
    forgetChecksums(this.options.settings.storePathRootDir, start)
    this.hashed.delete(start)
    if (existsSync(checksumsPath(this.options.settings.storePathRootDir, start)))
      this.notBefore.set(start, Number.POSITIVE_INFINITY)
    if (!this.missing.includes(start)) this.missing.push(start)
  }

  private get retryMs(): number {
    return this.options.retryMs ?? RETRY_MS
  }

  private attempt<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      const text = describe(error)
      if (text !== this.problem) this.options.log.warn(`side checksums wait, and are tried again each minute: ${text}`)
      this.problem = text
      this.hashing?.[Symbol.dispose]()
      this.hashing = undefined
      return undefined
    }
  }
}
