/**
 * A broker and its NameServers: where their addresses are from, what they are told, and what their answers change here.
 *
 * Owns:      the registration and its connections. Called by: broker.ts.
 * Blocks on: nothing; the start waits two seconds at most for the first NameServer, the stop half a second.
 */
import type { Clock } from '../../clock.ts'
import type { BrokerConfig } from '../../config/index.ts'
import type { Log } from '../../log.ts'
import { RemotingClient } from '../../remoting/index.ts'
import type { ClientTls } from '../../remoting/tls/index.ts'
import type { TopicTable } from '../topics/index.ts'
import { AddressServer } from './address-server.ts'
import { tryAddress } from './announced-address.ts'
import { OrderTopics } from './order-topics.ts'
import type { RegisterAnswer } from './register-answer.ts'
import { Registration } from './registration.ts'

export interface BrokerRegistrationOptions {
  readonly config: BrokerConfig
  readonly topics: TopicTable
  readonly clock: Clock
  readonly log: Log
  /** "host:port" that clients and slaves are told. */
  readonly brokerAddr: string
  readonly haServerAddr: string
  readonly tls?: ClientTls | undefined
  /** Address of the NameServer inside this process. */
  readonly inside: string | undefined
  /** What a NameServer says of this broker's master, where it is a slave. */
  readonly onMaster: (answer: Pick<RegisterAnswer, 'masterAddr' | 'haServerAddr'>) => void
  /** brokerPermission was changed while the broker runs. */
  readonly onPermission: (permission: number) => void
}

const START_MS_MAX = 2000
const UNREGISTER_MS_MAX = 500

export class BrokerRegistration {
  private readonly options: BrokerRegistrationOptions
  private readonly client: RemotingClient
  private readonly registration: Registration
  private readonly orderTopics = new OrderTopics()
  private readonly addressServer: AddressServer | undefined
  private isStarted = false

  constructor(options: BrokerRegistrationOptions) {
    const { config, topics, clock, log, brokerAddr, haServerAddr } = options
    this.options = options
    const asks = config.fetchNamesrvAddrByAddressServer && config.namesrvAddr === ''
    this.addressServer = asks ? new AddressServer({ url: config.namesrvAddressServer, clock, log }) : undefined
    this.client = new RemotingClient({
      log,
      clock,
      tls: options.tls,
      onClosed: (address) => this.registration.connectionLost(address),
    })
    this.registration = new Registration({
      namesrvAddresses: () => this.addresses(),
      broker: () => ({
        clusterName: config.brokerClusterName,
        brokerName: config.brokerName,
        brokerId: config.brokerId,
        brokerAddr,
        haServerAddr,
        brokerPermission: config.brokerPermission,
      }),
      topics: () => ({ dataVersion: topics.dataVersion, topics: topics.values() }),
      client: this.client,
      clock,
      log,
      onAnswer: (answer) => this.take(answer),
      onPermission: (permission) => {
        log.info(`brokerPermission is ${permission} now: the NameServers are told`)
        topics.newVersion()
        options.onPermission(permission)
      },
      onStep: () => void this.addressServer?.step(),
      settings: config,
    })
    topics.onChange(async ({ kind, topic, incremental }) => {
      if (kind === 'deleted' || !incremental) await this.registration.registerAll(!incremental)
      else await this.registration.registerTopic(topic.topicName)
    })
  }

  async start(): Promise<void> {
    const { log } = this.options
    this.isStarted = true
    await this.addressServer?.step()
    const limit = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), START_MS_MAX).unref())
    if (!(await Promise.race([this.registration.start(), limit]))) {
      log.warn('no NameServer has taken the registration yet; it is tried again', {
        namesrv: this.addresses().join(';'),
      })
    }
    void this.tryOwnAddress()
  }

  /** The broker's role is another one: all NameServers are told, from now on also every period. */
  async registerNow(): Promise<void> {
    if (this.isStarted) await this.registration.registerAll()
    else await this.start()
  }

  /** "host:port" of each NameServer. */
  get namesrvs(): readonly string[] {
    return this.addresses()
  }

  /** Does what is due. A timer does it, too. */
  step(): void {
    this.registration.step()
  }

  /** brokerPermission was changed: resolves when the NameServers know. */
  followPermission(): Promise<void> {
    return this.registration.followPermission()
  }

  /** A NameServer that does not answer forgets this broker by itself: nobody waits long for it. */
  async unregister(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((fulfil) => {
      timer = setTimeout(fulfil, UNREGISTER_MS_MAX)
    })
    await Promise.race([this.registration.unregister(), limit])
    clearTimeout(timer)
  }

  /** Nobody is told anything any more. */
  stop(): void {
    this.registration.close()
  }

  async close(): Promise<void> {
    this.stop()
    await this.client.close()
  }

  private addresses(): readonly string[] {
    const { config, inside } = this.options
    const named = config.namesrvAddr.split(';').map((address) => address.trim())
    const known = [...named, ...(this.addressServer?.addresses() ?? []), inside ?? '']
    return known.filter((address) => address !== '')
  }

  private take(answer: RegisterAnswer): void {
    this.options.onMaster(answer)
    const ordered = this.orderTopics.take(answer, this.addresses())
    if (ordered !== undefined) this.options.topics.setOrdered(ordered)
  }

  /** From here, which is the best that a broker can do: an address that fails here fails everywhere. */
  private async tryOwnAddress(): Promise<void> {
    const { brokerAddr, log } = this.options
    const colon = brokerAddr.lastIndexOf(':')
    const why = await tryAddress(brokerAddr.slice(0, colon), Number(brokerAddr.slice(colon + 1)))
    if (why === undefined) return
    log.warn(
      `clients are told ${brokerAddr}, but nobody answers there: ${why}; set brokerIP1 to an address of this machine that clients reach (and look at bindAddress and firewalls)`,
      { brokerAddr },
    )
  }
}
