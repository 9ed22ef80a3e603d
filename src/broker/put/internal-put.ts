/**
 * Messages that the broker stores itself (sent-back ones, delayed ones that are due, ends of transactions), through the
 * same submit ring, acks and gate as the sends of clients.
 *
 *   put()     a promise, settled when the gate has passed: with SYNC_FLUSH it is on disk
 *   tryPut()  'later' while a ring is full or a fence is closed; tells a Completion, allocates no promise
 *   claim()   the caller encodes the record itself, straight into the ring
 *
 * Owns:      what waits for room: at most WAITING_MAX messages, each no longer than WAIT_MS_MAX, in the order of the calls.
 * Invariant: between a claim and its entry in acks.ts nothing is thrown; an encoder that throws gives the place back.
 * Blocks on: nothing.
 */
import type { RingProducer } from '../../concurrency/byte-ring.ts'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { FENCE } from '../../concurrency/fence.ts'
import { describe } from '../../errors.ts'
import { SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from '../../stages/ring-records.ts'
import { PROPERTIES_LENGTH_MAX, SYS_FLAG } from '../../store/commitlog/record.ts'
import type { Acks, Completion, SendOutcome, StoreStatus } from '../acks.ts'
import type { QueueIds } from '../queue-ids.ts'
import { type PlaceSettings, recordSizeMax } from '../send/entry-places.ts'
import { encodeRecord, type Host, type Range, type RecordHead, recordBytes } from '../send/record-encoder.ts'
import type { Refusal } from '../send/send-checks.ts'
import { topicNameFault } from '../topics/names.ts'

export interface InternalMessage {
  topic: string
  queueId: number
  body: Uint8Array
  /** RocketMQ's properties text, stored as it is: see property-text.ts. */
  properties: string
  flag: number
  /** The host bits are set from the hosts; with transaction type 4 or 12 the record has no place in its queue. */
  sysFlag: number
  bornTimestamp: number
  bornHost: Host
  /** The broker's own when left out. */
  storeHost?: Host
  reconsumeTimes: number
  preparedTransactionOffset: number
}

/**
 * `unavailable`: the store takes nothing now. `busy`: no room in time. `illegal`: the message cannot be stored at all. `noMajority`:
 * of a DLedger group, in time; whether it is stored is unknown, as with `leaderChanged`.
 */
export type PutStatus = StoreStatus | 'unavailable' | 'busy' | 'illegal' | 'noMajority'

export interface PutResult {
  status: PutStatus
  /** Of a message that is stored (isInLog). */
  physicalOffset: number
  queueOffset: number
  storeTimestamp: number
  size: number
  /** Why it is not stored. */
  remark?: string
}

export interface PutOptions {
  /** False: settled when it is appended, as by the property WAIT=false (which is not looked at). */
  waits?: boolean
}

export interface InternalPutDependencies {
  settings: PlaceSettings
  storeHost: Host
  control: ControlBlock
  submit: RingProducer
  acks: Acks
  queueIds: QueueIds
  /** Why nothing can be stored now, or undefined. */
  unavailable(): Refusal | undefined
  /** Called when something was claimed: the submit ring is committed at the end of the turn. */
  claimed(): void
  /** roomAgain() is wanted once the rings have room. */
  awaitRoom(): void
}

const WAITING_MAX = 4096
/** Shorter than what clients wait for an answer (3 s and more). */
const WAIT_MS_MAX = 2000
const QUEUE_ID_MAX = 65_535

interface Waiting {
  message: InternalMessage
  waits: boolean
  since: number
  settle(result: PutResult): void
}

export class InternalPut {
  private readonly deps: InternalPutDependencies
  private readonly waiting: Waiting[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly body: Range = { bytes: Buffer.alloc(0), start: 0, end: 0 }
  private readonly properties: Range = { bytes: Buffer.alloc(0), start: 0, end: 0 }
  private readonly head: RecordHead
  /** Bytes of the last message that tryPut() took. */
  private size = 0

  constructor(deps: InternalPutDependencies) {
    this.deps = deps
    const { storeHost } = deps
    this.head = {
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestamp: 0,
      bornHost: storeHost,
      storeHost,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
    }
  }

  /** Why nothing can be stored now, or undefined. */
  unavailable(): Refusal | undefined {
    return this.deps.unavailable()
  }

  /** Messages that wait for room in the rings. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /** Never rejects: what went wrong is in the status. The message is encoded now or later, and must not change meanwhile. */
  put(message: InternalMessage, { waits = true }: PutOptions = {}): Promise<PutResult> {
    return new Promise((settle) => {
      const isFirst = this.waiting.length === 0
      if (isFirst && this.take(message, waits, settle)) return
      if (this.waiting.length >= WAITING_MAX) {
        settle(notStored('busy', `${WAITING_MAX} messages of the broker's own wait for room already`))
        return
      }
      this.waiting.push({ message, waits, since: performance.now(), settle })
      this.timer ??= setTimeout(() => this.expire(), WAIT_MS_MAX)
      if (isFirst) this.deps.awaitRoom()
    })
  }

  /**
   * Claims and encodes the message now. 'later': nothing happened, the rings are full (see room()); a PutResult: it cannot
   * be stored. `completion` is told with `token` as the outcome's opaque; not before this call has returned.
   */
  tryPut(message: InternalMessage, completion: Completion, token = 0, waits = true): 'taken' | 'later' | PutResult {
    const topic = Buffer.from(message.topic)
    const properties = Buffer.from(message.properties)
    const size = this.fill(message, topic, properties)
    const fault = this.faultOf(message, properties.length, size)
    if (fault !== undefined) return notStored('illegal', fault)
    const closed = this.deps.unavailable()
    if (closed !== undefined) return notStored('unavailable', closed.remark)
    const queue = this.queueOf(message.topic, message.queueId)
    if (typeof queue === 'string') return notStored('illegal', queue)
    const at = this.claim(queue, size, message.sysFlag, waits)
    if (at < 0) return 'later'
    const { submit } = this.deps
    try {
      encodeRecord(submit.bytes, submit.view, at, size, this.head, this.body, topic, this.properties)
    } catch (error) {
      this.unclaim(size)
      return notStored('illegal', describe(error))
    }
    this.expect(completion, token, message.queueId, waits)
    this.size = size
    return 'taken'
  }

  /** Integer of the queue for claim(), -1 while a ring is full, or what is wrong with it. */
  queueOf(topic: string, queueId: number): number | string {
    const fault = topicNameFault(topic)
    if (fault !== undefined) return fault
    if (!Number.isInteger(queueId) || queueId < 0 || queueId > QUEUE_ID_MAX) return `queueId is ${queueId}`
    try {
      return this.deps.queueIds.ensure(topic, queueId)
    } catch (error) {
      return describe(error)
    }
  }

  /** Largest record that can be stored. */
  get sizeMax(): number {
    const { settings, submit } = this.deps
    return Math.min(recordSizeMax(settings), submit.maxLength - SUBMIT.records)
  }

  /**
   * A place for one record of `size` bytes in the submit ring, or -1 while there is none. The caller writes the record there
   * and calls expect(), or unclaim(), before anything else happens.
   */
  claim(queue: number, size: number, sysFlag: number, waits: boolean): number {
    const { control, submit } = this.deps
    if (queue < 0 || control.fence !== FENCE.open) return -1
    const at = submit.claim(SUBMIT.records + size)
    if (at < 0) return -1
    const type = sysFlag & SYS_FLAG.transactionMask
    const counts = type === 0 || type === SYS_FLAG.commit ? SUBMIT_FLAGS.counts : 0
    const { view } = submit
    view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.records, true)
    view.setInt32(at + SUBMIT.epoch, control.epoch, true)
    view.setInt32(at + SUBMIT.queue, queue, true)
    view.setInt32(at + SUBMIT.count, 1, true)
    view.setInt32(at + SUBMIT.flags, counts | (waits ? 0 : SUBMIT_FLAGS.unwaited), true)
    view.setInt32(at + SUBMIT.sample, -1, true)
    return at + SUBMIT.records
  }

  expect(completion: Completion, token: number, queueId: number, waits: boolean): void {
    this.deps.acks.expectOwn(completion, token, queueId, waits)
    this.deps.claimed()
  }

  unclaim(size: number): void {
    this.deps.submit.unclaim(SUBMIT.records + size)
  }

  /** The rings have room again. */
  roomAgain(): void {
    let taken = 0
    for (const { message, waits, settle } of this.waiting) {
      if (!this.take(message, waits, settle)) break
      taken += 1
    }
    this.waiting.splice(0, taken)
    if (this.waiting.length > 0) this.deps.awaitRoom()
    else this.stopTimer()
  }

  /** The broker stops, has failed, or is a slave now: whoever waits for room is told. */
  refuseWaiting(): void {
    const closed = this.deps.unavailable()
    for (const { settle } of this.waiting.splice(0)) settle(notStored('unavailable', closed?.remark ?? 'stopping'))
    this.stopTimer()
  }

  private take(message: InternalMessage, waits: boolean, settle: (result: PutResult) => void): boolean {
    let size = 0
    const stored = ({ status: told, physicalOffset, queueOffset, storeTimestamp }: SendOutcome) => {
      const status = this.statusOf(told)
      const remark = NOT_STORED[status]
      settle(remark ? notStored(status, remark) : { status, physicalOffset, queueOffset, storeTimestamp, size })
    }
    const taken = this.tryPut(message, { stored }, 0, waits)
    if (taken === 'later') return false
    if (taken === 'taken') size = this.size
    else settle(taken)
    return true
  }

  /** What no majority has in time is in one log, which may yet lose it. */
  private statusOf(status: StoreStatus): PutStatus {
    return status === 'slaveTimeout' && this.deps.settings.enableDLegerCommitLog ? 'noMajority' : status
  }

  private fill(message: InternalMessage, topic: Buffer, properties: Buffer): number {
    const { head, body } = this
    const { body: bytes } = message
    body.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    body.end = bytes.length
    this.properties.bytes = properties
    this.properties.end = properties.length
    head.queueId = message.queueId
    head.flag = message.flag
    head.sysFlag = message.sysFlag
    head.bornTimestamp = message.bornTimestamp
    head.bornHost = message.bornHost
    head.storeHost = message.storeHost ?? this.deps.storeHost
    head.reconsumeTimes = message.reconsumeTimes
    head.preparedTransactionOffset = message.preparedTransactionOffset
    return recordBytes(head, bytes.length, topic.length, properties.length)
  }

  private faultOf(message: InternalMessage, propertiesLength: number, size: number): string | undefined {
    if (propertiesLength > PROPERTIES_LENGTH_MAX) {
      return `its properties have ${propertiesLength} bytes, at most ${PROPERTIES_LENGTH_MAX}`
    }
    if (size > this.sizeMax) return `it takes ${size} bytes of the log, at most ${this.sizeMax}`
    for (const host of [message.bornHost, message.storeHost]) {
      const length = host?.address.length ?? 4
      if (length !== 4 && length !== 16) return `a host of it has ${length} bytes`
    }
    return undefined
  }

  private expire(): void {
    this.timer = undefined
    const now = performance.now()
    let late = 0
    while (late < this.waiting.length && now - this.waiting[late].since >= WAIT_MS_MAX) late += 1
    const { control, submit } = this.deps
    const behind = `append has ${submit.used} bytes to take, flush ${control.load('appended') - control.load('flushed')}`
    for (const { settle } of this.waiting.splice(0, late)) settle(notStored('busy', `system busy: ${behind}`))
    if (this.waiting.length === 0) return
    this.timer = setTimeout(() => this.expire(), WAIT_MS_MAX - (now - this.waiting[0].since))
  }

  private stopTimer(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}

const NOT_STORED: Partial<Record<PutStatus, string>> = {
  oldEpoch: 'the role of the broker changed while the message was under way: nothing is stored',
  leaderChanged: 'the leader of the DLedger group changed before a majority had confirmed the message',
  noMajority: 'no majority of the DLedger group has confirmed the message in time',
  noRoom: 'there is no room on the disk: nothing is stored',
  tooLarge: 'the message is larger than a CommitLog file: nothing is stored',
  failed: 'the broker failed before it could confirm',
}

function notStored(status: PutStatus, remark: string): PutResult {
  return { status, physicalOffset: -1, queueOffset: -1, storeTimestamp: -1, size: 0, remark }
}
