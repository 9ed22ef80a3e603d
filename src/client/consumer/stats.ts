/**
 * Rates of the last minute by topic, as a consumer tells them of itself (request 307): counters that only grow, and a reading of them
 * each ten seconds.
 */
export interface ConsumeStatus {
  readonly pullRT: number
  readonly pullTPS: number
  readonly consumeRT: number
  readonly consumeOKTPS: number
  readonly consumeFailedTPS: number
  /** Of the last hour. */
  readonly consumeFailedMsgs: number
}

interface Counters {
  at: number
  pulls: number
  pullMs: number
  pulledMessages: number
  batches: number
  consumeMs: number
  consumed: number
  failed: number
}

const READING_MS = 10_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

class TopicStats {
  readonly total: Counters
  private readings: Counters[]

  constructor(at: number) {
    this.total = { at, pulls: 0, pullMs: 0, pulledMessages: 0, batches: 0, consumeMs: 0, consumed: 0, failed: 0 }
    this.readings = [{ ...this.total }]
  }

  /** At most one reading each ten seconds of the last hour is kept: 361. */
  read(now: number): void {
    if (now - this.readings.at(-1)!.at < READING_MS) return
    this.readings.push({ ...this.total, at: now })
    const first = this.readings.findIndex(({ at }) => now - at <= HOUR_MS)
    if (first > 0) this.readings = this.readings.slice(first)
  }

  /** What was counted since the oldest reading within `ms`. */
  since(now: number, ms: number): Counters {
    const from = this.readings.find(({ at }) => now - at <= ms) ?? this.readings.at(-1)!
    const { total } = this
    return {
      at: now - from.at,
      pulls: total.pulls - from.pulls,
      pullMs: total.pullMs - from.pullMs,
      pulledMessages: total.pulledMessages - from.pulledMessages,
      batches: total.batches - from.batches,
      consumeMs: total.consumeMs - from.consumeMs,
      consumed: total.consumed - from.consumed,
      failed: total.failed - from.failed,
    }
  }
}

export class ConsumerStats {
  private readonly topics = new Map<string, TopicStats>()
  private readonly now: () => number

  constructor(now: () => number) {
    this.now = now
  }

  pulled(topic: string, messages: number, elapsedMs: number): void {
    const { total } = this.of(topic)
    total.pulls++
    total.pullMs += elapsedMs
    total.pulledMessages += messages
  }

  consumed(topic: string, messages: number, elapsedMs: number, isFailed: boolean): void {
    const { total } = this.of(topic)
    total.batches++
    total.consumeMs += elapsedMs
    if (isFailed) total.failed += messages
    else total.consumed += messages
  }

  status(topic: string): ConsumeStatus {
    const now = this.now()
    const stats = this.of(topic)
    stats.read(now)
    const minute = stats.since(now, MINUTE_MS)
    const seconds = Math.max(1, minute.at / 1000)
    return {
      pullRT: minute.pulls === 0 ? 0 : minute.pullMs / minute.pulls,
      pullTPS: minute.pulledMessages / seconds,
      consumeRT: minute.batches === 0 ? 0 : minute.consumeMs / minute.batches,
      consumeOKTPS: minute.consumed / seconds,
      consumeFailedTPS: minute.failed / seconds,
      consumeFailedMsgs: stats.since(now, HOUR_MS).failed,
    }
  }

  /** Called each ten seconds or so, that a minute's rates are of a minute. */
  read(): void {
    const now = this.now()
    for (const stats of this.topics.values()) stats.read(now)
  }

  private of(topic: string): TopicStats {
    const known = this.topics.get(topic)
    if (known !== undefined) return known
    const stats = new TopicStats(this.now())
    this.topics.set(topic, stats)
    return stats
  }
}
