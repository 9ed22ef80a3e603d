/** Why the log does not take or give an entry, in words for whoever reads the log of the process. */
import { StoreError } from '../../errors.ts'
import type { DLedgerEntry } from '../wire/index.ts'

export function doesNotFit(
  entry: DLedgerEntry,
  end: { endIndex: number; endTerm: number; endPos: number },
): StoreError {
  return new StoreError('ENTRY_DOES_NOT_FIT', {
    what:
      `entry ${entry.index} of term ${entry.term} at ${entry.pos} (${entry.size} bytes) does not follow entry ` +
      `${end.endIndex} of term ${end.endTerm}, which ends at ${end.endPos}`,
    todo: 'mappedFileSizeCommitLog must be the same at all members of the group',
  })
}

export function isUnequal(entry: DLedgerEntry): StoreError {
  return new StoreError('ENTRY_DIFFERS', {
    what: `the log cannot be made to end with entry ${entry.index} of term ${entry.term} at ${entry.pos}`,
  })
}

export function isTooLong(size: number, fileSize: number): StoreError {
  return new StoreError('ENTRY_TOO_LONG', {
    what: `an entry of ${size} bytes does not fit in a data file of ${fileSize} (8 of them are kept for its end)`,
    todo: 'send less, or make mappedFileSizeCommitLog larger at all members of a new group',
  })
}

export function isUnreadable(index: number, folder: string): StoreError {
  return new StoreError('ENTRY_UNREADABLE', {
    what: `entry ${index} of the DLedger log is not where the index says, or is damaged`,
    where: folder,
    todo: 'restart this member, which makes the index again; if that does not help, remove its whole folder, so that it is filled again',
  })
}
