/**
 * What a pull finds wrong in the store: units and records that do not belong together (store/commitlog/record-head.ts).
 * They are stepped over, so that the rest of the queue is served, and named in the log with file and byte.
 */
import type { Log } from '../../log.ts'
import { LogFolders, segmentStart } from '../../store/commitlog/index.ts'
import { queueFilePath, queueFileSize, queueFolder, UNIT_SIZE } from '../../store/consumequeue/index.ts'
import type { StoreSettings } from '../../store/settings.ts'

const TOLD_MAX = 1000

/** Tells the log once of each place. */
export class DamageLog {
  private readonly settings: StoreSettings
  private readonly log: Log
  private readonly nameOf: (queue: number) => { topic: string; queueId: number } | undefined
  private readonly told = new Set<string>()

  constructor(options: {
    settings: StoreSettings
    log: Log
    nameOf(queue: number): { topic: string; queueId: number } | undefined
  }) {
    this.settings = options.settings
    this.log = options.log
    this.nameOf = options.nameOf
  }

  /** The unit points where no record of its can be, or at something else. */
  unit(queue: number, queueOffset: number, physicalOffset: number, size: number): void {
    const where = this.placeOf(queue, queueOffset)
    const { mappedFileSizeCommitLog: segmentSize } = this.settings
    const start = segmentStart(Math.max(0, physicalOffset), segmentSize)
    const record = `${new LogFolders(this.settings).pathAt(start)} byte ${physicalOffset - start}`
    this.tell(
      where,
      `a message cannot be served: its ConsumeQueue unit (${where}) and the CommitLog (${size} bytes at ${record}) do not ` +
        'fit together; one of the two is damaged or was removed. Consumers pass it',
      { queueOffset, physicalOffset, size },
    )
  }

  /** There is no file for the queue offset, though the queue goes on behind it. */
  missingFile(queue: number, queueOffset: number): void {
    const where = this.placeOf(queue, queueOffset)
    this.tell(
      `file of ${where}`,
      `a ConsumeQueue file is missing under the broker (${where}): consumers of the queue wait there; start the broker ` +
        'again and it builds the file from the CommitLog',
      { queueOffset },
    )
  }

  private placeOf(queue: number, queueOffset: number): string {
    const name = this.nameOf(queue)
    if (name === undefined) return `queue ${queue}`
    const at = queueOffset * UNIT_SIZE
    const start = at - (at % queueFileSize(this.settings))
    return `${queueFilePath(queueFolder(this.settings, name.topic, name.queueId), start)} byte ${at - start}`
  }

  private tell(key: string, what: string, fields: Record<string, unknown>): void {
    if (this.told.has(key) || this.told.size >= TOLD_MAX) return
    this.told.add(key)
    this.log.error(what, fields)
  }
}
