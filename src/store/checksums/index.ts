/**
 * Side checksums: a hash of each MiB of every sealed segment, in files of our own (docs/checksums.md).
 *
 *   block-hash, checksum-file       xxhash64 and the file
 *   segment-reader, hashed-window   reading without being in the way; checking records and hashing the same bytes
 *   hash-segment                    the first time           scrub-segment, records-in   and again, with what is damaged
 *   checksum-keeper, scrubber       what is to be done next  scrub-state                 how far, across restarts
 */
export * from './block-hash.ts'
export * from './checksum-file.ts'
export { ChecksumKeeper, type ChecksumSettings, type ChecksumStatus } from './checksum-keeper.ts'
export { HashedWindow } from './hashed-window.ts'
export { recordsIn } from './records-in.ts'
export type { Damage } from './scrub-segment.ts'
export { isPassDue } from './scrub-state.ts'
export { readBlock } from './segment-reader.ts'
