/**
 * Totals that were sampled once a second, and the rates over the last 10 s, 1 min and 10 min made of them.
 *
 * A ring of 601 rows: one row a second, one column a counter. Nothing is allocated after the start.
 */

const ROWS = 601
const RATE_SECONDS = [10, 60, 600] as const

export class Rates<Name extends string> {
  private readonly names: readonly Name[]
  private readonly totals: Float64Array
  private readonly times = new Float64Array(ROWS)
  private count = 0

  constructor(names: readonly Name[]) {
    this.names = names
    this.totals = new Float64Array(ROWS * names.length)
  }

  /** Once a second. `now` in milliseconds. */
  sample(now: number, totals: Readonly<Record<Name, number>>): void {
    const row = this.count % ROWS
    this.times[row] = now
    for (let i = 0; i < this.names.length; i++) this.totals[row * this.names.length + i] = totals[this.names[i]]
    this.count++
  }

  /** Per second over the last so many seconds, or undefined while there are fewer samples. */
  over(name: Name, seconds: number): number | undefined {
    if (this.count <= seconds || seconds >= ROWS) return undefined
    const last = (this.count - 1) % ROWS
    const first = (this.count - 1 - seconds) % ROWS
    const ms = this.times[last] - this.times[first]
    if (ms <= 0) return 0
    const column = this.names.indexOf(name)
    const grown = this.totals[last * this.names.length + column] - this.totals[first * this.names.length + column]
    return (grown * 1000) / ms
  }

  /** "10s 1m 10m", blanks between; what is not there yet is left out, as RocketMQ 4.9.8 does. */
  text(name: Name): string {
    return RATE_SECONDS.map((seconds) => this.over(name, seconds)?.toString() ?? '').join(' ')
  }
}
