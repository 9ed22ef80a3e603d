/**
 * On a slave: what clients have committed here, and the master may not know (they read from a slave while it is away).
 *
 * Owns:      <store>/basalt/slaveOffsets.json, in the form of consumerOffset.json; it is written before that one.
 * Invariant: a queue stands here from the first commit until the master has it, or has come farther by itself; kill -9
 *            takes no more than the master's own does (flushConsumerOffsetInterval).
 * Blocks on: nothing but the first load.
 */
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { entriesOf, integerOf, TableFile } from '../metadata.ts'

const FILE = 'slaveOffsets.json'

export interface SlaveCommitsOptions {
  readonly store: MetadataStore
  readonly log: Log
  /** `key`: topic@group. */
  readonly offsetOf: (key: string, queueId: number) => number
}

export class SlaveCommits {
  private readonly queues = new Map<string, Set<number>>()
  private readonly options: SlaveCommitsOptions
  private readonly file: TableFile

  constructor(options: SlaveCommitsOptions) {
    this.options = options
    this.file = new TableFile(FILE, options.store, () => this.text(), options.log)
  }

  /** What the file holds. It is no younger than this process's other tables: it is written first. */
  load(): [string, number, number][] {
    const found: [string, number, number][] = []
    for (const [key, queues] of entriesOf(this.file.load()?.offsetTable)) {
      for (const [queue, value] of entriesOf(queues)) {
        const [queueId, offset] = [integerOf(queue), integerOf(value)]
        if (queueId !== undefined && queueId >= 0 && offset !== undefined) found.push([key, queueId, offset])
        else this.options.log.error(`offset of "${key}" queue ${queue} in ${FILE} is left out`, { file: FILE })
      }
    }
    return found
  }

  /** Committed here; its offset may have been another one before. */
  note(key: string, queueId: number): void {
    const known = this.queues.get(key)
    if (known === undefined) this.queues.set(key, new Set([queueId]))
    else known.add(queueId)
    this.file.touch()
  }

  has(key: string, queueId: number): boolean {
    return this.queues.get(key)?.has(queueId) === true
  }

  forget(key: string, queueId: number): void {
    const known = this.queues.get(key)
    if (known?.delete(queueId) !== true) return
    if (known.size === 0) this.queues.delete(key)
    this.file.touch()
  }

  *all(): IterableIterator<[string, number]> {
    for (const [key, queues] of this.queues) for (const queueId of queues) yield [key, queueId]
  }

  /** This broker is the master now. */
  clear(): void {
    this.queues.clear()
    this.file.touch()
  }

  /** A master has nobody to tell: what was found counts as its own, and the file is to be empty. */
  touch(): void {
    this.file.touch()
  }

  flush(): Promise<void> {
    return this.file.flush()
  }

  private text(): string {
    const offsetTable: Record<string, Record<number, number>> = {}
    for (const [key, queueId] of this.all()) {
      const offset = this.options.offsetOf(key, queueId)
      offsetTable[key] ??= {}
      if (offset >= 0) offsetTable[key][queueId] = offset
    }
    return `${JSON.stringify({ offsetTable }, null, '\t')}\n`
  }
}
