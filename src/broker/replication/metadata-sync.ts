/**
 * What a slave copies from its master beside the log: topics, offsets, delay progress, groups.
 *
 *   each 10 s   21 topics ─▶ 43 offsets ─▶ 45 delay offsets ─▶ 201 groups       a failure is logged, the next is asked
 *                                │                └▶ 28 (of RocketMQ's masters): where its log ends, for delay-follow.ts
 *                                └▶ 15 back to the master: what clients committed here while it was away
 *
 * Owns:      its connection to the master. Called by: Replication.
 * Blocks on: nothing. Time from the schedule.
 * Rules:     spec/ha.md §6. Differently: everything goes over the master's main port, and offsets find their way back.
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { type RemotingCommand, request } from '../../remoting/command.ts'
import { parse } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { encodeHeader } from '../../remoting/schema.ts'
import { UPDATE_CONSUMER_OFFSET } from '../../remoting/schemas/pull.ts'
import type { SubscriptionGroups } from '../groups/index.ts'
import { integerOf } from '../metadata.ts'
import type { CommittedHere, ConsumerOffsets } from '../offsets/consumer-offsets.ts'
import type { TopicTable } from '../topics/index.ts'
import type { DelayFollow } from './delay-follow.ts'
import { DELIVERIES } from './deliveries-header.ts'

export interface MetadataSyncOptions {
  readonly client: { invoke(address: string, command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> }
  readonly topics: Pick<TopicTable, 'replace'>
  readonly groups: Pick<SubscriptionGroups, 'replace'>
  readonly offsets: Pick<ConsumerOffsets, 'follow' | 'masterTook' | 'flush'>
  readonly delays: Pick<DelayFollow, 'take'>
  /** Whoever does not lead a DLedger group may be behind this one: nothing is taken over from it. */
  readonly fromLeader?: boolean
  readonly onTopics?: () => void
  /** The master is another one now: nothing more is taken over from this. */
  readonly isOver?: () => boolean
  /** Of this machine, for who reads the log. */
  readonly ownHost: () => string
  readonly log: Log
}

const TIMEOUT_MS = 5000
/** In complaints, beside the codes of requests: the master's access rules. */
const ACCESS = 0
/** Offsets that go back in one round: a fail-over of thousands of queues takes a few rounds. */
const SENT_BACK_MAX = 1000

export class MetadataSync {
  private readonly options: MetadataSyncOptions
  private running: Promise<boolean> | undefined
  private isDue = false
  /** What went wrong last, by code: said once. */
  private readonly said = new Map<number, string>()

  constructor(options: MetadataSyncOptions) {
    this.options = options
  }

  /** One round; behind the one that is under way. False: something could not be asked for. Never rejects. */
  run(master: string): Promise<boolean> {
    this.isDue = true
    this.running ??= this.rounds(master).finally(() => {
      this.running = undefined
    })
    return this.running
  }

  private async rounds(master: string): Promise<boolean> {
    let isWhole = true
    while (this.isDue) {
      this.isDue = false
      isWhole = await this.round(master)
    }
    return isWhole
  }

  private async round(master: string): Promise<boolean> {
    const { topics, groups, offsets, log, fromLeader = false, onTopics } = this.options
    // First: one that does not lead refuses it.
    if (fromLeader && !(await this.askDelays(master))) return false
    const hasTopics = await this.ask(master, REQUEST.GET_ALL_TOPIC_CONFIG, (_text, content) => {
      if (topics.replace(content)) log.info(`topics taken over from master ${master}`)
      onTopics?.()
    })
    const hasOffsets = await this.ask(master, REQUEST.GET_ALL_CONSUMER_OFFSET, async (_text, content) => {
      await this.sendBack(master, offsets.follow(content.offsetTable))
      await offsets.flush()
    })
    const hasDelays = fromLeader || (await this.askDelays(master))
    const hasGroups = await this.ask(master, REQUEST.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, (_text, content) => {
      if (groups.replace(content)) log.info(`groups taken over from master ${master}`)
    })
    return hasTopics && hasOffsets && hasDelays && hasGroups
  }

  private askDelays(master: string): Promise<boolean> {
    return this.ask(
      master,
      REQUEST.GET_ALL_DELAY_OFFSET,
      async (text, _content, ext) => {
        const end = integerOf(ext?.[DELIVERIES.end]) ?? (await this.endOf(master))
        await this.options.delays.take({ text, end, mark: ext?.[DELIVERIES.mark] })
      },
      { [DELIVERIES.asked]: 'true' },
    )
  }

  private async ask(
    master: string,
    code: number,
    take: (text: string, content: Record<string, unknown>, ext: RemotingCommand['ext']) => void | Promise<void>,
    header?: Record<string, string>,
  ): Promise<boolean> {
    try {
      const { text, content, ext } = await this.objectOf(master, code, header)
      if (this.options.isOver?.()) return false
      await take(text, content, ext)
      if (this.said.delete(code) || this.said.delete(ACCESS)) {
        this.options.log.info(`request ${code} to master ${master} is answered again`)
      }
      return true
    } catch (error) {
      const what = describe(error)
      if (this.options.isOver?.()) return false
      if (what.includes('AclException')) this.complain(ACCESS, this.accessText(master, what))
      else this.complain(code, `request ${code} to master ${master} failed: ${what}; it is tried again`)
      return false
    }
  }

  private async objectOf(master: string, code: number, header?: Record<string, string>) {
    const answer = await this.options.client.invoke(master, request(code, header), TIMEOUT_MS)
    if (answer.code !== RESPONSE.SUCCESS) throw new Error(`code ${answer.code}, ${answer.remark ?? 'no remark'}`)
    const text = Buffer.from(answer.body ?? []).toString()
    const content = parse(text)
    if (typeof content !== 'object' || content === null) throw new Error('its body is no object')
    return { text, content: content as Record<string, unknown>, ext: answer.ext }
  }

  /** Of a RocketMQ master: the end of its log, behind all that it has said before. */
  private async endOf(master: string): Promise<number> {
    const { content } = await this.objectOf(master, REQUEST.GET_BROKER_RUNTIME_INFO)
    const end = integerOf((content.table as Record<string, unknown> | undefined)?.commitLogMaxOffset)
    if (end === undefined) throw new Error('its runtime table has no commitLogMaxOffset')
    return end
  }

  private accessText(master: string, what: string): string {
    return (
      `master ${master} checks access (aclEnable) and refuses this slave: ${what}. As RocketMQ's, its requests carry no ` +
      `signature: topics, groups and offsets are not copied before the address of this machine, as the master sees it ` +
      `(${this.options.ownHost()}), is in globalWhiteRemoteAddresses of the master's plain_acl.yml. It is tried again`
    )
  }

  private async sendBack(master: string, ahead: readonly CommittedHere[]): Promise<void> {
    const { client, offsets, log } = this.options
    let taken = 0
    for (const one of ahead.slice(0, SENT_BACK_MAX)) {
      if (this.options.isOver?.()) return
      const { group: consumerGroup, topic, queueId, offset: commitOffset } = one
      const header = encodeHeader(UPDATE_CONSUMER_OFFSET, { consumerGroup, topic, queueId, commitOffset })
      const answer = await client.invoke(master, request(REQUEST.UPDATE_CONSUMER_OFFSET, header), TIMEOUT_MS)
      if (answer.code !== RESPONSE.SUCCESS) throw new Error(`code ${answer.code}, ${answer.remark ?? 'no remark'}`)
      offsets.masterTook(one)
      taken += 1
    }
    if (taken > 0) log.info(`${taken} offsets that were committed here went to master ${master}`)
  }

  private complain(code: number, text: string): void {
    if (this.said.get(code) === text) return
    this.said.set(code, text)
    if (code === ACCESS) this.options.log.error(text)
    else this.options.log.warn(text)
  }
}
