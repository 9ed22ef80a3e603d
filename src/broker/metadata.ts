/**
 * Tables that live in `<store>/config/*.json`: when they are written, and the version that they carry.
 *
 * A change marks its file dirty; the text is built once for all changes that came before the write began, so a thousand
 * topics created at once are a few writes, not a thousand (USERS: "full JSON rewrite per change"). `persist()` is settled
 * when a text that holds the change is on disk.
 */
import type { Clock } from '../clock.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import type { MetadataStore } from '../store/metadata/index.ts'
import { quoteIntegerKeys } from '../store/metadata/index.ts'

/** Counts the changes of a table; slaves and NameServers compare it (spec/namesrv.md §5). */
export class DataVersion {
  counter = 0
  /** Milliseconds; the time of the last change. */
  timestamp: number
  /** 5.x only; carried through, never changed by us. */
  stateVersion: number | undefined
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
    this.timestamp = clock.now()
  }

  next(): void {
    this.timestamp = this.clock.now()
    this.counter++
  }

  /** Takes over what a file says; anything that is not a version leaves this one as it is. */
  assign(value: unknown): void {
    if (typeof value !== 'object' || value === null) return
    const { counter, timestamp, stateVersion } = value as Record<string, unknown>
    const [count, time] = [integerOf(counter), integerOf(timestamp)]
    if (count === undefined || time === undefined) return
    this.counter = count
    this.timestamp = time
    this.stateVersion = integerOf(stateVersion)
  }

  /** Whether a file, or a peer, says this version. */
  isSaidBy(value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false
    const { counter, timestamp } = value as Record<string, unknown>
    return this.counter === integerOf(counter) && this.timestamp === integerOf(timestamp)
  }

  toJSON(): { counter: number; timestamp: number; stateVersion?: number } {
    const { counter, timestamp, stateVersion } = this
    return stateVersion === undefined ? { counter, timestamp } : { counter, stateVersion, timestamp }
  }
}

export class TableFile {
  readonly name: string
  private readonly store: MetadataStore
  private readonly text: () => string
  private readonly log: Log
  /** The write that has not taken its text yet: every change until then is in it. */
  private next: Promise<void> | undefined
  /** The write under way. */
  private running: Promise<void> | undefined
  private failed = false
  private isTouched = false

  constructor(name: string, store: MetadataStore, text: () => string, log: Log) {
    this.name = name
    this.store = store
    this.text = text
    this.log = log
  }

  /** The file's object, or undefined where there is none yet. Integer keys come as text. */
  load(): Record<string, unknown> | undefined {
    const text = this.store.load(this.name)
    return text === undefined ? undefined : (JSON.parse(quoteIntegerKeys(text)) as Record<string, unknown>)
  }

  /** Rejects when the write failed; the file is then still due and retryFailed() tries again. */
  persist(): Promise<void> {
    if (this.next === undefined) {
      this.next = this.write()
      this.next.catch(() => {})
    }
    return this.next
  }

  /** Something changed that the next flush() is to write. */
  touch(): void {
    this.isTouched = true
  }

  /** Writes what was touched since the last time; settled when it is on disk (a failure is logged and tried again). */
  async flush(): Promise<void> {
    if (!this.isTouched) return
    this.isTouched = false
    try {
      await this.persist()
    } catch {
      this.isTouched = true
    }
  }

  /** Settled when every change so far is on disk, or undefined when that is so now. */
  pending(): Promise<void> | undefined {
    return this.next ?? this.running
  }

  retryFailed(): void {
    if (this.failed && this.next === undefined) void this.persist().catch(() => {})
  }

  private async write(): Promise<void> {
    await this.running?.catch(() => {})
    this.running = this.next
    this.next = undefined
    try {
      await this.store.save(this.name, this.text())
      this.failed = false
    } catch (error) {
      // Said when it begins: the file's writer says it again when the reason changes, and when it is over.
      if (!this.failed)
        this.log.error(`${this.name} could not be written, it is tried again: ${describe(error)}`, { file: this.name })
      this.failed = true
      throw error
    } finally {
      this.running = undefined
    }
  }
}

/** The entries of an object in a file; nothing when it is no object. */
export function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

/** An integer from a file, where fastjson may have written it as text; undefined for anything else (null is not 0). */
export function integerOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) ? (number as number) : undefined
}
