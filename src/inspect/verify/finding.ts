/**
 * What verify can find: for each kind how bad it is, and what to do. The text of what is wrong and where is made by the check
 * that met it.
 *
 *   error   messages are lost, wrong, or not served        warn   something is not as it should be; a start mends it or
 *   info    worth knowing, nothing is wrong                        somebody should look
 */

import { type LogFolderSettings, LogFolders, segmentStart } from '../../store/commitlog/index.ts'
import { queueFilePath, UNIT_SIZE } from '../../store/consumequeue/index.ts'

export type Severity = 'error' | 'warn' | 'info'

interface Kind {
  severity: Severity
  remedy: string
}

const KEEP_COPY =
  'keep a copy of the file before any broker starts: a broker of RocketMQ ends its log at damage and deletes what is behind'
const REBUILD_QUEUE = 'stop the broker and run "basaltmq inspect repair": it builds the queue again from the log'
const REBUILD_INDEX = 'stop the broker and run "basaltmq inspect repair": it indexes the log again (RocketMQ does not)'
const REFILL =
  'restore the files; or remove the member’s whole folder, so that it is filled again by the others of its group'
const RESTORE =
  'stop the broker and run "basaltmq inspect repair", which takes its .bak if that is whole; else restore it from a replica'

export const KINDS = {
  RECORD_DAMAGED: { severity: 'error', remedy: `${KEEP_COPY}; Basalt’s start keeps what is behind` },
  RECORD_FIELD: { severity: 'error', remedy: `${KEEP_COPY}; the message cannot be trusted` },
  TIME_BACK: { severity: 'info', remedy: 'none; the clock was set back' },
  TAIL_TORN: {
    severity: 'warn',
    remedy: 'start the broker, or run "basaltmq inspect repair": they cut what was never acknowledged',
  },
  TAIL_LEFTOVERS: { severity: 'info', remedy: 'none; bytes that an earlier recovery left behind the end' },
  LOG_LOST: { severity: 'error', remedy: 'look for missing or cut segments, or take the store from another replica' },
  SEGMENT_MISSING: {
    severity: 'error',
    remedy: 'copy the file back, from a backup or another replica, before any broker starts',
  },
  SEGMENT_SHORT: {
    severity: 'error',
    remedy: 'copy the file back, from a backup or another replica, before any broker starts',
  },
  ENTRY_FOREIGN: {
    severity: 'info',
    remedy: 'none; a client of DLedger’s own appended them, and no consumer of a broker gets them',
  },
  ENTRY_INDEX: { severity: 'warn', remedy: 'none; the next start of the member makes it again from the data files' },
  ENTRY_CHECKPOINT: { severity: 'warn', remedy: 'none; a start counts again what is committed' },
  ENTRIES_LOST: { severity: 'error', remedy: REFILL },
  TERM_FILE: {
    severity: 'error',
    remedy: 'restore the file; or remove the member’s whole folder, so that it is filled again by the others',
  },
  SIDE_CHECKSUM: {
    severity: 'error',
    remedy:
      'copy the file now, its pages may still be right in memory; then stop the broker and take the segment from a replica or a backup',
  },
  SEGMENT_CHANGED: {
    severity: 'warn',
    remedy:
      'remove the segment’s file in basalt/checksums if the change is meant; else take the segment from a replica',
  },
  SIDE_CHECKSUM_FILE: {
    severity: 'warn',
    remedy: 'remove it; a broker hashes the segment again, and checks its records',
  },
  SIDE_CHECKSUM_MISSING: {
    severity: 'info',
    remedy: 'none; a broker that runs writes them, unless sideChecksums=false',
  },
  STRAY_FILE: {
    severity: 'warn',
    remedy: 'move it away, or run "basaltmq inspect repair": brokers refuse to start with it',
  },
  UNIT_WRONG: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_SIZE: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_TAG: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_MISSING: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_HOLE: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_GARBAGE: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_BEYOND: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_DANGLING: { severity: 'error', remedy: REBUILD_QUEUE },
  UNIT_BLANKS: {
    severity: 'info',
    remedy: 'none; the store never had these messages, or lost them with a part of its log',
  },
  QUEUE_MISSING: { severity: 'error', remedy: REBUILD_QUEUE },
  QUEUE_YOUNGER: {
    severity: 'warn',
    remedy: 'none if the topic was deleted and made again; else the queue’s files were lost once',
  },
  QUEUE_SUPERSEDED: {
    severity: 'warn',
    remedy: 'none if the topic was deleted and made again; else queue offsets were given out twice',
  },
  TOPIC_DELETED: { severity: 'info', remedy: 'none; their records go with the segments' },
  QUEUE_FILE: { severity: 'error', remedy: REBUILD_QUEUE },
  INDEX_HEADER: { severity: 'error', remedy: REBUILD_INDEX },
  INDEX_CHAIN: { severity: 'error', remedy: REBUILD_INDEX },
  INDEX_ENTRY: { severity: 'error', remedy: REBUILD_INDEX },
  INDEX_INCOMPLETE: {
    severity: 'warn',
    remedy: 'stop the broker and run "basaltmq inspect repair"; none if messageIndexEnable=false is meant',
  },
  CHECKPOINT: {
    severity: 'warn',
    remedy: 'stop the broker and run "basaltmq inspect repair"; or remove it: a start reads more of the log then',
  },
  POSITIONS: { severity: 'warn', remedy: 'none; a start does not believe them and reads more of the log' },
  TABLE: { severity: 'error', remedy: RESTORE },
  TABLE_BAK: {
    severity: 'warn',
    remedy: 'none while the table itself is whole; it is written anew with the next change',
  },
  OFFSET_BEYOND: {
    severity: 'error',
    remedy:
      'reset the offset, or stop the broker and run "basaltmq inspect repair": consumers skip what comes up to there',
  },
  OFFSET_UNKNOWN: { severity: 'info', remedy: 'none; the queue has no messages, or its topic is gone' },
} as const satisfies Record<string, Kind>

export type FindingCode = keyof typeof KINDS

const RECOPY =
  'remove the member’s whole folder while it is stopped, so that it is filled again by the others of its group'

/** In the log of a member of a DLedger group, which repair leaves alone. */
const OF_MEMBER: Partial<Record<FindingCode, string>> = {
  RECORD_DAMAGED: RECOPY,
  RECORD_FIELD: RECOPY,
  TAIL_TORN: 'start the member: it cuts what was never acknowledged',
  LOG_LOST: REFILL,
  SEGMENT_MISSING: REFILL,
  SEGMENT_SHORT: REFILL,
}

export interface Finding {
  code: FindingCode
  severity: Severity
  what: string
  file: string
  /** Byte in the file; undefined where it concerns all of it. */
  offset: number | undefined
  remedy: string
}

export function ofMember(finding: Finding): Finding {
  return { ...finding, remedy: OF_MEMBER[finding.code] ?? finding.remedy }
}

/** Of one task; more are counted. */
const KEPT_MAX = 1000

export class Findings {
  readonly list: Finding[] = []
  /** Findings that were not kept. */
  more = 0

  add(code: FindingCode, what: string, file: string, offset?: number): void {
    if (this.list.length >= KEPT_MAX) {
      this.more += 1
      return
    }
    this.list.push({ code, what, file, offset, ...KINDS[code] })
  }

  inLog(code: FindingCode, what: string, settings: LogFolderSettings, at: number): void {
    const start = segmentStart(at, settings.mappedFileSizeCommitLog)
    this.add(code, what, new LogFolders(settings).pathAt(start), at - start)
  }

  inQueue(code: FindingCode, what: string, folder: string, fileSize: number, unit: number): void {
    const at = unit * UNIT_SIZE
    const start = at - (at % fileSize)
    this.add(code, what, queueFilePath(folder, start), at - start)
  }
}
