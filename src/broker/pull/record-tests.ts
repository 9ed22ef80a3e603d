/**
 * Tests records by their properties, in the log's map on the network thread: what is not in memory is not touched.
 *
 * The properties are a record's last bytes, its lengths are spread over it: all of its pages have to be there. They are
 * asked for a stretch at a time, because the records of a pull lie close together.
 */
import type { RecordFilter } from '../../filter/index.ts'
import type { LogReader } from '../../store/commitlog/log-reader.ts'
import { propertiesAt, standsAt } from '../../store/commitlog/record-head.ts'

/** cold: only a thread that may wait can tell. damaged: no record of that size is there. */
export type Verdict = 'wanted' | 'unwanted' | 'cold' | 'damaged'

/** A mincore of 256 KiB costs about what one of a page does. */
const STRETCH = 256 * 1024

export class RecordTests {
  private readonly log: LogReader
  /** All of [from, to) was in memory a moment ago. */
  private from = 0
  private to = 0

  constructor(log: LogReader) {
    this.log = log
  }

  /** A new reading: pages may have gone since the last one. */
  begin(): void {
    this.from = 0
    this.to = 0
  }

  /** `logEnd`: there is a whole record below it. */
  verdict(filter: RecordFilter, physicalOffset: number, size: number, logEnd: number): Verdict {
    const end = physicalOffset + size
    if ((physicalOffset < this.from || end > this.to) && !this.isResident(physicalOffset, end, logEnd)) return 'cold'
    const segment = this.log.segmentAt(physicalOffset)
    if (segment === undefined) return 'cold'
    const at = physicalOffset - segment.start
    if (!standsAt(segment.view, at, physicalOffset, size)) return 'damaged'
    const isWanted = filter.matches(segment.bytes, at + propertiesAt(segment.view, at), at + size)
    return isWanted ? 'wanted' : 'unwanted'
  }

  private isResident(start: number, end: number, logEnd: number): boolean {
    const segment = this.log.segmentAt(start)
    // A unit that points over the end of its segment is damaged; the pool finds that out.
    if (segment === undefined || end > segment.end) return false
    const stretch = Math.max(end, Math.min(start + STRETCH, segment.end, logEnd))
    if (this.log.resident(start, stretch - start)) this.to = stretch
    else if (this.log.resident(start, end - start)) this.to = end
    else return false
    this.from = start
    return true
  }
}
