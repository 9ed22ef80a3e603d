/**
 * Which half now stands for which: a check puts a copy in a half's place, and the producer may still name the one before
 * (its answer was under way, or it knows only the first). Ended is the newest; otherwise it would be asked about a message
 * that it has committed, and commit it twice.
 *
 * Owns:      the halves that were replaced since the start, until the last of their copies is used up.
 */
interface Line {
  newest: number
}

export class HalfCopies {
  private readonly lines = new Map<number, Line>()

  /** The queue offset that stands for this half now; itself where nothing has replaced it. */
  newest(half: number): number {
    return this.lines.get(half)?.newest ?? half
  }

  replaced(half: number, copy: number): void {
    if (copy <= half) return
    const line = this.lines.get(half) ?? { newest: half }
    if (copy <= line.newest) return
    line.newest = copy
    this.lines.set(half, line)
    this.lines.set(copy, line)
  }

  /** Forgets the lines whose newest copy is below. */
  dropBelow(firstHalf: number): void {
    for (const [half, line] of this.lines) if (line.newest < firstHalf) this.lines.delete(half)
  }

  get size(): number {
    return this.lines.size
  }
}
