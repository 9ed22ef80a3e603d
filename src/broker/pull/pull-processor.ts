/**
 * PULL_MESSAGE and LITE_PULL_MESSAGE: checks, reads, answers or holds.
 *
 *   admit ─▶ read units ─┬─ found, pages in memory ─▶ records copied from the map behind the header, one write
 *                        ├─ found, pages on disk ───▶ the pool reads, the answer follows
 *                        ├─ found, to be filtered by properties on disk ─▶ the pool reads and filters, the answer follows
 *                        ├─ nothing, may wait ──────▶ held (holds.ts)
 *                        └─ otherwise ──────────────▶ 19, 20 or 21
 *
 * Records of a pull are copied: 32 of 1 KiB are 3 µs of copying, as slices they would be 32 objects and 32 pieces of a
 * writev (bench/micro "pull answer").
 * Rules: spec/broker-requests.md §7.
 */
import type { Clock } from '../../clock.ts'
import type { FilterPlan } from '../../filter/index.ts'
import { PULL_ANSWER_ROOM, type PullAnswer, writePullAnswerHeader } from '../../remoting/hot/index.ts'
import type { FilteredRecords, FilterRecordsRequest } from '../../store/commitlog/index.ts'
import type { LogReader } from '../../store/commitlog/log-reader.ts'
import { standsAt } from '../../store/commitlog/record-head.ts'
import type { ConsumerOffsets } from '../offsets/consumer-offsets.ts'
import type { QueueIds } from '../queue-ids.ts'
import type { Holds } from './holds.ts'
import type { DamageListener, MessageReader, UnitSource } from './message-reader.ts'
import { Reading, wantedCount } from './message-reader.ts'
import { admitPull, type PullChecks } from './pull-checks.ts'
import { codeOf, PULL_CODE, PULL_FLAG, type PullRequest, type ReadStatus } from './pull-request.ts'

export interface PullDependencies {
  checks: PullChecks
  settings: {
    longPollingEnable: boolean
    shortPollingTimeMills: number
    brokerRole: string
    slaveReadEnable: boolean
    offsetCheckInSlave: boolean
  }
  clock: Clock
  queueIds: QueueIds
  messages: MessageReader
  /** Reader of a queue's units, by its integer. */
  unitsOf(queue: number): UnitSource
  log: LogReader
  damage: DamageListener
  /** Reads records that are not in memory, those that are there; undefined where none is. */
  readCold(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined>
  /** Those of them that the filter wants. */
  filterCold(request: Omit<FilterRecordsRequest, 'limits' | 'logEnd'>): Promise<FilteredRecords>
  holds(): Holds
  offsets: ConsumerOffsets
  refuse(request: PullRequest, code: number, remark: string): void
  /** A pull was answered 21. */
  moved(request: PullRequest, offsetNew: number, status: ReadStatus): void
  /** `coldMs`: how long the disk took, -1 for messages that were in memory. */
  counted(request: PullRequest, messages: number, bytes: number, coldMs: number): void
  /** A pull was answered without a message. */
  missed(): void
  failed(request: PullRequest, error: unknown): void
}

/** Ranges up to this are asked for with one mincore; 1 byte of its answer stands for 4 KiB. */
const RESIDENT_SPAN_MAX = 4 * 1024 * 1024
const MASTER = 0
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
    const reset = deps.offsets.takeReset(request.consumerGroup, request.topic, request.queueId)
    if (reset >= 0) {
      reading.status = 'OFFSET_RESET'
      reading.nextBeginOffset = reset
      reading.isUntested = false
    } else if (isFirst) this.commit(request)
    if (reading.isUntested && filter.records !== undefined) this.filterCold(request, queue, filter.records.filter.plan)
    else if (reading.status === 'FOUND') this.deliver(request, queue)
    else {
      const code = this.codeOf(reading.status, request.queueOffset)
      if (code === PULL_CODE.notFound && isFirst && this.hold(request)) return
      this.answerEmpty(request, code)
    }
  }

  /** A slave sends nobody to another offset of its own, unless it is told to: the consumer asks its master again. */
  private codeOf(status: ReadStatus, requested: number): number {
    const code = codeOf(status, requested)
    const { brokerRole, offsetCheckInSlave } = this.deps.settings
    if (code !== PULL_CODE.offsetMoved || brokerRole !== 'SLAVE' || offsetCheckInSlave) return code
    return status === 'OFFSET_RESET' ? code : PULL_CODE.retryImmediately
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

  private deliver(request: PullRequest, queue: number): void {
    const { reading, deps } = this
    if (!this.isResident()) {
      this.deliverCold(request, queue)
      return
    }
    this.dropDamaged(queue)
    if (reading.count === 0) {
      reading.status = 'MESSAGE_WAS_REMOVING'
      this.answerEmpty(request, PULL_CODE.retryImmediately)
      return
    }
    deps.counted(request, reading.count, reading.bytes, -1)
    this.answerFromMap(request)
  }

  private deliverCold(request: PullRequest, queue: number): void {
    const { reading, deps } = this
    const offsets = reading.offsets.slice(0, reading.count)
    const sizes = reading.sizes.slice(0, reading.count)
    const queueOffsets = reading.queueOffsets.slice(0, reading.count)
    const answer = { ...this.fill(request) }
    const since = performance.now()
    deps.readCold(offsets, sizes).then(
      (body) => {
        const count = this.tellMissing(queue, body, offsets, sizes, queueOffsets)
        if (body === undefined || count === 0) {
          writeEmpty(request, answer, PULL_CODE.retryImmediately, 'MESSAGE_WAS_REMOVING')
          return
        }
        deps.counted(request, count, body.length, performance.now() - since)
        sendBody(request, answer, body)
      },
      (error: unknown) => deps.failed(request, error),
    )
  }

  private filterCold(request: PullRequest, queue: number, plan: FilterPlan): void {
    const { reading, deps } = this
    const offsets = reading.offsets.slice(0, reading.count)
    const sizes = reading.sizes.slice(0, reading.count)
    const queueOffsets = reading.queueOffsets.slice(0, reading.count)
    const answer = { ...this.fill(request) }
    const wanted = wantedCount(request.maxMsgNums)
    const maxBytes = request.maxMsgBytes ?? Number.MAX_SAFE_INTEGER
    const since = performance.now()
    deps.filterCold({ plan, offsets, sizes, wanted, maxBytes }).then(
      ({ body, count, looked, damaged }) => {
        for (const i of damaged) deps.damage.unit(queue, queueOffsets[i], offsets[i], sizes[i])
        if (looked < queueOffsets.length) answer.nextBeginOffset = queueOffsets[looked]
        if (body === undefined) {
          deps.missed()
          writeEmpty(request, answer, PULL_CODE.retryImmediately, 'NO_MATCHED_MESSAGE')
          return
        }
        deps.counted(request, count, body.length, performance.now() - since)
        sendBody(request, answer, body)
      },
      (error: unknown) => deps.failed(request, error),
    )
  }

  /** How many of the records are in `body`, which holds those that could be read, in order. */
  private tellMissing(
    queue: number,
    body: Uint8Array | undefined,
    offsets: Float64Array,
    sizes: Int32Array,
    queueOffsets: Float64Array,
  ): number {
    const view = body === undefined ? undefined : new DataView(body.buffer, body.byteOffset, body.length)
    let at = 0
    let count = 0
    for (let i = 0; i < offsets.length; i += 1) {
      if (view !== undefined && at < view.byteLength && standsAt(view, at, offsets[i], sizes[i])) {
        at += sizes[i]
        count += 1
      } else this.deps.damage.unit(queue, queueOffsets[i], offsets[i], sizes[i])
    }
    return count
  }

  /** Takes out of the reading what is no record of its unit. All of it is in memory. */
  private dropDamaged(queue: number): void {
    const { reading, deps } = this
    const { offsets, sizes, queueOffsets, count } = reading
    let kept = 0
    for (let i = 0; i < count; i += 1) {
      const segment = deps.log.segmentAt(offsets[i])!
      if (!standsAt(segment.view, offsets[i] - segment.start, offsets[i], sizes[i])) {
        reading.bytes -= sizes[i]
        deps.damage.unit(queue, queueOffsets[i], offsets[i], sizes[i])
        continue
      }
      offsets[kept] = offsets[i]
      sizes[kept] = sizes[i]
      kept += 1
    }
    reading.count = kept
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
    const { deps, reading } = this
    deps.missed()
    writeEmpty(request, this.fill(request), code, reading.status)
    if (code === PULL_CODE.offsetMoved) deps.moved(request, reading.nextBeginOffset, reading.status)
  }

  private fill(request: PullRequest): PullAnswer {
    const { answer, reading } = this
    answer.opaque = request.opaque
    answer.serialize = request.serialize
    answer.nextBeginOffset = reading.nextBeginOffset
    answer.minOffset = reading.minOffset
    answer.maxOffset = reading.maxOffset
    answer.suggestWhichBrokerId = this.suggestion(request)
    return answer
  }

  /** Id of the broker that the consumer asks next time; 0 is the master. */
  private suggestion({ consumerGroup }: PullRequest): number {
    const { checks, settings } = this.deps
    if (!settings.slaveReadEnable) return MASTER
    const group = checks.groups.find(consumerGroup)
    if (group === undefined) return MASTER
    return this.reading.isFarBehind ? group.whichBrokerWhenConsumeSlowly : group.brokerId
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
