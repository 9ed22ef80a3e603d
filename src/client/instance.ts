/**
 * What clients of one id share: connections, routes, heartbeats, timers, and the requests that brokers send.
 *
 *   Producer ──┐                        ┌─ RouteTable ── Namesrvs ─┐
 *              ├─► ClientInstance (1) ──┤                          ├─► RemotingClient ──► sockets
 *   Consumer ──┘                        ├─ heartbeats ─────────────┘
 *                                       └─ Timers
 *
 * Owns:      all of these. obtainInstance() gives the one of an id, the last release() closes it.
 * Invariant: a broker that can be connected knows this client before anything else is asked on the connection.
 * Rules:     spec/client-behaviour.md §1, §2.
 */
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { RemotingClient } from '../remoting/client.ts'
import { answerTo, BINARY_HEADER, JSON_HEADER, type RemotingCommand, request } from '../remoting/command.ts'
import type { Connection } from '../remoting/connection.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { encodeHeader, type HeaderFor, type Schema } from '../remoting/schema.ts'
import { UNREGISTER_CLIENT } from '../remoting/schemas/index.ts'
import type { ClientTls } from '../remoting/tls/index.ts'
import { asClientError, ClientError, refusedBy } from './errors.ts'
import { type ConsumerData, heartbeatRequest } from './heartbeat.ts'
import { Namesrvs } from './namesrv.ts'
import type { ResolvedClientOptions } from './options.ts'
import { MASTER_ID, RouteTable } from './route.ts'
import { Timers } from './timers.ts'
import { portFor } from './vip.ts'

/** Every instance has it: messages that are sent back go through it. */
export const INNER_PRODUCER_GROUP = 'CLIENT_INNER_PRODUCER'
const BACK_OFF = { firstMs: 100, mostMs: 3000 }
const FIRST_POLL_MS = 10
const FIRST_HEARTBEAT_MS = 1000

/** A consumer as its instance sees it. Group and topics as they travel, in their namespace. */
export interface ConsumerMember {
  readonly group: string
  /** Whose routes are looked after. */
  topics(): Iterable<string>
  heartbeat(): ConsumerData
}

export interface ProducerMember {
  readonly group: string
  topics(): Iterable<string>
}

export interface InvokeOptions {
  timeoutMs?: number | undefined
  /** Answers beside 0 that the caller understands. */
  also?: readonly number[]
}

/** Undefined: not for this one, ask the next. What a one-way request is answered with goes nowhere. */
export type ServerRequestHandler = (
  request: RemotingCommand,
  address: string,
) => RemotingCommand | Promise<RemotingCommand> | undefined

export class ClientInstance {
  readonly clientId: string
  readonly options: ResolvedClientOptions
  readonly log: Log
  readonly timers: Timers
  readonly remoting: RemotingClient
  readonly namesrvs: Namesrvs
  readonly routes: RouteTable
  /** Releases of brokers by address, as their answers to heartbeats say. */
  readonly brokerVersions = new Map<string, number>()

  private readonly tls: ClientTls | undefined
  private readonly producers = new Map<string, ProducerMember>()
  private readonly consumers = new Map<string, ConsumerMember>()
  private readonly handlers = new Map<number, Set<ServerRequestHandler>>()
  private readonly onClose: () => void
  private readonly stopListening: (() => void) | undefined
  private closing: Promise<void> | undefined

  constructor(options: ResolvedClientOptions, tls: ClientTls | undefined, onClose: () => void) {
    this.options = options
    this.clientId = options.clientId
    this.log = options.log
    this.tls = tls
    this.onClose = onClose
    this.timers = new Timers(options.clock, options.log)
    this.remoting = new RemotingClient({
      log: options.log,
      clock: options.clock,
      connectTimeoutMs: options.connectTimeout,
      tls,
      account: options.acl,
      serialize: options.headers === 'JSON' ? JSON_HEADER : BINARY_HEADER,
      backOff: BACK_OFF,
      onOpened: (address, connection) => this.opened(address, connection),
      onRequest: (command, { attachment }) => this.serveRequest(command, attachment as string),
    })
    this.namesrvs = new Namesrvs(options.nameservers, this.remoting)
    this.routes = new RouteTable(this.namesrvs, options.mqClientApiTimeout)
    this.stopListening = options.clock.onMoved?.(() => this.remoting.expireAnswers())
    this.timers.every(options.pollNameServerInterval, () => this.pollRoutes(), FIRST_POLL_MS)
    this.timers.every(options.heartbeatBrokerInterval, () => this.heartbeat(), FIRST_HEARTBEAT_MS)
  }

  get isClosed(): boolean {
    return this.closing !== undefined
  }

  now(): number {
    return this.options.clock.now()
  }

  /** The answer, whatever its code. Throws ClientError NOT_REACHED, TIMEOUT or CLIENT_CLOSED. */
  async invoke(address: string, command: RemotingCommand, timeoutMs?: number): Promise<RemotingCommand> {
    const at = portFor(command.code, address, this.options.vipChannel)
    try {
      return await this.remoting.invoke(at, command, timeoutMs ?? this.options.mqClientApiTimeout)
    } catch (error) {
      throw asClientError(error, at)
    }
  }

  /** An answer of success, or of a code that the caller understands; anything else is ClientError REFUSED. */
  async ask(address: string, command: RemotingCommand, options: InvokeOptions = {}): Promise<RemotingCommand> {
    const answer = await this.invoke(address, command, options.timeoutMs)
    if (answer.code === RESPONSE.SUCCESS || options.also?.includes(answer.code) === true) return answer
    throw refusedBy(address, command.code, answer)
  }

  call<S extends Schema>(address: string, of: S, header: HeaderFor<S>, options?: InvokeOptions) {
    return this.ask(address, request(of.code, encodeHeader(of, header)), options)
  }

  /** Resolves when it is in the output buffer. */
  async oneway(address: string, command: RemotingCommand): Promise<void> {
    const at = portFor(command.code, address, this.options.vipChannel)
    try {
      await this.remoting.oneway(at, command)
    } catch (error) {
      throw asClientError(error, at)
    }
  }

  /** The master of that broker; its route is looked at again where none is known. Throws ClientError NO_BROKER. */
  async masterOf(brokerName: string, topic: string): Promise<string> {
    const known = this.routes.masterOf(brokerName)
    if (known !== undefined) return known
    await this.routes.look(topic)
    const found = this.routes.placeOf(brokerName, MASTER_ID)?.address
    if (found !== undefined) return found
    throw new ClientError('NO_BROKER', {
      what: `no address of broker ${brokerName} is known, which topic ${topic} needs`,
      hint: 'see whether the broker is up and registered: "basaltmq admin cluster list"',
      retriable: true,
    })
  }

  /** Requests of that code that brokers send go to the handler; gives what ends that. */
  serve(code: number, handler: ServerRequestHandler): () => void {
    let handlers = this.handlers.get(code)
    if (handlers === undefined) {
      handlers = new Set()
      this.handlers.set(code, handlers)
    }
    handlers.add(handler)
    return () => handlers.delete(handler)
  }

  registerProducer(member: ProducerMember): void {
    this.register(this.producers, member, 'producer')
  }

  registerConsumer(member: ConsumerMember): void {
    this.register(this.consumers, member, 'consumer')
  }

  unregisterProducer(group: string): Promise<void> {
    if (!this.producers.delete(group)) return Promise.resolve()
    return this.unregister({ clientID: this.clientId, producerGroup: group })
  }

  /** Nothing where another one has the group: this one was refused. */
  unregisterConsumer(member: ConsumerMember): Promise<void> {
    if (this.consumers.get(member.group) !== member) return Promise.resolve()
    this.consumers.delete(member.group)
    return this.unregister({ clientID: this.clientId, consumerGroup: member.group })
  }

  /** To every broker that is in a route: masters, and slaves where somebody here consumes. Never rejects. */
  async heartbeat(): Promise<void> {
    if (this.isClosed) return
    this.routes.dropOffline()
    const targets = this.routes.allBrokers().filter(({ id }) => this.hears(id))
    await Promise.all(
      targets.map(async ({ address }) => {
        const connection = this.remoting.opened(address)
        if (connection !== undefined) return this.beat(address, connection)
        // A connection that opens says it by itself.
        await this.remoting.connection(address, this.options.connectTimeout).catch((error: unknown) => {
          if (!this.isClosed) this.log.warn(`no heartbeat: ${describe(error)}`)
        })
      }),
    )
  }

  /** Looks at the routes of all topics that are used here. Never rejects. */
  async pollRoutes(): Promise<void> {
    const topics = new Set([...this.producers.values(), ...this.consumers.values()].flatMap((one) => [...one.topics()]))
    for (const topic of topics) {
      if (this.isClosed) return
      await this.routes
        .look(topic)
        .catch((error: unknown) => this.log.warn(`the route of ${topic}: ${describe(error)}`))
    }
  }

  /** Ends everything at once: members have left before. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      this.onClose()
      this.stopListening?.()
      this.timers.close()
      await this.remoting.close()
      this.tls?.close()
    })()
    return this.closing
  }

  private register<M extends { group: string }>(table: Map<string, M>, member: M, what: string): void {
    if (this.isClosed) throw new ClientError('CLIENT_CLOSED', { what: 'the client is closed' })
    if (table.has(member.group)) {
      throw new ClientError('GROUP_IN_USE', {
        what: `client ${this.clientId} has a ${what} of group ${member.group} already`,
        hint: 'give this one another instanceName, or leave it out',
      })
    }
    table.set(member.group, member)
  }

  private async unregister(header: HeaderFor<typeof UNREGISTER_CLIENT>): Promise<void> {
    const told = this.routes.allBrokers().map(async ({ address }) => {
      if (this.remoting.opened(address) === undefined) return
      await this.call(address, UNREGISTER_CLIENT, header).catch((error: unknown) =>
        this.log.warn(`leaving the group failed: ${describe(error)}`, { address }),
      )
    })
    await Promise.all(told)
  }

  private hears(brokerId: number): boolean {
    return brokerId === MASTER_ID || this.consumers.size > 0
  }

  private opened(address: string, connection: Connection): void {
    const id = this.routes.idOf(address)
    if (id !== undefined && this.hears(id)) void this.beat(address, connection)
  }

  private async beat(address: string, connection: Connection): Promise<void> {
    const groups = [...this.producers.keys(), INNER_PRODUCER_GROUP]
    const command = heartbeatRequest(
      this.clientId,
      groups,
      [...this.consumers.values()].map((one) => one.heartbeat()),
    )
    const before = connection.lastRead
    try {
      const answer = await connection.invoke(this.remoting.prepared(command), this.options.mqClientApiTimeout)
      this.brokerVersions.set(address, answer.version)
      if (answer.code !== RESPONSE.SUCCESS) this.log.warn(refusedBy(address, REQUEST.HEART_BEAT, answer).message)
    } catch (error) {
      if (this.isClosed) return
      this.log.warn(`a heartbeat was not answered: ${describe(error)}`, { address })
      // Nothing was heard since: the network may be open on this side alone.
      if (connection.lastRead === before) connection.close('a heartbeat was not answered')
    }
  }

  private async serveRequest(command: RemotingCommand, address: string): Promise<RemotingCommand> {
    for (const handler of this.handlers.get(command.code) ?? []) {
      const answer = await handler(command, address)
      if (answer !== undefined) return answer
    }
    const known = this.handlers.has(command.code)
    return known
      ? answerTo(command, RESPONSE.SYSTEM_ERROR, 'no member of that group is here')
      : answerTo(command, RESPONSE.REQUEST_CODE_NOT_SUPPORTED, ` request type ${command.code} not supported`)
  }
}
