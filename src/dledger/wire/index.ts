/** DLedger's protocol as bytes: JSON bodies (the frames around them are remoting's) and entries. */
export * from './client-messages.ts'
export type { DLedgerEntry } from './entry.ts'
export { ENTRY_HEADER_SIZE, ENTRY_MAGIC, isSameEntry, readEntry, WireBatch, writeEntry } from './entry.ts'
export { readMetadata, readRequest, readResponse } from './read.ts'
export { codeOf, refusal, type TimersMark, writeRequest, writeResponse, wrongAddress } from './write.ts'
