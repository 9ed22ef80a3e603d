/**
 * Where messages come from, as whole records in the format of the log: a store, filtered, or lines of JSON. Each can be gone
 * through more than once: the first time to see what there is, the second to write it.
 */
import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { NOOP_TOPIC } from '../../dledger/noop.ts'
import { ConfigError } from '../../errors.ts'
import {
  type Host,
  type RecordInput,
  RecordView,
  recordSize,
  SYS_FLAG,
  writeRecord,
} from '../../store/commitlog/index.ts'
import { DAMAGED_TOPIC } from '../../store/recovery/index.ts'
import { type LogDamage, type LogQuery, LogRecords } from '../log-records.ts'
import type { InspectedStore } from '../open-store.ts'
import { parseLine } from './message-line.ts'

/** Valid until the next one. */
export interface SourceRecord {
  record: RecordView
  bytes: Buffer
  /** Of a file: the line, from 1. */
  line: number
}

export interface RecordSource {
  /** Of these numbers together `progress` tells how far it is. */
  readonly total: number
  /** Undefined now and then, so that others can run. */
  records(): Generator<SourceRecord | undefined>
  progress(): number
  /** What was passed over as no record, in the last round. */
  readonly damage: LogDamage[]
  close(): void
}

const DAMAGED = Buffer.from(DAMAGED_TOPIC)
const DAMAGE_KEPT_MAX = 1000

/** Records of a store, those that a query wants; without what recovery put in place of lost ones. */
export class StoreSource implements RecordSource {
  readonly store: InspectedStore
  readonly total: number
  damage: LogDamage[] = []
  /** No filter was given. */
  readonly isWhole: boolean
  private readonly query: LogQuery
  private readonly first: number
  private log: LogRecords | undefined

  /** `end`: of the log, once: what comes later is left out. Throws ConfigError BAD_EXPRESSION. */
  constructor(store: InspectedStore, query: LogQuery, end: number) {
    this.store = store
    this.isWhole = Object.values(query).every((value) => value === undefined)
    this.query = { ...query, to: Math.min(query.to ?? end, end) }
    this.first = store.files.segments[0]?.start ?? 0
    this.total = Math.max(0, this.query.to! - Math.max(this.first, query.from ?? this.first))
  }

  *records(): Generator<SourceRecord | undefined> {
    this.close()
    this.damage = []
    const log = new LogRecords(this.store, this.query)
    this.log = log
    for (const item of log.inPlace()) {
      if (item === undefined) yield undefined
      else if (item.kind === 'damage') {
        if (this.damage.length < DAMAGE_KEPT_MAX) this.damage.push(item)
      } else if (item.kind === 'record' && !isFiller(item.record, item.bytes))
        yield { record: item.record, bytes: item.bytes, line: 0 }
    }
  }

  progress(): number {
    return this.log === undefined ? 0 : this.log.position - Math.max(this.first, this.query.from ?? this.first)
  }

  close(): void {
    this.log?.close()
    this.log = undefined
  }
}

/** What a leader of ours begins its term with. */
const TERM = Buffer.from(NOOP_TOPIC)

function isFiller(record: RecordView, bytes: Buffer): boolean {
  const isRollback = (record.sysFlag & SYS_FLAG.transactionMask) === SYS_FLAG.rollback
  const { topicStart: start, topicLength: length } = record
  const isTopic = (name: Buffer) => length === name.length && name.compare(bytes, start, start + length) === 0
  return isRollback && (isTopic(DAMAGED) || isTopic(TERM))
}

const CHUNK = 1024 * 1024
/** Of a line: a body of 64 MiB as base64, and more. */
const LINE_MAX = 128 * 1024 * 1024
const LINES_A_TURN = 1024

/** Lines that export wrote. Empty ones count and say nothing. */
export class LineSource implements RecordSource {
  readonly path: string
  readonly total: number
  readonly damage: LogDamage[] = []
  private readonly now: number
  private readonly fd: number
  private readonly record = new RecordView()
  private bytes = Buffer.alloc(64 * 1024)
  private view = new DataView(this.bytes.buffer)
  private done = 0

  constructor(path: string, now: number) {
    this.path = path
    this.now = now
    this.fd = openSync(path, 'r')
    this.total = fstatSync(this.fd).size
  }

  /** Throws ConfigError BAD_LINE. */
  *records(): Generator<SourceRecord | undefined> {
    for (const { text, line } of this.lines()) {
      if (line % LINES_A_TURN === 0) yield undefined
      if (!isUtf8(text)) throw badLine(this.path, line, 'it is no UTF-8 text')
      const json = text.toString()
      if (json.trim() === '') continue
      this.write(parseLine(json, line, this.path, this.now), line)
      yield { record: this.record, bytes: this.bytes, line }
    }
  }

  progress(): number {
    return this.done
  }

  close(): void {
    closeSync(this.fd)
  }

  private write(input: RecordInput & { topic: Buffer; properties: Buffer }, line: number): void {
    const { body, topic, properties, bornHost, storeHost, version } = input
    const length = (host: Host) => host.address.length
    const size = recordSize(body.length, topic.length, properties.length, length(bornHost), length(storeHost), version)
    if (size > this.bytes.length) {
      this.bytes = Buffer.alloc(2 ** Math.ceil(Math.log2(size)))
      this.view = new DataView(this.bytes.buffer)
    }
    const written = writeRecord(this.bytes, this.view, 0, input)
    if (this.record.read(this.bytes, this.view, 0, written) !== 'record')
      throw badLine(this.path, line, 'it makes no record')
  }

  private *lines(): Generator<{ text: Buffer; line: number }> {
    const chunk = Buffer.alloc(CHUNK)
    let parts: Buffer[] = []
    let length = 0
    let line = 1
    this.done = 0
    for (;;) {
      const read = readSync(this.fd, chunk, 0, CHUNK, this.done)
      if (read === 0) break
      this.done += read
      let from = 0
      for (let at = chunk.indexOf(10); at >= 0 && at < read; at = chunk.indexOf(10, from)) {
        const end = chunk.subarray(from, at)
        yield { text: parts.length === 0 ? end : Buffer.concat([...parts, end]), line }
        parts = []
        length = 0
        line += 1
        from = at + 1
      }
      parts.push(Buffer.from(chunk.subarray(from, read)))
      length += read - from
      if (length > LINE_MAX) throw badLine(this.path, line, `it has more than ${LINE_MAX} bytes`)
    }
    if (length > 0) yield { text: Buffer.concat(parts), line }
  }
}

function badLine(path: string, line: number, what: string): ConfigError {
  return new ConfigError('BAD_LINE', { what: `line ${line}: ${what}`, where: path, todo: 'export it again' })
}
