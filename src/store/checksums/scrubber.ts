/**
 * The scrubber: once in scrubInterval it reads all segments that have side checksums again, and says what has changed.
 *
 *   since + scrubInterval ─▶ pass: segment by segment, from where the last run stopped ─▶ end: since moves to its begin
 *
 * Each damage is told once, in the log and, until it is gone, in the status. Owns: basalt/scrub.json.
 * Blocks on: the disk, one block a step.
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { errnoOf } from '../metadata/durable-file.ts'
import type { StoreSettings } from '../settings.ts'
import { checksumsPath, readChecksums } from './checksum-file.ts'
import type { ReadingTools } from './hash-segment.ts'
import { type Damage, damageText, SegmentScrub } from './scrub-segment.ts'
import { isPassDue, readScrubState, type ScrubState, writeScrubState } from './scrub-state.ts'

export interface ScrubberOptions {
  settings: Pick<StoreSettings, 'storePathRootDir' | 'mappedFileSizeCommitLog' | 'scrubRate' | 'scrubInterval'>
  tools: ReadingTools
  log: Log
  /** Milliseconds since 1970. */
  now(): number
}

export interface ScrubStatus {
  /** Where in the log it reads, or read last. */
  position: number
  /** Of the pass that runs, and of the last one that ended. */
  passBytes: number
  lastPassAt: number
  lastPassBytes: number
  /** Milliseconds since 1970: scrubInterval counts from here; 0: nothing is hashed. */
  since: number
  isInPass: boolean
  /** Blocks that are not what was hashed. */
  damages: Damage[]
  /** How the last segment was read. */
  reads: 'disk' | 'page cache' | ''
}

/** A pass over many small segments does not sync a file for each. */
const SAVE_MS = 10_000

export class Scrubber {
  private readonly options: ScrubberOptions
  private readonly state: ScrubState
  private segments: number[] = []
  private current: SegmentScrub | undefined
  /** Damages of the current segment that were met again. */
  private readonly met = new Set<number>()
  private spoilt: number[] = []
  private reads: ScrubStatus['reads'] = ''
  private savedAt = Number.NEGATIVE_INFINITY

  constructor(options: ScrubberOptions) {
    this.options = options
    this.state = readScrubState(options.settings.storePathRootDir)
    const { damages } = this.state
    if (damages.length > 0)
      options.log.warn(`${damages.length} blocks of sealed CommitLog segments are known to be damaged`, {
        blocks: damages.map(({ from }) => from).join(' '),
      })
  }

  /** The segments that have checksums. */
  keep(segments: ReadonlySet<number>): void {
    const { state } = this
    this.segments = [...segments].sort((a, b) => a - b)
    state.damages = state.damages.filter(({ start }) => segments.has(start))
    if (state.since === 0 && segments.size > 0) state.since = this.options.now()
  }

  /** A segment has got its checksums. */
  hashed(start: number): void {
    const { state } = this
    if (!this.segments.includes(start)) this.segments = [...this.segments, start].sort((a, b) => a - b)
    state.damages = state.damages.filter((damage) => damage.start !== start)
    if (state.since === 0) {
      state.since = this.options.now()
      this.save()
    }
  }

  /** Segments whose checksums say nothing: damaged files, each once. */
  takeSpoilt(): number[] {
    const spoilt = this.spoilt
    this.spoilt = []
    this.segments = this.segments.filter((start) => !spoilt.includes(start))
    return spoilt
  }

  /** Bytes that were read; 0: no pass is due. */
  step(): number {
    const { state, options } = this
    if (options.settings.scrubRate <= 0) return 0
    if (!state.isInPass && !this.begin()) return 0
    if (this.current === undefined && !this.next()) {
      this.end()
      return 1
    }
    return this.block()
  }

  status(): ScrubStatus {
    return { ...this.state, reads: this.reads }
  }

  close(): void {
    this.current?.[Symbol.dispose]()
    this.current = undefined
    if (this.state.isInPass) this.save()
  }

  private begin(): boolean {
    const { state } = this
    const now = this.options.now()
    if (!isPassDue(state, this.options.settings, now) || this.segments.length === 0) return false
    Object.assign(state, { since: now, isInPass: true, position: 0, passBytes: 0 })
    this.save()
    return true
  }

  /** Opens the next segment of the pass; false when there is none. */
  private next(): boolean {
    const { settings, tools, log } = this.options
    const root = settings.storePathRootDir
    for (;;) {
      const start = this.segments.find((each) => each >= this.state.position)
      if (start === undefined) return false
      this.state.position = start
      const read = readChecksums(root, start)
      if (read.kind === 'ok' && read.checksums.size === settings.mappedFileSizeCommitLog) {
        try {
          this.current = new SegmentScrub(tools, read.checksums)
          this.reads = this.current.reader.isDirect ? 'disk' : 'page cache'
          this.met.clear()
          return true
        } catch (error) {
          if (errnoOf(error) !== 'ENOENT') this.skipped(start, error)
        }
      } else if (read.kind !== 'missing') {
        const problem = read.kind === 'bad' ? read.problem : 'it is of a segment of another size'
        log.warn(`side checksums are written anew: ${problem}`, { path: checksumsPath(root, start) })
        this.spoilt.push(start)
      }
      this.state.position = start + settings.mappedFileSizeCommitLog
    }
  }

  private block(): number {
    const { state, options } = this
    const current = this.current!
    try {
      const { bytes, damage, wasWrongOnce } = current.step(options.now())
      state.passBytes += bytes
      if (damage !== undefined) this.found(damage, current.path)
      if (wasWrongOnce === true) {
        const file = current.path
        options.log.warn('the disk gave a block of a sealed CommitLog segment wrong once, and right when asked again', {
          ...{ file, block: current.block - 1 },
        })
      }
      if (current.isDone) this.leave(current)
      return bytes
    } catch (error) {
      this.skipped(current.checksums.start, error)
      this.leave(current, false)
      return 1
    }
  }

  private leave(current: SegmentScrub, isWhole = true): void {
    const { state, options } = this
    const { start, size } = current.checksums
    current[Symbol.dispose]()
    this.current = undefined
    state.position = start + size
    const healed = isWhole ? state.damages.filter((each) => each.start === start && !this.met.has(each.block)) : []
    if (healed.length > 0) {
      state.damages = state.damages.filter((each) => !healed.includes(each))
      options.log.info('damaged blocks of a sealed CommitLog segment are what they were again', {
        ...{ file: current.path, blocks: healed.map(({ block }) => block).join(' ') },
      })
    }
    if (performance.now() - this.savedAt > SAVE_MS) this.save()
  }

  private found(damage: Damage, file: string): void {
    const { state, options } = this
    const { start, block, from, to, changed } = damage
    this.met.add(block)
    const known = state.damages.findIndex((each) => each.start === start && each.block === block)
    if (known >= 0) {
      state.damages[known] = { ...damage, foundAt: state.damages[known].foundAt }
      return
    }
    state.damages.push(damage)
    const code = changed === undefined ? 'BIT_ROT' : 'SEGMENT_CHANGED'
    options.log[changed === undefined ? 'error' : 'warn'](damageText(damage), {
      ...{ code, file, offset: from - start, block, from, to },
    })
    this.save()
  }

  private end(): void {
    const { state } = this
    Object.assign(state, { isInPass: false, lastPassAt: this.options.now(), lastPassBytes: state.passBytes })
    this.save()
  }

  private skipped(start: number, error: unknown): void {
    this.options.log.warn(`a sealed CommitLog segment is left out of this pass: ${describe(error)}`, { start })
  }

  /** A state that is lost costs a pass: no more than a word is made of it. */
  private save(): void {
    this.savedAt = performance.now()
    try {
      writeScrubState(this.options.settings.storePathRootDir, this.state)
    } catch (error) {
      if (this.lastSaveError !== describe(error))
        this.options.log.warn(`how far the scrubber is cannot be kept: ${describe(error)}`)
      this.lastSaveError = describe(error)
    }
  }

  private lastSaveError = ''
}
