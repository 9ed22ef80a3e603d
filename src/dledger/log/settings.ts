/** Where a member's files lie and how large they are. Layout: spec/dledger.md §1.2; sizes are those of the original. */
import { join } from 'node:path'

export interface LogSettings {
  /** `<storeBaseDir>/dledger-<selfId>`: state files, index, and data unless `dataFolder` says otherwise. */
  folder: string
  /** storePathDLedgerCommitLog. */
  dataFolder: string
  indexFolder: string
  /** What only we have: files under construction, where the log begins. Members of the JVM do not look at it. */
  ownFolder: string
  /** mappedFileSizeCommitLog: the same in the whole group. */
  fileSize: number
  /** A multiple of 32. */
  indexFileSize: number
  /** Position of entry 0 where the log is empty: the end of a classic CommitLog that it goes on from. A multiple of fileSize. */
  startPos: number
  /**
   * Entries of our own carry a CRC of their body, in a field that the original stores and never looks at: a body that a power
   * loss has torn is found then. False: 0, as the original writes.
   */
  fillsBodyCrc: boolean
}

export const INDEX_UNIT_SIZE = 32
export const INDEX_FILE_SIZE = 5 * 1024 * 1024 * INDEX_UNIT_SIZE
export const DATA_FILE_SIZE = 1024 * 1024 * 1024

export function logSettings(folder: string, changes: Partial<LogSettings> = {}): LogSettings {
  return {
    folder,
    dataFolder: join(folder, 'data'),
    indexFolder: join(folder, 'index'),
    ownFolder: join(folder, 'basalt'),
    fileSize: DATA_FILE_SIZE,
    indexFileSize: INDEX_FILE_SIZE,
    startPos: 0,
    fillsBodyCrc: true,
    ...changes,
  }
}
