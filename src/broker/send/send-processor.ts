/**
 * SEND_MESSAGE, SEND_MESSAGE_V2, SEND_BATCH_MESSAGE: from a scanned header to a claim in the submit ring.
 *
 * Called by: broker/front.ts, once a frame. Nothing is answered here but refusals; acks.ts answers what was claimed.
 * 'later' means that nothing happened: a ring is full, and the same frame may be offered again.
 * Rules: spec/broker-requests.md §3 and §5.
 */
import type { RingProducer } from '../../concurrency/byte-ring.ts'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { FENCE } from '../../concurrency/fence.ts'
import type { StageClock } from '../../metrics/stage-clock.ts'
import { stampSample } from '../../metrics/stage-clock.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { SendFields } from '../../remoting/hot/send-fields.ts'
import { SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from '../../stages/ring-records.ts'
import type { Acks, PendingSend } from '../acks.ts'
import { delayProperties, isDelayed } from '../delay/delayed-send.ts'
import { type BatchItem, joinProperties, readBatch } from './batch.ts'
import { recordSizeMax } from './entry-places.ts'
import { isHalf, placeHalf } from './half-place.ts'
import { clusterPair, growthOf, type RewrittenProperties, rewriteProperties } from './properties-rewrite.ts'
import { encodeRecord, type Host, type Range, type RecordHead, recordBytes } from './record-encoder.ts'
import { checkBroker, checkSizes, type Refusal, rejectedHalf, SEND_CODE } from './send-checks.ts'
import { SendTargets, type TargetDependencies } from './send-targets.ts'
import type { SendTarget } from './topic-cache.ts'

export interface SendSettings {
  brokerClusterName: string
  brokerIP1: string
  brokerPermission: number
  startAcceptSendRequestTimeStamp: number
  maxMessageSize: number
  mappedFileSizeCommitLog: number
  rejectTransactionMessage: boolean
  enableDLegerCommitLog: boolean
}

export interface SendDependencies extends TargetDependencies {
  settings: SendSettings
  storeHost: Host
  control: ControlBlock
  submit: RingProducer
  acks: Acks
  stageClock: StageClock
  /** Why no send can be stored now (stopping, disk full), or undefined. */
  unavailable(): Refusal | undefined
  refuse(connection: Connection, fields: SendFields, refusal: Refusal): void
  /** Called when something was claimed: the submit ring is committed at the end of the turn.  */
  claimed(): void
  counted(topic: string, queueId: number, messages: number, bytes: number): void
}

type Taken = 'taken' | 'later'
const MULTI_TAGS = 0x2
const TRANSACTION_BITS = 0xc
const COMMIT_TYPE = 0x8
const TRANSACTIONAL_BATCH = 'the message is illegal: a batch cannot be part of a transaction'
const NO_HOST: Host = { address: new Uint8Array(4), port: 0 }
/** Stands for a ring that is full. */
const LATER: unique symbol = Symbol('later')

export class SendProcessor {
  private readonly deps: SendDependencies
  private readonly targets: SendTargets
  private readonly pair: Buffer
  private readonly recordMax: number
  /** What only the leader of a DLedger group has, the next one takes away: as with RocketMQ, WAIT=false is of no account there. */
  private readonly alwaysWaits: boolean
  private readonly claimMax: number
  private readonly rewritten: RewrittenProperties = {
    length: 0,
    waits: true,
    hasWait: false,
    delayLevel: 0,
    isHalf: false,
  }
  private readonly body: Range = { bytes: Buffer.alloc(0), start: 0, end: 0 }
  private readonly properties: Range = { bytes: Buffer.alloc(0), start: 0, end: 0 }
  private readonly bornHost: Host = { address: new Uint8Array(4), port: 0 }
  private readonly head: RecordHead
  private readonly pending: PendingSend
  /** When the send that is being taken was admitted. */
  private now = 0
  /** Queue that the send's answer names: for a delayed one it is not the one that it is stored in. */
  private answerQueueId = 0

  constructor(deps: SendDependencies) {
    this.deps = deps
    this.alwaysWaits = deps.settings.enableDLegerCommitLog
    this.recordMax = recordSizeMax(deps.settings)
    this.claimMax = deps.submit.maxLength - SUBMIT.records
    this.targets = new SendTargets(deps)
    this.pair = clusterPair(deps.settings.brokerClusterName)
    this.head = {
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestamp: 0,
      bornHost: NO_HOST,
      storeHost: deps.storeHost,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
    }
    this.pending = {
      connection: undefined as unknown as Connection,
      opaque: 0,
      serialize: 0,
      queueId: 0,
      waits: true,
      isOneway: false,
      sizes: undefined,
      sample: -1,
    }
  }

  /**
   * A place in the ring is taken that acks.ts does not know of. What is thrown meanwhile must end the process: every later
   * answer would go to the sender before.
   */
  isInClaim = false

  /** One send whose header has been scanned; `bytes` holds its topic and body. */
  take(connection: Connection, bytes: Buffer, fields: SendFields): Taken {
    const target = this.admit(connection, bytes, fields)
    if (target === LATER) return 'later'
    if (!('config' in target)) {
      this.deps.refuse(connection, fields, target)
      return 'taken'
    }
    const { rewritten } = this
    rewriteProperties(fields, this.pair, fields.batch, rewritten)
    const queueId = fields.queueId >= 0 ? fields.queueId : Math.floor(Math.random() * target.config.writeQueueNums)
    this.answerQueueId = queueId
    const half = isHalf(rewritten, fields.reconsumeTimes)
    const isLate = rewritten.delayLevel !== 0 && !half && isDelayed(rewritten, fields.sysFlag)
    const refusal =
      (isLate ? this.delay(fields, target, queueId) : undefined) ?? this.checkMessage(target, fields, half)
    if (refusal !== undefined) {
      this.deps.refuse(connection, fields, refusal)
      return 'taken'
    }
    this.fillHead(connection, target, fields, queueId)
    if (fields.batch) return this.claimBatch(connection, bytes, fields, target, queueId)
    if (half) return this.claimHalf(connection, bytes, fields, target, queueId)
    if (!isLate) return this.claimOne(connection, bytes, fields, target, queueId)
    this.head.queueId = rewritten.delayLevel - 1
    return this.claimOne(connection, bytes, fields, this.targets.schedule, rewritten.delayLevel - 1)
  }

  private delay(fields: SendFields, target: SendTarget, queueId: number): Refusal | undefined {
    if (fields.batch) {
      return { code: SEND_CODE.messageIllegal, remark: 'the message is illegal: a batch cannot be delayed' }
    }
    return delayProperties(fields, this.rewritten, this.deps.delayLevelCount, target.name, queueId)
  }

  /** Room that the header scanner's scratch must leave behind the client's properties. */
  get propertiesGrowth(): number {
    return growthOf(this.pair)
  }

  private admit(connection: Connection, bytes: Buffer, fields: SendFields): SendTarget | Refusal | typeof LATER {
    const { deps } = this
    if (deps.control.fence !== FENCE.open) return LATER
    this.now = deps.control.now()
    const closed = deps.unavailable() ?? checkBroker(deps.settings, this.now)
    return closed ?? this.targets.find(connection, bytes, fields)
  }

  private checkMessage(target: SendTarget, fields: SendFields, half: boolean): Refusal | undefined {
    const { settings } = this.deps
    const { rewritten } = this
    if (half && settings.rejectTransactionMessage) return rejectedHalf(settings.brokerIP1)
    return checkSizes(target.bytes.length, rewritten.length, fields.bodyEnd - fields.bodyStart, settings.maxMessageSize)
  }

  private fillHead(connection: Connection, target: SendTarget, fields: SendFields, queueId: number): void {
    const { head } = this
    head.queueId = queueId
    head.flag = fields.messageFlag
    head.sysFlag = target.config.topicFilterType === 'MULTI_TAG' ? fields.sysFlag | MULTI_TAGS : fields.sysFlag
    head.bornTimestamp = fields.bornTimestamp
    this.bornHost.address = connection.remoteHost
    this.bornHost.port = connection.remotePort
    head.bornHost = this.bornHost
    head.reconsumeTimes = fields.reconsumeTimes
    head.preparedTransactionOffset = 0
  }

  /** Stored in the half topic; the answer names the queue that it is for. */
  private claimHalf(
    connection: Connection,
    bytes: Buffer,
    fields: SendFields,
    target: SendTarget,
    queueId: number,
  ): Taken {
    const { deps, rewritten } = this
    placeHalf(fields.properties, rewritten, target.bytes, this.head)
    const tooLong = checkSizes(0, rewritten.length, 0, 0)
    if (tooLong !== undefined) {
      deps.refuse(connection, fields, tooLong)
      return 'taken'
    }
    return this.claimOne(connection, bytes, fields, this.targets.half(), queueId)
  }

  private claimOne(
    connection: Connection,
    bytes: Buffer,
    fields: SendFields,
    target: SendTarget,
    queueId: number,
  ): Taken {
    const { head, body, properties, rewritten, deps } = this
    body.bytes = bytes
    body.start = fields.bodyStart
    body.end = fields.bodyEnd
    properties.bytes = fields.properties
    properties.end = rewritten.length
    const size = recordBytes(head, body.end - body.start, target.bytes.length, rewritten.length)
    const tooLarge = this.checkSegment(size)
    if (tooLarge !== undefined) {
      deps.refuse(connection, fields, tooLarge)
      return 'taken'
    }
    const queue = this.targets.queueOf(target, head.queueId)
    const at = queue < 0 ? -1 : deps.submit.claim(SUBMIT.records + size)
    if (at < 0) return 'later'
    this.isInClaim = true
    const sample = deps.stageClock.sample()
    this.writeClaim(at, queue, 1, sample)
    encodeRecord(deps.submit.bytes, deps.submit.view, at + SUBMIT.records, size, head, body, target.bytes, properties)
    this.expect(connection, fields, undefined, sample)
    deps.counted(target.name, queueId, 1, size)
    return 'taken'
  }

  private claimBatch(
    connection: Connection,
    bytes: Buffer,
    fields: SendFields,
    target: SendTarget,
    queueId: number,
  ): Taken {
    const { head, deps, body, properties, rewritten } = this
    // They would be acknowledged and be in no queue.
    if ((head.sysFlag & TRANSACTION_BITS) !== 0) {
      deps.refuse(connection, fields, { code: SEND_CODE.messageIllegal, remark: TRANSACTIONAL_BATCH })
      return 'taken'
    }
    const items = readBatch(bytes, fields.bodyStart, fields.bodyEnd)
    if (typeof items === 'string') {
      deps.refuse(connection, fields, { code: SEND_CODE.messageIllegal, remark: `the message is illegal: ${items}` })
      return 'taken'
    }
    const texts = items.map((item) => joinProperties(bytes, item, fields.properties, rewritten.length))
    const sizes = items.map((item, i) => recordBytes(head, bodyOf(item), target.bytes.length, texts[i].length))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const longest = texts.reduce((most, text) => Math.max(most, text.length), 0)
    const refusal =
      checkSizes(target.bytes.length, longest, 0, deps.settings.maxMessageSize) ?? this.checkBatch(sizes, total)
    if (refusal !== undefined) {
      deps.refuse(connection, fields, refusal)
      return 'taken'
    }
    const queue = this.targets.queueOf(target, queueId)
    const at = queue < 0 ? -1 : deps.submit.claim(SUBMIT.records + total)
    if (at < 0) return 'later'
    this.isInClaim = true
    this.writeClaim(at, queue, items.length, -1)
    let to = at + SUBMIT.records
    for (let i = 0; i < items.length; i += 1) {
      head.flag = items[i].flag
      body.bytes = bytes
      body.start = items[i].bodyStart
      body.end = items[i].bodyEnd
      properties.bytes = texts[i]
      properties.end = texts[i].length
      to = encodeRecord(deps.submit.bytes, deps.submit.view, to, sizes[i], head, body, target.bytes, properties)
    }
    this.expect(connection, fields, sizes, -1)
    deps.counted(target.name, queueId, items.length, total)
    return 'taken'
  }

  private checkSegment(size: number): Refusal | undefined {
    return checkRoom(size, Math.min(this.recordMax, this.claimMax))
  }

  /** Records that are entries each go into files one by one. */
  private checkBatch(sizes: readonly number[], total: number): Refusal | undefined {
    if (!this.deps.settings.enableDLegerCommitLog) return this.checkSegment(total)
    const largest = sizes.reduce((most, size) => Math.max(most, size), 0)
    return checkRoom(largest, this.recordMax) ?? checkRoom(total, this.claimMax)
  }

  private writeClaim(at: number, queue: number, count: number, sample: number): void {
    const { view } = this.deps.submit
    const type = this.head.sysFlag & TRANSACTION_BITS
    const counts = type === 0 || type === COMMIT_TYPE ? SUBMIT_FLAGS.counts : 0
    view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.records, true)
    view.setInt32(at + SUBMIT.epoch, this.deps.control.epoch, true)
    view.setInt32(at + SUBMIT.queue, queue, true)
    view.setInt32(at + SUBMIT.count, count, true)
    view.setInt32(
      at + SUBMIT.flags,
      counts | (this.rewritten.waits || this.alwaysWaits ? 0 : SUBMIT_FLAGS.unwaited),
      true,
    )
    view.setInt32(at + SUBMIT.sample, sample, true)
    if (sample >= 0) stampSample(this.deps.stageClock.slots, sample, 'claimed')
  }

  private expect(connection: Connection, fields: SendFields, sizes: number[] | undefined, sample: number): void {
    const { pending, deps } = this
    pending.connection = connection
    pending.opaque = fields.opaque
    pending.serialize = fields.serialize
    pending.queueId = this.answerQueueId
    pending.waits = this.rewritten.waits || this.alwaysWaits
    pending.isOneway = (fields.flag & 2) !== 0
    pending.sizes = sizes
    pending.sample = sample
    deps.acks.expect(pending)
    this.isInClaim = false
    deps.claimed()
  }
}

function bodyOf(item: BatchItem): number {
  return item.bodyEnd - item.bodyStart
}

function checkRoom(size: number, room: number): Refusal | undefined {
  if (size <= room) return undefined
  const remark = `the message is illegal: it takes ${size} bytes of the log, at most ${room}`
  return { code: SEND_CODE.messageIllegal, remark }
}
