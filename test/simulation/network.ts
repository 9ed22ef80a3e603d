/**
 * The network: one-way cuts, delay, loss, doubles, and messages that come seconds late. Nothing keeps an order, unless `isOrdered`: then
 * what one member sends to another comes in order and once, as over one TCP connection. JVM members count on that.
 *
 * A request that is lost is never answered; one to a member that is down is refused at once, or lost, as in life.
 */
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

export interface Weather {
  loss: number
  doubles: number
  /** Chance that a message (or its double) comes up to `lateMs` late. */
  late: number
  lateMs: number
  delayMs: number
}

export const CALM: Weather = { loss: 0, doubles: 0, late: 0, lateMs: 0, delayMs: 1 }

export class Network {
  weather: Weather = CALM
  private readonly cuts: number[]
  private readonly isOrdered: boolean
  /** When the last message on this way arrives. */
  private readonly lastAt: number[]
  private readonly size: number
  private readonly timeline: Timeline
  private readonly random: Random

  constructor(size: number, timeline: Timeline, random: Random, isOrdered: boolean) {
    this.isOrdered = isOrdered
    this.lastAt = new Array<number>(size * size).fill(0)
    this.size = size
    this.timeline = timeline
    this.random = random
    this.cuts = new Array<number>(size * size).fill(0)
  }

  /** Cuts may lie over each other; each is healed on its own. */
  cut(from: number, to: number, by: 1 | -1): void {
    if (from !== to) this.cuts[from * this.size + to]! += by
  }

  isOpen(from: number, to: number): boolean {
    return this.cuts[from * this.size + to] === 0
  }

  deliver(from: number, to: number, run: () => void): void {
    const { weather, random } = this
    this.once(from, to, run)
    if (!this.isOrdered && weather.doubles > 0 && random.chance(weather.doubles)) this.once(from, to, run)
  }

  private once(from: number, to: number, run: () => void): void {
    const { weather, random, timeline } = this
    if (!this.isOpen(from, to)) return
    if (weather.loss > 0 && random.chance(weather.loss)) return
    let delay = 0.1 + random.unit() * weather.delayMs
    if (weather.late > 0 && random.chance(weather.late)) delay += random.unit() * weather.lateMs
    if (this.isOrdered) {
      const way = from * this.size + to
      const at = Math.max(timeline.now + delay, this.lastAt[way]!)
      this.lastAt[way] = at
      delay = at - timeline.now
    }
    timeline.after(delay, () => {
      // What is under way when the cable is cut is lost with it, mostly.
      if (this.isOpen(from, to) || random.chance(0.2)) run()
    })
  }
}
