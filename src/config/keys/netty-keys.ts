/** RocketMQ's NettyServerConfig and NettyClientConfig (4.9.8): for brokers, and the server's part for NameServers. */
import { bool, fixed, INT_MAX, int, type KeyTable, later, unused } from './key.ts'

const THREADS = 'one thread serves the sockets'
const BUFFERS = "the system's default is taken"
const SEMAPHORE = 'limits by connection take the place of permits'
const count = (why: string, value: number) => unused(why, int(value, 0, INT_MAX, 'count', 'Netty.'))

export const NETTY_SERVER_KEYS = {
  listenPort: fixed(int(10_911, 0, 65_535, 'port', 'Port for clients; 0 takes a free one.')),
  serverChannelMaxIdleTimeSeconds: int(120, 1, 86_400, 's', 'A silent connection is closed after that time.'),
  serverWorkerThreads: count(THREADS, 8),
  serverCallbackExecutorThreads: count(THREADS, 0),
  serverSelectorThreads: count(THREADS, 3),
  serverOnewaySemaphoreValue: count(SEMAPHORE, 256),
  serverAsyncSemaphoreValue: count(SEMAPHORE, 64),
  serverSocketSndBufSize: count(BUFFERS, 0),
  serverSocketRcvBufSize: count(BUFFERS, 0),
  serverSocketBacklog: count(BUFFERS, 1024),
  writeBufferHighWaterMark: count(BUFFERS, 0),
  writeBufferLowWaterMark: count(BUFFERS, 0),
  serverPooledByteBufAllocatorEnable: unused('there is no Netty', bool(true, 'Netty.')),
  useEpollNativeSelector: unused('there is no Netty', bool(false, 'Netty.')),
} as const satisfies KeyTable

export const NETTY_CLIENT_KEYS = {
  clientWorkerThreads: count(THREADS, 4),
  clientCallbackExecutorThreads: count(THREADS, 4),
  clientOnewaySemaphoreValue: count(SEMAPHORE, 65_535),
  clientAsyncSemaphoreValue: count(SEMAPHORE, 65_535),
  connectTimeoutMillis: later(int(3000, 1, INT_MAX, 'ms', 'Longest wait for a connection to a NameServer or master.')),
  clientChannelMaxIdleTimeSeconds: later(int(120, 1, 86_400, 's', 'A silent connection to another server is closed.')),
  clientSocketSndBufSize: count(BUFFERS, 0),
  clientSocketRcvBufSize: count(BUFFERS, 0),
  clientPooledByteBufAllocatorEnable: unused('there is no Netty', bool(false, 'Netty.')),
  clientCloseSocketIfTimeout: unused('a time-out closes no connection', bool(true, 'Close after a time-out.')),
  useTLS: fixed(bool(false, 'As tls.enable, which it overrides where it is set.')),
} as const satisfies KeyTable
