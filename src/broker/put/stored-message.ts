/**
 * One record of the log as a message that can be stored again, elsewhere (sent back, committed, checked).
 *
 * Blocks on: nothing. A record whose pages are in memory is copied from the network thread's map; the pool reads others.
 */
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { decodeRecord, type LogReader, type Message, RECORD_SIZE_MIN, RecordView } from '../../store/commitlog/index.ts'
import type { InternalMessage } from './internal-put.ts'

/** What StoredMessages needs of the store (store-view.ts). */
export interface RecordSource {
  readonly log: LogReader
  /** By the pool; undefined where no whole record starts. */
  view(physicalOffset: number): Promise<Uint8Array | undefined>
}

export class StoredMessages {
  private readonly source: RecordSource
  private readonly control: ControlBlock
  private readonly record = new RecordView()

  constructor(source: RecordSource, control: ControlBlock) {
    this.source = source
    this.control = control
  }

  /** The message whose record starts at `physicalOffset`, or undefined where none does that may be seen. */
  async at(physicalOffset: number): Promise<Message | undefined> {
    const bytes = this.copyHot(physicalOffset) ?? (await this.source.view(physicalOffset))
    const message = bytes === undefined ? undefined : decodeRecord(bytes)
    return message?.physicalOffset === physicalOffset ? message : undefined
  }

  /** A copy of its own: maps go away. Undefined when a page of it is not in memory (or it is no record). */
  private copyHot(physicalOffset: number): Buffer | undefined {
    const { control, record } = this
    const { log } = this.source
    if (!Number.isSafeInteger(physicalOffset) || physicalOffset < control.load('retained')) return undefined
    const visible = control.visible()
    if (physicalOffset + RECORD_SIZE_MIN > visible || !log.resident(physicalOffset, RECORD_SIZE_MIN)) return undefined
    const { bytes, view, start, end } = log.segmentAt(physicalOffset)!
    const at = physicalOffset - start
    const size = view.getInt32(at)
    if (size < RECORD_SIZE_MIN || physicalOffset + size > Math.min(visible, end)) return undefined
    if (!log.resident(physicalOffset, size)) return undefined
    if (record.read(bytes, view, at, at + size) !== 'record') return undefined
    return Buffer.from(bytes.subarray(at, at + size))
  }
}

/** The message to store again; topic, queue, properties and what else differs are the caller's to change. */
export function internalMessage(stored: Message): InternalMessage {
  return {
    topic: stored.topic,
    queueId: stored.queueId,
    body: stored.body,
    properties: stored.propertiesText,
    flag: stored.flag,
    sysFlag: stored.sysFlag,
    bornTimestamp: stored.bornTimestamp,
    bornHost: stored.bornHost,
    storeHost: stored.storeHost,
    reconsumeTimes: stored.reconsumeTimes,
    preparedTransactionOffset: stored.preparedTransactionOffset,
  }
}
