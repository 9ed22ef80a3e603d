/**
 * One member's disk: the log as the page cache shows it, what of it a power loss leaves, and term and vote.
 *
 * Every slot that was not synced survives a power loss on its own account, whole, torn or as it was before: pages reach the disk in any
 * order. All entries could have the same size, so old bytes behind newer ones may well parse: nothing but the log's own rules
 * (index goes up by one, term never goes back) stops recovery there.
 */
import type { SimEntry } from './entries.ts'
import type { Random } from './random.ts'

export interface HardState {
  term: number
  voteFor: string | undefined
}

export class Disk {
  /** As reads see it; entries[i].index === i. */
  entries: SimEntry[] = []
  hard: HardState = { term: 0, voteFor: undefined }
  /** Below it, entries[] is synced. */
  synced = 0
  isFull = false
  /** Times the usual latency. */
  slowness = 1
  syncSlowness = 1
  /** Slots as a power loss finds them; may be longer than entries (old bytes behind the end). */
  private slots: (SimEntry | undefined)[] = []
  private readonly random: Random
  /** A JVM member: truncation leaves the old bytes, and a torn body is not noticed. */
  private readonly isCareless: boolean

  constructor(random: Random, isCareless: boolean) {
    this.random = random
    this.isCareless = isCareless
  }

  get endIndex(): number {
    return this.entries.length - 1
  }

  get endTerm(): number {
    return this.entries.length === 0 ? -1 : this.entries[this.entries.length - 1]!.term
  }

  get endPos(): number {
    const last = this.entries[this.entries.length - 1]
    return last === undefined ? 0 : last.pos + last.size
  }

  append(entry: SimEntry): void {
    this.entries.push(entry)
  }

  sync(below: number): void {
    for (let i = this.synced; i < below; i++) this.slots[i] = this.entries[i]
    this.synced = Math.max(this.synced, below)
  }

  /** Cuts everything from `index` on. A careful member erases and syncs it before it goes on. */
  cut(index: number): void {
    // The bytes of the tail stay where they were, in the page cache as on the disk.
    if (this.isCareless) for (let i = index; i < this.entries.length; i++) this.slots[i] = this.entries[i]
    this.entries.length = index
    if (!this.isCareless) {
      this.sync(index)
      this.slots.length = Math.min(this.slots.length, index)
    }
    this.synced = Math.min(this.synced, index)
  }

  /** kill -9: the page cache stays. */
  killed(): void {
    if (!this.isCareless) return
    this.slots = [...this.entries, ...this.slots.slice(this.entries.length)]
    this.recover()
  }

  powerLoss(): void {
    const length = Math.max(this.entries.length, this.slots.length)
    const survives = this.random.unit()
    const found: (SimEntry | undefined)[] = []
    for (let i = 0; i < length; i++) found.push(i < this.synced ? this.slots[i] : this.after(i, survives))
    this.slots = found
    this.recover()
  }

  private after(i: number, survives: number): SimEntry | undefined {
    const fresh = this.entries[i]
    if (fresh === undefined || !this.random.chance(survives)) return this.slots[i]
    if (!this.random.chance(0.1)) return fresh
    return this.isCareless ? { ...fresh, value: -2 } : undefined
  }

  private recover(): void {
    const kept: SimEntry[] = []
    for (const entry of this.slots) {
      if (entry === undefined) break
      if (kept.length > 0 && entry.term < kept[kept.length - 1]!.term) break
      kept.push(entry)
    }
    this.entries = kept
    if (this.isCareless) {
      this.synced = 0
      return
    }
    // Recovery erases what lies behind the end, and syncs what it found before it is believed.
    this.slots = [...kept]
    this.synced = kept.length
  }
}
