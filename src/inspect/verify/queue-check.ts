/**
 * The files and units of ConsumeQueues by themselves: names and sizes, holes, units that cannot be, units that point behind
 * the log; and how many units point into it, which log-range.ts has to have matched.
 */
import { LogReader, RECORD_SIZE_MIN } from '../../store/commitlog/index.ts'
import { standsAt } from '../../store/commitlog/record-head.ts'
import {
  BLANK_UNIT_SIZE,
  isReal,
  physicalOffsetAt,
  queueFileSize,
  UNIT,
  UNIT_SIZE,
} from '../../store/consumequeue/index.ts'
import type { InspectSettings } from '../geometry.ts'
import { messageAt } from '../message.ts'
import { unitChunks } from '../queue-units.ts'
import { listQueue, type QueueFiles } from '../store-files.ts'
import { type Finding, Findings } from './finding.ts'

export interface QueueTask {
  settings: InspectSettings
  queues: { topic: string; queueId: number }[]
  logMin: number
  logEnd: number
  dispatchedTo: number
  isLive: boolean
}

export interface CheckedQueueFiles {
  topic: string
  queueId: number
  /** Units that point into [logMin, dispatchedTo). */
  real: number
  max: number
}

export interface QueueTaskResult {
  queues: CheckedQueueFiles[]
  findings: Finding[]
  more: number
}

export function verifyQueues(task: QueueTask): QueueTaskResult {
  const findings = new Findings()
  const queues = task.queues.map((queue) => {
    const files = listQueue(task.settings.storePathRootDir, queue.topic, queue.queueId)
    checkFiles(files, queueFileSize(task.settings), findings)
    return new UnitPass(task, files, findings).run()
  })
  return { queues, findings: findings.list, more: findings.more }
}

function checkFiles({ files, strays }: QueueFiles, fileSize: number, findings: Findings): void {
  for (const path of strays) findings.add('STRAY_FILE', 'this is no ConsumeQueue file', path)
  let expected = files[0]?.start
  for (const { start, path, size } of files) {
    if (start % fileSize !== 0) findings.add('QUEUE_FILE', `the name is no multiple of the file size ${fileSize}`, path)
    else if (start !== expected)
      findings.add('QUEUE_FILE', `files before it are missing, from byte ${expected} of the queue on`, path)
    if (size !== fileSize) findings.add('QUEUE_FILE', `the file has ${size} bytes, not ${fileSize}`, path, size)
    expected = start + fileSize
  }
}

class UnitPass {
  private readonly task: QueueTask
  private readonly files: QueueFiles
  private readonly findings: Findings
  private readonly fileSize: number
  private real = 0
  private next = -1
  private previous = 0
  private blanks = 0
  private blanksFrom = -1
  private beyond = 0

  constructor(task: QueueTask, files: QueueFiles, findings: Findings) {
    this.task = task
    this.files = files
    this.findings = findings
    this.fileSize = queueFileSize(task.settings)
  }

  run(): CheckedQueueFiles {
    const { files, findings, fileSize } = this
    for (const { first, count, view } of unitChunks(files.files, fileSize)) {
      for (let index = 0; index < count; index += 1) this.unit(view, index * UNIT_SIZE, first + index)
    }
    const { topic, queueId, folder } = files
    if (this.blanks > 0) {
      const what = `${this.blanks} units of ${topic}/${queueId} stand for messages that the store does not have`
      findings.inQueue('UNIT_BLANKS', what, folder, fileSize, this.blanksFrom)
    }
    return { topic, queueId, real: this.real, max: Math.max(this.next, 0) }
  }

  private unit(view: DataView, at: number, unit: number): void {
    const size = view.getInt32(at + UNIT.size)
    const isTags = view.getInt32(at + UNIT.tagsCode) !== 0 || view.getInt32(at + UNIT.tagsCode + 4) !== 0
    const offset = physicalOffsetAt(view, at)
    if (size === 0 && offset === 0 && !isTags) return
    if (size === BLANK_UNIT_SIZE && offset === 0 && !isTags) {
      if (this.blanks === 0) this.blanksFrom = unit
      this.blanks += 1
      this.occupied(unit)
      return
    }
    if (size < RECORD_SIZE_MIN || size === BLANK_UNIT_SIZE || !isReal(view, at)) {
      this.tell('UNIT_GARBAGE', unit, `can point at nothing: offset ${offset}, ${size} bytes`)
      if (size > 0) this.occupied(unit)
      return
    }
    if (offset + size > this.task.logEnd) {
      if (!this.task.isLive && this.beyond === 0)
        this.tell('UNIT_BEYOND', unit, `points at ${offset}, behind the end of the log at ${this.task.logEnd}`)
      this.beyond += 1
      if (this.task.isLive) this.occupied(unit)
      return
    }
    this.occupied(unit)
    if (offset < this.task.logMin) {
      // Their records are gone; that they rise is all that can be seen.
      if (offset < this.previous) this.tell('UNIT_WRONG', unit, `points at ${offset}, before the unit in front of it`)
    } else if (offset < this.task.dispatchedTo) this.real += 1
    this.previous = offset
  }

  private occupied(unit: number): void {
    const from = this.next < 0 ? (this.files.files[0]?.start ?? 0) / UNIT_SIZE : this.next
    if (unit > from)
      this.tell(
        'UNIT_HOLE',
        from,
        `was never written, nor those up to ${unit}: a broker of RocketMQ ends the queue there`,
      )
    this.next = unit + 1
  }

  private tell(code: 'UNIT_GARBAGE' | 'UNIT_BEYOND' | 'UNIT_WRONG' | 'UNIT_HOLE', unit: number, what: string): void {
    const { topic, queueId, folder } = this.files
    this.findings.inQueue(code, `unit ${unit} of ${topic}/${queueId} ${what}`, folder, this.fileSize, unit)
  }
}

export interface DanglingTask extends Omit<QueueTask, 'queues'> {
  topic: string
  queueId: number
  /** Parts of the log that cannot be read, which are findings of their own. */
  damaged: { from: number; to: number }[]
}

/** Each unit against the record that it points at: for a queue whose counts differ. */
export function danglingUnits(task: DanglingTask): { findings: Finding[]; more: number } {
  const { settings, topic, queueId, logMin, dispatchedTo, damaged } = task
  const findings = new Findings()
  const fileSize = queueFileSize(settings)
  const files = listQueue(settings.storePathRootDir, topic, queueId)
  using log = new LogReader(settings, 0)
  for (const { first, count, view } of unitChunks(files.files, fileSize)) {
    for (let index = 0; index < count; index += 1) {
      const at = index * UNIT_SIZE
      const offset = physicalOffsetAt(view, at)
      const size = view.getInt32(at + UNIT.size)
      if (!isReal(view, at) || size < RECORD_SIZE_MIN || offset < logMin || offset >= dispatchedTo) continue
      if (damaged.some(({ from, to }) => offset >= from && offset < to)) continue
      const unit = first + index
      const problem = problemOf(log, offset, size, { topic, queueId, unit })
      if (problem === undefined) continue
      const what = `unit ${unit} of ${topic}/${queueId} points at ${offset}, ${problem}`
      findings.inQueue('UNIT_DANGLING', what, files.folder, fileSize, unit)
    }
  }
  return { findings: findings.list, more: findings.more }
}

function problemOf(
  log: LogReader,
  offset: number,
  size: number,
  own: { topic: string; queueId: number; unit: number },
): string | undefined {
  const bytes = log.readCold(offset, size)
  // Retention has taken the segment meanwhile.
  if (bytes === undefined) return undefined
  const isThere = bytes.length === size && standsAt(new DataView(bytes.buffer, bytes.byteOffset, size), 0, offset, size)
  if (!isThere) return `where no record of ${size} bytes is`
  const message = messageAt(bytes)
  if (message === undefined) return 'where no record is'
  const { topic, queueId, queueOffset } = message
  if (topic === own.topic && queueId === own.queueId && queueOffset === own.unit) return undefined
  return `which is record ${queueOffset} of ${topic}/${queueId}`
}
