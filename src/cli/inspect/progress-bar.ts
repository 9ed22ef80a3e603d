/** How far a command is, what it does a second, and how long it takes yet: on the terminal only, rewritten in place. */
import type { Io } from '../io.ts'
import { bytesText } from '../table.ts'

const BAR = 24

export class ProgressBar {
  private readonly io: Io
  private readonly began = performance.now()
  private shownAt = 0

  constructor(io: Io) {
    this.io = io
  }

  show(done: number, total: number): void {
    const now = performance.now()
    if (!this.io.isTerminal || now - this.shownAt < 100 || total === 0) return
    this.shownAt = now
    const part = Math.min(1, done / total)
    const seconds = (now - this.began) / 1000
    const left = part > 0 ? Math.ceil((seconds * (1 - part)) / part) : 0
    const bar = '#'.repeat(Math.round(part * BAR)).padEnd(BAR, '.')
    this.io.error(`\r[${bar}] ${Math.floor(part * 100)} %  ${bytesText(done / seconds)}/s  ${left} s left \u001b[K`)
  }

  clear(): void {
    if (this.shownAt > 0) this.io.error('\r\u001b[K')
  }
}
