/**
 * Routes: which brokers have a topic, with how many queues, and at which addresses. Looked at every 30 s and when something
 * fails, kept while no NameServer answers.
 *
 *   NameServer ─ 105 ─► TopicRoute: publishQueues (writable, of brokers with a master), subscribeQueues (readable)
 *                └────► broker name → id → address, over all topics
 *
 * Owns:      the routes of every topic that was asked for, the table of brokers, the objects that stand for queues.
 * Invariant: one queue is one MessageQueue object for the life of the table, so that it can be a key.
 * Rules:     spec/client-behaviour.md §2.
 */
import { type BrokerAddress, type Route, type RouteQueue, routeIn } from '../admin/cluster.ts'
import { compareText, type MessageQueue } from '../admin/json.ts'
import { request } from '../remoting/command.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { encodeHeader } from '../remoting/schema.ts'
import { GET_ROUTEINFO_BY_TOPIC } from '../remoting/schemas/index.ts'
import type { ClientError } from './errors.ts'
import { asClientError, refusedBy } from './errors.ts'
import type { Namesrvs } from './namesrv.ts'

export type { MessageQueue } from '../admin/json.ts'

/** The topic whose queues a topic gets that a send creates. */
export const CREATE_TOPIC_KEY = 'TBW102'
export const DEFAULT_TOPIC_QUEUE_NUMS = 4
export const MASTER_ID = 0

const READ = 4
const WRITE = 2

export interface TopicRoute {
  readonly topic: string
  readonly publishQueues: readonly MessageQueue[]
  readonly subscribeQueues: readonly MessageQueue[]
  /** Whether the queues are in the order of an order configuration. */
  readonly isOrdered: boolean
  readonly brokers: readonly BrokerAddress[]
  /** What a NameServer said, as text: equal texts are equal routes. */
  readonly fingerprint: string
}

export interface BrokerPlace {
  readonly address: string
  readonly brokerId: number
}

export type RouteListener = (route: TopicRoute, before: TopicRoute | undefined) => void

export class RouteTable {
  private readonly namesrvs: Namesrvs
  private readonly timeoutMs: number
  private readonly routes = new Map<string, TopicRoute>()
  private readonly looking = new Map<string, Promise<TopicRoute | undefined>>()
  private readonly brokers = new Map<string, Map<number, string>>()
  private readonly addresses = new Map<string, number>()
  private readonly queues = new Map<string, MessageQueue>()
  private readonly listeners = new Set<RouteListener>()

  constructor(namesrvs: Namesrvs, timeoutMs: number) {
    this.namesrvs = namesrvs
    this.timeoutMs = timeoutMs
  }

  /** What is known of the topic, without asking. */
  known(topic: string): TopicRoute | undefined {
    return this.routes.get(topic)
  }

  /** The route, asked for only where none is known; undefined: no broker has the topic. */
  async get(topic: string): Promise<TopicRoute | undefined> {
    return this.routes.get(topic) ?? (await this.look(topic))
  }

  /**
   * Asks a NameServer now; whoever asks meanwhile gets the same answer. Undefined: no broker has the topic (what was known
   * of it before stays known). Throws ClientError.
   */
  look(topic: string): Promise<TopicRoute | undefined> {
    return this.once(topic, topic, () => this.ask(topic))
  }

  /**
   * For a send to a topic that nobody has: with the queues that the broker will give it (of TBW102, at most `queueNums`).
   * Undefined where brokers create no topics.
   */
  lookAsNew(topic: string, createTopicKey = CREATE_TOPIC_KEY, queueNums = DEFAULT_TOPIC_QUEUE_NUMS) {
    return this.once(`${topic} ${createTopicKey} ${queueNums}`, topic, async () => {
      const route = await this.ask(createTopicKey)
      if (route === undefined) return undefined
      const queues = route.queues.map((data) => {
        const count = Math.min(queueNums, data.readQueues)
        return { ...data, readQueues: count, writeQueues: count }
      })
      return { ...route, order: undefined, queues }
    })
  }

  /** Called whenever a route is new or has changed; gives what ends that. */
  onChange(listener: RouteListener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** The object that stands for that queue. */
  queue(topic: string, brokerName: string, queueId: number): MessageQueue {
    const key = `${topic} ${brokerName} ${queueId}`
    let queue = this.queues.get(key)
    if (queue === undefined) {
      queue = Object.freeze({ topic, brokerName, queueId })
      this.queues.set(key, queue)
    }
    return queue
  }

  /** The broker's master. */
  masterOf(brokerName: string): string | undefined {
    return this.brokers.get(brokerName)?.get(MASTER_ID)
  }

  /**
   * The broker of that id; where it has none, and it is no master that is wanted, the next id, then any
   * (spec/client-behaviour.md §2). `exactly`: that id or nothing.
   */
  placeOf(brokerName: string, brokerId: number, exactly = false): BrokerPlace | undefined {
    const group = this.brokers.get(brokerName)
    if (group === undefined) return undefined
    const wanted = group.get(brokerId)
    if (wanted !== undefined) return { address: wanted, brokerId }
    if (exactly) return undefined
    const next = brokerId === MASTER_ID ? undefined : group.get(brokerId + 1)
    if (next !== undefined) return { address: next, brokerId: brokerId + 1 }
    for (const [id, address] of group) return { address, brokerId: id }
    return undefined
  }

  /** A broker of the topic at random, its master where it has one: any of them knows the members of a group. */
  anyBrokerOf(topic: string): string | undefined {
    const brokers = this.routes.get(topic)?.brokers ?? []
    if (brokers.length === 0) return undefined
    const { name, address } = brokers[Math.floor(Math.random() * brokers.length)]
    return brokers.find((broker) => broker.name === name && broker.id === MASTER_ID)?.address ?? address
  }

  /** Every broker that is in a route. */
  allBrokers(): { name: string; id: number; address: string }[] {
    return [...this.brokers].flatMap(([name, group]) => [...group].map(([id, address]) => ({ name, id, address })))
  }

  /** The id of the broker at that address; undefined: it is in no route. */
  idOf(address: string): number | undefined {
    return this.addresses.get(address)
  }

  /** Addresses that are in no route (any more) are forgotten. A route that nobody looks after tells nothing new: the last one counts. */
  dropOffline(): void {
    const inRoutes = new Set<string>()
    for (const { brokers } of this.routes.values()) for (const { address } of brokers) inRoutes.add(address)
    for (const [name, group] of this.brokers) {
      for (const [id, address] of group) if (!inRoutes.has(address)) group.delete(id)
      if (group.size === 0) this.brokers.delete(name)
    }
    for (const address of this.addresses.keys()) if (!inRoutes.has(address)) this.addresses.delete(address)
  }

  /** A topic that nobody here uses is not looked after. */
  forget(topic: string): void {
    this.routes.delete(topic)
  }

  private once(key: string, topic: string, ask: () => Promise<Route | undefined>): Promise<TopicRoute | undefined> {
    const under = this.looking.get(key)
    if (under !== undefined) return under
    const looking = ask()
      .then((route) => (route === undefined ? undefined : this.take(topic, route)))
      .finally(() => this.looking.delete(key))
    this.looking.set(key, looking)
    return looking
  }

  private async ask(topic: string): Promise<Route | undefined> {
    const header = encodeHeader(GET_ROUTEINFO_BY_TOPIC, { topic, acceptStandardJsonOnly: true })
    const answer = await this.namesrvs.ask(request(GET_ROUTEINFO_BY_TOPIC.code, header), this.timeoutMs)
    if (answer.code === RESPONSE.TOPIC_NOT_EXIST) return undefined
    if (answer.code !== RESPONSE.SUCCESS) {
      throw refusedBy(this.namesrvs.preferred, GET_ROUTEINFO_BY_TOPIC.code, answer)
    }
    try {
      return routeIn(answer)
    } catch (error) {
      throw asClientError(error, this.namesrvs.preferred) satisfies ClientError
    }
  }

  private take(topic: string, route: Route): TopicRoute {
    route.queues.sort((a, b) => compareText(a.brokerName, b.brokerName))
    route.brokers.sort((a, b) => compareText(a.name, b.name) || a.id - b.id)
    const before = this.routes.get(topic)
    const fingerprint = JSON.stringify([route.queues, route.brokers, route.order])
    if (before?.fingerprint === fingerprint) return before
    const taken: TopicRoute = {
      topic,
      publishQueues: this.publishQueues(topic, route),
      subscribeQueues: this.subscribeQueues(topic, route.queues),
      isOrdered: route.order !== undefined,
      brokers: route.brokers,
      fingerprint,
    }
    this.routes.set(topic, taken)
    this.learn(route.brokers)
    for (const listener of this.listeners) listener(taken, before)
    return taken
  }

  /** A route names all addresses of its brokers, so what was known of them is over. */
  private learn(brokers: readonly BrokerAddress[]): void {
    for (const { name } of brokers) this.brokers.set(name, new Map())
    for (const { name, id, address } of brokers) {
      this.brokers.get(name)?.set(id, address)
      this.addresses.set(address, id)
    }
  }

  private publishQueues(topic: string, route: Route): MessageQueue[] {
    if (route.order !== undefined) {
      return route.order.split(';').flatMap((part) => {
        const [brokerName, count] = part.split(':')
        return this.queuesOf(topic, brokerName, Number(count) || 0)
      })
    }
    const hasMaster = (name: string) => route.brokers.some((broker) => broker.name === name && broker.id === MASTER_ID)
    return route.queues
      .filter(({ perm, brokerName }) => (perm & WRITE) !== 0 && hasMaster(brokerName))
      .flatMap(({ brokerName, writeQueues }) => this.queuesOf(topic, brokerName, writeQueues))
  }

  private subscribeQueues(topic: string, queues: readonly RouteQueue[]): MessageQueue[] {
    return queues
      .filter(({ perm }) => (perm & READ) !== 0)
      .flatMap(({ brokerName, readQueues }) => this.queuesOf(topic, brokerName, readQueues))
  }

  private queuesOf(topic: string, brokerName: string, count: number): MessageQueue[] {
    return Array.from({ length: count }, (_, queueId) => this.queue(topic, brokerName, queueId))
  }
}
