/**
 * A NameServer on a port: frames to processors, closed connections and silence to the tables.
 *
 * Owns:      the listening port, the tables, the KV configuration. Several may run in one process; none talks to another.
 * Blocks on: nothing. A request that waits for the disk (KV) is answered later; others go on meanwhile.
 * Clock:     by default one that only goes forward, so that a step of the system's time does not expire every broker.
 */
import { type Clock, steadyClock } from '../clock.ts'
import { type NamesrvConfig, type Resolved, RunningConfig, resolveConfig, serverTlsOf } from '../config/index.ts'
import { BasaltError, describe } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { NAMESRV_ADMIN_CODES, refusedFromAfar } from '../remoting/admin-codes.ts'
import { answerTo, isOneway, type RemotingCommand } from '../remoting/command.ts'
import type { Connection, FrameHandler } from '../remoting/connection.ts'
import { decodeCommand } from '../remoting/frame.ts'
import { LimitedLog } from '../remoting/limited-log.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { RemotingServer } from '../remoting/server.ts'
import { ServerTls } from '../remoting/tls/index.ts'
import { KvConfig } from './kv-config.ts'
import { MinBrokerNotices } from './min-broker-notices.ts'
import type { NamesrvProcessor } from './processor.ts'
import { namesrvProcessors } from './processors.ts'
import { RouteTables, type Tables } from './route-tables.ts'
import { loadWiped } from './wiped-brokers.ts'

export interface NamesrvOptions {
  /** listenPort; 0 takes a free one. Default 9876. */
  port?: number
  /** bindAddress. Default 0.0.0.0. */
  host?: string
  /** File of the KV configuration; without one, here and in `config`, it lives in memory. */
  kvConfigPath?: string
  log?: Log
  clock?: Clock
  /** RocketMQ's keys and ours (src/config); `port`, `host` and `kvConfigPath` win over them. */
  config?: Readonly<Record<string, string | number | boolean>>
  /** A checked configuration in place of all of these. */
  resolved?: Resolved<'namesrv'>
}

export interface NamesrvHandle {
  readonly port: number
  /** "127.0.0.1:port" where all interfaces are listened on, else "host:port". */
  readonly address: string
  readonly tables: Tables
  /** Looks for silent brokers if it is time; a timer does it too. For tests that move the clock. */
  step(): void
  close(): Promise<void>
}

/** How often the timer looks at the clock. */
const STEP_MS = 1000
/** Of refused requests; the rest is counted. */
const LINES_PER_SECOND = 20
/** RocketMQ 4.9.8: the first scan comes 5 s after the start. */
const FIRST_SCAN_MS = 5000

/** Rejects with ConfigError for a bad value, RemotingError PORT_IN_USE or LISTEN_FAILED. */
export async function startNamesrv(options: NamesrvOptions = {}): Promise<NamesrvHandle> {
  const log = options.log ?? silentLog
  const clock = options.clock ?? steadyClock()
  const resolved = options.resolved ?? resolve(options, log)
  const { config } = resolved
  const configuration = new RunningConfig(resolved, { log, now: () => Date.now() })
  const tls = new ServerTls(serverTlsOf(config), log)
  const kv = new KvConfig(config.kvConfigPath === '' ? undefined : config.kvConfigPath, log)
  await kv.load()

  const notices = new MinBrokerNotices(clock, log)
  const tables = new RouteTables(clock, log, {
    deleteTopics: () => config.deleteTopicWithBrokerRegistration,
    minBrokerChanged: (notice) => {
      if (config.notifyMinBrokerIdChanged) notices.tell(notice)
    },
  })
  loadWiped(tables, kv)
  const startedAt = clock.now()
  const isReady = () => clock.now() - startedAt >= config.waitSecondsForService * 1000
  const processors = namesrvProcessors({ tables, kv, config, configuration, log, isReady })
  const host = config.bindAddress
  const server = new RemotingServer({
    host,
    port: config.listenPort,
    handler: frameHandler(tables, processors, config, log),
    limits: {
      idleMs: config.serverChannelMaxIdleTimeSeconds * 1000,
      maxConnections: config.maxConnections,
      maxFrame: config.maxFrameSize,
      maxPendingBytes: config.maxPendingBytes,
    },
    tls,
    log,
    clock,
  })
  const port = await server.listen()
  config.listenPort = port

  const scanMs = config.scanNotActiveBrokerInterval
  let scanAt = clock.now() + FIRST_SCAN_MS
  const step = () => {
    const wait = scanAt - clock.now()
    // A clock that was put back must not put the scan off.
    if (wait > 0 && wait <= Math.max(scanMs, FIRST_SCAN_MS)) return
    scanAt = clock.now() + scanMs
    tables.expire()
  }
  // After a pause of the process the timer comes before the sockets are read: what waits there are signs of life.
  const timer = setInterval(() => setImmediate(step), STEP_MS)
  timer.unref()
  const address = `${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`
  log.info(`NameServer listens on ${host}:${port}`)
  return {
    port,
    address,
    tables,
    step,
    async close() {
      clearInterval(timer)
      await server.close()
      tls.close()
      await notices.close()
      await kv.close()
      await configuration.settled()
      log.info(`NameServer on ${host}:${port} stopped`)
    },
  }
}

function frameHandler(
  tables: RouteTables,
  processors: ReadonlyMap<number, NamesrvProcessor>,
  config: NamesrvConfig,
  log: Log,
): FrameHandler {
  const limited = new LimitedLog(log, LINES_PER_SECOND)
  return {
    opened() {},
    closed(connection, reason) {
      tables.channelClosed(connection, connection.remoteAddress, reason)
    },
    frame(connection, bytes, start, end) {
      const request = decodeCommand(bytes, start, end)
      const answer = answerOf(request, connection)
      // An answer that comes later must not look at the frame's bytes: processors read them before they wait.
      if (answer instanceof Promise) answer.then((it) => send(connection, request, it))
      else send(connection, request, answer)
      return 'taken'
    },
  }

  function answerOf(request: RemotingCommand, connection: Connection): RemotingCommand | Promise<RemotingCommand> {
    const processor = processors.get(request.code)
    if (processor === undefined) {
      return answerTo(request, RESPONSE.REQUEST_CODE_NOT_SUPPORTED, ` request type ${request.code} not supported`)
    }
    const refusal = config.adminFromLoopbackOnly
      ? refusedFromAfar(NAMESRV_ADMIN_CODES, request.code, connection.remoteHost)
      : undefined
    if (refusal !== undefined) {
      limited.warn(refusal, { peer: connection.remoteAddress })
      return answerTo(request, RESPONSE.NO_PERMISSION, refusal)
    }
    try {
      const answer = processor(request, connection)
      return answer instanceof Promise ? answer.catch((error: unknown) => failed(request, connection, error)) : answer
    } catch (error) {
      return failed(request, connection, error)
    }
  }

  function failed(request: RemotingCommand, connection: Connection, error: unknown): RemotingCommand {
    const ours = !(error instanceof BasaltError)
    const line = `request ${request.code} from ${connection.remoteAddress} failed: ${describe(error)}`
    if (ours) limited.error(line, { stack: error instanceof Error ? error.stack : undefined })
    else limited.warn(line, { code: error.code })
    return answerTo(request, RESPONSE.SYSTEM_ERROR, describe(error))
  }
}

function send(connection: Connection, request: RemotingCommand, answer: RemotingCommand): void {
  if (!isOneway(request) && !connection.closed) connection.send(answer)
}

/** Without a path that somebody gave, the KV configuration stays in memory: a library must not write to the home folder. */
function resolve({ port, host, kvConfigPath, config: given }: NamesrvOptions, log: Log): Resolved<'namesrv'> {
  const overrides = {
    kvConfigPath: '',
    ...given,
    ...(port === undefined ? {} : { listenPort: port }),
    ...(host === undefined ? {} : { bindAddress: host }),
    ...(kvConfigPath === undefined ? {} : { kvConfigPath }),
  }
  const resolved = resolveConfig({ role: 'namesrv', overrides: overrides as Partial<NamesrvConfig> })
  for (const warning of resolved.warnings) log.warn(warning)
  return resolved
}
