/**
 * From a queue offset to the places of the messages that a pull may have (spec/broker-requests.md §7 "Read loop", §12 of
 * store-format.md). Reads ConsumeQueue units only; the records are the answer's business.
 */
import type { ControlBlock } from '../../concurrency/control-block.ts'
import type { QueueTable } from '../../concurrency/queue-table.ts'
import { isBatchFull, type ReadLimits } from '../../store/commitlog/batch-limits.ts'
import { RECORD_SIZE_MIN } from '../../store/commitlog/record.ts'
import { type FilteredUnits, mayMatch, type PullFilter } from './pull-filter.ts'
import type { ReadStatus } from './pull-request.ts'
import type { RecordTests } from './record-tests.ts'

/** Columns of a stretch of units; filled anew by each read. */
export interface Units extends FilteredUnits {
  readonly count: number
  size(index: number): number
  /** No record here: the store never had it, or the unit is damaged. */
  isBlank(index: number): boolean
}

export interface UnitSource {
  /** Units from queue offset `from`, at most `count`, none at or beyond `max`; only the rest of one file. */
  read(from: number, count: number, max: number): Units
}

/** Units that one pull looks at, at most: 16,000 bytes of them, or what the client asked for. */
const SCAN_UNITS = 800
const PICKED_MAX = 1024

/** Messages that a pull may be given, by what it asks for. */
export function wantedCount(maxMsgNums: number): number {
  return Math.min(Math.max(maxMsgNums, 1), PICKED_MAX)
}

export class Reading {
  status: ReadStatus = 'NO_MESSAGE_IN_QUEUE'
  nextBeginOffset = 0
  minOffset = 0
  maxOffset = 0
  /** Picked messages, ascending. */
  count = 0
  bytes = 0
  readonly offsets = new Float64Array(PICKED_MAX)
  readonly sizes = new Int32Array(PICKED_MAX)
  readonly queueOffsets = new Float64Array(PICKED_MAX)
  /** The last unit looked at lies so far from the log's end that a slave had better be asked for what follows. */
  isFarBehind = false
  /**
   * What is picked is not tested by its properties yet, because its first record is not in memory: somebody who may wait
   * does it. Then it is all that was scanned, whatever its size.
   */
  isUntested = false
}

/** Told of what is stepped over; see damage.ts. */
export interface DamageListener {
  unit(queue: number, queueOffset: number, physicalOffset: number, size: number): void
  missingFile(queue: number, queueOffset: number): void
}

export class MessageReader {
  private readonly control: ControlBlock
  private readonly table: QueueTable
  private readonly limits: ReadLimits
  private readonly tests: RecordTests
  private readonly damage: DamageListener | undefined
  /** A slave without offsetCheckInSlave: an offset outside the queue is the slave's fault, and stays what it is. */
  private readonly isLenient: () => boolean

  constructor(
    control: ControlBlock,
    table: QueueTable,
    limits: ReadLimits,
    tests: RecordTests,
    damage?: DamageListener,
    isLenient: () => boolean = () => false,
  ) {
    this.isLenient = isLenient
    this.control = control
    this.table = table
    this.limits = limits
    this.tests = tests
    this.damage = damage
  }

  /** `queue` is -1 for one that nobody wrote. `maxBytes` is the client's own bound. */
  read(
    queue: number,
    source: () => UnitSource,
    offset: number,
    maxMsgNums: number,
    maxBytes: number,
    filter: PullFilter,
    out: Reading,
  ): void {
    out.count = 0
    out.bytes = 0
    out.isUntested = false
    out.maxOffset = queue < 0 ? 0 : this.table.max(queue)
    out.minOffset = queue < 0 ? 0 : this.table.min(queue)
    out.isFarBehind = false
    out.nextBeginOffset = offset
    if (out.maxOffset === 0) {
      out.status = 'NO_MESSAGE_IN_QUEUE'
      out.nextBeginOffset = this.isLenient() ? offset : 0
    } else if (offset < out.minOffset) {
      out.status = 'OFFSET_TOO_SMALL'
      out.nextBeginOffset = this.isLenient() ? offset : out.minOffset
    } else if (offset === out.maxOffset) {
      out.status = 'OFFSET_OVERFLOW_ONE'
    } else if (offset > out.maxOffset) {
      out.status = 'OFFSET_OVERFLOW_BADLY'
      out.nextBeginOffset = this.isLenient() ? offset : out.maxOffset
    } else {
      this.pick(queue, source(), offset, maxMsgNums, maxBytes, filter, out)
    }
  }

  private pick(
    queue: number,
    source: UnitSource,
    offset: number,
    maxMsgNums: number,
    maxBytes: number,
    filter: PullFilter,
    out: Reading,
  ): void {
    const units = source.read(offset, Math.max(SCAN_UNITS, maxMsgNums), out.maxOffset)
    if (units.count === 0) {
      out.status = 'OFFSET_FOUND_NULL'
      this.damage?.missingFile(queue, offset)
      return
    }
    const logEnd = this.control.load('appended')
    const retained = this.control.load('retained')
    const wanted = wantedCount(maxMsgNums)
    const { records } = filter
    if (records !== undefined) this.tests.begin()
    let isRemoving = false
    let lastOffset = 0
    let looked = 0
    for (; looked < units.count; looked += 1) {
      const physicalOffset = units.physicalOffset(looked)
      const size = units.size(looked)
      if (units.isBlank(looked) || physicalOffset < retained) {
        isRemoving = true
        // Never written, though the queue goes on behind it.
        if (size <= 0) this.damage?.unit(queue, offset + looked, physicalOffset, size)
        continue
      }
      if (physicalOffset + size > logEnd || size < RECORD_SIZE_MIN) {
        isRemoving = true
        this.damage?.unit(queue, offset + looked, physicalOffset, size)
        continue
      }
      if (this.isFull(out, size, logEnd - physicalOffset, wanted, maxBytes)) break
      lastOffset = physicalOffset
      if (!mayMatch(filter, units, looked)) continue
      if (records !== undefined && !out.isUntested) {
        const verdict = this.tests.verdict(records.filter, physicalOffset, size, logEnd)
        if (verdict === 'cold') {
          // What is found goes out; the next pull begins here.
          if (out.count > 0) break
          out.isUntested = true
        } else if (verdict === 'damaged') {
          isRemoving = true
          this.damage?.unit(queue, offset + looked, physicalOffset, size)
          continue
        } else if (verdict === 'unwanted') continue
      }
      out.offsets[out.count] = physicalOffset
      out.sizes[out.count] = size
      out.queueOffsets[out.count] = offset + looked
      out.count += 1
      out.bytes += size
    }
    out.nextBeginOffset = offset + looked
    out.isFarBehind = logEnd - lastOffset > this.limits.inMemoryBytes
    if (out.count > 0) out.status = 'FOUND'
    else out.status = isRemoving ? 'MESSAGE_WAS_REMOVING' : 'NO_MATCHED_MESSAGE'
  }

  /** Tested before the filter, with the size of the unit under test. */
  private isFull(out: Reading, size: number, behind: number, wanted: number, maxBytes: number): boolean {
    if (out.isUntested) return out.count >= PICKED_MAX
    return isBatchFull(this.limits, out.count, out.bytes, size, behind, wanted, maxBytes)
  }
}
