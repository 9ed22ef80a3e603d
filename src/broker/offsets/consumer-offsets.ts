/**
 * How far each group has consumed each queue: config/consumerOffset.json.
 *
 * Owns:      the table topic → group → queue → offset of the next message. Called by: request processors and pulls.
 * Invariant: an offset changes only by a commit (it may go back, when a client says so, and the log says it), a removed
 *            group or an administrator; never by itself (USERS: "reset to 0 and everything again").
 * Blocks on: nothing. Written every flushConsumerOffsetInterval and at the stop, when something changed.
 * Rules:     spec/broker-requests.md §8; file: spec/store-format.md §7.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { entriesOf, integerOf, TableFile } from '../metadata.ts'
import { NO_OFFSET } from './no-offset.ts'
import { PendingResets } from './pending-resets.ts'
import { SlaveCommits } from './slave-commits.ts'

const FILE = 'consumerOffset.json'
/** Longer than an election takes. */
const HAND_OVER_MS = 60_000
/** Its offsets are the transactions' own, which the new master has from the log. */
const TRANSACTION_GROUP = 'CID_RMQ_SYS_TRANS'
/** Stands between topic and group in the file; legal in neither name. */
const SEPARATOR = '@'

/** An offset that a client has committed to a slave. */
export interface CommittedHere {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  readonly offset: number
}

export class ConsumerOffsets {
  private readonly topics = new Map<string, Map<string, Map<number, number>>>()
  private readonly log: Log
  private readonly file: TableFile
  private readonly resets = new PendingResets()
  /** On a slave: what clients have committed here, and the master may not know. */
  private readonly committedHere: SlaveCommits
  private readonly settings: { readonly brokerRole: string } | undefined
  /** A master became a slave: what it knows and the new master does not goes there once, unless that takes too long. */
  private handsOverUntil = 0
  private readonly now: () => number

  constructor(options: {
    store: MetadataStore
    log: Log
    settings?: { readonly brokerRole: string }
    clock?: Clock
  }) {
    this.log = options.log
    this.settings = options.settings
    this.now = () => options.clock?.now() ?? 0
    this.file = new TableFile(FILE, options.store, () => this.toText(), options.log)
    this.committedHere = new SlaveCommits({
      ...options,
      offsetOf: (key, queueId) => this.byKey(key)?.get(queueId) ?? NO_OFFSET,
    })
  }

  private get isSlave(): boolean {
    return this.settings?.brokerRole === 'SLAVE'
  }

  load(): void {
    for (const [key, queues] of entriesOf(this.file.load()?.offsetTable)) {
      const at = key.indexOf(SEPARATOR)
      for (const [queue, offset] of entriesOf(queues)) {
        const queueId = integerOf(queue)
        const value = integerOf(offset)
        if (at > 0 && queueId !== undefined && queueId >= 0 && value !== undefined) {
          this.queuesOf(key.slice(0, at), key.slice(at + 1)).set(queueId, value)
        } else {
          this.log.error(`offset of "${key}" queue ${queue} in ${FILE} is left out: ${JSON.stringify(offset)}`, {
            file: FILE,
          })
        }
      }
    }
    this.loadCommittedHere()
  }

  private loadCommittedHere(): void {
    for (const [key, queueId, offset] of this.committedHere.load()) {
      const at = key.indexOf(SEPARATOR)
      if (at <= 0) continue
      this.queuesOf(key.slice(0, at), key.slice(at + 1)).set(queueId, offset)
      this.file.touch()
      if (this.isSlave) this.committedHere.note(key, queueId)
      else this.committedHere.touch()
    }
  }

  /**
   * Stored unconditionally, also backwards: any client may move its group. `clientHost` is for the log. False: nothing is
   * stored, because the queue was reset and its consumer does not know yet.
   */
  commit(group: string, topic: string, queueId: number, offset: number, clientHost: string): boolean {
    if (this.resets.has(group, topic, queueId)) return false
    const queues = this.queuesOf(topic, group)
    const former = queues.get(queueId)
    if (this.isSlave) this.committedHere.note(topic + SEPARATOR + group, queueId)
    if (former === offset) return true
    queues.set(queueId, offset)
    this.file.touch()
    if (former !== undefined && offset < former) {
      this.log.warn(`offset of group ${group} on ${topic} queue ${queueId} goes back from ${former} to ${offset}`, {
        group,
        topic,
        queueId,
        remote: clientHost,
      })
    }
    return true
  }

  /**
   * Takes over what a slave's master has (the body of 43). Queues in which clients have come farther here, while the master
   * was away, keep that: they are returned, and the master is to be told. RocketMQ's slave overwrites them, and the messages
   * come again.
   */
  follow(table: unknown): CommittedHere[] {
    if (this.now() < this.handsOverUntil) this.noteAll()
    this.handsOverUntil = 0
    const ahead: CommittedHere[] = []
    for (const [key, queues] of entriesOf(table)) {
      const at = key.indexOf(SEPARATOR)
      for (const [queue, value] of entriesOf(queues)) {
        const queueId = integerOf(queue)
        const offset = integerOf(value)
        if (at <= 0 || queueId === undefined || queueId < 0 || offset === undefined) continue
        this.takeOver(key.slice(at + 1), key.slice(0, at), queueId, offset)
      }
    }
    for (const [key, queueId] of [...this.committedHere.all()]) {
      const at = key.indexOf(SEPARATOR)
      const [topic, group] = [key.slice(0, at), key.slice(at + 1)]
      const offset = this.query(group, topic, queueId)
      // Its group or topic has been deleted since.
      if (offset < 0) this.committedHere.forget(key, queueId)
      else ahead.push({ group, topic, queueId, offset })
    }
    return ahead
  }

  /** This broker is the master now: what was committed here is its own word. */
  lead(): void {
    this.committedHere.clear()
    this.file.touch()
  }

  /**
   * It is a slave now. The new master has the offsets of its last copy, seconds ago: where clients have come farther here, it
   * is told. Not much later: whoever reset a group there meant it.
   */
  leadNoMore(): void {
    this.handsOverUntil = this.now() + HAND_OVER_MS
  }

  private noteAll(): void {
    for (const [topic, groups] of this.topics) {
      for (const [group, queues] of groups) {
        if (group === TRANSACTION_GROUP) continue
        for (const queueId of queues.keys()) this.committedHere.note(topic + SEPARATOR + group, queueId)
      }
    }
  }

  /** The master has this one now. */
  masterTook({ group, topic, queueId, offset }: CommittedHere): void {
    if (this.query(group, topic, queueId) === offset) this.committedHere.forget(topic + SEPARATOR + group, queueId)
  }

  private takeOver(group: string, topic: string, queueId: number, offset: number): void {
    const queues = this.queuesOf(topic, group)
    const own = queues.get(queueId)
    const key = topic + SEPARATOR + group
    if (own !== undefined && own > offset && this.committedHere.has(key, queueId)) return
    this.committedHere.forget(key, queueId)
    if (own === offset) return
    queues.set(queueId, offset)
    this.file.touch()
  }

  private byKey(key: string): ReadonlyMap<number, number> | undefined {
    const at = key.indexOf(SEPARATOR)
    return this.queryAll(key.slice(at + 1), key.slice(0, at))
  }

  /** Sets an offset from the broker's side: the consumer's commits count for nothing until a pull has taken the reset. */
  reset(group: string, topic: string, queueId: number, offset: number): void {
    this.queuesOf(topic, group).set(queueId, offset)
    this.resets.set(group, topic, queueId, offset)
    this.file.touch()
  }

  /** Where a pull has to go on after a reset that its consumer does not know of, once; else NO_OFFSET. */
  takeReset(group: string, topic: string, queueId: number): number {
    return this.resets.take(group, topic, queueId)
  }

  /** All of `from`'s offsets of the topic become `to`'s as well; what `to` had is gone. False when `from` has none. */
  clone(from: string, to: string, topic: string): boolean {
    const groups = this.topics.get(topic)
    const source = groups?.get(from)
    if (groups === undefined || source === undefined) return false
    groups.set(to, new Map(source))
    this.file.touch()
    return true
  }

  /** Offset of the next message of the queue for the group, or NO_OFFSET. */
  query(group: string, topic: string, queueId: number): number {
    return this.topics.get(topic)?.get(group)?.get(queueId) ?? NO_OFFSET
  }

  queryAll(group: string, topic: string): ReadonlyMap<number, number> | undefined {
    return this.topics.get(topic)?.get(group)
  }

  /** Topics that the group has offsets of. */
  topicsOf(group: string): string[] {
    const names: string[] = []
    for (const [topic, groups] of this.topics) if (groups.has(group)) names.push(topic)
    return names
  }

  /** Groups that have offsets of the topic. */
  groupsOf(topic: string): string[] {
    return [...(this.topics.get(topic)?.keys() ?? [])]
  }

  removeGroup(group: string): void {
    for (const [topic, groups] of this.topics) {
      if (!groups.delete(group)) continue
      if (groups.size === 0) this.topics.delete(topic)
      this.file.touch()
    }
    this.resets.removeGroup(group)
  }

  /** The topic is deleted: one of the same name begins at 0, and nobody may skip what is in it. */
  removeTopic(topic: string): void {
    if (this.topics.delete(topic)) this.file.touch()
    this.resets.removeTopic(topic)
  }

  /** The queue is gone with all its messages; should it come back, it begins at 0. */
  removeQueue(topic: string, queueId: number): void {
    for (const [group, queues] of this.topics.get(topic) ?? []) {
      if (queues.delete(queueId)) this.file.touch()
      this.resets.take(group, topic, queueId)
    }
  }

  /** Writes the table when something changed; settled when it is on disk (a failure is logged and tried again). */
  async flush(): Promise<void> {
    // In this order: what a kill leaves between the two is in the first.
    await this.committedHere.flush()
    await this.file.flush()
  }

  /** As 43 and the file carry it: {"topic@group": {queueId: offset}}. */
  toJSON(): { offsetTable: Record<string, Record<number, number>> } {
    const offsetTable: Record<string, Record<number, number>> = {}
    for (const [topic, groups] of this.topics) {
      for (const [group, queues] of groups) offsetTable[topic + SEPARATOR + group] = Object.fromEntries(queues)
    }
    return { offsetTable }
  }

  /** The same as fastjson writes it, with bare integer keys: what RocketMQ's own tools expect to find. */
  private toText(): string {
    const rows: string[] = []
    for (const [topic, groups] of this.topics) {
      for (const [group, queues] of groups) {
        const items = [...queues].sort((a, b) => a[0] - b[0]).map(([queueId, offset]) => `${queueId}:${offset}`)
        rows.push(`\t\t${JSON.stringify(topic + SEPARATOR + group)}:{${items.join(',')}}`)
      }
    }
    return `{\n\t"offsetTable":{${rows.length === 0 ? '' : `\n${rows.join(',\n')}\n\t`}}\n}\n`
  }

  private queuesOf(topic: string, group: string): Map<number, number> {
    let groups = this.topics.get(topic)
    if (groups === undefined) {
      groups = new Map()
      this.topics.set(topic, groups)
    }
    let queues = groups.get(group)
    if (queues === undefined) {
      queues = new Map()
      groups.set(group, queues)
    }
    return queues
  }
}
