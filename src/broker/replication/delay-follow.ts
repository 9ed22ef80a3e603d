/**
 * How far the master has delivered what is delayed, on its slave: written down once the slave has all that it counts.
 *
 *   45 ─▶ offsets, the end of the master's log then, its mark ─▶ (this log is safe up to that end) ─▶ delayOffset.json,
 *                                                                                                   <store>/basalt/deliveries
 *
 * RocketMQ's slave writes the offsets as they come. Made a master while its log was behind, it passes over messages whose
 * delivered form it has never got. The mark is what the master itself would go on with after a kill; only ours has one. Without
 * it, what was delivered in the last seconds comes twice, as with RocketMQ.
 *
 * Owns:      both files while brokerRole is SLAVE. Called by: MetadataSync, a timer.
 * Blocks on: nothing.
 */
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { DeliveryMark, markPath, parseMark } from '../delay/index.ts'

export interface DelayFollowOptions {
  readonly files: Pick<MetadataStore, 'save'>
  /** No crash takes back what is in this log below. */
  readonly safe: () => number
  readonly storePathRootDir: string
  readonly log: Log
}

interface Progress {
  readonly text: string
  /** Everything that is counted lies below. */
  readonly end: number
  readonly mark: string | undefined
}

const FILE = 'delayOffset.json'

export class DelayFollow {
  private readonly options: DelayFollowOptions
  private readonly mark: DeliveryMark
  /** What is due first, and the last that came behind it. */
  private next: Progress | undefined
  private later: Progress | undefined
  private saved: Progress | undefined
  private isSaving = false
  private saving: Promise<void> = Promise.resolve()
  private isClosed = false

  constructor(options: DelayFollowOptions) {
    this.options = options
    this.mark = new DeliveryMark(markPath(options.storePathRootDir), options.log)
  }

  take(progress: Progress): Promise<void> {
    if (this.isClosed) return Promise.resolve()
    if (this.next === undefined) this.next = progress
    else this.later = progress
    return this.settle()
  }

  /** Rejects when delayOffset.json cannot be written; it is tried again. */
  async settle(): Promise<void> {
    while (!this.isSaving && this.next !== undefined && this.options.safe() >= this.next.end) {
      this.isSaving = true
      // The log may have come so far under another leader, with other records: word of that is here a turn later at most.
      await new Promise((fulfil) => setImmediate(() => setImmediate(fulfil)))
      if (this.isClosed) return
      try {
        this.saving = this.save(this.next)
        await this.saving
      } finally {
        this.isSaving = false
      }
      this.next = this.later
      this.later = undefined
    }
  }

  private async save(progress: Progress): Promise<void> {
    const { saved } = this
    if (progress.text !== saved?.text) await this.options.files.save(FILE, progress.text)
    const mark = progress.mark === undefined || progress.mark === saved?.mark ? undefined : parseMark(progress.mark)
    if (mark !== undefined && !this.isClosed) this.mark.write(mark)
    this.saved = progress
  }

  /** Nothing is written that is not being written; settled when that is. */
  async close(): Promise<void> {
    this.isClosed = true
    this.next = undefined
    this.later = undefined
    await this.saving.catch(() => {})
    await this.mark.close()
  }
}
