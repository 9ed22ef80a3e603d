/** Idempotent consumption: `once(key, fn, store)`. */
export { MemoryOnceStore, type MemoryOnceStoreOptions } from './memory-store.ts'
export { type ClaimState, OnceError, type OnceOptions, type OnceResult, type OnceStore, once } from './once.ts'
