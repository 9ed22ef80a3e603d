/**
 * The broker's topics: what exists, what may be created, and config/topics.json.
 *
 * Owns:      topicConfigTable and its dataVersion. Called by: request processors, on the network thread.
 * Invariant: every name in the table passed topicNameFault; a changed table has a larger dataVersion, and a file is due.
 * Blocks on: nothing; `saved()` tells when what was changed is on disk.
 * Rules:     spec/broker-requests.md §2 (system topics), §3 (auto-creation), §12; file: spec/store-format.md §7.
 */
import type { Clock } from '../../clock.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { LimitedLog } from '../../remoting/limited-log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { DataVersion, entriesOf, TableFile } from '../metadata.ts'
import type { BrokerSettings } from '../settings.ts'
import {
  hasSystemPrefix,
  isForbiddenToSend,
  RETRY_PREFIX,
  replyTopic,
  systemTopics,
  TOPIC,
  topicNameFault,
} from './names.ts'
import { PERM, PERM_READ_WRITE, readTopicConfig, SYS_FLAG, type TopicConfig, topicConfig } from './topic-config.ts'

/** SCHEDULE_TOPIC_XXXX has a queue a delay level. */
const SCHEDULE_QUEUES = 18
const FILE = 'topics.json'
/** A second, of topics that are not created. */
const NOT_CREATED_LINES = 5

export interface AutoCreation {
  topic: string
  /** Whose permissions and queues the new topic takes; TBW102 for nearly every client. */
  defaultTopic: string
  /** Queues that the client wishes. */
  queueNums: number
  unitMode: boolean
  /** Who asked, for the log: "ip:port". */
  remote: string
}

export interface TopicChange {
  kind: 'created' | 'updated' | 'deleted'
  topic: TopicConfig
  /** True: register only this topic and wait for the answer (17). False: the whole table, one-way (by a send or heartbeat). */
  incremental: boolean
}

/** A promise that it returns is waited for where an administrator waits (17, 215): the NameServers know the topic by then. */
export type TopicListener = (change: TopicChange) => unknown

export class TopicTable {
  readonly dataVersion: DataVersion
  /** Names that neither 17 nor 215 may touch (305). */
  readonly systemTopics: ReadonlySet<string>
  private readonly table = new Map<string, TopicConfig>()
  private readonly listeners: TopicListener[] = []
  private noteDeletion: (topic: string) => Promise<void> = () => Promise.resolve()
  private readonly settings: BrokerSettings
  private readonly log: Log
  private readonly limited: LimitedLog
  private readonly file: TableFile

  constructor(options: { settings: BrokerSettings; store: MetadataStore; clock: Clock; log: Log }) {
    const { settings, store, clock, log } = options
    this.settings = settings
    this.log = log
    this.limited = new LimitedLog(log, NOT_CREATED_LINES)
    this.dataVersion = new DataVersion(clock)
    this.file = new TableFile(FILE, store, () => `${JSON.stringify(this, null, '\t')}\n`, log)
    const { brokerClusterName: cluster, brokerName } = settings
    this.systemTopics = systemTopics(
      cluster,
      brokerName,
      settings.traceTopicEnable ? settings.msgTraceTopicName : undefined,
    )
    for (const topic of initialTopics(settings)) this.table.set(topic.topicName, topic)
  }

  /** Reads topics.json over the system topics, as RocketMQ does: what an administrator changed stays. */
  load(): void {
    const content = this.file.load()
    if (content === undefined) return
    for (const [name, topic] of this.read(content.topicConfigTable)) this.table.set(name, topic)
    this.dataVersion.assign(content.dataVersion)
  }

  private read(table: unknown): Map<string, TopicConfig> {
    const topics = new Map<string, TopicConfig>()
    for (const [name, value] of entriesOf(table)) {
      const fault = topicNameFault(name)
      try {
        if (fault !== undefined) throw new Error(fault)
        topics.set(name, readTopicConfig(name, value))
      } catch (error) {
        this.log.error(`topic "${name}" of ${FILE} is left out: ${describe(error)}`, { file: FILE, topic: name })
      }
    }
    return topics
  }

  get(name: string): TopicConfig | undefined {
    return this.table.get(name)
  }

  get size(): number {
    return this.table.size
  }

  values(): IterableIterator<TopicConfig> {
    return this.table.values()
  }

  names(): IterableIterator<string> {
    return this.table.keys()
  }

  /** Undefined when the name may be a topic, else the remark of the answer (code 1). */
  validateName(name: string | undefined): string | undefined {
    return topicNameFault(name)
  }

  isSystem(name: string): boolean {
    return this.systemTopics.has(name) || hasSystemPrefix(name)
  }

  isForbiddenToSend(name: string): boolean {
    return isForbiddenToSend(name)
  }

  /** True where the table marks a topic as ordered (never by a request in 4.9.8, only by its file). */
  isOrderTopic(name: string): boolean {
    return this.table.get(name)?.order ?? false
  }

  /**
   * The topic of a send, created from its default topic where that allows it; undefined: the send is answered 17. A
   * %RETRY% topic that cannot be inherited is created with one queue.
   */
  autoCreate(wish: AutoCreation): TopicConfig | undefined {
    const known = this.table.get(wish.topic)
    if (known !== undefined) return known
    if (topicNameFault(wish.topic) !== undefined) return undefined
    const isRetry = wish.topic.startsWith(RETRY_PREFIX)
    const sysFlag = wish.unitMode ? (isRetry ? SYS_FLAG.unitSub : SYS_FLAG.unit) : 0
    const created = this.inherited(wish, sysFlag)
    if (created !== undefined) return this.add(created, wish.remote)
    const { topic, remote, defaultTopic } = wish
    if (isRetry)
      return this.createInternal({ topic, queueNums: 1, perm: PERM_READ_WRITE, topicSysFlag: sysFlag, remote })
    // A producer that nobody looks after asks for ever: the first lines of a second say it.
    this.limited.warn(`topic ${topic} is not created: ${this.whyNotCreated(defaultTopic)}`, { remote })
    return undefined
  }

  /** After autoCreate() has created nothing: the rule that forbade it. */
  whyNotCreated(defaultTopic: string): string {
    const { brokerName, autoCreateTopicEnable } = this.settings
    const rule = `${brokerName} does not create it: autoCreateTopicEnable is ${autoCreateTopicEnable}`
    if (defaultTopic === TOPIC.autoCreate && !autoCreateTopicEnable) return rule
    const named = `${rule}, and the default topic ${defaultTopic.slice(0, 300)} that the producer names`
    const perm = this.table.get(defaultTopic)?.perm
    return perm === undefined ? `${named} is not there` : `${named} has perm ${perm}, without inherit (1)`
  }

  /** The topic, created as given where it is not there: %RETRY%, %DLQ% and the broker's own. Undefined: no legal name. */
  createInternal(wish: {
    topic: string
    queueNums: number
    perm: number
    topicSysFlag?: number
    remote?: string
  }): TopicConfig | undefined {
    const known = this.table.get(wish.topic)
    if (known !== undefined) return known
    const fault = topicNameFault(wish.topic)
    if (fault !== undefined) {
      this.log.warn(`topic "${wish.topic.slice(0, 300)}" is not created: ${fault}`, { remote: wish.remote })
      return undefined
    }
    const { topic, queueNums, perm, topicSysFlag = 0 } = wish
    return this.add(topicConfig(topic, queueNums, perm, { topicSysFlag }), wish.remote)
  }

  /** 17: replaces or creates. The name and numbers are the caller's to check. Settled when topics.json holds it. */
  put(topic: TopicConfig): Promise<void> {
    const kind = this.table.has(topic.topicName) ? 'updated' : 'created'
    this.table.set(topic.topicName, topic)
    return this.changed({ kind, topic, incremental: true })
  }

  /** 215. False when there was none. */
  async remove(name: string): Promise<boolean> {
    const topic = this.table.get(name)
    if (topic === undefined) return false
    this.table.delete(name)
    // First: a start that finds its records and no entry here has to know why.
    const noted = this.noteDeletion(name)
    await Promise.all([noted, this.changed({ kind: 'deleted', topic, incremental: true })])
    return true
  }

  /** Called at each deletion, before topics.json is written without the topic. */
  onDeletion(note: (topic: string) => Promise<void>): void {
    this.noteDeletion = note
  }

  /**
   * Exactly these are ordered, as the NameServers' ORDER_TOPIC_CONFIG says; whatever was said before is forgotten. What is
   * changed is registered with the next table, like a topic that a send creates.
   */
  setOrdered(ordered: ReadonlySet<string>): void {
    const changed = [...this.table.values()].filter((topic) => topic.order !== ordered.has(topic.topicName))
    if (changed.length === 0) return
    for (const topic of changed) {
      const order = !topic.order
      this.table.set(topic.topicName, { ...topic, order })
      this.log.info(`topic ${topic.topicName} is ${order ? '' : 'no longer '}ordered, as the NameServers say`)
    }
    this.changed({ kind: 'updated', topic: changed[0], incremental: false }).catch(() => {})
  }

  /**
   * Takes over what a slave's master has (the body of 21), as a whole and with its version. False: that is what is here
   * already, or nothing that could be all topics of a broker.
   */
  replace(content: Record<string, unknown>): boolean {
    const fresh = this.read(content.topicConfigTable)
    if (fresh.size === 0 || this.dataVersion.isSaidBy(content.dataVersion)) return false
    this.table.clear()
    for (const [name, topic] of fresh) this.table.set(name, topic)
    const [topic] = fresh.values()
    this.dataVersion.assign(content.dataVersion)
    this.file.persist().catch(() => {})
    void this.tell({ kind: 'updated', topic, incremental: false })
    return true
  }

  /** For a change that is not in the table and that NameServers have to take: brokerPermission, the broker's role. */
  newVersion(): void {
    if (this.isSlave) return
    this.dataVersion.next()
    this.file.persist().catch(() => {})
  }

  /** Called at once after each change, before it is on disk. */
  onChange(listener: TopicListener): void {
    this.listeners.push(listener)
  }

  /** Settled when all changes so far are on disk; undefined when they are. */
  saved(): Promise<void> | undefined {
    return this.file.pending()
  }

  retryFailedSave(): void {
    this.file.retryFailed()
  }

  /** The body of 21, and topics.json. */
  toJSON(): { dataVersion: DataVersion; topicConfigTable: Record<string, TopicConfig> } {
    return { dataVersion: this.dataVersion, topicConfigTable: Object.fromEntries(this.table) }
  }

  /** autoCreateTopicEnable was switched on while the broker runs: TBW102 is as after a start with it. */
  async openAutoCreation(): Promise<void> {
    const known = this.table.get(TOPIC.autoCreate)
    if (!this.settings.autoCreateTopicEnable || ((known?.perm ?? 0) & PERM.inherit) !== 0) return
    const fresh = topicConfig(TOPIC.autoCreate, this.settings.defaultTopicQueueNums, PERM.inherit | PERM_READ_WRITE)
    const topic = known === undefined ? fresh : { ...known, perm: fresh.perm }
    this.table.set(topic.topicName, topic)
    await this.changed({ kind: 'updated', topic, incremental: true })
  }

  private inherited(wish: AutoCreation, topicSysFlag: number): TopicConfig | undefined {
    const from = this.defaultTopic(wish.defaultTopic)
    if (from === undefined || (from.perm & PERM.inherit) === 0) return undefined
    const queueNums = Math.max(0, Math.min(wish.queueNums, from.writeQueueNums))
    const { topicFilterType } = from
    return topicConfig(wish.topic, queueNums, from.perm & ~PERM.inherit, { topicSysFlag, topicFilterType })
  }

  /** With autoCreateTopicEnable=false a TBW102 that an older run left in topics.json loses its inherit bit. */
  private defaultTopic(name: string): TopicConfig | undefined {
    const topic = this.table.get(name)
    if (topic === undefined || name !== TOPIC.autoCreate || this.settings.autoCreateTopicEnable) return topic
    const closed = { ...topic, perm: PERM_READ_WRITE }
    this.table.set(name, closed)
    return closed
  }

  private add(topic: TopicConfig, remote: string | undefined): TopicConfig {
    this.table.set(topic.topicName, topic)
    this.log.info(`topic ${topic.topicName} created`, { ...topic, remote })
    this.changed({ kind: 'created', topic, incremental: false }).catch(() => {})
    return topic
  }

  /** Rejects when topics.json could not be written; what listeners do fails by itself. */
  private async changed(change: TopicChange): Promise<void> {
    // A slave's file and version are its master's: what it makes by itself lasts until that one's table comes.
    if (this.isSlave) return this.tell(change)
    this.dataVersion.next()
    const saved = this.file.persist()
    await this.tell(change)
    await saved
  }

  private async tell(change: TopicChange): Promise<void> {
    await Promise.allSettled(this.listeners.map((listener) => listener(change)))
  }

  private get isSlave(): boolean {
    return this.settings.brokerRole === 'SLAVE'
  }
}

function initialTopics(settings: BrokerSettings): TopicConfig[] {
  const { brokerClusterName: cluster, brokerName } = settings
  const own = [
    topicConfig(TOPIC.selfTest, 1, PERM_READ_WRITE),
    topicConfig(TOPIC.benchmark, 1024, PERM_READ_WRITE),
    topicConfig(cluster, 16, PERM.inherit | (settings.clusterTopicEnable ? PERM_READ_WRITE : 0)),
    topicConfig(brokerName, 1, PERM.inherit | (settings.brokerTopicEnable ? PERM_READ_WRITE : 0)),
    topicConfig(TOPIC.offsetMoved, 1, PERM_READ_WRITE),
    topicConfig(TOPIC.schedule, SCHEDULE_QUEUES, PERM_READ_WRITE),
    topicConfig(replyTopic(cluster), 1, PERM_READ_WRITE),
  ]
  if (settings.autoCreateTopicEnable) {
    own.push(topicConfig(TOPIC.autoCreate, settings.defaultTopicQueueNums, PERM.inherit | PERM_READ_WRITE))
  }
  if (settings.traceTopicEnable) own.push(topicConfig(settings.msgTraceTopicName, 1, PERM_READ_WRITE))
  return own
}
