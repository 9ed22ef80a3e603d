/** What a member of a DLedger group keeps beside its log, against the log; and the files of its entry index by themselves. */
import { join } from 'node:path'
import type { MemberState } from '../member-state.ts'
import type { MemberFiles } from '../store-files.ts'
import { ENTRY_UNIT } from './entry-index.ts'
import type { Findings } from './finding.ts'
import type { RangeEntries } from './log-range.ts'

export function checkMember(
  files: MemberFiles,
  state: MemberState,
  entries: RangeEntries,
  isLive: boolean,
  findings: Findings,
): void {
  const term = join(files.folder, 'currterm')
  const checkpoint = join(files.folder, 'checkpoint')
  for (const { file, what } of state.problems)
    findings.add(file === term ? 'TERM_FILE' : 'ENTRY_CHECKPOINT', what, file)
  const { last } = entries
  if (last !== undefined && state.term !== undefined && last.term > state.term)
    findings.add('TERM_FILE', `it says term ${state.term}; the log ends with an entry of term ${last.term}`, term)
  if (isLive) return
  const end = last?.index ?? -1
  if (state.committedIndex > end) {
    const what = `entry ${state.committedIndex} was committed; the log ends with entry ${end}`
    // The original writes what it has counted, not what is on disk.
    findings.add(state.isOwnCheckpoint ? 'ENTRIES_LOST' : 'ENTRY_CHECKPOINT', what, checkpoint)
  }
  if (state.endIndex !== -1 && state.committedIndex > state.endIndex)
    findings.add(
      'ENTRY_CHECKPOINT',
      `entry ${state.committedIndex} is called committed, and ${state.endIndex} the last`,
      checkpoint,
    )
}

export function checkEntryIndexFiles({ indexFiles, strays }: MemberFiles, findings: Findings): void {
  const size = Math.max(0, ...indexFiles.map((file) => file.size))
  for (const path of strays) findings.add('STRAY_FILE', 'this is no file of the entry index', path)
  let expected = indexFiles[0]?.start
  for (const { start, path, size: own } of indexFiles) {
    if (own !== size || own === 0 || own % ENTRY_UNIT !== 0 || start % Math.max(size, ENTRY_UNIT) !== 0)
      findings.add('ENTRY_INDEX', `a file of ${own} bytes begins at ${start}; they have ${size}`, path)
    else if (start !== expected)
      findings.add('ENTRY_INDEX', `files of the entry index before it are missing, from ${expected} on`, path)
    expected = start + size
  }
}
