/**
 * The two ports of a broker, main and fast ("VIP", which serves no pulls), over one set of processors.
 */
import type { Clock } from '../clock.ts'
import type { BrokerConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import { type Connection, RemotingServer } from '../remoting/index.ts'
import type { Access } from './access.ts'
import { Front } from './front.ts'
import type { MessageService } from './message-service.ts'
import type { Router } from './router.ts'

export interface PortsOptions {
  config: BrokerConfig
  service: MessageService
  router: Router
  access: Access
  clock: Clock
  log: Log
  closed(connection: Connection, reason: string): void
}

/** RocketMQ: the fast port is the main one less two. */
const FAST_PORT_DISTANCE = 2

export class Ports {
  private readonly options: PortsOptions
  private readonly servers: RemotingServer[] = []
  private readonly fronts: Front[] = []

  constructor(options: PortsOptions) {
    this.options = options
  }

  /** Both ports as they are listened on. Rejects with RemotingError PORT_IN_USE or LISTEN_FAILED; close() in any case. */
  async open(): Promise<{ main: number; fast: number }> {
    const { listenPort, fastListenPort } = this.options.config
    const isDerived = fastListenPort === 0 && listenPort !== 0
    const main = await this.listen(listenPort, true)
    const fast = await this.listen(isDerived ? listenPort - FAST_PORT_DISTANCE : fastListenPort, false)
    return { main, fast }
  }

  /** The rings have room again. */
  roomAgain(): void {
    for (const front of this.fronts) front.roomAgain()
  }

  /** Connections whose sends wait for room, and how long the first has waited. */
  waitingSends(now: number): { count: number; headWaitMs: number } {
    return {
      count: this.fronts.reduce((sum, front) => sum + front.waitingCount, 0),
      headWaitMs: Math.max(0, ...this.fronts.map((front) => front.headWaitMs(now))),
    }
  }

  checkIdle(): void {
    for (const server of this.servers) server.checkIdle()
  }

  /** Writes at once what all connections have gathered. */
  flush(): void {
    for (const server of this.servers) server.flush()
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()))
  }

  private async listen(port: number, servesPulls: boolean): Promise<number> {
    const { config, service, router, access, clock, log } = this.options
    const front = new Front({
      router,
      servesPulls,
      send: (connection, bytes, fields) => service.send(connection, bytes, fields),
      pull: (connection, bytes, fields) => service.pull(connection, bytes, fields),
      busy: (connection, fields, waitedMs, size) => service.busy(connection, fields, waitedMs, size),
      sendWaitMs: () => (config.brokerFastFailureEnable ? config.waitTimeMillsInSendQueue : Number.POSITIVE_INFINITY),
      opened: () => {},
      closed: (connection, reason) => {
        service.closed(connection)
        this.options.closed(connection, reason)
      },
    })
    const server = new RemotingServer({
      host: config.bindAddress,
      port,
      handler: access.frontOf(front),
      tls: access.serverTls,
      limits: {
        maxFrame: config.maxFrameSize,
        maxConnections: config.maxConnections,
        maxPendingBytes: config.maxPendingBytes,
        idleMs: config.serverChannelMaxIdleTimeSeconds * 1000,
      },
      log,
      clock,
    })
    const listening = await server.listen()
    this.fronts.push(front)
    this.servers.push(server)
    return listening
  }
}
