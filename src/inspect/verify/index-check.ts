/**
 * One index file by itself: its chains are built again from its entries, and compared with what is written in entries, slots and
 * header. Whether the entries are those of the records is seen in log-range.ts.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { LogReader, RECORD_SIZE_MIN, RecordView } from '../../store/commitlog/index.ts'
import { ENTRY, getInt64, HEADER, type IndexHeader, indexLayout, SLOT_SIZE } from '../../store/index/index.ts'
import type { InspectSettings } from '../geometry.ts'
import { type Finding, Findings } from './finding.ts'
import type { IndexFileHead } from './index-cursor.ts'

export interface IndexTask {
  settings: InspectSettings
  file: IndexFileHead
  size: number
  logMin: number
  logEnd: number
  /** A broker writes into it. */
  isLive: boolean
  /** Room for an int a slot, lent: 20 MB with RocketMQ's sizes, which every thread would else make anew for each file. */
  slots: SharedArrayBuffer
}

const CHUNK_ENTRIES = 16_384
/** Of one kind in one file: the first ones tell enough. */
const TOLD_MAX = 100

export function verifyIndexFile(task: IndexTask): { findings: Finding[]; more: number } {
  using check = new IndexCheck(task)
  return check.run()
}

class IndexCheck implements Disposable {
  private readonly task: IndexTask
  private readonly header: IndexHeader
  private readonly findings = new Findings()
  private readonly fd: number
  private readonly slots: Int32Array
  private readonly bytes: Buffer
  private readonly view: DataView
  private told = 0

  constructor(task: IndexTask) {
    this.task = task
    this.header = task.file.header
    this.fd = openSync(task.file.path, 'r')
    const { slotCount, entryCount } = indexLayout(task.settings)
    this.slots = new Int32Array(task.slots, 0, slotCount).fill(0)
    this.bytes = Buffer.alloc(Math.min(CHUNK_ENTRIES, entryCount) * ENTRY.size)
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  }

  run(): { findings: Finding[]; more: number } {
    const { task, findings, header } = this
    const layout = indexLayout(task.settings)
    if (task.size !== layout.fileSize)
      this.tell('INDEX_HEADER', `the file has ${task.size} bytes, not ${layout.fileSize}`, task.size)
    if (header.indexCount < 0 || header.indexCount > layout.entryCount || (header.indexCount === 0 && !task.isLive)) {
      this.tell(
        'INDEX_HEADER',
        `indexCount is ${header.indexCount}; there is room for ${layout.entryCount}`,
        HEADER.indexCount,
      )
    } else {
      const last = this.entries(layout)
      this.checkSlots(layout)
      if (last !== undefined) this.times(last)
    }
    return { findings: findings.list, more: findings.more + Math.max(0, this.told - TOLD_MAX) }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd)
  }

  private entries(layout: ReturnType<typeof indexLayout>): { first: number; last: number } | undefined {
    const { header, slots, view } = this
    let reached = header.beginPhyOffset
    let [firstOffset, lastOffset] = [-1, -1]
    for (let first = 1; first < header.indexCount; first += CHUNK_ENTRIES) {
      const wanted = Math.min(CHUNK_ENTRIES, header.indexCount - first)
      const place = layout.entriesAt + first * ENTRY.size
      this.bytes.fill(0, readSync(this.fd, this.bytes, 0, wanted * ENTRY.size, place))
      for (let index = 0; index < wanted; index += 1) {
        const at = index * ENTRY.size
        const entry = first + index
        const hash = view.getInt32(at)
        const offset = getInt64(view, at + ENTRY.physicalOffset)
        const previous = view.getInt32(at + ENTRY.previous)
        if (entry === 1) firstOffset = offset
        lastOffset = offset
        if (hash < 0) {
          this.tell('INDEX_ENTRY', `entry ${entry} has the hash ${hash}`, place + at)
          continue
        }
        const slot = hash % layout.slotCount
        if (previous !== slots[slot])
          this.tell(
            'INDEX_CHAIN',
            `entry ${entry} says that ${previous} is before it in its chain; ${slots[slot]} is`,
            place + at + ENTRY.previous,
          )
        slots[slot] = entry
        if (offset < reached || offset >= this.task.logEnd)
          this.tell(
            'INDEX_ENTRY',
            `entry ${entry} points at ${offset}, out of order`,
            place + at + ENTRY.physicalOffset,
          )
        else reached = offset
        if (view.getInt32(at + ENTRY.seconds) < 0)
          this.tell('INDEX_ENTRY', `entry ${entry} has a time before the first`, place + at)
      }
    }
    return firstOffset < 0 ? undefined : { first: firstOffset, last: lastOffset }
  }

  private checkSlots(layout: ReturnType<typeof indexLayout>): void {
    const { slots, header, task } = this
    const chunk = Buffer.alloc(Math.min(1024 * 1024, layout.slotCount * SLOT_SIZE))
    let used = 0
    for (let first = 0; first < layout.slotCount; first += chunk.length / SLOT_SIZE) {
      const count = Math.min(chunk.length / SLOT_SIZE, layout.slotCount - first)
      chunk.fill(0, readSync(this.fd, chunk, 0, count * SLOT_SIZE, HEADER.size + first * SLOT_SIZE))
      for (let index = 0; index < count; index += 1) {
        const slot = first + index
        const found = chunk.readInt32BE(index * SLOT_SIZE)
        if (found !== 0) used += 1
        if (found === slots[slot] || (task.isLive && found >= header.indexCount)) continue
        const place = HEADER.size + slot * SLOT_SIZE
        this.tell(
          'INDEX_CHAIN',
          `slot ${slot} leads to entry ${found}; the newest one of its chain is ${slots[slot]}`,
          place,
        )
      }
    }
    if (used !== header.hashSlotCount && !task.isLive)
      this.tell(
        'INDEX_HEADER',
        `hashSlotCount is ${header.hashSlotCount}; ${used} slots are in use`,
        HEADER.hashSlotCount,
      )
  }

  /** What the header says of its first and its last entry. */
  private times({ first, last }: { first: number; last: number }): void {
    const { header, task } = this
    if (header.beginPhyOffset !== first)
      this.tell(
        'INDEX_HEADER',
        `beginPhyOffset is ${header.beginPhyOffset}; the first entry has ${first}`,
        HEADER.beginPhyOffset,
      )
    if (task.isLive) return
    if (header.endPhyOffset !== last)
      this.tell(
        'INDEX_HEADER',
        `endPhyOffset is ${header.endPhyOffset}; the last entry has ${last}`,
        HEADER.endPhyOffset,
      )
    using log = new LogReader(task.settings, 0)
    for (const [name, at, offset, time] of [
      ['beginTimestamp', HEADER.beginTimestamp, first, header.beginTimestamp],
      ['endTimestamp', HEADER.endTimestamp, last, header.endTimestamp],
    ] as const) {
      const stored = offset >= task.logMin && offset < task.logEnd ? storeTimeOf(log, offset) : undefined
      if (stored !== undefined && stored !== time)
        this.tell('INDEX_HEADER', `${name} is ${time}; the record at ${offset} was stored at ${stored}`, at)
    }
  }

  private tell(code: 'INDEX_HEADER' | 'INDEX_CHAIN' | 'INDEX_ENTRY', what: string, offset: number): void {
    this.told += 1
    if (this.told <= TOLD_MAX) this.findings.add(code, what, this.task.file.path, offset)
  }
}

function storeTimeOf(log: LogReader, offset: number): number | undefined {
  const head = log.readCold(offset, RECORD_SIZE_MIN)
  const size = head?.length === RECORD_SIZE_MIN ? head.readInt32BE(0) : 0
  const bytes = size >= RECORD_SIZE_MIN ? log.readCold(offset, size) : undefined
  if (bytes === undefined || bytes.length < size) return undefined
  const record = new RecordView()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return record.read(bytes, view, 0, size) === 'record' ? record.storeTimestamp : undefined
}
