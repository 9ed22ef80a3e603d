/** A log that writes so many lines a second at most and then says how many it left out: a flood of strangers costs little. */
import type { Log } from '../log.ts'

export class LimitedLog {
  private readonly log: Log
  private readonly linesPerSecond: number
  private lines = 0
  private leftOut = 0
  private timer: NodeJS.Timeout | undefined

  constructor(log: Log, linesPerSecond: number) {
    this.log = log
    this.linesPerSecond = linesPerSecond
  }

  warn(message: string, fields: Record<string, unknown>): void {
    if (this.admit()) this.log.warn(message, fields)
  }

  error(message: string, fields: Record<string, unknown>): void {
    if (this.admit()) this.log.error(message, fields)
  }

  close(): void {
    clearTimeout(this.timer)
    this.endOfSecond()
  }

  private admit(): boolean {
    if (this.timer === undefined) this.timer = setTimeout(() => this.endOfSecond(), 1000).unref()
    if (this.lines++ < this.linesPerSecond) return true
    this.leftOut++
    return false
  }

  private endOfSecond(): void {
    this.timer = undefined
    this.lines = 0
    if (this.leftOut > 0) this.log.warn(`${this.leftOut} more lines like these were left out`, {})
    this.leftOut = 0
  }
}
