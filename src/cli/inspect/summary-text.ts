/** `inspect summary` for eyes. */
import type { Summary } from '../../inspect/index.ts'
import { bytesText, count, facts, table, timeText } from '../table.ts'

/** More queues than this are shown as one line a topic. */
const QUEUES_SHOWN_MAX = 64

export function summaryText(summary: Summary, width: number): string {
  const parts = [facts(head(summary)), topicsText(summary, width), groupsText(summary, width)]
  parts.push(delaysText(summary, width), problemsText(summary))
  return parts.filter((part) => part !== '').join('\n')
}

function head({
  root,
  inUse,
  isUnclean,
  modeHints,
  dledger,
  log,
  checkpoint,
  positions,
  transactions,
  index,
  otherBytes,
}: Summary) {
  const broker = [inUse.program, inUse.pid === undefined ? undefined : `process ${inUse.pid}`]
    .filter(Boolean)
    .join(', ')
  const state = inUse.isInUse
    ? `in use${broker === '' ? '' : ` by ${broker}`} (${inUse.evidence})`
    : isUnclean
      ? 'not in use; the last stop was not clean (abort is there)'
      : 'not in use; stopped cleanly'
  const rows: [string, string | undefined][] = [
    ['store', root],
    ['state', state],
    ['hints', modeHints.join('; ')],
    ...dledgerRows(dledger),
    ['log', `${count(log.min)} to ${count(log.end)}, ${bytesText(log.end - log.min)}`],
    ['segments', `${log.segmentCount} of ${bytesText(log.segmentSize)}`],
    ['stored', log.firstTime === 0 ? 'nothing' : `${timeText(log.firstTime)} to ${timeText(log.lastTime)}`],
    ['behind end', log.behind === 0 ? undefined : `${count(log.behind)} bytes that are no record (${log.problem})`],
    [
      'index',
      `${index.files} files, ${count(index.entries)} keys, ${timeText(index.firstTime)} to ${timeText(index.lastTime)}`,
    ],
    ['checkpoint', checkpointText(checkpoint)],
    ['positions', positionsText(positions)],
    ['transactions', transactionsText(transactions)],
    ['disk', diskText(log)],
    ['no queue', `${bytesText(otherBytes)} of the log: ends of files, records that no queue has`],
  ]
  return rows
}

function dledgerRows(dledger: Summary['dledger']): [string, string | undefined][] {
  if (dledger === undefined) return []
  const { selfId, currTerm, voteLeader, beginIndex, endIndex, endTerm, committedIndex, divide, dataFiles } = dledger
  const term = currTerm === undefined ? 'unknown' : String(currTerm)
  const entries = endIndex < 0 ? 'none' : `${count(beginIndex)} to ${count(endIndex)} (term ${endTerm})`
  const before = divide === undefined ? '' : `; CommitLog before ${count(divide)}`
  return [
    ['mode', `DLedger, member ${selfId}: term ${term}, vote for ${voteLeader ?? 'nobody'}`],
    ['entries', `${entries}; committed ${committedIndex} by its checkpoint; ${dataFiles} data files${before}`],
  ]
}

function checkpointText({ physicMsgTimestamp, logicsMsgTimestamp, indexMsgTimestamp }: Summary['checkpoint']): string {
  const times = [physicMsgTimestamp, logicsMsgTimestamp, indexMsgTimestamp].map(timeText)
  return `log ${times[0]}, queues ${times[1]}, index ${times[2]}`
}

function positionsText(positions: Summary['positions']): string | undefined {
  if (positions === undefined) return undefined
  const { slot } = positions
  const names = ['appended', 'flushed', 'dispatched', 'settled', 'retained'] as const
  const marks = names.map((name) => `${name} ${count(slot[name])}`).join(', ')
  return `${marks}; written ${timeText(slot.writtenAt)}${slot.isClean ? ' at a clean stop' : ''}`
}

function transactionsText(transactions: Summary['transactions']): string | undefined {
  if (transactions === undefined) return undefined
  const { halves, decided, undecided } = transactions
  return `${count(undecided)} undecided (${count(halves)} halves behind the check, ${count(decided)} of them decided)`
}

function diskText({ allocated, queuesAllocated, indexAllocated }: Summary['log']): string {
  return `log ${bytesText(allocated)}, queues ${bytesText(queuesAllocated)}, index ${bytesText(indexAllocated)}`
}

function topicsText({ topics }: Summary, width: number): string {
  const queueCount = topics.reduce((sum, { queues }) => sum + queues.length, 0)
  const rows =
    queueCount <= QUEUES_SHOWN_MAX
      ? topics.flatMap(({ topic, queues }) =>
          queues.map(({ queueId, min, max, count: records, bytes }, i) => [
            i === 0 ? topic : '',
            String(queueId),
            records,
            min,
            max,
            bytesText(bytes),
          ]),
        )
      : topics.map(({ topic, queues, count: records, bytes }) => [
          topic,
          `${queues.length} queues`,
          records,
          Math.min(...queues.map(({ min }) => min)),
          Math.max(...queues.map(({ max }) => max)),
          bytesText(bytes),
        ])
  const columns = [
    { head: 'topic' },
    { head: 'queue', right: true },
    { head: 'records' },
    { head: 'min' },
    { head: 'max' },
    { head: 'in log', right: true },
  ]
  return table(columns, rows, width)
}

function groupsText({ groups }: Summary, width: number): string {
  const rows = groups.map(({ group, topic, queues, lag }) => [
    group,
    topic,
    queues.map(({ queueId, offset }) => `${queueId}:${offset}`).join(' '),
    lag,
  ])
  const columns = [{ head: 'group' }, { head: 'topic' }, { head: 'offsets' }, { head: 'lag' }]
  return table(columns, rows, width)
}

function delaysText({ delays }: Summary, width: number): string {
  const rows = delays.map(({ level, delayMs, waiting, deliveredTo, max }) => [
    String(level),
    delayMs === undefined ? '?' : `${delayMs / 1000} s`,
    waiting,
    deliveredTo,
    max,
  ])
  const columns = [
    { head: 'delay level', right: true },
    { head: 'delay', right: true },
    { head: 'waiting' },
    { head: 'delivered to' },
    { head: 'max' },
  ]
  return table(columns, rows, width)
}

function problemsText({ problems }: Summary): string {
  return problems.map((problem) => `  ! ${problem}\n`).join('')
}
