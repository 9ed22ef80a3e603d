/** Basalt's own keys. Those of both kinds of server, then the broker's, then the NameServer's (RocketMQ's NamesrvConfig). */
import { HTTP_URL } from '../syntax.ts'
import {
  bool,
  choice,
  fixed,
  INT_MAX,
  int,
  type KeyTable,
  KIB,
  LONG_MAX,
  live,
  MIB,
  ours,
  text,
  unused,
} from './key.ts'

export const SERVER_KEYS = {
  bindAddress: fixed(ours(text('0.0.0.0', 'Address that is listened on; "::" is IPv6 and IPv4.'))),
  maxConnections: ours(
    int(65_535, 1, 1_000_000, 'count', 'Open connections; further ones are closed with a line in the log.'),
  ),
  maxFrameSize: ours(int(16 * MIB, 4 * KIB, 64 * MIB, 'bytes', 'Largest frame; a larger one costs its connection.')),
  maxPendingBytes: ours(
    int(64 * MIB, 64 * KIB, INT_MAX, 'bytes', 'Unread answers of a connection; with more it is closed.'),
  ),
  adminFromLoopbackOnly: fixed(
    ours(
      bool(false, 'Without ACL: requests that administer are taken from this machine only, others are answered 16.'),
    ),
  ),
  logLevel: ours(choice('info', ['info', 'warn', 'error', 'silent'], 'Least serious line that is logged.')),
  logFile: fixed(ours(text('', 'File for the log; empty: standard error.'))),
} as const satisfies KeyTable

export const OUR_BROKER_KEYS = {
  nameServerInside: fixed(
    ours(choice('auto', ['auto', 'always', 'never'], 'Whether a NameServer runs inside; auto: without namesrvAddr.')),
  ),
  nameServerInsidePort: fixed(ours(int(9876, 0, 65_535, 'port', 'Its port; 0 takes a free one.'))),
  fastListenPort: fixed(ours(int(0, 0, 65_535, 'port', 'Second port for clients ("VIP"); 0: listenPort - 2.'))),
  aclConfigPath: fixed(
    ours(
      text(
        '',
        'Folder of plain_acl.yml and acl/*.yml; empty: conf in rocketmqHome, else the folder of the -c file, else conf.',
      ),
    ),
  ),
  namesrvAddressServer: fixed(
    ours(text('http://jmenv.tbsite.net:8080/rocketmq/nsaddr', 'See fetchNamesrvAddrByAddressServer.', HTTP_URL)),
  ),
  tailWriter: ours(
    choice('pwrite', ['map', 'pwrite'], 'How the log is written: stores into the map, or pwrite of batches.'),
  ),
  submitRingSize: ours(
    int(0, 0, 1024 * MIB, 'bytes', 'Ring from network to append; 0: as the largest record needs it.'),
  ),
  readUnCommitted: ours(
    bool(false, 'Consumers see messages before the promise to the sender holds, as in RocketMQ 4.9.'),
  ),
  haTransferUnflushed: ours(
    bool(
      true,
      'Slaves are sent what is not flushed here yet, as by RocketMQ; false: a slave is never ahead of the disk.',
    ),
  ),
  haTransfer: ours(
    choice('stream', ['stream', 'pull'], 'stream, or (to compare) the next transfer after the report of the last one.'),
  ),
  haFillFrom: ours(
    choice('first', ['first', 'last'], "Where an empty slave begins: the master's first CommitLog file, or its last."),
  ),
  slaveAckAfter: ours(
    choice('append', ['append', 'flush'], 'What a slave reports as stored: what is in its log, or on its disk.'),
  ),
  stageClockSampling: ours(int(64, 0, INT_MAX, '1 in N', 'Sends that carry time stamps through the stages; 0: none.')),
  diskSpaceCleanForciblyRatio: live(ours(int(85, 10, 100, 'percent', 'Disk use above which segments of any age go.'))),
  diskSpaceWarningLevelRatio: live(ours(int(90, 10, 100, 'percent', 'Disk use above which sends are refused.'))),
  dLedgerFastElection: ours(
    bool(false, 'DLedger: a new leader within a second (random timers of 150–300 ms), in groups of Basalt alone.'),
  ),
  storePathClassicCommitLog: fixed(
    ours(text('', 'DLedger: CommitLog of the store before it was DLedger, which is read; empty: storePathCommitLog.')),
  ),
  sideChecksums: live(
    ours(bool(true, 'Sealed CommitLog segments get checksums in basalt/checksums, and are read again to compare.')),
  ),
  sideChecksumRate: live(
    ours(int(32 * MIB, 64 * KIB, INT_MAX, 'bytes', 'A second, at which sealed segments are read to hash them.')),
  ),
  scrubRate: live(ours(int(8 * MIB, 0, INT_MAX, 'bytes', 'A second, at which they are read again; 0: never.'))),
  scrubInterval: live(ours(int(604_800_000, 1000, INT_MAX, 'ms', 'From the begin of one such pass to the next.'))),
  useServerSideResetOffset: live(
    ours(
      bool(
        false,
        'Request 222 sets offsets on the broker, also of groups that are not online (key of RocketMQ 5, true there).',
      ),
    ),
  ),
  maxHeldPulls: ours(
    int(100_000, 1, 10_000_000, 'count', 'Pulls that may be held; a further one is answered at once.'),
  ),
} as const satisfies KeyTable

const namesrvThreads = (value: number) =>
  unused(
    'one thread serves requests as they come',
    int(value, 0, INT_MAX, 'count', 'Threads and queues of RocketMQ 5.'),
  )

export const NAMESRV_KEYS = {
  rocketmqHome: fixed(unused('there is no home folder', text('', "Apache's home folder."))),
  kvConfigPath: fixed(
    text('./data/namesrv/kvConfig.json', 'File of the KV configuration; empty: memory (Apache: ~/namesrv/…).'),
  ),
  configStorePath: fixed(
    text(
      '',
      'File that keeps what request 318 changed; empty: the -c file, else namesrv.properties beside kvConfigPath.',
    ),
  ),
  configBlackList: fixed(text('configBlackList;configStorePath;kvConfigPath', 'Keys that request 318 may not change.')),
  productEnvName: unused('it has no effect in RocketMQ either', text('center', 'Unused.')),
  clusterTest: unused('it needs a second environment', bool(false, 'Look unknown topics up elsewhere.')),
  orderMessageEnable: live(bool(false, 'Routes carry the order configuration of a topic.')),
  scanNotActiveBrokerInterval: int(
    10_000,
    1,
    LONG_MAX,
    'ms',
    'Between two looks for silent brokers (RocketMQ 5: 5000).',
  ),
  returnOrderTopicConfigToBroker: live(
    bool(true, 'Answers to registrations carry ORDER_TOPIC_CONFIG (key of RocketMQ 5).'),
  ),
  enableAllTopicList: live(bool(true, 'Answer the list of all topics (key of RocketMQ 5).')),
  enableTopicList: live(bool(true, "Answer the list of a cluster's topics (key of RocketMQ 5).")),
  supportActingMaster: live(
    bool(false, 'Routes show the smallest id of a broker name without a master in its place (key of RocketMQ 5).'),
  ),
  notifyMinBrokerIdChanged: live(
    bool(false, 'Tell the brokers of a name when the smallest id among them changes (key of RocketMQ 5).'),
  ),
  deleteTopicWithBrokerRegistration: live(
    bool(false, 'A topic that a broker no longer registers leaves its routes (key of RocketMQ 5).'),
  ),
  needWaitForService: live(
    bool(false, 'Routes are refused for waitSecondsForService after the start (key of RocketMQ 5).'),
  ),
  waitSecondsForService: live(int(45, 0, INT_MAX, 's', 'See needWaitForService (key of RocketMQ 5).')),
  unRegisterBrokerQueueCapacity: namesrvThreads(3000),
  clientRequestThreadPoolNums: namesrvThreads(8),
  defaultThreadPoolNums: namesrvThreads(16),
  clientRequestThreadPoolQueueCapacity: namesrvThreads(50_000),
  defaultThreadPoolQueueCapacity: namesrvThreads(10_000),
  enableControllerInNamesrv: unused('there is no controller', bool(false, 'Run a controller inside.')),
} as const satisfies KeyTable
