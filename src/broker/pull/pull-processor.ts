/**
 * PULL_MESSAGE and LITE_PULL_MESSAGE: checks, reads, answers or holds.
 *
 *   admit ─▶ read units ─┬─ found, pages in memory ─▶ records copied from the map behind the header, one write
 *                        ├─ found, pages on disk ───▶ the pool reads, the answer follows
 *                        ├─ nothing, may wait ──────▶ held (holds.ts)
 *                        └─ otherwise ──────────────▶ 19, 20 or 21
 *
 * Records of a pull are copied: 32 of 1 KiB are 3 µs of copying, as slices they would be 32 objects and 32 pieces of a
 * writev (bench/micro "pull answer").
 * Rules: spec/broker-requests.md §7.
 */
import type { Clock } from '../../clock.ts'
import { PULL_ANSWER_ROOM, type PullAnswer, writePullAnswerHeader } from '../../remoting/hot/index.ts'
import type { LogReader } from '../../store/commitlog/log-reader.ts'
import type { ConsumerOffsets } from '../offsets/consumer-offsets.ts'
import type { QueueIds } from '../queue-ids.ts'
import type { Holds } from './holds.ts'
import type { MessageReader, UnitSource } from './message-reader.ts'
import { Reading } from './message-reader.ts'
import { admitPull, type PullChecks } from './pull-checks.ts'
import { codeOf, PULL_CODE, PULL_FLAG, type PullRequest, type ReadStatus } from './pull-request.ts'

export interface PullDependencies {
  checks: PullChecks
  settings: { longPollingEnable: boolean; shortPollingTimeMills: number; brokerRole: string }
  clock: Clock
  queueIds: QueueIds
  messages: MessageReader
  /** Reader of a queue's units, by its integer. */
  unitsOf(queue: number): UnitSource
  log: LogReader
  /** Reads records that are not in memory; undefined where one of them is gone. */
  readCold(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined>
  holds(): Holds
  offsets: ConsumerOffsets
  refuse(request: PullRequest, code: number, remark: string): void
  counted(request: PullRequest, messages: number, bytes: number): void
  failed(request: PullRequest, error: unknown): void
}

/** Ranges up to this are asked for with one mincore; 1 byte of its answer stands for 4 KiB. */
const RESIDENT_SPAN_MAX = 4 * 1024 * 1024
export class PullProcessor {
  private readonly deps: PullDependencies
  private readonly reading = new Reading()
  private readonly answer: PullAnswer = {
    opaque: 0,
    serialize: 0,
    suggestWhichBrokerId: 0,
    nextBeginOffset: 0,
    minOffset: 0,
    maxOffset: 0,
  }

  constructor(deps: PullDependencies) {
    this.deps = deps
  }

  /** A pull from a client: may be held, and may carry an offset to commit. */
  take(request: PullRequest): void {
    this.run(request, true)
  }

  /** A held pull that is due: answered whatever it finds, and it never commits. */
  wake(request: PullRequest): void {
    if (!request.connection.closed) this.run(request, false)
  }

  private run(request: PullRequest, isFirst: boolean): void {
    const { deps, reading } = this
    const filter = admitPull(deps.checks, request)
    if ('remark' in filter) {
      deps.refuse(request, filter.code, filter.remark)
      return
    }
    const queue = deps.queueIds.find(request.topic, request.queueId)
    deps.messages.read(
      queue,
      () => deps.unitsOf(queue),
      request.queueOffset,
      request.maxMsgNums,
      request.maxMsgBytes ?? Number.MAX_SAFE_INTEGER,
      filter,
      reading,
    )
    if (isFirst) this.commit(request)
    if (reading.status === 'FOUND') this.deliver(request)
    else {
      const code = codeOf(reading.status, request.queueOffset)
      if (code === PULL_CODE.notFound && isFirst && this.hold(request)) return
      this.answerEmpty(request, code)
    }
  }

  private commit(request: PullRequest): void {
    if ((request.sysFlag & PULL_FLAG.commitOffset) === 0 || this.deps.settings.brokerRole === 'SLAVE') return
    const { consumerGroup, topic, queueId, commitOffset, connection } = request
    this.deps.offsets.commit(consumerGroup, topic, queueId, commitOffset, connection.remoteAddress)
  }

  private hold(request: PullRequest): boolean {
    const { settings, queueIds, clock } = this.deps
    if ((request.sysFlag & PULL_FLAG.suspend) === 0) return false
    const queue = queueIds.ensure(request.topic, request.queueId)
    if (queue < 0) return false
    const waitMs = settings.longPollingEnable ? request.suspendTimeoutMillis : settings.shortPollingTimeMills
    return this.deps.holds().hold(queue, request, clock.now() + waitMs)
  }

  private deliver(request: PullRequest): void {
    const { reading, deps } = this
    deps.counted(request, reading.count, reading.bytes)
    if (this.isResident()) {
      this.answerFromMap(request)
      return
    }
    const offsets = reading.offsets.slice(0, reading.count)
    const sizes = reading.sizes.slice(0, reading.count)
    const answer = { ...this.fill(request) }
    deps.readCold(offsets, sizes).then(
      (body) => {
        if (body !== undefined) sendBody(request, answer, body)
        else writeEmpty(request, answer, PULL_CODE.retryImmediately, 'MESSAGE_WAS_REMOVING')
      },
      (error: unknown) => deps.failed(request, error),
    )
  }

  private isResident(): boolean {
    const { reading, deps } = this
    const first = reading.offsets[0]
    const last = reading.count - 1
    const span = reading.offsets[last] + reading.sizes[last] - first
    const segment = deps.log.segmentAt(first)
    if (segment === undefined) return false
    if (span <= RESIDENT_SPAN_MAX && first + span <= segment.end) return deps.log.resident(first, span)
    for (let i = 0; i < reading.count; i += 1) {
      if (!deps.log.resident(reading.offsets[i], reading.sizes[i])) return false
    }
    return true
  }

  private answerFromMap(request: PullRequest): void {
    const { reading, deps } = this
    const { connection } = request
    const at = connection.reserve(PULL_ANSWER_ROOM + reading.bytes)
    const { out } = connection
    let to = at + writePullAnswerHeader(out, at, this.fill(request), PULL_CODE.found, 'FOUND', reading.bytes)
    for (let i = 0; i < reading.count; ) {
      // Neighbours in the log are one copy.
      const from = reading.offsets[i]
      let length = reading.sizes[i]
      const segment = deps.log.segmentAt(from)!
      for (i += 1; i < reading.count && reading.offsets[i] === from + length && from + length < segment.end; i += 1) {
        length += reading.sizes[i]
      }
      segment.bytes.copy(out, to, from - segment.start, from - segment.start + length)
      to += length
    }
    connection.advance(to - at)
  }

  private answerEmpty(request: PullRequest, code: number): void {
    writeEmpty(request, this.fill(request), code, this.reading.status)
  }

  private fill(request: PullRequest): PullAnswer {
    const { answer, reading } = this
    answer.opaque = request.opaque
    answer.serialize = request.serialize
    answer.nextBeginOffset = reading.nextBeginOffset
    answer.minOffset = reading.minOffset
    answer.maxOffset = reading.maxOffset
    return answer
  }
}

function sendBody({ connection }: PullRequest, answer: PullAnswer, body: Uint8Array): void {
  const header = Buffer.allocUnsafe(PULL_ANSWER_ROOM)
  const length = writePullAnswerHeader(header, 0, answer, PULL_CODE.found, 'FOUND', body.length)
  connection.sendFrame(header.subarray(0, length), [body])
}

function writeEmpty({ connection }: PullRequest, answer: PullAnswer, code: number, status: ReadStatus): void {
  const at = connection.reserve(PULL_ANSWER_ROOM)
  connection.advance(writePullAnswerHeader(connection.out, at, answer, code, status, 0))
}
