/**
 * IndexFiles: from the hash of `topic#key` to records. One file is written at a time, by dispatch; queries read any.
 *
 *   layout           the bytes of a file
 *   index-files      the files and their names
 *   index-writer     entries into the newest file, through a map
 *   index-recovery   the newest file at start: cut to what is proven, slots mended
 *   query-by-key     the pool's task
 *   expire-index     files whose records retention took
 */
export * from './expire-index.ts'
export * from './index-files.ts'
export * from './index-recovery.ts'
export * from './index-writer.ts'
export * from './layout.ts'
export * from './query-by-key.ts'
