/**
 * A NameServer on a port: frames to processors, closed connections and silence to the tables.
 *
 * Owns:      the listening port, the tables, the KV configuration. Several may run in one process; none talks to another.
 * Blocks on: nothing. A request that waits for the disk (KV) is answered later; others go on meanwhile.
 * Clock:     by default one that only goes forward, so that a step of the system's time does not expire every broker.
 */
import type { Clock } from '../clock.ts'
import { describe, RemotingError } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { answerTo, isOneway, type RemotingCommand } from '../remoting/command.ts'
import type { Connection, FrameHandler } from '../remoting/connection.ts'
import { decodeCommand } from '../remoting/frame.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { RemotingServer } from '../remoting/server.ts'
import { DurableFile } from './durable-file.ts'
import { KvConfig } from './kv-config.ts'
import { isNamesrvKey, NAMESRV_KEYS, NamesrvConfig, parseProperties } from './namesrv-config.ts'
import { type NamesrvProcessor, namesrvProcessors } from './processors.ts'
import { RouteTables, type Tables } from './route-tables.ts'

export interface NamesrvOptions {
  /** listenPort; 0 takes a free one. Default 9876. */
  port?: number
  /** bindAddress. Default 0.0.0.0. */
  host?: string
  /** File of the KV configuration; without one, here and in `config`, it lives in memory. */
  kvConfigPath?: string
  log?: Log
  clock?: Clock
  /** RocketMQ's keys (namesrv-config.ts); `port`, `host` and `kvConfigPath` win over them. */
  config?: Readonly<Record<string, string>>
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
/** RocketMQ 4.9.8: the first scan comes 5 s after the start. */
const FIRST_SCAN_MS = 5000

/** Rejects with ConfigError for a bad value, RemotingError PORT_IN_USE or LISTEN_FAILED. */
export async function startNamesrv(options: NamesrvOptions = {}): Promise<NamesrvHandle> {
  const log = options.log ?? silentLog
  const clock = options.clock ?? steadyClock
  const config = new NamesrvConfig({
    ...options.config,
    ...(options.port === undefined ? {} : { listenPort: String(options.port) }),
    ...(options.host === undefined ? {} : { bindAddress: options.host }),
    ...(options.kvConfigPath === undefined ? {} : { kvConfigPath: options.kvConfigPath }),
  })
  const configFile = storedConfig(config)
  await configFile?.load(
    (text) => applyStored(config, text),
    (path, error) => log.error(`stored configuration ${path} is damaged: ${describe(error)}`),
  )
  const kvGiven = options.kvConfigPath ?? options.config?.kvConfigPath ?? ''
  const kv = new KvConfig(kvGiven === '' ? undefined : kvGiven, log)
  await kv.load()

  const tables = new RouteTables(clock, log)
  const saveConfig = () => configFile?.save(() => config.stored()) ?? Promise.resolve()
  const processors = namesrvProcessors({ tables, kv, config, log, saveConfig })
  const host = config.text('bindAddress')
  const server = new RemotingServer({
    host,
    port: config.int('listenPort'),
    handler: frameHandler(tables, processors, log),
    limits: {
      idleMs: config.int('serverChannelMaxIdleTimeSeconds') * 1000,
      maxConnections: config.int('maxConnections'),
    },
    log,
    clock,
  })
  const port = await server.listen()

  let scanAt = clock.now() + FIRST_SCAN_MS
  const step = () => {
    if (clock.now() < scanAt) return
    scanAt = clock.now() + config.int('scanNotActiveBrokerInterval')
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
      await kv.close()
      await configFile?.settled()
      log.info(`NameServer on ${host}:${port} stopped`)
    },
  }
}

function frameHandler(tables: RouteTables, processors: ReadonlyMap<number, NamesrvProcessor>, log: Log): FrameHandler {
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
    try {
      const answer = processor(request, connection)
      return answer instanceof Promise ? answer.catch((error: unknown) => failed(request, connection, error)) : answer
    } catch (error) {
      return failed(request, connection, error)
    }
  }

  function failed(request: RemotingCommand, connection: Connection, error: unknown): RemotingCommand {
    const ours = !(error instanceof RemotingError) && !(error instanceof Error && error.name === 'ConfigError')
    const line = `request ${request.code} from ${connection.remoteAddress} failed: ${describe(error)}`
    if (ours) log.error(line, { stack: error instanceof Error ? error.stack : undefined })
    else log.warn(line)
    return answerTo(request, RESPONSE.SYSTEM_ERROR, describe(error))
  }
}

function send(connection: Connection, request: RemotingCommand, answer: RemotingCommand): void {
  if (!isOneway(request) && !connection.closed) connection.send(answer)
}

function storedConfig(config: NamesrvConfig): DurableFile | undefined {
  const path = config.text('configStorePath')
  return path === '' ? undefined : new DurableFile(path)
}

/** Only what 318 may change: a file cannot move paths or ports. Throws ConfigError. */
function applyStored(config: NamesrvConfig, text: string): void {
  for (const [name, value] of parseProperties(text)) {
    if (isNamesrvKey(name) && NAMESRV_KEYS[name].change === 'run') config.set(name, value)
  }
}

const startedAt = Date.now() - performance.now()
const steadyClock: Clock = { now: () => Math.floor(startedAt + performance.now()) }
