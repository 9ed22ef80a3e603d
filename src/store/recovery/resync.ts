/**
 * Where does the log go on behind something that is no record? RocketMQ's answer is "nowhere": it deletes all behind.
 *
 * Here the next record is looked for: by the lengths of the broken one, by the magic of a record in the bytes behind, at
 * the start of each later segment. What is found counts only if it says its own offset, its CRC is right, and it was
 * stored no earlier than the last record before the damage: older ones are leftovers behind a tail that was cut once
 * (RocketMQ does not zero them), and must not come back.
 *
 * The inside of a record whose header is right is never searched: its body may hold what looks like a record, put there by
 * whoever sent it. If power loss takes the page of a header and leaves the pages of its body, that cannot be told from
 * damage; only a checksum over whole records could.
 */
import { RECORD_MAGIC } from '../commitlog/record.ts'
import type { LogScanner, Verdict } from './log-scanner.ts'

export interface ResyncLimits {
  /** Records below it were part of the log for certain, whatever their store time. */
  durable: number
  /** Store time of the last record before the damage, ms. */
  lastStoreTimestamp: number
  /** Bytes are searched up to here; starts of segments beyond it are looked at all the same. */
  searchUntil: number
  /** Starts of the segments that exist, ascending. */
  segmentStarts: number[]
  /** Whether the record that the scanner shows may be the next one, where more is known than times. */
  follows?(): boolean
}

export interface Resync {
  /** Next record, or -1: the log ends here. */
  next: number
  /** From here to `next` no reader can pass by lengths; equal to `next` where only contents are wrong. */
  brokenFrom: number
  /** Records that were in the way, older than the last one before: leftovers. */
  leftovers: number
}

const MAGIC = Buffer.from([RECORD_MAGIC >>> 24, (RECORD_MAGIC >>> 16) & 0xff, (RECORD_MAGIC >>> 8) & 0xff])
const SEARCH_STEP = 1024 * 1024

export function resync(scanner: LogScanner, damagedAt: number, limits: ResyncLimits): Resync {
  return new Search(scanner, limits).run(damagedAt)
}

class Search {
  private readonly scanner: LogScanner
  private readonly limits: ResyncLimits
  private leftovers = 0

  constructor(scanner: LogScanner, limits: ResyncLimits) {
    this.scanner = scanner
    this.limits = limits
  }

  run(damagedAt: number): Resync {
    let at = damagedAt
    let verdict = this.scanner.check(at)
    while (verdict === 'content') {
      at += this.scanner.entrySize
      verdict = this.scanner.check(at)
    }
    const brokenFrom = at
    if (at > damagedAt) {
      const next = this.accepted(at, verdict)
      if (next >= 0) return { next, brokenFrom: next, leftovers: this.leftovers }
    }
    const next = this.behind(at, this.scanner.check(at))
    return { next, brokenFrom, leftovers: this.leftovers }
  }

  /** Looks behind the place `at`, where lengths lead no further. */
  private behind(at: number, verdict: Verdict): number {
    const { scanner } = this
    let from = at + 1
    if (verdict === 'bad' && scanner.headerIsPlausible(at)) {
      const size = scanner.record.totalSize + scanner.layout.headerSize
      for (const guess of scanner.guesses(at).sort((a, b) => a - b)) {
        const next = this.accepted(guess, scanner.check(guess))
        if (next >= 0) return next
      }
      if (size > 0 && at + size <= scanner.segmentEnd(at)) from = at + size
    }
    const found = this.inSegment(from, scanner.segmentEnd(at))
    return found >= 0 ? found : this.inLaterSegments(scanner.segmentEnd(at))
  }

  /** The offset if a record that counts stands there (or a blank, and one behind it); -1 otherwise. */
  private accepted(at: number, verdict: Verdict): number {
    if (verdict === 'blank') {
      const next = this.scanner.segmentEnd(at)
      if (!this.limits.segmentStarts.includes(next)) return -1
      return this.accepted(next, this.scanner.check(next)) >= 0 ? at : -1
    }
    if (verdict !== 'ok' && !(verdict === 'content' && this.scanner.isForeign)) return -1
    if (this.limits.follows?.() === false) {
      this.leftovers += 1
      return -1
    }
    if (verdict !== 'ok') return at
    if (at < this.limits.durable || this.scanner.record.storeTimestamp >= this.limits.lastStoreTimestamp) return at
    this.leftovers += 1
    return -1
  }

  private inLaterSegments(from: number): number {
    for (const start of this.limits.segmentStarts) {
      if (start < from) continue
      const next = this.accepted(start, this.scanner.check(start))
      if (next >= 0) return next
      const found = this.inSegment(start + 1, start + this.scanner.window.segmentSize)
      if (found >= 0) return found
    }
    return -1
  }

  /** Searches bytes for a record's magic. */
  private inSegment(from: number, segmentEnd: number): number {
    const { scanner } = this
    const { window } = scanner
    const { headerSize } = scanner.layoutAt(from)
    const until = Math.min(segmentEnd, this.limits.searchUntil)
    for (let at = from; at < until; ) {
      at = Math.max(at, window.nextData(at) - MAGIC.length)
      if (at >= until) break
      const length = Math.min(SEARCH_STEP, until - at)
      const index = window.index(at, length)
      const hit = window.bytes.subarray(index, index + length).indexOf(MAGIC)
      if (hit < 0) {
        // The next step overlaps this one by a magic less one byte.
        at += length === until - at ? length : length - (MAGIC.length - 1)
        continue
      }
      const candidate = at + hit - 4 - headerSize
      at += hit + 1
      if (candidate < from) continue
      const next = this.accepted(candidate, scanner.check(candidate))
      if (next >= 0) return next
    }
    return -1
  }
}
