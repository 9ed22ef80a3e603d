/**
 * From the CommitLog to what finds messages in it: parsing in place, ConsumeQueue units, index entries.
 *
 *   dispatcher      records of a part of the log → queue and index writers
 *   filter-bit-maps which SQL92 filters a message passes, for ConsumeQueueExt
 *   property-scan   tags and key hashes straight from the property bytes
 *   topic-table     topic bytes → queue, without a string
 *   delay-levels    delivery times of the schedule topic
 *   record-keys     the keys of one record, for checks
 */
export * from './delay-levels.ts'
export * from './dispatcher.ts'
export * from './filter-bit-maps.ts'
export * from './property-scan.ts'
export * from './record-keys.ts'
export * from './topic-table.ts'
