/**
 * How far each delay level has been delivered: config/delayOffset.json.
 *
 * Owns:      level → queue offset of the next message of SCHEDULE_TOPIC_XXXX queue level − 1 that is not delivered.
 * Invariant: what is put here is delivered and on disk: no crash takes a delivery back that the file counts.
 * Blocks on: nothing. Written every flushDelayOffsetInterval and at the stop, when something changed.
 * File:      spec/store-format.md §7; 5.x has a dataVersion beside the table, which 4.9 and we do without.
 */
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { entriesOf, integerOf, TableFile } from '../metadata.ts'

const FILE = 'delayOffset.json'
/** Far above what messageDelayLevel allows. */
const LEVEL_MAX = 65_536

export class DelayOffsets {
  private readonly levels = new Map<number, number>()
  private readonly log: Log
  private readonly file: TableFile

  constructor(options: { store: MetadataStore; log: Log }) {
    this.log = options.log
    this.file = new TableFile(FILE, options.store, () => this.toText(), options.log)
  }

  /** Again where somebody else has written it: then nothing of ours counts. */
  load(): void {
    this.levels.clear()
    for (const [key, value] of entriesOf(this.file.load()?.offsetTable)) {
      const level = integerOf(key)
      const offset = integerOf(value)
      if (level !== undefined && level >= 1 && level <= LEVEL_MAX && offset !== undefined)
        this.levels.set(level, offset)
      else
        this.log.error(`delay level ${key} in ${FILE} is left out: ${JSON.stringify(value)}`, {
          file: FILE,
        })
    }
  }

  /** Undefined for a level of which nothing was ever delivered. */
  get(level: number): number | undefined {
    return this.levels.get(level)
  }

  put(level: number, offset: number): void {
    if (this.levels.get(level) === offset) return
    this.levels.set(level, offset)
    this.file.touch()
  }

  entries(): IterableIterator<[number, number]> {
    return this.levels.entries()
  }

  /** Writes the table when something changed; settled when it is on disk (a failure is logged and tried again). */
  flush(): Promise<void> {
    return this.file.flush()
  }

  /** As fastjson writes it, with bare integer keys. */
  private toText(): string {
    const rows = [...this.levels].sort((a, b) => a[0] - b[0]).map(([level, offset]) => `${level}:${offset}`)
    return `{\n\t"offsetTable":{${rows.join(',')}\n\t}\n}\n`
  }
}
