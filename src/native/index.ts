/**
 * The system calls that Node does not have, typed: maps in slots of address space, allocation, syncs, locks, waking.
 * The C++ is native-bindings/; what is here names errors and knows no policy of the store. flexible-map.ts is for maps
 * that may live until the garbage collector comes.
 */
export { nativeMissing, type SystemError } from './addon.ts'
export { copyBytes, copyWithCrc, crc32 } from './copy.ts'
export { fallocate, fdatasync, lockFile, nextData, pageSize, punchHole, reusePortSocket, syncFolder } from './files.ts'
export { type MapBackend, type MappedFile, mapBackends, mapFile } from './flexible-map.ts'
export { type Advice, MapSlot } from './map-slot.ts'
export { setNice } from './threads.ts'
export { Waker, wakeNetwork } from './waker.ts'
