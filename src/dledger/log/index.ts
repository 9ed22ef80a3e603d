/** The files of a DLedger member: data, index, term and vote, checkpoint. */
export { type AppendFailure, DLedgerLog } from './log.ts'
export { committedBelow, type Found, type IndexToMend, recover } from './recover.ts'
export { DATA_FILE_SIZE, INDEX_FILE_SIZE, type LogSettings, logSettings } from './settings.ts'
export { type BeginState, type Checkpoint, StateFiles, type TermState } from './state-files.ts'
