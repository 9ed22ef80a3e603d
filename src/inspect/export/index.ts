/**
 * Messages out of a store and into one.
 *
 *   record-source, message-line      from where: a store, or lines of JSON
 *   plan                             queues and their offsets, before anything is written
 *   store-builder, build-tables      the store's own code, without a broker
 *   build-store                      all of it
 */
export { type BuildOptions, type Built, buildStore, isNewStore } from './build-store.ts'
export { lineOf } from './message-line.ts'
export { LineSource, type RecordSource, type SourceRecord, StoreSource } from './record-source.ts'
