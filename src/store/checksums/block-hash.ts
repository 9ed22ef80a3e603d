/**
 * xxhash64 (seed 0) of blocks of 1 MiB: what side checksums and comparisons of stores are made of. The last block of a file
 * may be shorter; it is hashed as it is.
 */
export const HASHED_BLOCK = 1024 * 1024

/** Unsigned 64 bits. */
export type BlockHash = (block: Uint8Array) => bigint

let loading: Promise<BlockHash> | undefined

/** Loads and compiles the module at the first call of a thread: those that never hash do not have it. */
export function loadBlockHash(): Promise<BlockHash> {
  loading ??= import('xxhash-wasm')
    .then(({ default: xxhash }) => xxhash())
    .then(
      ({ h64Raw }) =>
        (block) =>
          h64Raw(block),
    )
  return loading
}
