/**
 * The CommitLog: records one behind the other in segments of one size, the only copy of every message.
 *
 *   record, crc, properties, java-hash   bytes of one message, read in place
 *   log-layout, segments, log-folders    how records lie in files, files in the folder, and where an older log is
 *   segment-allocator                    makes the next file before it is needed, with its blocks
 *   tail-writer                          the one place that writes: into the map, or by pwrite of a batch
 *   log-reader                           hot segments mapped and leased, cold ones by pread
 *   filter-records, batch-limits         cold records that a filter wants, and how many of them a pull is given
 *
 * Bytes and files only: no threads, no sockets. The tail has one writer (stages/append.ts); readers never see above the
 * position that they were given. Finding the tail at start is ../recovery.
 */
export * from './batch-limits.ts'
export * from './filter-records.ts'
export * from './java-hash.ts'
export * from './log-folders.ts'
export * from './log-layout.ts'
export * from './log-reader.ts'
export * from './properties.ts'
export * from './record.ts'
export * from './record-head.ts'
export * from './segment-allocator.ts'
export * from './segments.ts'
export * from './tail-writer.ts'
