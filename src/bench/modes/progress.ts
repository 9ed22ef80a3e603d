/** How far a run is: on a terminal one line that is drawn again, with the time left; elsewhere a line for each cell. */
const WIDTH = 24
const DRAW_MS = 250

export interface ProgressIo {
  error(text: string): void
  readonly isTerminal: boolean
}

export class Progress {
  private readonly io: ProgressIo
  private readonly planned: number
  private readonly now: () => number
  private readonly began: number
  private readonly timer: NodeJS.Timeout | undefined
  private done = 0
  private doneAt: number
  private label = ''

  /** `planned`: seconds. */
  constructor(io: ProgressIo, planned: number, now: () => number = () => performance.now()) {
    this.io = io
    this.planned = planned
    this.now = now
    this.began = now()
    this.doneAt = this.began
    this.timer = io.isTerminal ? setInterval(() => this.draw(), DRAW_MS) : undefined
  }

  /** So many seconds of the plan are over, however long they took. */
  passed(seconds: number): void {
    this.done = Math.min(this.planned, this.done + seconds)
    this.doneAt = this.now()
  }

  /** What is under way. */
  at(label: string): void {
    this.label = label
    this.draw()
  }

  /** A line that stays. */
  say(text: string): void {
    this.io.error(`${this.io.isTerminal ? '\r\x1b[K' : ''}${text}\n`)
    this.draw()
  }

  end(): void {
    clearInterval(this.timer)
    if (this.io.isTerminal) this.io.error('\r\x1b[K')
  }

  /** Of the plan, with what the part that is over took more or less than planned. */
  secondsLeft(): number {
    const took = (this.doneAt - this.began) / 1000
    const pace = this.done === 0 ? 1 : took / this.done
    const since = (this.now() - this.doneAt) / 1000
    return Math.max(0, (this.planned - this.done) * pace - since)
  }

  line(): string {
    const left = this.secondsLeft()
    const over = (this.now() - this.began) / 1000
    const share = over + left === 0 ? 0 : over / (over + left)
    const filled = Math.round(share * WIDTH)
    const bar = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`
    return `${bar} ${String(Math.round(share * 100)).padStart(3)} %  ${timeText(left)} left  ${this.label}`
  }

  private draw(): void {
    if (this.io.isTerminal) this.io.error(`\r\x1b[K${this.line()}`)
  }
}

/** "47 s", "3:05 min", "1:02 h" */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  const two = (value: number) => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)} h`
}
