/** Which records a damaged block of a segment hits, in words. Reads the segment up to there: for the rare case. */
import { type LogFolderSettings, LogFolders } from '../commitlog/log-folders.ts'
import { LogScanner } from '../recovery/log-scanner.ts'
import { LogWindow } from '../recovery/log-window.ts'
import { nextRecordBehind } from '../recovery/verify.ts'

const NAMED_MAX = 3

/** Range of the log, in the segment that begins at `start`. */
export function recordsIn(settings: LogFolderSettings, start: number, from: number, to: number): string {
  const folders = new LogFolders(settings)
  const window = new LogWindow(folders.folderAt(start), folders.segmentSize)
  const scanner = new LogScanner(window, folders.layoutAt(start), true)
  const broken: string[] = []
  let [first, last, count] = [-1, -1, 0]
  try {
    for (let at = start; at < to; ) {
      const verdict = scanner.check(at)
      if (verdict === 'blank') break
      const { problem } = scanner
      const next = verdict === 'ok' ? at + scanner.entrySize : nextRecordBehind(settings, at, scanner.segmentEnd(at))
      if (next > from) {
        if (count === 0) first = at
        last = at
        count += 1
        if (verdict !== 'ok') broken.push(`${at} (${problem})`)
      }
      at = next
    }
  } catch (error) {
    return `which records it hits cannot be told: ${String(error)}`
  } finally {
    window.close()
  }
  if (count === 0) return 'no record is in it'
  const more = broken.length > NAMED_MAX ? ` and ${broken.length - NAMED_MAX} more` : ''
  if (broken.length > 0) return `damaged: the record at ${broken.slice(0, NAMED_MAX).join(', at ')}${more}`
  return (
    `${count} records lie in it, at ${first} to ${last}, and all bodies have their CRC: what is wrong is a field that has ` +
    'none, or behind the last record'
  )
}
