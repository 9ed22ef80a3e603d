/**
 * Segments ahead of the tail: the one in use, the next, and the next but one, with all their blocks.
 *
 *   [ in use ▒▒▒▒····][ next ········][ next but one ········] ◀ allocated
 *
 * A large segment's next-but-one is made once half of the one in use is written: an idle broker does not hold it.
 * No room for the next segment refuses senders (DiskState 'segment') while the rest of the one in use still takes what
 * is in the rings; it is tried again each second. Called by: stages/housekeeping.ts.
 */
import { ControlBlock, type PositionWriter } from '../../concurrency/control-block.ts'
import { wakeUrgently } from '../../concurrency/wake.ts'
import { describe, StoreError } from '../../errors.ts'
import type { FaultSwitches } from '../../faults.ts'
import type { Log } from '../../log.ts'
import { allocateSegment } from '../commitlog/segment-allocator.ts'
import { commitLogFolder } from '../commitlog/segments.ts'
import { isDiskFull } from '../metadata/durable-file.ts'
import type { StoreSettings } from '../settings.ts'
import type { DiskState } from './disk-state.ts'
import { bytesSaid, diskUse } from './disk-use.ts'

const RETRY_MS = 1000
/** Up to here all three are there from the start. */
const SMALL_SEGMENT = 64 * 1024 * 1024

export interface SupplyOptions {
  settings: StoreSettings
  control: ControlBlock
  disk: DiskState
  faults: FaultSwitches | undefined
  log: Log
  ownFolder: string
}

export class SegmentSupply {
  private readonly options: SupplyOptions
  private readonly allocated: PositionWriter
  private readonly size: number
  private readonly folder: string
  private retryAt = 0
  private hasWarned = false

  constructor(options: SupplyOptions) {
    this.options = options
    this.allocated = options.control.writer('allocated')
    this.size = options.settings.mappedFileSizeCommitLog
    this.folder = commitLogFolder(options.settings)
  }

  isDue(now: number): boolean {
    return now >= this.retryAt && this.allocated.load() < this.wanted()
  }

  /** Makes one segment if one is missing; 1 when it did. */
  step(now: number): number {
    if (!this.isDue(now)) return 0
    const start = this.allocated.load()
    try {
      this.allocate(start)
    } catch (error) {
      this.retryAt = now + RETRY_MS
      this.lacks(start, error)
      return 0
    }
    this.allocated.advance(start + this.size)
    this.retryAt = 0
    this.hasWarned = false
    if (this.allocated.load() >= this.needed()) this.options.disk.clear('segment')
    const { control } = this.options
    wakeUrgently(control.words, ControlBlock.index('append'))
    return 1
  }

  /** Room has come: do not wait for the next second. */
  retryNow(): void {
    this.retryAt = 0
  }

  private allocate(start: number): void {
    const { faults, ownFolder } = this.options
    if (faults !== undefined && faults.get('diskFull') !== 0) {
      throw Object.assign(new Error('ENOSPC: no space left on device, fallocate (fault)'), { code: 'ENOSPC' })
    }
    allocateSegment({ folder: this.folder, ownFolder, start, size: this.size })
  }

  /** End of the segment behind the one in use. */
  private needed(): number {
    const appended = this.options.control.load('appended')
    return appended - (appended % this.size) + 2 * this.size
  }

  private wanted(): number {
    const needed = this.needed()
    const written = this.options.control.load('appended') % this.size
    return this.size <= SMALL_SEGMENT || written >= this.size / 2 ? needed + this.size : needed
  }

  private lacks(start: number, error: unknown): void {
    const { disk, log } = this.options
    const text = this.textOf(error)
    if (start < this.needed()) {
      disk.set('segment', text)
    } else if (!this.hasWarned) {
      this.hasWarned = true
      log.warn(`the segment after the next cannot be made yet: ${text}`)
    }
  }

  private textOf(error: unknown): string {
    const where = error instanceof StoreError && error.where !== undefined ? error.where : this.folder
    if (!isDiskFull(error)) return `CommitLog segment cannot be made: ${describe(error)} (${where})`
    const free = freeSaid(this.folder)
    return (
      `disk full: ${this.folder} has ${free}, a CommitLog segment needs ${this.size} bytes (mappedFileSizeCommitLog); ` +
      'free space or lower fileReservedTime, sends go on by themselves'
    )
  }
}

function freeSaid(path: string): string {
  try {
    const { freeBytes } = diskUse(path)
    return `${freeBytes} bytes free (${bytesSaid(freeBytes)})`
  } catch (error) {
    return `an unknown amount free (${describe(error)})`
  }
}
