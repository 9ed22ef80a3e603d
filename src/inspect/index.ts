/**
 * The inspector: reads a store of RocketMQ's or ours, offline or beside a running broker, and says what is in it and whether
 * it is whole. It never locks, never writes, and parses with the store's own code.
 *
 *   open-store, store-files, geometry, in-use   what is there, and with which sizes it was made
 *   log-walk, log-end                           records one by one, over damage, up to the end
 *   summary, mode-hints, tables, queue-units    what is in it
 */
export * from './open-store.ts'
export * from './summary.ts'
