/**
 * Looks at a range of the log without changing it: for the pool after a start that trusted its marks, for the inspector,
 * and for a stage that meets something at run time that is no record.
 */
import { type LogFolderSettings, LogFolders } from '../commitlog/log-folders.ts'
import type { LogLayout } from '../commitlog/log-layout.ts'
import { LogScanner } from './log-scanner.ts'
import { LogWindow, type Range } from './log-window.ts'
import { resync } from './resync.ts'

type VerifySettings = LogFolderSettings

export interface VerifiedLog {
  recordCount: number
  /** Ranges of the log that are not what was written, with the first problem in each. */
  damaged: (Range & { problem: string })[]
  /** Where to go on: behind the last record that was looked at, `to` or beyond at the end. */
  next: number
}

/**
 * Checks every record of [from, to), CRCs included. `from` is the start of an entry, `to` at most the log's end; after
 * `bytesMax` it stops at the next entry. Through `window` if there is one, which stays open. `layout`: that of the settings.
 */
export function verifyLog(
  settings: VerifySettings,
  from: number,
  to: number,
  layout?: LogLayout,
  bytesMax = Number.POSITIVE_INFINITY,
  window?: LogWindow,
): VerifiedLog {
  const damaged: VerifiedLog['damaged'] = []
  let recordCount = 0
  let next = from
  const folders = new LogFolders(settings)
  const scan = (scanner: LogScanner) => {
    while (next < to && next - from < bytesMax) {
      const verdict = scanner.check(next)
      if (verdict === 'ok') {
        recordCount += 1
        next += scanner.entrySize
      } else if (verdict === 'blank') {
        next = scanner.segmentEnd(next)
      } else {
        const { problem } = scanner
        const at = next
        next = behind(scanner, folders, at, to)
        damaged.push({ from: at, to: next, problem })
      }
    }
  }
  if (window !== undefined) scan(new LogScanner(window, layout ?? folders, true))
  else withScanner(folders, layout, scan)
  return { recordCount, damaged, next }
}

/**
 * Where the log goes on behind damage at `at`: the start of the next record or blank, `limit` when there is none before
 * it. `limit` is a position of the log (all below it was written).
 */
export function nextRecordBehind(settings: VerifySettings, at: number, limit: number, layout?: LogLayout): number {
  const folders = new LogFolders(settings)
  return withScanner(folders, layout, (scanner) => behind(scanner, folders, at, limit))
}

function behind(scanner: LogScanner, folders: LogFolders, at: number, limit: number): number {
  const segmentStarts = folders.segments().map(({ start }) => start)
  const limits = { durable: limit, lastStoreTimestamp: 0, searchUntil: limit, segmentStarts }
  const { next } = resync(scanner, at, limits)
  return next < 0 || next > limit ? limit : next
}

function withScanner<T>(folders: LogFolders, layout: LogLayout | undefined, use: (scanner: LogScanner) => T): T {
  const window = new LogWindow(folders, folders.segmentSize)
  try {
    return use(new LogScanner(window, layout ?? folders, true))
  } finally {
    window.close()
  }
}
