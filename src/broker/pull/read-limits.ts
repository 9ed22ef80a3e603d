/** The limits of a pull as the configuration has them at the moment: requests change them while the broker runs. */
import type { BrokerConfig } from '../../config/index.ts'
import type { ReadLimits } from '../../store/commitlog/batch-limits.ts'

export class LiveReadLimits implements ReadLimits {
  private readonly config: BrokerConfig
  private readonly memory: { readonly inMemoryBytes: number }

  constructor(config: BrokerConfig, memory: { readonly inMemoryBytes: number }) {
    this.config = config
    this.memory = memory
  }

  get maxTransferBytesOnMessageInMemory(): number {
    return this.config.maxTransferBytesOnMessageInMemory
  }

  get maxTransferCountOnMessageInMemory(): number {
    return this.config.maxTransferCountOnMessageInMemory
  }

  get maxTransferBytesOnMessageInDisk(): number {
    return this.config.maxTransferBytesOnMessageInDisk
  }

  get maxTransferCountOnMessageInDisk(): number {
    return this.config.maxTransferCountOnMessageInDisk
  }

  get inMemoryBytes(): number {
    return this.memory.inMemoryBytes
  }
}
