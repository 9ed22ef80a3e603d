/**
 * Whether the files of a stopped store are what they should be: every record of the log with its CRC and place, and for
 * each the ConsumeQueue unit that points back at it. The oracle is the log; nothing of the broker's run time is used.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { decodeSlot, SLOT_SIZE } from '../../../src/store/checkpoint/index.ts'
import { decodeRecord, listSegments, segmentPath, segmentStart } from '../../../src/store/commitlog/index.ts'
import { DAMAGED_TOPIC, verifyLog } from '../../../src/store/recovery/index.ts'
import { shortened } from './ledger.ts'

const UNIT = 20
const BLANK_MAGIC = 0xcbd43194 | 0
const SLOTS = [0, 4096]

/** Half messages of transactions and rollbacks (by the bits that their sender sets) are in the log and in no queue. */
const TRANSACTION_BITS = 0xc
const COMMIT_TYPE = 0x8
const isQueued = (sysFlag: number) => [0, COMMIT_TYPE].includes(sysFlag & TRANSACTION_BITS)

export interface StoreSizes {
  mappedFileSizeCommitLog: number
  mappedFileSizeConsumeQueue: number
}

/**
 * Empty when the store is clean. `folder` belongs to nobody at the moment. `deleted`: topics whose queues an administrator
 * removed; their records are still in the log.
 */
export function verifyStore(folder: string, sizes: StoreSizes, deleted: ReadonlySet<string> = new Set()): string[] {
  const problems: string[] = []
  const commitLog = join(folder, 'commitlog')
  const size = sizes.mappedFileSizeCommitLog
  const settings = { storePathCommitLog: commitLog, mappedFileSizeCommitLog: size }
  const first = listSegments(commitLog, size)[0]
  const marks = positionsIn(folder)
  if (first === undefined || marks === undefined) return ['the store has no log, or no positions']
  const { damaged } = verifyLog(settings, first.start, marks.appended)
  for (const { from, to, problem } of damaged) problems.push(`the log is damaged from ${from} to ${to}: ${problem}`)
  using units = new UnitReader(folder, sizes.mappedFileSizeConsumeQueue)
  for (let at = first.start; at < marks.appended && damaged.length === 0; ) {
    const record = readRecord(commitLog, size, at)
    if (record === undefined) {
      at = segmentStart(at, size) + size
      continue
    }
    const hasUnit = record.topic !== DAMAGED_TOPIC && !deleted.has(record.topic) && isQueued(record.sysFlag)
    if (hasUnit && at < marks.dispatched) {
      const unit = units.read(record.topic, record.queueId, record.queueOffset)
      if (unit?.physicalOffset !== at || unit.size !== record.size) {
        const found = unit === undefined ? 'nothing' : `${unit.physicalOffset}+${unit.size}`
        problems.push(
          `unit ${record.queueOffset} of ${record.topic}/${record.queueId} is ${found}, not ${at}+${record.size}`,
        )
      }
    }
    at += record.size
  }
  return shortened(problems)
}

/** Newest slot of basalt/positions. */
export function positionsIn(folder: string) {
  const fd = openSync(join(folder, 'basalt', 'positions'), 'r')
  try {
    const slots = SLOTS.map((at) => {
      const bytes = Buffer.alloc(SLOT_SIZE)
      readSync(fd, bytes, 0, SLOT_SIZE, at)
      return decodeSlot(bytes)
    }).filter((slot) => slot !== undefined)
    return slots.sort((a, b) => b.sequence - a.sequence)[0]
  } finally {
    closeSync(fd)
  }
}

/** Undefined at a blank: the rest of the segment is empty. */
function readRecord(folder: string, size: number, at: number) {
  const start = segmentStart(at, size)
  const fd = openSync(segmentPath(folder, start), 'r')
  try {
    const head = Buffer.alloc(8)
    readSync(fd, head, 0, 8, at - start)
    if (head.readInt32BE(4) === BLANK_MAGIC) return undefined
    const bytes = Buffer.alloc(head.readInt32BE(0))
    readSync(fd, bytes, 0, bytes.length, at - start)
    const { topic, queueId, queueOffset, sysFlag } = decodeRecord(bytes)!
    return { topic, queueId, queueOffset, sysFlag, size: bytes.length }
  } finally {
    closeSync(fd)
  }
}

class UnitReader {
  private readonly folder: string
  private readonly fileSize: number
  private readonly open = new Map<string, number>()

  constructor(folder: string, fileSize: number) {
    this.folder = folder
    this.fileSize = Math.ceil(fileSize / UNIT) * UNIT
  }

  read(topic: string, queueId: number, queueOffset: number) {
    const at = queueOffset * UNIT
    const name = String(at - (at % this.fileSize)).padStart(20, '0')
    const path = join(this.folder, 'consumequeue', topic, String(queueId), name)
    if (!this.open.has(path)) {
      if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
      this.open.set(path, openSync(path, 'r'))
    }
    const bytes = Buffer.alloc(UNIT)
    if (readSync(this.open.get(path)!, bytes, 0, UNIT, at % this.fileSize) < UNIT) return undefined
    return { physicalOffset: Number(bytes.readBigInt64BE(0)), size: bytes.readInt32BE(8) }
  }

  [Symbol.dispose](): void {
    for (const fd of this.open.values()) closeSync(fd)
  }
}
