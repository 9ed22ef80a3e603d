/**
 * RocketMQ's BrokerConfig (4.9.8). Defaults are Apache's. Empty text stands for "not set"; resolve.ts fills in what is
 * derived (brokerName from the host's name, …).
 */
import { hostname } from 'node:os'
import { ADDRESSES } from '../syntax.ts'
import { bool, fixed, INT_MAX, int, type KeyTable, LONG_MAX, live, text, unused } from './key.ts'

const threads = (value: number, name: string) =>
  unused('threads are fixed stages', int(value, 0, INT_MAX, 'count', name))
const queue = (value: number, name: string) =>
  unused('rings and limits by connection take the place of thread pools', int(value, 0, INT_MAX, 'count', name))
const NO_QUEUES = 'they are handled in the turn of the event loop in which they are read'
const wait = (value: number, help: string) => int(value, 0, LONG_MAX, 'ms', help)
const commercial = (value: number) => unused('commercial statistics', int(value, 0, INT_MAX, 'count', 'Statistics.'))

export const BROKER_KEYS = {
  brokerName: text(hostname(), 'Name in routes; several brokers of one name are a master and its slaves.'),
  brokerClusterName: text('DefaultCluster', 'Cluster that the broker belongs to.'),
  brokerId: int(0, 0, LONG_MAX, 'count', '0 for a master, above 0 for a slave.'),
  brokerIP1: text('', 'Address that clients are told; empty: the first of this machine that is not loopback.'),
  brokerIP2: text('', 'Address that slaves are told; empty: brokerIP1.'),
  namesrvAddr: live(
    text('', 'NameServers, "host:port;host:port". Empty: one runs inside. Environment: NAMESRV_ADDR.', ADDRESSES),
  ),
  fetchNamesrvAddrByAddressServer: bool(false, 'Without namesrvAddr: ask namesrvAddressServer for the NameServers.'),
  brokerPermission: live(int(6, 0, 7, 'bits', 'What clients may do: 4 read, 2 write.')),
  defaultTopicQueueNums: int(
    8,
    1,
    65_535,
    'count',
    'Queues of TBW102, the pattern of topics that are created by sending.',
  ),
  autoCreateTopicEnable: live(bool(true, 'A send to an unknown topic creates it.')),
  autoCreateSubscriptionGroup: live(bool(true, 'A consumer of an unknown group creates it.')),
  clusterTopicEnable: bool(true, "The topic with the cluster's name is readable and writable."),
  brokerTopicEnable: bool(true, "The topic with the broker's name is readable and writable."),
  traceTopicEnable: bool(false, 'Create the topic for message traces.'),
  msgTraceTopicName: text('RMQ_SYS_TRACE_TOPIC', 'Topic for message traces.'),
  traceOn: live(bool(true, 'Tell producers to trace what they send.')),
  regionId: live(text('DefaultRegion', 'Region that answers to sends name.')),
  messageStorePlugIn: fixed(unused('there are no plug-ins', text('', 'Class of a store plug-in.'))),
  flushConsumerOffsetInterval: live(wait(5000, 'Between two writes of consumerOffset.json.')),
  flushConsumerOffsetHistoryInterval: unused(
    'no history is kept',
    wait(60_000, 'Between two writes of the offset history.'),
  ),
  flushDelayOffsetInterval: live(wait(10_000, 'Between two writes of delayOffset.json.')),
  rejectTransactionMessage: live(bool(false, 'Refuse half messages of transactions.')),
  longPollingEnable: live(
    bool(true, 'Hold a pull that finds nothing until its own time-out; false: for shortPollingTimeMills.'),
  ),
  shortPollingTimeMills: live(wait(1000, 'How long a pull is held without long polling.')),
  notifyConsumerIdsChangedEnable: live(bool(true, 'Tell the members of a group when one comes or goes.')),
  slaveReadEnable: live(bool(false, 'Tell consumers that are far behind to read from a slave.')),
  disableConsumeIfConsumerReadSlowly: live(
    bool(false, 'Stop a group that is consumerFallbehindThreshold behind (looked at every 3 min).'),
  ),
  consumerFallbehindThreshold: live(
    int(17_179_869_184, 0, LONG_MAX, 'bytes', 'See disableConsumeIfConsumerReadSlowly.'),
  ),
  brokerFastFailureEnable: live(bool(true, 'Refuse a request that waited too long instead of serving it late.')),
  waitTimeMillsInSendQueue: live(wait(200, 'Longest wait of a send for room in the rings, in its socket.')),
  waitTimeMillsInPullQueue: live(wait(5000, 'Longest wait of a pull of cold messages for a thread.')),
  waitTimeMillsInHeartbeatQueue: unused(NO_QUEUES, wait(31_000, 'Longest wait of a heartbeat.')),
  waitTimeMillsInTransactionQueue: unused(NO_QUEUES, wait(3000, 'Longest wait of the end of a transaction.')),
  startAcceptSendRequestTimeStamp: live(int(0, 0, LONG_MAX, 'ms', 'Time (since 1970) before which sends are refused.')),
  enablePropertyFilter: live(bool(false, 'Filter by SQL92 expressions.')),
  filterSupportRetry: live(
    bool(false, 'Filter a retry topic by the expressions of the topics that its messages came from.'),
  ),
  enableCalcFilterBitMap: bool(
    false,
    'Keep in ConsumeQueueExt (enableConsumeQueueExt) which SQL92 filters a message passed: pulls skip others unread.',
  ),
  expectConsumerNumUseFilter: int(32, 1, 3000, 'count', 'Filters of a topic that their bits are made for.'),
  maxErrorRateOfBloomFilter: int(20, 1, 99, 'percent', 'Messages that these bits may let pass in vain.'),
  filterDataCleanTimeSpan: live(wait(86_400_000, 'Filters of groups that are gone are kept that long.')),
  filterServerNums: fixed(unused('class filters are gone', int(0, 0, INT_MAX, 'count', 'Filter servers.'))),
  registerNameServerPeriod: live(wait(30_000, 'Between two registrations at the NameServers (10 to 60 s).')),
  forceRegister: live(bool(true, 'Register in full each time, and not only when something changed.')),
  registerBrokerTimeoutMills: live(wait(6000, 'Longest wait for a NameServer.')),
  compressedRegister: live(bool(false, 'Compress the registration.')),
  transactionTimeOut: live(wait(6000, 'Age of a half message at its first check.')),
  transactionCheckMax: live(int(15, 0, INT_MAX, 'count', 'Checks of a half message.')),
  transactionCheckInterval: live(wait(60_000, 'Between two rounds of checks.')),
  enableScheduleMessageStats: live(bool(true, 'Count deliveries of delayed messages as sends of their topics.')),
  enableScheduleAsyncDeliver: unused(
    'deliveries go through the ring',
    bool(false, 'Deliver delayed messages without waiting.'),
  ),
  scheduleAsyncDeliverMaxPendingLimit: unused(
    'see enableScheduleAsyncDeliver',
    int(2000, 0, INT_MAX, 'count', 'Limit.'),
  ),
  scheduleAsyncDeliverMaxResendNum2Blocked: unused(
    'see enableScheduleAsyncDeliver',
    int(3, 0, INT_MAX, 'count', 'Limit.'),
  ),
  aclEnable: fixed(bool(false, 'Check signatures and permissions (plain_acl.yml, see aclConfigPath).')),
  storeReplyMessageEnable: live(bool(true, 'Store replies to requests.')),
  transferMsgByHeap: unused('answers are always written from the map', bool(true, 'Copy messages for an answer.')),
  autoDeleteUnusedStats: live(bool(false, 'Forget the statistics of deleted topics and groups.')),
  enableDetailStat: live(bool(true, 'Statistics of each queue too (QUEUE_PUT_NUMS and so on of request 315).')),
  isolateLogEnable: unused('one log', bool(false, "A log folder of one's own for each broker.")),
  highSpeedMode: unused('it has no effect in RocketMQ either', bool(false, 'Unused.')),
  configBlackList: fixed(text('configBlackList;brokerConfigPath', 'Keys that request 25 may not change.')),
  brokerConfigPath: fixed(text('', 'The file that was read.')),
  rocketmqHome: fixed(
    text('', 'Home of an Apache installation, whose conf/ holds plain_acl.yml and acl/. Environment: ROCKETMQ_HOME.'),
  ),
  commercialEnable: unused('commercial statistics', bool(true, 'Statistics.')),
  commercialTimerCount: commercial(1),
  commercialTransCount: commercial(1),
  commercialBigCount: commercial(1),
  commercialBaseCount: commercial(1),
  channelNotActiveInterval: unused('not read by RocketMQ either', wait(60_000, 'Unused.')),
  sendMessageThreadPoolNums: threads(1, 'Threads for sends.'),
  putMessageFutureThreadPoolNums: threads(4, 'Threads for answers.'),
  pullMessageThreadPoolNums: threads(20, 'Threads for pulls.'),
  processReplyMessageThreadPoolNums: threads(20, 'Threads for replies.'),
  queryMessageThreadPoolNums: threads(10, 'Threads for queries.'),
  adminBrokerThreadPoolNums: threads(16, 'Threads for administration.'),
  clientManageThreadPoolNums: threads(32, 'Threads for clients.'),
  consumerManageThreadPoolNums: threads(32, 'Threads for consumers.'),
  heartbeatThreadPoolNums: threads(4, 'Threads for heartbeats.'),
  endTransactionThreadPoolNums: threads(12, 'Threads for the ends of transactions.'),
  sendThreadPoolQueueCapacity: queue(10_000, 'Sends that may wait.'),
  putThreadPoolQueueCapacity: queue(10_000, 'Answers that may wait.'),
  pullThreadPoolQueueCapacity: int(100_000, 1, INT_MAX, 'count', 'Pulls of cold messages that may wait for a thread.'),
  replyThreadPoolQueueCapacity: queue(10_000, 'Replies that may wait.'),
  queryThreadPoolQueueCapacity: int(20_000, 1, INT_MAX, 'count', 'Queries that may wait for a thread.'),
  clientManagerThreadPoolQueueCapacity: queue(1_000_000, 'Requests of clients that may wait.'),
  consumerManagerThreadPoolQueueCapacity: queue(1_000_000, 'Requests of consumers that may wait.'),
  heartbeatThreadPoolQueueCapacity: queue(50_000, 'Heartbeats that may wait.'),
  endTransactionPoolQueueCapacity: int(100_000, 0, INT_MAX, 'count', 'Ends of transactions that may be under way.'),
} as const satisfies KeyTable
