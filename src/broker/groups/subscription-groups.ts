/**
 * Consumer groups as an administrator configured them, or as they came into being: config/subscriptionGroup.json.
 *
 * Owns:      subscriptionGroupTable and its dataVersion. Called by: request processors, on the network thread.
 * Invariant: every name passed groupNameFault; a changed table has a larger dataVersion, and a file is due.
 * Rules:     spec/broker-requests.md §2 (predefined groups, defaults), §13; file: spec/store-format.md §7.
 */
import type { Clock } from '../../clock.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { DataVersion, entriesOf, TableFile } from '../metadata.ts'
import type { BrokerSettings } from '../settings.ts'
import { groupNameFault, isSystemGroup } from '../topics/names.ts'
import { ForbiddenTopics } from './forbidden-topics.ts'

/** Keys in the order that fastjson writes; those of 5.x (groupSysFlag, attributes, …) are carried through in `more`. */
export interface SubscriptionGroupConfig {
  readonly groupName: string
  /** False: pulls are answered 16. */
  readonly consumeEnable: boolean
  readonly consumeFromMinEnable: boolean
  readonly consumeBroadcastEnable: boolean
  /** Queues of %RETRY%group; 0: messages that are sent back are dropped. */
  readonly retryQueueNums: number
  readonly retryMaxTimes: number
  /** The broker to pull from, and the one while this broker reads slowly (slaveReadEnable). */
  readonly brokerId: number
  readonly whichBrokerWhenConsumeSlowly: number
  readonly notifyConsumerIdsChangedEnable: boolean
  /** What else the administrator sent; written back as it came. */
  readonly more?: Readonly<Record<string, unknown>>
}

const FILE = 'subscriptionGroup.json'
const RETRY_QUEUES_MAX = 1024

const PREDEFINED = [
  'TOOLS_CONSUMER',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
]
export class SubscriptionGroups {
  readonly dataVersion: DataVersion
  private readonly table = new Map<string, SubscriptionGroupConfig>()
  private readonly forbidden = new ForbiddenTopics()
  private readonly settings: BrokerSettings
  private readonly log: Log
  private readonly file: TableFile

  constructor(options: { settings: BrokerSettings; store: MetadataStore; clock: Clock; log: Log }) {
    const { settings, store, clock, log } = options
    this.settings = settings
    this.log = log
    this.dataVersion = new DataVersion(clock)
    this.file = new TableFile(FILE, store, () => `${JSON.stringify(this, null, '\t')}\n`, log)
    for (const name of PREDEFINED) this.table.set(name, defaultGroup(name))
  }

  load(): void {
    const content = this.file.load()
    if (content === undefined) return
    for (const [name, group] of this.read(content.subscriptionGroupTable)) this.table.set(name, group)
    this.forbidden.load(content.forbiddenTable)
    this.dataVersion.assign(content.dataVersion)
  }

  /** Takes over what a slave's master has (the body of 201), as TopicTable.replace. */
  replace(content: Record<string, unknown>): boolean {
    const fresh = this.read(content.subscriptionGroupTable)
    if (fresh.size === 0 || this.dataVersion.isSaidBy(content.dataVersion)) return false
    this.table.clear()
    for (const [name, group] of fresh) this.table.set(name, group)
    this.forbidden.clear()
    this.forbidden.load(content.forbiddenTable)
    this.dataVersion.assign(content.dataVersion)
    this.file.persist().catch(() => {})
    return true
  }

  private read(table: unknown): Map<string, SubscriptionGroupConfig> {
    const groups = new Map<string, SubscriptionGroupConfig>()
    for (const [name, value] of entriesOf(table)) {
      try {
        const fault = groupNameFault(name)
        if (fault !== undefined) throw new Error(fault)
        groups.set(name, readGroupConfig(value, name))
      } catch (error) {
        this.log.error(`group "${name}" of ${FILE} is left out: ${describe(error)}`, { file: FILE, group: name })
      }
    }
    return groups
  }

  /** Only what is there. */
  get(name: string): SubscriptionGroupConfig | undefined {
    return this.table.get(name)
  }

  /** What is there, or a new group where autoCreateSubscriptionGroup allows it and the name is legal; else answer 26. */
  find(name: string): SubscriptionGroupConfig | undefined {
    const known = this.table.get(name)
    if (known !== undefined) return known
    if (!this.settings.autoCreateSubscriptionGroup && !isSystemGroup(name)) return undefined
    if (groupNameFault(name) !== undefined) return undefined
    const created = defaultGroup(name)
    this.table.set(name, created)
    this.log.info(`group ${name} created`, { group: name })
    this.changed().catch(() => {})
    return created
  }

  values(): IterableIterator<SubscriptionGroupConfig> {
    return this.table.values()
  }

  /** 200: replaces or creates; the config is the caller's to check (readGroupConfig). Settled when it is on disk. */
  put(config: SubscriptionGroupConfig): Promise<void> {
    this.table.set(config.groupName, config)
    return this.changed()
  }

  /** 207. False when there was none. */
  async remove(name: string): Promise<boolean> {
    const hadBans = this.forbidden.removeGroup(name)
    if (!this.table.delete(name) && !hadBans) return false
    await this.changed()
    return true
  }

  /** 353: the group may not read the topic, whatever the topic and the group allow by themselves. */
  isForbidden(group: string, topic: string): boolean {
    return this.forbidden.has(group, topic)
  }

  /** Settled when it is on disk. */
  async setForbidden(group: string, topic: string, isForbidden: boolean): Promise<void> {
    if (this.forbidden.set(group, topic, isForbidden)) await this.changed()
  }

  /** Pulls of the group are refused from now on (16). */
  disableConsume(name: string): void {
    const config = this.table.get(name)
    if (config === undefined || !config.consumeEnable) return
    this.table.set(name, { ...config, consumeEnable: false })
    this.changed().catch(() => {})
  }

  /** This broker is the master now: what it made by itself as a slave is in the file too. */
  newVersion(): void {
    this.changed().catch(() => {})
  }

  saved(): Promise<void> | undefined {
    return this.file.pending()
  }

  retryFailedSave(): void {
    this.file.retryFailed()
  }

  /** The body of 201, and subscriptionGroup.json. */
  toJSON(): { dataVersion: DataVersion; subscriptionGroupTable: Record<string, unknown>; forbiddenTable?: unknown } {
    const table = Object.fromEntries([...this.table].map(([name, config]) => [name, groupJson(config)]))
    const forbiddenTable = this.forbidden.toJSON()
    const tables = { dataVersion: this.dataVersion, subscriptionGroupTable: table }
    return forbiddenTable === undefined ? tables : { ...tables, forbiddenTable }
  }

  private changed(): Promise<void> {
    // A slave's file and version are its master's.
    if (this.settings.brokerRole === 'SLAVE') return Promise.resolve()
    this.dataVersion.next()
    return this.file.persist()
  }
}

function defaultGroup(groupName: string): SubscriptionGroupConfig {
  return {
    groupName,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: true,
    retryQueueNums: 1,
    retryMaxTimes: 16,
    brokerId: 0,
    whichBrokerWhenConsumeSlowly: 1,
    notifyConsumerIdsChangedEnable: true,
  }
}

/** As 200, 201, 352 and the file carry it. */
export function groupJson(config: SubscriptionGroupConfig): Record<string, unknown> {
  const { more, ...own } = config
  return { ...more, ...own }
}

/** One group from JSON; missing keys take the defaults. Throws a plain Error naming the bad key. */
export function readGroupConfig(value: unknown, name?: string): SubscriptionGroupConfig {
  if (typeof value !== 'object' || value === null) throw new Error('is not an object')
  const { groupName, ...rest } = value as Record<string, unknown>
  const group = name ?? (typeof groupName === 'string' ? groupName : '')
  const config: Record<string, unknown> = { ...defaultGroup(group) }
  const more: Record<string, unknown> = {}
  for (const [key, given] of Object.entries(rest)) {
    if (given === null || given === undefined) continue
    if (!(key in config)) more[key] = given
    else config[key] = typeof config[key] === 'boolean' ? readBoolean(key, given) : readCount(key, given)
  }
  if ((config.retryQueueNums as number) > RETRY_QUEUES_MAX) {
    throw new Error(`retryQueueNums is ${config.retryQueueNums}, allowed are 0 to ${RETRY_QUEUES_MAX}`)
  }
  if (Object.keys(more).length > 0) config.more = more
  return config as unknown as SubscriptionGroupConfig
}

function readBoolean(key: string, value: unknown): boolean {
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  throw new Error(`${key} is ${JSON.stringify(value)}, expected true or false`)
}

/** retryMaxTimes may be −1 ("for ever" in some clients' tools); the others count from 0. */
function readCount(key: string, value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value
  const min = key === 'retryMaxTimes' ? -1 : 0
  if (Number.isInteger(number) && (number as number) >= min && (number as number) < 2 ** 31) return number as number
  throw new Error(`${key} is ${JSON.stringify(value)}, expected an integer from ${min} on`)
}
