/**
 * Topics that were deleted, and where the log ended then: what a start must not take for topics that topics.json has lost.
 *
 * A broker that is killed finds records of a deleted topic in its log and in the last note of what the queues held, and
 * builds its queues again. Without topics.json's entry they look like those of a topic that was created just before the kill,
 * which has to come back; only this table tells one from the other. RocketMQ leaves the queues lying there.
 *
 * Owns:      <store>/basalt/deletedTopics.json.
 * Invariant: queued for writing before topics.json loses the topic. A topic with any record above its place is not
 *            deleted: one of the same name has followed.
 * Bounds:    places that the log has no records below any more go at the next start, and the oldest beyond NAMED_MAX.
 */
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { TableFile } from '../metadata.ts'

const FILE = 'deletedTopics.json'
/** 2,000 names of 127 bytes are 300 KB, written anew at each deletion. */
const NAMED_MAX = 2000

export class DeletedTopics {
  private readonly places = new Map<string, number>()
  private readonly file: TableFile

  constructor(options: { store: MetadataStore; log: Log }) {
    this.file = new TableFile(FILE, options.store, () => this.text(), options.log)
  }

  /** `retained`: where the log begins. */
  load(retained: number): void {
    for (const [topic, place] of Object.entries(this.file.load()?.topics ?? {})) {
      if (typeof place === 'number' && place > retained) this.places.set(topic, place)
    }
  }

  /** The topic has been deleted; all of its records lie below `place`. Settled when that is on disk. */
  add(topic: string, place: number): Promise<void> {
    // Anew at the end: the oldest is the first.
    this.places.delete(topic)
    this.places.set(topic, place)
    for (const oldest of this.places.keys()) {
      if (this.places.size <= NAMED_MAX) break
      this.places.delete(oldest)
    }
    return this.file.persist()
  }

  /** Whether the newest record of a topic that nobody knows, at `newest`, was there when it was deleted. */
  covers(topic: string, newest: number): boolean {
    return newest < (this.places.get(topic) ?? 0)
  }

  retryFailedSave(): void {
    this.file.retryFailed()
  }

  private text(): string {
    return `${JSON.stringify({ topics: Object.fromEntries(this.places) }, null, '\t')}\n`
  }
}
