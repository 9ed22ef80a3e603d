/**
 * One named counter of 315, such as TOPIC_PUT_NUMS of a topic: its growth over the last minute, hour and day.
 *
 * Whoever counts holds the item and adds to `value` and `times`; samples are taken each 10 s, 10 min and hour by the tick.
 */

export interface StatsWindow {
  sum: number
  tps: number
  /** Growth of the value a call. */
  avgpt: number
}

/** Between two samples of a window. */
const SECONDS = { minute: 10, hour: 600, day: 3_600 } as const
type Span = keyof typeof SECONDS
const SPANS = Object.keys(SECONDS) as Span[]

const NO_WINDOW: StatsWindow = { sum: 0, tps: 0, avgpt: 0 }

class Samples {
  private readonly rows: { time: number; value: number; times: number }[] = []
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  add(time: number, value: number, times: number): void {
    if (this.rows.length === this.limit) this.rows.shift()
    this.rows.push({ time, value, times })
  }

  /** From the oldest sample to now; a rate is of ten seconds at least, as if there had been nothing before the first. */
  window(now: number, value: number, times: number): StatsWindow {
    const first = this.rows[0]
    if (first === undefined) return NO_WINDOW
    const sum = value - first.value
    const calls = times - first.times
    const ms = Math.max(now - first.time, SECONDS.minute * 1000)
    return { sum, tps: (sum * 1000) / ms, avgpt: calls > 0 ? sum / calls : 0 }
  }
}

export class StatsItem {
  value = 0
  times = 0
  private readonly samples = { minute: new Samples(7), hour: new Samples(7), day: new Samples(25) }
  private readonly due = { minute: 0, hour: 0, day: 0 }

  add(value: number, times = 1): void {
    this.value += value
    this.times += times
  }

  sample(now: number): void {
    for (const span of SPANS) {
      if (now < this.due[span]) continue
      this.due[span] = now + SECONDS[span] * 1000
      this.samples[span].add(now, this.value, this.times)
    }
  }

  window(span: Span, now: number): StatsWindow {
    return this.samples[span].window(now, this.value, this.times)
  }
}
