/**
 * Who may do what with this broker over the wire, and what its configuration is while it runs.
 *
 *   25 26            the configuration (config/running-config.ts)
 *   50 51 52 53      the access rules (acl/), which are loaded only with aclEnable
 *   every request    checked by the rules, or, without them, by adminFromLoopbackOnly
 *
 * Owns:      the running configuration, the access rules, TLS for the broker's ports and for its own connections.
 */
import type { Clock } from '../clock.ts'
import {
  type BrokerConfig,
  clientTlsOf,
  decodeText,
  type NamesrvConfig,
  type Resolved,
  RunningConfig,
  serverTlsOf,
  tlsKeysOf,
} from '../config/index.ts'
import type { Log } from '../log.ts'
import { BROKER_ADMIN_CODES, refusedFromAfar } from '../remoting/admin-codes.ts'
import { answerTo, type RemotingCommand } from '../remoting/command.ts'
import type { Connection, FrameHandler } from '../remoting/connection.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { ClientTls, ServerTls } from '../remoting/tls/index.ts'
import type { StoreSettings } from '../store/settings.ts'
import type { Acl } from './acl/index.ts'
import { aclProcessors } from './processors/acl-admin.ts'
import type { Registration } from './registration/index.ts'
import type { Processor } from './router.ts'
import type { Schedule } from './schedule.ts'
import type { BrokerStats } from './stats/index.ts'
import type { TopicTable } from './topics/index.ts'

export interface AccessOptions {
  resolved: Resolved<'broker'>
  clock: Clock
  log: Log
  brokerAddress(): string
}

export interface Followers {
  engine: { changeSettings(values: Partial<StoreSettings>): void }
  topics: Pick<TopicTable, 'openAutoCreation'>
  stats: Pick<BrokerStats, 'reconsider'>
  registration(): Pick<Registration, 'step' | 'followPermission'> | undefined
}

/** What the access rules put before a port and before a processor. */
interface Guards {
  front(front: FrameHandler): FrameHandler
  view(view: Processor): Processor
}

const ACL_LOOK_MS = 500
const CODES = { done: RESPONSE.SUCCESS, refused: RESPONSE.NO_PERMISSION, failed: RESPONSE.SYSTEM_ERROR } as const

export class Access {
  readonly configuration: RunningConfig<'broker'>
  readonly serverTls: ServerTls
  readonly clientTls: ClientTls | undefined
  private readonly options: AccessOptions
  private readonly config: BrokerConfig
  private acl: Acl | undefined
  private guards: Guards | undefined

  /** Rejects with ConfigError (rules that cannot be read) or RemotingError TLS_FILES. */
  static async open(options: AccessOptions): Promise<Access> {
    const access = new Access(options)
    try {
      if (options.resolved.config.aclEnable) await access.loadAcl()
      access.warnOfStrangers()
      return access
    } catch (error) {
      await access.close()
      throw error
    }
  }

  private constructor(options: AccessOptions) {
    const { resolved, clock, log } = options
    const { config } = resolved
    this.options = options
    this.config = config
    this.configuration = new RunningConfig(resolved, { log, now: () => clock.now() })
    this.serverTls = new ServerTls(serverTlsOf(config), log)
    const clientTls = clientTlsOf(config)
    this.clientTls = clientTls && new ClientTls(clientTls, log)
  }

  /** Adds the processors of this file, and guards those whose request does not say what it is about. */
  install(processors: Map<number, Processor>): void {
    const { acl, config } = this
    const { brokerAddress } = this.options
    processors.set(REQUEST.UPDATE_BROKER_CONFIG, (request, connection) => this.changeConfig(request, connection))
    for (const [code, processor] of aclProcessors({ acl, settings: config, brokerAddress })) {
      processors.set(code, processor)
    }
    const view = processors.get(REQUEST.VIEW_MESSAGE_BY_ID)
    if (view !== undefined && this.guards !== undefined) {
      processors.set(REQUEST.VIEW_MESSAGE_BY_ID, this.guards.view(view))
    }
  }

  /** The handler of a port: with access rules one that checks every frame before the front sees it. */
  frontOf(front: FrameHandler): FrameHandler {
    return this.guards?.front(front) ?? front
  }

  /** Code 16's remark where adminFromLoopbackOnly refuses a request; access rules take its place. */
  refusal(request: RemotingCommand, connection: Connection): string | undefined {
    if (!this.config.adminFromLoopbackOnly || this.config.aclEnable) return undefined
    return refusedFromAfar(BROKER_ADMIN_CODES, request.code, connection.remoteHost)
  }

  /** Tells of changes those who do not read a key where it is used. Answers wait until the NameServers know. */
  follow({ engine, topics, stats, registration }: Followers): void {
    this.configuration.onChange(async (changes) => {
      engine.changeSettings(Object.fromEntries(changes.map(({ key, to }) => [key, to])))
      const keys = new Set(changes.map(({ key }) => key))
      if (keys.has('enableDetailStat')) stats.reconsider()
      if (keys.has('autoCreateTopicEnable')) await topics.openAutoCreation()
      if (keys.has('namesrvAddr')) registration()?.step()
      if (keys.has('brokerPermission')) await registration()?.followPermission()
    })
  }

  startWatching(schedule: Schedule): void {
    const { acl } = this
    if (acl !== undefined) schedule.add(ACL_LOOK_MS, () => void acl.look())
  }

  async close(): Promise<void> {
    this.serverTls.close()
    this.clientTls?.close()
    await this.configuration.settled()
    await this.acl?.settled()
  }

  /** As RocketMQ's default has it; those who did not know it had commands run on their brokers (CVE-2023-33246). */
  private warnOfStrangers(): void {
    const { aclEnable, adminFromLoopbackOnly, bindAddress } = this.config
    if (aclEnable || adminFromLoopbackOnly || /^(127\.|::1$|localhost$)/.test(bindAddress)) return
    this.options.log.warn(
      `everybody who reaches ${bindAddress} may administer this broker: set aclEnable or adminFromLoopbackOnly ` +
        '(docs/configuration.md)',
    )
  }

  /** Loaded here and not with this file: YAML costs 8 MB and 50 ms. */
  private async loadAcl(): Promise<void> {
    const { clock, log } = this.options
    const { Acl, GuardedFront, guardedView } = await import('./acl/index.ts')
    const acl = await Acl.open({ folder: this.config.aclConfigPath, clock, log })
    this.acl = acl
    this.guards = {
      front: (front) => new GuardedFront(front, acl, log),
      view: (view) => guardedView(view, acl),
    }
  }

  private async changeConfig(request: RemotingCommand, connection: Connection): Promise<RemotingCommand> {
    const { log } = this.options
    log.info('change of the configuration asked for', { peer: connection.remoteAddress })
    if (request.body === undefined) return answerTo(request, RESPONSE.SUCCESS)
    const outcome = await this.configuration.update(decodeText(request.body))
    return answerTo(request, CODES[outcome.kind], outcome.remark)
  }
}

/** For a NameServer inside: it is reached and administered as the broker is. */
export function namesrvConfigOf(config: BrokerConfig): Partial<NamesrvConfig> {
  return { ...tlsKeysOf(config), adminFromLoopbackOnly: config.adminFromLoopbackOnly }
}
