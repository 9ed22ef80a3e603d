/** RocketMQ's MessageStoreConfig (4.9.8) with DLedger's and HA's keys. Defaults are Apache's, but storePathRootDir. */
import { DELAY_LEVELS, HOURS } from '../syntax.ts'
import { bool, choice, fixed, GIB, INT_MAX, int, type KeyTable, KIB, later, live, MIB, text, unused } from './key.ts'

const ms = (value: number, help: string, min = 1) => int(value, min, INT_MAX, 'ms', help)
const TRANSIENT = 'there is no transient store pool: tailWriter=pwrite is the nearest thing'
const WARM = 'segments are allocated ahead and touched by another thread'

export const STORE_KEYS = {
  storePathRootDir: fixed(
    text('./data', 'Folder of the store (Apache: ~/store). A relative path starts at the working folder.'),
  ),
  storePathCommitLog: fixed(text('', 'Folder of the CommitLog; empty: commitlog in storePathRootDir.')),
  readOnlyCommitLogStorePaths: fixed(later(text('', 'Further CommitLog folders that are only read.'))),
  mappedFileSizeCommitLog: fixed(
    int(
      GIB,
      4 * KIB,
      INT_MAX,
      'bytes',
      'Size of a CommitLog segment. Must not change on a store that exists, and be the same in all members of a DLedger group.',
    ),
  ),
  mappedFileSizeConsumeQueue: fixed(
    int(6_000_000, 20, INT_MAX, 'bytes', 'Size of a ConsumeQueue file, rounded up to units of 20 bytes.'),
  ),
  enableConsumeQueueExt: bool(false, 'Write ConsumeQueueExt files.'),
  mappedFileSizeConsumeQueueExt: fixed(int(48 * MIB, 4 * KIB, INT_MAX, 'bytes', 'Size of a ConsumeQueueExt file.')),
  bitMapLengthConsumeQueueExt: unused(
    'a bit map is as long as its filters need, with RocketMQ too',
    int(64, 0, 32_767, 'bits', 'Bits of a filter in ConsumeQueueExt.'),
  ),
  messageIndexEnable: bool(true, 'Build IndexFiles, for queries by key.'),
  messageIndexSafe: unused(
    'dispatch resumes where the IndexFiles end',
    bool(false, 'Recovery starts early enough for the index.'),
  ),
  maxHashSlotNum: fixed(int(5_000_000, 1, 500_000_000, 'count', 'Hash slots of an IndexFile.')),
  maxIndexNum: fixed(int(20_000_000, 2, 100_000_000, 'count', 'Entries of an IndexFile.')),
  maxMsgsNumBatch: live(int(64, 1, 65_535, 'count', 'Most messages that a query by key answers.')),
  defaultQueryMaxNum: live(int(32, 1, 65_535, 'count', 'Messages that a query by key answers when it does not say.')),
  maxMessageSize: live(int(4 * MIB, 1, GIB, 'bytes', 'Largest body of a message.')),
  messageDelayLevel: text(
    '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
    'Delays by level, the first is level 1.',
    DELAY_LEVELS,
  ),
  flushDiskType: choice(
    'ASYNC_FLUSH',
    ['ASYNC_FLUSH', 'SYNC_FLUSH'],
    'Whether a send is answered before or after fdatasync.',
  ),
  flushIntervalCommitLog: live(ms(500, 'ASYNC_FLUSH: between two fdatasyncs.')),
  flushCommitLogTimed: unused('the interval is kept as by true', bool(true, 'Keep the interval whatever comes.')),
  flushCommitLogLeastPages: live(
    int(4, 0, INT_MAX, 'count', 'ASYNC_FLUSH: dirty pages of 4 KiB below which a sync is left out.'),
  ),
  flushCommitLogThoroughInterval: live(ms(10_000, 'ASYNC_FLUSH: a sync at least so often.')),
  syncFlushTimeout: live(ms(5000, 'SYNC_FLUSH: longest wait of a send for the disk, then FLUSH_DISK_TIMEOUT.')),
  commitIntervalCommitLog: unused(TRANSIENT, ms(200, 'Between two writes of the pool.')),
  commitCommitLogLeastPages: unused(TRANSIENT, int(4, 0, INT_MAX, 'count', 'Pages of a write of the pool.')),
  commitCommitLogThoroughInterval: unused(TRANSIENT, ms(200, 'A write of the pool at least so often.')),
  transientStorePoolEnable: unused(TRANSIENT, bool(false, 'Append to memory first.')),
  transientStorePoolSize: unused(TRANSIENT, int(5, 0, INT_MAX, 'count', 'Buffers of the pool.')),
  fastFailIfNoBufferInStorePool: unused(TRANSIENT, bool(false, 'Refuse sends while the pool is empty.')),
  flushIntervalConsumeQueue: unused(
    'they are synced by amount and by flushConsumeQueueThoroughInterval',
    ms(1000, 'Between two syncs of ConsumeQueues.'),
  ),
  flushConsumeQueueLeastPages: unused(
    'dirty queues are known one by one',
    int(2, 0, INT_MAX, 'count', 'Dirty pages of a sync.'),
  ),
  flushConsumeQueueThoroughInterval: live(ms(60_000, 'All ConsumeQueues and the checkpoint at least so often.')),
  checkCRCOnRecover: bool(true, 'Recovery checks the CRC of bodies.'),
  fileReservedTime: live(int(72, 0, 1_000_000, 'hours', 'Age at which segments go.')),
  deleteWhen: live(text('04', 'Hours at which old segments go.', HOURS)),
  diskMaxUsedSpaceRatio: live(int(75, 1, 100, 'percent', 'Disk use above which old segments go at any hour.')),
  cleanFileForciblyEnable: live(bool(true, 'Segments of any age may go above diskSpaceCleanForciblyRatio.')),
  cleanResourceInterval: live(ms(10_000, 'Between two looks for old segments.')),
  deleteCommitLogFilesInterval: live(ms(100, 'Pause after a deleted segment.', 0)),
  deleteConsumeQueueFilesInterval: live(ms(100, 'Pause after a deleted ConsumeQueue file.', 0)),
  destroyMapedFileIntervalForcibly: unused(
    'readers lease segments',
    ms(120_000, 'A file in use is removed after that time.'),
  ),
  redeleteHangedFileInterval: unused(
    'readers lease segments',
    ms(120_000, 'Between two tries to remove a file in use.'),
  ),
  accessMessageInMemoryMaxRatio: live(
    int(40, 0, 100, 'percent', 'Share of RAM behind the end of the log that counts as in memory.'),
  ),
  maxTransferBytesOnMessageInMemory: live(int(262_144, 1, 64 * MIB, 'bytes', 'Most bytes of a pull, in memory.')),
  maxTransferCountOnMessageInMemory: live(int(32, 1, 65_535, 'count', 'Most messages of a pull, in memory.')),
  maxTransferBytesOnMessageInDisk: live(int(65_536, 1, 64 * MIB, 'bytes', 'Most bytes of a pull, from disk.')),
  maxTransferCountOnMessageInDisk: live(int(8, 1, 65_535, 'count', 'Most messages of a pull, from disk.')),
  osPageCacheBusyTimeOutMills: live(ms(1000, 'When append has stood still for so long, sends are refused at once.')),
  diskFallRecorded: later(bool(true, 'Count how far pulls are behind.')),
  brokerRole: choice(
    'ASYNC_MASTER',
    ['ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'],
    'Part in replication. A DLedger group elects it: SYNC_MASTER leads, the others are SLAVE.',
  ),
  haListenPort: fixed(int(0, 0, 65_535, 'port', 'Port for slaves; 0: listenPort + 1.')),
  haMasterAddress: text('', "host:port of the master's HA port; empty: the NameServer's answer."),
  haSendHeartbeatInterval: ms(5000, 'Between two heartbeats of master and slave.'),
  haHousekeepingInterval: ms(20_000, 'Silence after which the other side is dropped.'),
  haTransferBatchSize: int(32 * KIB, 1, 64 * MIB, 'bytes', 'Bytes of log in one transfer.'),
  haSlaveFallbehindMax: int(256 * MIB, 0, INT_MAX, 'bytes', 'A slave farther behind does not count for SYNC_MASTER.'),
  slaveTimeout: live(
    ms(
      3000,
      'SYNC_MASTER: longest wait of a send for a slave, then FLUSH_SLAVE_TIMEOUT. DLedger: for a majority, 2500 by default, then SYSTEM_ERROR.',
    ),
  ),
  offsetCheckInSlave: bool(
    false,
    'A slave tells consumers whose offset is outside its queue where to go on; false: it may be the slave that is behind.',
  ),
  enableDLegerCommitLog: bool(false, 'Use DLedger (Raft) as the CommitLog: a group of brokers that elects its master.'),
  dLegerGroup: text('', 'DLedger: name of the group; empty: brokerName.'),
  dLegerPeers: text('', 'DLedger: the members, each a letter and a number: "n0-host:port;n1-host:port;n2-host:port".'),
  dLegerSelfId: text(
    '',
    'DLedger: which of dLegerPeers this is. While it does not lead, its brokerId is the number + 1.',
  ),
  preferredLeaderId: text('', 'DLedger: ids that should lead, separated by ";".'),
  enableBatchPush: unused(
    'entries are pushed in batches, which members of either kind take',
    bool(false, 'DLedger: push entries in batches.'),
  ),
  storePathDLedgerCommitLog: fixed(
    text('', 'DLedger: data folder, one; empty: dledger-<id>/data in storePathRootDir.'),
  ),
  duplicationEnable: unused('it makes a 4.9 store unusable alone', bool(false, 'Dispatch only what was confirmed.')),
  enableLmq: unused('light message queues are left out', bool(false, 'Light message queues.')),
  enableMultiDispatch: unused('light message queues are left out', bool(false, 'One message in several queues.')),
  maxLmqConsumeQueueNum: unused('light message queues are left out', int(20_000, 0, INT_MAX, 'count', 'Light queues.')),
  warmMapedFileEnable: unused(WARM, bool(false, 'Touch the pages of a new segment.')),
  flushLeastPagesWhenWarmMapedFile: unused(WARM, int(4096, 0, INT_MAX, 'count', 'Pages between two syncs of that.')),
  useReentrantLockWhenPutMessage: unused('one thread appends, without a lock', bool(true, 'Which lock appends take.')),
  debugLockEnable: unused('one thread appends, without a lock', bool(false, 'Log waits for that lock.')),
  putMsgIndexHightWater: unused('not read by RocketMQ either', int(600_000, 0, INT_MAX, 'count', 'Unused.')),
  maxDelayTime: unused('not read by RocketMQ either', int(40, 0, INT_MAX, 'count', 'Unused.')),
} as const satisfies KeyTable
