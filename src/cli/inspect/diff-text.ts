/** A comparison for eyes, with what it means and what to do; and as one object. */
import { bytesOf, type Difference, type OwnRange, type SideRecord, type StoreDiff } from '../../inspect/diff/index.ts'
import { bytesText, count, facts, table, timeText } from '../table.ts'
import { diffMeaning } from './diff-meaning.ts'
import { messageJson, messageText } from './message-text.ts'

const RANGES_SHOWN = 10
const ROWS_SHOWN = 20
const EXPLAINED_SHOWN = 3
const INDENT = '    '

export function diffText(diff: StoreDiff, isAll: boolean): string {
  const shown = (max: number) => (isAll ? Number.POSITIVE_INFINITY : max)
  const { a, b } = diff
  const side = ({ name, ranges, end, lastTime }: StoreDiff['a']) => {
    const from = ranges[0]?.from ?? end
    return `${name}: ${count(from)} to ${count(end)}, ${bytesText(bytesOf(ranges))}, last message ${timeText(lastTime)}`
  }
  let text = facts([
    ['A', side(a)],
    ['B', side(b)],
    ['both', bothText(diff)],
    ...diff.onlyA.map((range) => ['only A', ownText(range)] as const),
    ...diff.onlyB.map((range) => ['only B', ownText(range)] as const),
    ...diff.log.uncompared.map(({ from, to }) => ['unknown', `${rangeText(from, to)}: could not be compared`] as const),
  ])
  text += rangesText(diff, shown(RANGES_SHOWN))
  for (const difference of diff.differences.slice(0, shown(EXPLAINED_SHOWN))) text += differenceText(difference)
  text += queuesText(diff, shown(ROWS_SHOWN)) + tablesText(diff, shown(ROWS_SHOWN))
  return `${text}\n${diffMeaning(diff)
    .map((line) => `${line}\n`)
    .join('')}`
}

const rangeText = (from: number, to: number) => `${count(from)} to ${count(to)}, ${bytesText(to - from)}`

function bothText({ log }: StoreDiff): string {
  const { both, differing, bytesHashed } = log
  if (both.length === 0) return 'nothing'
  const where = both.map(({ from, to }) => rangeText(from, to)).join('; ')
  const how = bytesHashed === 0 ? '' : ` (${bytesText(bytesHashed)} by hashes alone)`
  const verdict =
    differing.length === 0
      ? 'equal'
      : `${count(differing.length)} range${differing.length === 1 ? ' differs' : 's differ'}`
  return `${where}: ${verdict}${how}`
}

function ownText({ from, to, counted }: OwnRange): string {
  if (counted === undefined) return rangeText(from, to)
  const { records, firstTime, lastTime } = counted
  const times = records === 0 ? '' : `, stored ${timeText(firstTime)} to ${timeText(lastTime)}`
  return `${rangeText(from, to)}, ${messagesText(records)}${times}`
}

export const messagesText = (records: number) => `${count(records)} message${records === 1 ? '' : 's'}`

function rangesText({ log }: StoreDiff, max: number): string {
  const { differing } = log
  if (differing.length === 0) return ''
  const rows = differing
    .slice(0, max)
    .map(({ from, to, isExact }) => [from, to, to - from, isExact ? '' : 'by the hash of the block'] as const)
  const more = differing.length > max ? `  … ${count(differing.length - max)} more\n` : ''
  return `\n${table([{ head: 'differs from' }, { head: 'to' }, { head: 'bytes' }, { head: '' }], rows, Number.POSITIVE_INFINITY)}${more}`
}

function differenceText({ kind, from, a, b, fields }: Difference): string {
  if (a === undefined || b === undefined) return ''
  // Of two messages nearly everything differs.
  const differ = fields.length === 0 || kind === 'parted' ? '' : `${INDENT}differ in ${fields.join(', ')}\n`
  return `\n  at ${count(from)}: ${kind}\n${recordText('A', a)}${recordText('B', b)}${differ}`
}

function recordText(side: string, { at, message, problem, isBlank }: SideRecord): string {
  if (isBlank) return `${INDENT}${side}  the end of the file, from ${count(at)}\n`
  const told = problem === undefined ? '' : `${INDENT}${side}  ! at ${at}: ${problem}\n`
  if (message === undefined) return told
  const lines = messageText(message, 'auto').trimEnd().split('\n')
  return `${told}${lines.map((line, i) => `${INDENT}${i === 0 ? side : ' '}  ${line}\n`).join('')}`
}

const queuesCount = (queues: number) => `${count(queues)} queue${queues === 1 ? '' : 's'}`

function queuesText({ queues }: StoreDiff, max: number): string {
  if (queues === undefined) return ''
  const { compared, differing } = queues
  const wrong = differing.filter((queue) => queue.differing > 0)
  if (differing.length === 0) return `\n  ${queuesCount(compared)}: equal\n`
  const rows = [...wrong, ...differing.filter((queue) => queue.differing === 0)].slice(0, max).map((queue) => {
    const { topic, queueId, a, b, first } = queue
    const unit = (side: 'a' | 'b') => first?.[side]?.physicalOffset.toLocaleString('en-US') ?? 'none'
    const where = first === undefined ? '' : `unit ${count(first.queueOffset)}: A at ${unit('a')}, B at ${unit('b')}`
    return [topic, queueId, `${a.min}–${a.max}`, `${b.min}–${b.max}`, queue.differing, where] as const
  })
  const heads = ['topic', 'queue', 'A', 'B', 'units differ', 'first'].map((head) => ({ head }))
  const more = differing.length > max ? `  … ${count(differing.length - max)} more\n` : ''
  const told = `\n  ${queuesCount(compared)}, ${count(differing.length)} with other limits, ${count(wrong.length)} with other units\n`
  return `${told}${table(heads, rows, Number.POSITIVE_INFINITY)}${more}`
}

function tablesText({ tables }: StoreDiff, max: number): string {
  if (tables === undefined || tables.length === 0) return ''
  const rows = tables.slice(0, max).map(({ table: name, key, a, b }) => [name, key, a ?? '-', b ?? '-'] as const)
  const more = tables.length > max ? `  … ${count(tables.length - max)} more\n` : ''
  const heads = ['table', 'key', 'A', 'B'].map((head) => ({ head }))
  return `\n${table(heads, rows, 160)}${more}`
}

/** Without what only the comparison itself needs. */
export function diffJson(diff: StoreDiff): Record<string, unknown> {
  const side = ({ name, ranges, end, segmentSize, firstTime, lastTime }: StoreDiff['a']) => {
    return { name, ranges, end, segmentSize, firstTime, lastTime }
  }
  const record = (found: SideRecord | undefined) =>
    found && { ...found, message: found.message && messageJson(found.message, 'auto') }
  const { a, b, differences, ...rest } = diff
  const explained = differences.map((each) => ({ ...each, a: record(each.a), b: record(each.b) }))
  return { ...rest, a: side(a), b: side(b), differences: explained, meaning: diffMeaning(diff) }
}
