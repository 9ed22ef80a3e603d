/** How much one pull is given: messages that lie far behind the log's end come in smaller portions. */
export interface ReadLimits {
  maxTransferBytesOnMessageInMemory: number
  maxTransferCountOnMessageInMemory: number
  maxTransferBytesOnMessageInDisk: number
  maxTransferCountOnMessageInDisk: number
  /** Bytes from the log's end within which a message counts as "in memory". */
  inMemoryBytes: number
}

/**
 * Whether a batch of `count` messages and `bytes` ends before one of `size`, which lies `behind` bytes before the log's end.
 * The first message is always taken.
 */
export function isBatchFull(
  limits: ReadLimits,
  count: number,
  bytes: number,
  size: number,
  behind: number,
  wanted: number,
  maxBytes: number,
): boolean {
  if (count === 0) return false
  if (count >= wanted || bytes + size > maxBytes) return true
  return behind > limits.inMemoryBytes
    ? bytes + size > limits.maxTransferBytesOnMessageInDisk || count >= limits.maxTransferCountOnMessageInDisk
    : bytes + size > limits.maxTransferBytesOnMessageInMemory || count >= limits.maxTransferCountOnMessageInMemory
}
