/**
 * Small files that must survive anything: config/*.json and the like.
 *
 *   integer-keys.ts    fastjson's dialect made strict JSON: {0:1} → {"0":1}
 *   durable-file.ts    temporary file, fdatasync, rename, folder sync
 *   metadata-file.ts   one JSON table with its .bak
 *   persist-queue.ts   writes that wait for the housekeeping thread, grouped by file
 *   metadata-store.ts  the tables as the broker sees them: load now, save grouped by housekeeping
 *
 * Format: spec/store-format.md §7. Unlike RocketMQ 4.9.8 nothing is deleted before its successor is on disk.
 */
export { syncFolder, writeDurably } from './durable-file.ts'
export { quoteIntegerKeys } from './integer-keys.ts'
export { MetadataFile, type MetadataRead } from './metadata-file.ts'
export { directMetadataStore, type MetadataStore, metadataPath, StagedMetadataStore } from './metadata-store.ts'
export { PersistQueue } from './persist-queue.ts'
