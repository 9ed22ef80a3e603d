/**
 * Where the log's end was, how many messages it had, and when: so that a position that is behind can be told in messages and
 * milliseconds. Shared memory; written once a batch, read when somebody asks.
 *
 *   level 0   steps of 1 ms      256 of them     each step: [ first batch's time, end, messages ] of its last batch
 *   level 1   steps of 16 ms     256             a step that is under way is overwritten by each batch
 *   …
 *   level 5   steps of 17 min    256             together: three days
 *
 * Precision: within the last 256 batches or so, exact to the batch, whose time is a millisecond; further back a step is at most
 * 1/16 of the time that lies between, and messages are interpolated by bytes inside it. Beyond three days what is told is a
 * least.
 * Owns:      written by whoever moves `appended`, before it does; a reader that meets a write looks again.
 */
const LEVELS = 6
const STEPS_A_LEVEL = 256
const STEP_GROWTH = 16
const MARK_WORDS = 3
const LEVEL_WORDS = 1 + STEPS_A_LEVEL * MARK_WORDS
const HEADER_BYTES = 64
const ATTEMPTS = 1000

/** What lies between a position and the log's end. -1: the position is from before this process began. */
export interface Behind {
  readonly messages: number
  /** Since the oldest of them was appended. */
  readonly ms: number
}

export function createAppendHistory(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + LEVELS * LEVEL_WORDS * 8)
}

/** Offsets of a mark's words. */
const MARK = { time: 0, end: 1, messages: 2 } as const

class Levels {
  readonly version: Int32Array
  readonly words: Float64Array

  constructor(buffer: SharedArrayBuffer) {
    this.version = new Int32Array(buffer, 0, 1)
    this.words = new Float64Array(buffer, HEADER_BYTES, LEVELS * LEVEL_WORDS)
  }

  /** Steps that a level has begun since the start. */
  begun(level: number): number {
    return this.words[level * LEVEL_WORDS]
  }

  /** Index of the mark of the level's nth step. */
  at(level: number, step: number): number {
    return level * LEVEL_WORDS + 1 + (step % STEPS_A_LEVEL) * MARK_WORDS
  }
}

export class AppendHistory {
  private readonly levels: Levels
  private messages = 0

  constructor(buffer: SharedArrayBuffer) {
    this.levels = new Levels(buffer)
  }

  /** The log ends there, at the start or behind a fence: nothing is known of what is below. */
  begin(end: number, now: number): void {
    const { version, words } = this.levels
    Atomics.add(version, 0, 1)
    for (let level = 0; level < LEVELS; level += 1) {
      words[level * LEVEL_WORDS] = 1
      this.put(this.levels.at(level, 0), now, end)
    }
    Atomics.add(version, 0, 1)
  }

  /** The log ends at `end` now, with so many messages more. */
  add(messages: number, end: number, now: number): void {
    const { levels } = this
    const { version, words } = levels
    this.messages += messages
    Atomics.add(version, 0, 1)
    let step = 1
    for (let level = 0; level < LEVELS; level += 1, step *= STEP_GROWTH) {
      const begun = levels.begun(level)
      const at = levels.at(level, begun - 1)
      const passed = now - words[at + MARK.time]
      // The first mark is the end at the start: nothing is added to it. A clock that was set back begins a step.
      if (begun > 1 && passed >= 0 && passed < step) {
        words[at + MARK.end] = end
        words[at + MARK.messages] = this.messages
      } else {
        this.put(levels.at(level, begun), now, end)
        words[level * LEVEL_WORDS] = begun + 1
      }
    }
    Atomics.add(version, 0, 1)
  }

  private put(at: number, now: number, end: number): void {
    const { words } = this.levels
    words[at + MARK.time] = now
    words[at + MARK.end] = end
    words[at + MARK.messages] = this.messages
  }
}

export class AppendHistoryReader {
  private readonly levels: Levels

  constructor(buffer: SharedArrayBuffer) {
    this.levels = new Levels(buffer)
  }

  behind(position: number, now: number): Behind {
    const { version } = this.levels
    for (let i = 1; ; i += 1) {
      const before = Atomics.load(version, 0)
      const found = this.look(position, now)
      // Adding nothing keeps the reads in front of it, where loading would not.
      if (((before & 1) === 0 && Atomics.add(version, 0, 0) === before) || i === ATTEMPTS) return found
    }
  }

  private look(position: number, now: number): Behind {
    const { words } = this.levels
    const last = this.levels.at(0, this.levels.begun(0) - 1)
    if (this.levels.begun(0) === 0) return { messages: -1, ms: -1 }
    if (words[last + MARK.end] <= position) return { messages: 0, ms: 0 }
    for (let level = 0; level < LEVELS; level += 1) {
      const found = this.lookIn(level, position)
      if (found === undefined) continue
      const [before, next] = found
      const share = (position - words[before + MARK.end]) / (words[next + MARK.end] - words[before + MARK.end])
      const between = words[next + MARK.messages] - words[before + MARK.messages]
      const left = words[last + MARK.messages] - words[next + MARK.messages] + (1 - share) * between
      return { messages: Math.max(1, Math.round(left)), ms: Math.max(0, now - words[next + MARK.time]) }
    }
    return this.oldest(now, last)
  }

  /** Marks around the position: the last that ends at or below it, and the one behind. Undefined: the level does not reach back. */
  private lookIn(level: number, position: number): [before: number, next: number] | undefined {
    const { levels } = this
    const { words } = levels
    const begun = levels.begun(level)
    let low = Math.max(0, begun - STEPS_A_LEVEL)
    if (words[levels.at(level, low) + MARK.end] > position) return undefined
    let high = begun - 1
    // low ends at or below the position, high above it.
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (words[levels.at(level, middle) + MARK.end] <= position) low = middle
      else high = middle
    }
    return high > low ? [levels.at(level, low), levels.at(level, high)] : undefined
  }

  private oldest(now: number, last: number): Behind {
    const { levels } = this
    const { words } = levels
    const top = LEVELS - 1
    const begun = levels.begun(top)
    // Its first mark is still there: what is older is from before the start.
    if (begun <= STEPS_A_LEVEL) return { messages: -1, ms: -1 }
    const first = levels.at(top, begun - STEPS_A_LEVEL)
    return { messages: words[last + MARK.messages] - words[first + MARK.messages], ms: now - words[first + MARK.time] }
  }
}
