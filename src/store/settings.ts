/**
 * What the store needs to know, by RocketMQ's own key names (spec/store-format.md; defaults in config/keys). A resolved
 * broker configuration is one of these. Sizes are bytes, intervals milliseconds unless the name says otherwise.
 */
export interface StoreSettings {
  storePathRootDir: string
  storePathCommitLog: string
  mappedFileSizeCommitLog: number
  mappedFileSizeConsumeQueue: number
  enableConsumeQueueExt: boolean
  mappedFileSizeConsumeQueueExt: number
  bitMapLengthConsumeQueueExt: number
  messageIndexEnable: boolean
  maxHashSlotNum: number
  maxIndexNum: number
  maxMessageSize: number
  flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH'
  flushIntervalCommitLog: number
  flushCommitLogLeastPages: number
  flushCommitLogThoroughInterval: number
  flushIntervalConsumeQueue: number
  flushConsumeQueueThoroughInterval: number
  checkCRCOnRecover: boolean
  messageDelayLevel: string
  fileReservedTime: number
  deleteWhen: string
  diskMaxUsedSpaceRatio: number
  cleanResourceInterval: number
  cleanFileForciblyEnable: boolean
  deleteCommitLogFilesInterval: number
  deleteConsumeQueueFilesInterval: number
  accessMessageInMemoryMaxRatio: number
  /** Ours: percentages at which files of any age go, and at which sends are refused. */
  diskSpaceCleanForciblyRatio: number
  diskSpaceWarningLevelRatio: number
  /** Ours: consumers see messages before the gate's promise holds, as in RocketMQ 4.9. */
  readUnCommitted: boolean
  /** With enableDLegerCommitLog it changes while the broker runs: SYNC_MASTER at the leader, else SLAVE. */
  brokerRole: 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE'
  /** The log is DLedger's (spec/dledger.md): storePathCommitLog is the folder of its data files then. */
  enableDLegerCommitLog: boolean
  dLegerGroup: string
  dLegerPeers: string
  dLegerSelfId: string
  preferredLeaderId: string
  /** Ours: elections within 150–300 ms, for groups without members of the JVM. */
  dLedgerFastElection: boolean
  /** Ours, derived: with enableDLegerCommitLog the CommitLog that the store had before, read up to where DLedger's begins. */
  storePathClassicCommitLog: string
  bindAddress: string
  haListenPort: number
  haMasterAddress: string
  haSendHeartbeatInterval: number
  haHousekeepingInterval: number
  haTransferBatchSize: number
  haSlaveFallbehindMax: number
  slaveTimeout: number
  /** Ours: see config/keys. */
  haTransferUnflushed: boolean
  haTransfer: 'stream' | 'pull'
  haFillFrom: 'first' | 'last'
  slaveAckAfter: 'append' | 'flush'
  /** Ours: how the append thread writes: stores into the map, or pwrite of each batch. */
  tailWriter: 'map' | 'pwrite'
  /** Ours: one message in so many carries time stamps (metrics/stage-clock.ts). */
  stageClockSampling: number
  /** Ours: bytes of the ring from network to append. */
  submitRingSize: number
  /** Ours: see docs/checksums.md. */
  sideChecksums: boolean
  sideChecksumRate: number
  scrubRate: number
  scrubInterval: number
}

/** Folders below storePathRootDir. Ours is `basalt`: a stray file in Apache's folders stops Apache's start. */
export const FOLDERS = {
  consumeQueue: 'consumequeue',
  consumeQueueExt: 'consumequeue_ext',
  index: 'index',
  config: 'config',
  own: 'basalt',
} as const
