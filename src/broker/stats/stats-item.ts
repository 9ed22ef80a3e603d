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

/** Between two samples of a window, and how many a window keeps. */
const SECONDS = { minute: 10, hour: 600, day: 3_600 } as const
const LIMITS = { minute: 7, hour: 7, day: 25 } as const
type Span = keyof typeof SECONDS

const NO_WINDOW: StatsWindow = { sum: 0, tps: 0, avgpt: 0 }
/** Numbers of one sample. */
const ROW = 3

/** Samples of one span, oldest first. There are tens of thousands: one array of numbers a span, and nothing new once it is full. */
class Samples {
  /** time, value, times of each sample. */
  private rows: number[] = []
  private readonly span: Span
  private due = 0

  constructor(span: Span) {
    this.span = span
  }

  add(time: number, value: number, times: number): void {
    const { rows, span } = this
    if (time < this.due) return
    this.due = time + SECONDS[span] * 1000
    if (rows.length < LIMITS[span] * ROW) {
      // A push would make room for sixteen more.
      this.rows = rows.concat(time, value, times)
      return
    }
    const at = rows.length - ROW
    rows.copyWithin(0, ROW)
    rows[at] = time
    rows[at + 1] = value
    rows[at + 2] = times
  }

  /** From the oldest sample to now; a rate is of ten seconds at least, as if there had been nothing before the first. */
  window(now: number, value: number, times: number): StatsWindow {
    const [firstTime, firstValue = 0, firstTimes = 0] = this.rows
    if (firstTime === undefined) return NO_WINDOW
    const sum = value - firstValue
    const calls = times - firstTimes
    const ms = Math.max(now - firstTime, SECONDS.minute * 1000)
    return { sum, tps: (sum * 1000) / ms, avgpt: calls > 0 ? sum / calls : 0 }
  }
}

export class StatsItem {
  value = 0
  times = 0
  private readonly minute = new Samples('minute')
  private readonly hour = new Samples('hour')
  private readonly day = new Samples('day')

  add(value: number, times = 1): void {
    this.value += value
    this.times += times
  }

  sample(now: number): void {
    this.minute.add(now, this.value, this.times)
    this.hour.add(now, this.value, this.times)
    this.day.add(now, this.value, this.times)
  }

  window(span: Span, now: number): StatsWindow {
    return this[span].window(now, this.value, this.times)
  }
}
