/**
 * What there is to write, gone through once before anything is written: which queues, and whether their queue offsets can be
 * kept. A ConsumeQueue has no holes: records that follow one another keep theirs, others are numbered anew from the first one on,
 * and offsets of consumers are told where they are now.
 */
import { ConfigError } from '../../errors.ts'
import { SYS_FLAG } from '../../store/commitlog/index.ts'
import { type TopicEntry, TopicTable } from '../../store/dispatch/index.ts'
import { NO_OFFSET, QUEUE_NUMS_MAX } from './message-line.ts'
import type { RecordSource, SourceRecord } from './record-source.ts'

/** Above it a queue offset is damage. */
const QUEUE_OFFSET_MAX = 10 ** 12

/** An offset of a consumer, and how many of the records are below it. */
interface WatchedOffset {
  offset: number
  below: number
}

export interface QueuePlan {
  topic: string
  queueId: number
  /** Queue offset of the first record; NO_OFFSET where it has none. */
  first: number
  /** One behind the last. */
  next: number
  count: number
  isContiguous: boolean
  watched: WatchedOffset[]
  /** Queue offset that the first record gets, and how many have been written. */
  base: number
  written: number
}

export interface QueueOffset {
  topic: string
  queueId: number
  offset: number
}

export class ImportPlan {
  readonly queues: QueuePlan[] = []
  /** All records, those that no queue can have among them. */
  records = 0
  skipped = 0
  /** Store times. */
  firstTime = 0
  lastTime = 0
  /** Records of topics that were deleted. */
  leftOut = 0
  private readonly topics = new TopicTable<QueuePlan>()
  private readonly isDeleted: (topic: string) => boolean
  private readonly deleted = new Map<TopicEntry<QueuePlan>, boolean>()
  private readonly watched = new Map<string, WatchedOffset[]>()

  /** `isDeleted`: records of such topics are in the log still, and are not taken. */
  constructor(isDeleted: (topic: string) => boolean = () => false) {
    this.isDeleted = isDeleted
  }

  /** Before records are seen. */
  watch({ topic, queueId, offset }: QueueOffset): void {
    const key = `${topic}/${queueId}`
    const known = this.watched.get(key) ?? []
    if (!known.some((each) => each.offset === offset)) known.push({ offset, below: 0 })
    this.watched.set(key, known)
  }

  /** Where consumers are that were at `offset`; undefined for a queue of which nothing is written. */
  translate({ topic, queueId, offset }: QueueOffset): number | undefined {
    const queue = this.topics.named(topic).get(queueId)
    if (queue === undefined) return undefined
    return queue.base + (queue.watched.find((each) => each.offset === offset)?.below ?? 0)
  }

  hasTopic(topic: string): boolean {
    return [...this.topics.named(topic).queues()].length > 0
  }

  /** Throws ConfigError BAD_LINE for a line of which no queue can be made. */
  see({ record, bytes, line }: SourceRecord): void {
    if (this.firstTime === 0) this.firstTime = record.storeTimestamp
    this.lastTime = record.storeTimestamp
    const topic = this.topics.find(bytes, record.topicStart, record.topicLength)
    if (!isUsable(topic, record.queueId)) {
      if (line > 0) throw noQueue(topic.name, record.queueId, line)
      this.skipped += 1
      return
    }
    if (this.isGone(topic)) {
      this.leftOut += 1
      return
    }
    this.records += 1
    if (!hasUnit(record.sysFlag)) return
    const queue = topic.get(record.queueId) ?? this.queueOf(topic, record.queueId, record.queueOffset)
    const { queueOffset } = record
    if (queueOffset !== queue.next || queueOffset > QUEUE_OFFSET_MAX) queue.isContiguous = false
    queue.next = queueOffset + 1
    queue.count += 1
    for (const watched of queue.watched) if (queueOffset < watched.offset) watched.below += 1
  }

  /** `nextOf`: next offset of a queue that is there already, undefined for a new one. `minimum`: the new ones begin at 0. */
  settle(nextOf: (topic: string, queueId: number) => number | undefined, beginsAtZero: boolean): void {
    for (const queue of this.queues) {
      const own = queue.first >= 0 && queue.first <= QUEUE_OFFSET_MAX && !beginsAtZero ? queue.first : 0
      queue.base = nextOf(queue.topic, queue.queueId) ?? own
    }
  }

  /** Queue offset of the next record of its queue, to be written; -1 for one that no queue can have. */
  place({ record, bytes }: SourceRecord): number {
    const topic = this.topics.find(bytes, record.topicStart, record.topicLength)
    if (!isUsable(topic, record.queueId) || this.isGone(topic)) return -1
    const queue = topic.get(record.queueId)
    if (!hasUnit(record.sysFlag) || queue === undefined) return Math.max(0, record.queueOffset)
    queue.written += 1
    return queue.base + queue.written - 1
  }

  /** Queues whose records do not have the queue offsets that they had. */
  renumbered(): QueuePlan[] {
    return this.queues.filter(({ isContiguous, first, base }) => first >= 0 && (!isContiguous || first !== base))
  }

  private isGone(topic: TopicEntry<QueuePlan>): boolean {
    let isGone = this.deleted.get(topic)
    if (isGone === undefined) {
      isGone = this.isDeleted(topic.name)
      this.deleted.set(topic, isGone)
    }
    return isGone
  }

  private queueOf(topic: TopicEntry<QueuePlan>, queueId: number, first: number): QueuePlan {
    const watched = this.watched.get(`${topic.name}/${queueId}`) ?? []
    const counts = { next: first, count: 0, base: 0, written: 0, isContiguous: first !== NO_OFFSET }
    const queue: QueuePlan = { topic: topic.name, queueId, first, watched, ...counts }
    topic.set(queueId, queue)
    this.queues.push(queue)
    return queue
  }
}

/** Everything once. `turn` is called now and then. */
export async function planImport(source: RecordSource, plan: ImportPlan, turn: () => void): Promise<void> {
  for (const item of source.records()) {
    if (item !== undefined) plan.see(item)
    else {
      turn()
      await new Promise(setImmediate)
    }
  }
}

function isUsable(topic: TopicEntry<QueuePlan>, queueId: number): boolean {
  return topic.isUsable && queueId >= 0 && queueId < QUEUE_NUMS_MAX
}

/** Halves of old releases and rollbacks are in the log and in no queue. */
function hasUnit(sysFlag: number): boolean {
  const transaction = sysFlag & SYS_FLAG.transactionMask
  return transaction === 0 || transaction === SYS_FLAG.commit
}

function noQueue(topic: string, queueId: number, line: number): ConfigError {
  return new ConfigError('BAD_LINE', {
    what: `line ${line}: no queue can be ${JSON.stringify(topic)}/${queueId}`,
    todo: 'topics are names of folders; queues are below 65,536',
  })
}
