/**
 * The records in ranges that differ, on both sides, and what that means.
 *
 *   parted    two whole records of different messages in one place: two brokers went on from there on their own
 *   damaged   the record of one side, or of both, is not whole
 *   sealed    one side has given it up: its recovery put a filler there
 *   altered   one message, whole by its frame and CRC, in which something differs that they do not cover
 *   unknown   hashes alone say so, or no record is there on either side
 */
import { segmentStart } from '../../store/commitlog/index.ts'
import { DAMAGED_TOPIC } from '../../store/recovery/index.ts'
import { LogWalk } from '../log-walk.ts'
import { type InspectedMessage, messageAt } from '../message.ts'
import type { InspectedStore } from '../open-store.ts'
import type { DifferingRange } from './block-tasks.ts'
import type { LogSide } from './log-side.ts'

export type DifferenceKind = 'parted' | 'damaged' | 'sealed' | 'altered' | 'unknown'

/** What stands at a difference on one side. */
export interface SideRecord {
  /** Start of the record, or of what is none. */
  at: number
  message: InspectedMessage | undefined
  /** Why it is no whole record. */
  problem: string | undefined
  /** The file ends here, and the next record is in the next one. */
  isBlank: boolean
}

export interface Difference extends DifferingRange {
  kind: DifferenceKind
  a: SideRecord | undefined
  b: SideRecord | undefined
  /** Fields that differ, where both are records. */
  fields: string[]
}

/** Ranges ascending; those above `max` are not looked at. */
export function explain(ranges: readonly DifferingRange[], a: LogSide, b: LogSide, max: number): Difference[] {
  using inA = a.store === undefined ? undefined : new RecordFinder(a.store, a.end)
  using inB = b.store === undefined ? undefined : new RecordFinder(b.store, b.end)
  const found: Difference[] = []
  for (const range of ranges.slice(0, max)) {
    const recordA = range.isExact ? inA?.at(range.from) : undefined
    const recordB = range.isExact ? inB?.at(range.from) : undefined
    const difference = { ...range, a: recordA, b: recordB, fields: fieldsOf(recordA?.message, recordB?.message) }
    found.push({ ...difference, kind: kindOf(recordA, recordB) })
    // Behind it everything differs.
    if (found.at(-1)!.kind === 'parted') break
  }
  return found
}

function kindOf(a: SideRecord | undefined, b: SideRecord | undefined): DifferenceKind {
  if (a === undefined || b === undefined) return 'unknown'
  if (a.problem !== undefined || b.problem !== undefined) return 'damaged'
  // One went on in this file, and the other one in the next.
  if (a.isBlank !== b.isBlank) return 'parted'
  if (a.message === undefined || b.message === undefined) return 'unknown'
  if (a.message.topic === DAMAGED_TOPIC || b.message.topic === DAMAGED_TOPIC) return 'sealed'
  return isSameMessage(a.message, b.message) ? 'altered' : 'parted'
}

/** Two of these are wrong in one record less likely than that it is another message. */
function isSameMessage(a: InspectedMessage, b: InspectedMessage): boolean {
  const parts = ['bornTime', 'storeTime', 'storeHost', 'bodyCRC', 'msgId'] as const
  return parts.filter((name) => a[name] !== b[name]).length < 2
}

const NOT_COMPARED = new Set([
  'kinds',
  'bodyIsIntact',
  'offsetMsgId',
  'body',
  'packed',
  'properties',
  'msgId',
  'tags',
  'keys',
])

function fieldsOf(a: InspectedMessage | undefined, b: InspectedMessage | undefined): string[] {
  if (a === undefined || b === undefined) return []
  const fields = (Object.keys(a) as (keyof InspectedMessage)[]).filter(
    (name) => !NOT_COMPARED.has(name) && a[name] !== b[name],
  )
  const names = new Set([...Object.keys(a.properties), ...Object.keys(b.properties)])
  const properties = [...names].filter((name) => a.properties[name] !== b.properties[name])
  const body = a.body.equals(b.body) ? [] : ['body']
  return [...fields, ...properties.map((name) => `property ${name}`), ...body]
}

/** Finds the record that holds an offset; offsets ascending, so that each part of the log is walked once. */
class RecordFinder implements Disposable {
  private readonly walk: LogWalk
  private readonly size: number
  private readonly starts: number[]

  constructor({ files, settings, use }: InspectedStore, end: number) {
    this.size = settings.mappedFileSizeCommitLog
    this.starts = files.segments.map(({ start }) => start)
    const common = { settings, segmentStarts: this.starts, isLive: use.isInUse, checkCRC: false }
    this.walk = new LogWalk({ ...common, from: this.starts[0] ?? 0, limit: end, durable: end })
  }

  at(offset: number): SideRecord | undefined {
    const { walk } = this
    const start = segmentStart(offset, this.size)
    if (!this.starts.includes(start)) return undefined
    if (walk.next <= start || walk.at > offset) walk.moveTo(start)
    else if (walk.next > offset && walk.at <= offset) walk.moveTo(walk.at)
    const none = { message: undefined, isBlank: false }
    for (;;) {
      const from = walk.next
      const step = walk.step()
      const { at, next, problem } = walk
      if (step === 'end') return { ...none, at, problem: 'the log ends there' }
      // Between the record before and this one is the end of a file.
      if (at > offset) return { ...none, at: from, problem: undefined, isBlank: true }
      if (next <= offset) continue
      if (step === 'damage' && !walk.isReadable) return { ...none, at, problem }
      const { record, window } = walk
      const message = messageAt(window.bytes.subarray(record.at, record.at + record.totalSize))
      const body = message?.bodyIsIntact === false ? 'the body differs from its CRC' : undefined
      return { ...none, at, message, problem: step === 'damage' ? problem : body }
    }
  }

  [Symbol.dispose](): void {
    this.walk.close()
  }
}
