/** DLedger's files: entries in data files, index units, the two state files. Formats only; the log itself is the store's. */
export type { IndexUnit } from './index-unit.ts'
export { INDEX_UNIT_SIZE, readIndexUnit, writeIndexUnit } from './index-unit.ts'
export type { ScanEnd } from './scan.ts'
export { scanFile } from './scan.ts'
export type { Checkpoint, TermAndVote } from './state-files.ts'
export { formatCheckpoint, formatCurrTerm, parseCheckpoint, parseCurrTerm } from './state-files.ts'
