/** A group's progress: at the brokers, or (broadcast) in a file. */
export { LocalOffsetStore, type LocalOffsetStoreOptions } from './local-offset-store.ts'
export { advance, type OffsetSlot, type OffsetStore } from './offset-store.ts'
export { type OffsetCalls, RemoteOffsetStore } from './remote-offset-store.ts'
export { offsetStoreFor } from './store-for.ts'
