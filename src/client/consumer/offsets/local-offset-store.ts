/**
 * Progress of a client that gets every message of its topics (broadcast): a file on its own machine, in the place and form of Java's
 * LocalFileOffsetStore, so that a client that is moved from one to the other goes on where it was.
 *
 *   <home>/.rocketmq_offsets/<clientId>/<group>/offsets.json     and .bak, the content before
 *   {"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:5}}
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DurableFile } from '../../../durable-file.ts'
import { describe, RemotingError } from '../../../errors.ts'
import { type JsonValue, parse, stringify } from '../../../remoting/fastjson.ts'
import type { MessageQueue } from '../message-queue.ts'
import { type OffsetSlot, OffsetSlots, type OffsetStore } from './offset-store.ts'

export interface LocalOffsetStoreOptions {
  clientId: string
  group: string
  /** `<home>/.rocketmq_offsets` */
  folder?: string
  /** A file that cannot be read is passed over for its .bak, and kept as .damaged. */
  damaged?: (path: string, error: unknown) => void
  /** The file could not be written. */
  failed?: (path: string, error: unknown) => void
}

export class LocalOffsetStore implements OffsetStore {
  readonly path: string
  private readonly slots = new OffsetSlots()
  private readonly file: DurableFile
  private readonly damaged: (path: string, error: unknown) => void
  private readonly failed: (path: string, error: unknown) => void
  private written = ''

  constructor(options: LocalOffsetStoreOptions) {
    const folder = options.folder ?? join(homedir(), '.rocketmq_offsets')
    this.path = join(folder, options.clientId, options.group, 'offsets.json')
    this.file = new DurableFile(this.path)
    this.damaged = options.damaged ?? (() => {})
    this.failed = options.failed ?? (() => {})
  }

  async load(): Promise<void> {
    const stored = await this.file.load(offsetsIn, this.damaged)
    for (const { queue, offset } of stored ?? []) this.slots.slot(queue).offset = offset
  }

  slot(queue: MessageQueue): OffsetSlot {
    return this.slots.slot(queue)
  }

  /** The file was read at the start, and is nobody else's. */
  async fetch(queue: MessageQueue): Promise<number> {
    return this.slots.slot(queue).offset
  }

  /** Offsets of other queues stay: a topic that is not subscribed today may be so tomorrow. */
  async persist(): Promise<unknown> {
    const text = offsetsText(this.slots.known())
    if (text === this.written) return undefined
    try {
      await this.file.save(() => text)
      this.written = text
      return undefined
    } catch (error) {
      this.failed(this.path, error)
      return error
    }
  }

  /** Nobody else consumes for this client: what it knows stays. */
  remove(): void {}

  known(topic?: string): OffsetSlot[] {
    return this.slots.known(topic)
  }
}

function offsetsText(slots: readonly OffsetSlot[]): string {
  const entries = slots.map(
    ({ queue: { brokerName, queueId, topic }, offset }) => [{ brokerName, queueId, topic }, offset] as const,
  )
  return stringify({ offsetTable: new Map(entries) })
}

function offsetsIn(text: string): OffsetSlot[] {
  const value = parse(text)
  const table = isObject(value) ? value.offsetTable : undefined
  // Without queues there is nothing to tell an object by.
  const entries = table instanceof Map ? [...table] : []
  if (!(table instanceof Map) && !(isObject(table) && Object.keys(table).length === 0)) throw badFile('no offsetTable')
  return entries.map(([key, offset]) => {
    if (!isObject(key)) throw badFile(`the key ${stringify(key)}, which is no queue`)
    const { topic, brokerName, queueId } = key
    if (typeof topic !== 'string' || typeof brokerName !== 'string') throw badFile(`the queue ${stringify(key)}`)
    const queue = { topic, brokerName, queueId: wholeNumber(queueId) }
    return { queue, offset: wholeNumber(offset) }
  })
}

/** fastjson takes numbers that are written as texts. Java's AtomicLong is a plain number in JSON. */
function wholeNumber(value: JsonValue | undefined): number {
  const number = Number(value)
  if ((typeof value === 'number' || typeof value === 'string') && Number.isSafeInteger(number)) return number
  throw badFile(`${describe(value)} in place of a whole number`)
}

function isObject(value: unknown): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
}

function badFile(what: string): RemotingError {
  return new RemotingError('BAD_OFFSETS_FILE', { what: `no file of offsets: it has ${what}` })
}
