/**
 * Keeps a broker known to its NameServers: at start, every period, at every change of a topic; and takes it out at stop.
 *
 * Owns:      one link a NameServer. Called by: broker.ts (start, stop), the topic table (changes).
 * Invariant: NameServers are asked in parallel and never wait for each other.
 * Blocks on: nothing. Time from the injected clock; `step` does what is due and is called by a timer, or by a test.
 * Rules:     spec/namesrv.md §10.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { type LinkOptions, type NamesrvClient, NamesrvLink } from './namesrv-link.ts'
import type { RegisterAnswer } from './register-answer.ts'
import type { BrokerIdentity, TopicSnapshot } from './register-request.ts'

export interface RegistrationOptions {
  /** "host:port" each; asked at every step, so that a changed list takes effect. */
  readonly namesrvAddresses: () => readonly string[]
  readonly broker: () => BrokerIdentity
  readonly topics: () => TopicSnapshot
  readonly client: NamesrvClient
  readonly clock: Clock
  readonly log: Log
  /** Every answer to a registration that was taken. */
  readonly onAnswer?: (answer: RegisterAnswer) => void
  /** brokerPermission is another one now. The topics need a new version, or NameServers pass over what they are sent. */
  readonly onPermission?: (permission: number) => void
  /** At each step, before what is due: where the list of addresses is kept up. */
  readonly onStep?: () => void
  /** Read at each registration. */
  readonly settings?: Partial<RegistrationSettings>
}

export interface RegistrationSettings {
  /** Clamped to 10–60 s. */
  readonly registerNameServerPeriod: number
  readonly registerBrokerTimeoutMills: number
  /** false: the periodic registration asks first whether it is needed. */
  readonly forceRegister: boolean
  readonly compressedRegister: boolean
}

/** RocketMQ's. */
const DEFAULTS: RegistrationSettings = {
  registerNameServerPeriod: 30_000,
  registerBrokerTimeoutMills: 6_000,
  forceRegister: true,
  compressedRegister: false,
}
const PERIOD_MS_MIN = 10_000
const PERIOD_MS_MAX = 60_000
const UNREGISTER_TIMEOUT_MS = 3_000
const STEP_MS = 500
/** A burst of created topics shares one registration: each carries the whole table. */
const GATHER_MS = 5
/** The larger the table, the longer it gathers: registering is to take a fifth of the time at most. */
const GATHER_FACTOR = 4
const GATHER_MS_MAX = 1000

export class Registration {
  private readonly options: RegistrationOptions
  private readonly linkOptions: LinkOptions
  private readonly links = new Map<string, NamesrvLink>()
  private timer: NodeJS.Timeout | undefined
  private gathering: NodeJS.Timeout | undefined
  private gatherMs = GATHER_MS
  private stopped = false
  private permission: number

  constructor(options: RegistrationOptions) {
    this.options = options
    this.permission = options.broker().brokerPermission
    const { client, clock, log, broker, topics, onAnswer, settings = {} } = options
    this.linkOptions = {
      client,
      clock,
      log,
      broker,
      topics,
      onAnswer,
      get periodMs() {
        return Math.min(
          Math.max(settings.registerNameServerPeriod ?? DEFAULTS.registerNameServerPeriod, PERIOD_MS_MIN),
          PERIOD_MS_MAX,
        )
      },
      get timeoutMs() {
        return settings.registerBrokerTimeoutMills ?? DEFAULTS.registerBrokerTimeoutMills
      },
      get force() {
        return settings.forceRegister ?? DEFAULTS.forceRegister
      },
      get compressed() {
        return settings.compressedRegister ?? DEFAULTS.compressedRegister
      },
    }
  }

  /**
   * Registers with every NameServer and goes on doing so. Resolves with true as soon as one has taken it, with false
   * when all have failed (they are tried again); never rejects.
   */
  start(): Promise<boolean> {
    this.followAddresses()
    this.timer = setInterval(() => this.step(), STEP_MS)
    this.timer.unref()
    return new Promise((resolve) => {
      let waiting = this.links.size
      if (waiting === 0) resolve(false)
      for (const link of this.links.values()) {
        void link.register().then((taken) => {
          waiting -= 1
          if (taken || waiting === 0) resolve(taken)
        })
      }
    })
  }

  /** Registers where it is due. */
  step(): void {
    if (this.stopped) return
    this.options.onStep?.()
    this.followAddresses()
    void this.followPermission()
    for (const link of this.links.values()) if (link.due()) void link.refresh()
  }

  /**
   * All topics. Resolves to the count of NameServers that took them; those that failed last time are tried too, but not
   * waited for.
   *
   * `oneway`: for changes that nobody waits for (a topic created by a send); resolves at once with 0. On the wire it is
   * an ordinary request where RocketMQ sends a oneway, so that a failure is noticed and tried again.
   */
  async registerAll(oneway = false): Promise<number> {
    if (oneway) return this.registerSoon()
    this.followAddresses()
    return this.countTaken((link) => link.register())
  }

  /** One changed topic (17). Resolves as registerAll. */
  async registerTopic(topicName: string): Promise<number> {
    this.followAddresses()
    return this.countTaken((link) => link.registerTopic(topicName))
  }

  /** To be called when the client's connection to a NameServer ended (RemotingClient's onClosed). */
  connectionLost(address: string): void {
    this.links.get(address)?.connectionLost()
  }

  /** Tells every NameServer that this broker stops, at most 3 s long, and ends. Never rejects. */
  async unregister(): Promise<void> {
    if (this.stopped) return
    this.close()
    await Promise.all([...this.links.values()].map((link) => link.unregister(UNREGISTER_TIMEOUT_MS)))
  }

  /** Ends without telling anybody. */
  close(): void {
    this.stopped = true
    clearInterval(this.timer)
    clearTimeout(this.gathering)
    for (const link of this.links.values()) link.close()
  }

  private async countTaken(register: (link: NamesrvLink) => Promise<boolean>): Promise<number> {
    const waited: Promise<boolean>[] = []
    for (const link of this.links.values()) {
      const { failing } = link
      const taken = register(link)
      if (!failing) waited.push(taken)
    }
    return (await Promise.all(waited)).filter(Boolean).length
  }

  private registerSoon(): number {
    if (this.stopped) return 0
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined
      const began = performance.now()
      void this.registerAll().then(() => {
        const wish = (performance.now() - began) * GATHER_FACTOR
        this.gatherMs = Math.min(Math.max(GATHER_MS, wish), GATHER_MS_MAX)
      })
    }, this.gatherMs)
    return 0
  }

  /** Whoever changed it (25, a file): routes must say so soon, for an operator waits for clients to go elsewhere. */
  /** Registers anew where brokerPermission changed; resolves when the NameServers know. */
  async followPermission(): Promise<void> {
    const { brokerPermission } = this.options.broker()
    if (brokerPermission === this.permission) return
    this.permission = brokerPermission
    this.options.onPermission?.(brokerPermission)
    await this.registerAll()
  }

  private followAddresses(): void {
    if (this.stopped) return
    const wanted = new Set(this.options.namesrvAddresses())
    for (const [address, link] of this.links) {
      if (wanted.has(address)) continue
      link.close()
      this.links.delete(address)
    }
    for (const address of wanted) {
      if (!this.links.has(address)) this.links.set(address, new NamesrvLink(address, this.linkOptions))
    }
  }
}
