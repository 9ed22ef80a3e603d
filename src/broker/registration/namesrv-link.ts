/**
 * One broker's standing with one NameServer: what it has accepted, when it is asked next, what is under way.
 *
 * Invariant: at most one registration is under way to one NameServer, and at most one waits behind it; whoever comes
 * later shares that one, so a slow NameServer delays nobody and collects no queue.
 *
 * An incremental registration (one topic) is sent only when it is provably enough. RocketMQ 4.9.8 takes over topics only
 * when the version differs from the one it knows: were one topic sent to a NameServer that had missed an earlier
 * change, or had restarted, then every later full registration of that version would be skipped, and topics would be
 * missing from routes until the next change.
 */
import type { Clock } from '../../clock.ts'
import { describe, RemotingError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { RemotingCommand } from '../../remoting/command.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { type RegisterAnswer, readRegisterAnswer } from './register-answer.ts'
import {
  type BrokerIdentity,
  registerRequest,
  type TopicSnapshot,
  type TopicVersion,
  unregisterRequest,
  versionRequest,
} from './register-request.ts'

/** As much of RemotingClient as is needed. */
export interface NamesrvClient {
  invoke(address: string, command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand>
}

export interface LinkOptions {
  readonly client: NamesrvClient
  readonly clock: Clock
  readonly log: Log
  readonly broker: () => BrokerIdentity
  readonly topics: () => TopicSnapshot
  readonly onAnswer: ((answer: RegisterAnswer) => void) | undefined
  readonly periodMs: number
  readonly timeoutMs: number
  /** false: ask first whether the version changed (322). */
  readonly force: boolean
  readonly compressed: boolean
}

/** After a failure: 1 s, then doubled, up to the period (RocketMQ waits a whole period). */
const RETRY_MS_MIN = 1000

export class NamesrvLink {
  readonly address: string
  /** The version of the last registration that was answered with 0 and of which nothing can be missing there. */
  accepted: TopicVersion | undefined
  private readonly options: LinkOptions
  private running: Promise<boolean> | undefined
  private next: Promise<boolean> | undefined
  private dueAt: number
  private failures = 0
  private closed = false

  constructor(address: string, options: LinkOptions) {
    this.address = address
    this.options = options
    this.dueAt = options.clock.now()
  }

  /** True when the periodic registration is due. A clock that went back makes it due at once. */
  due(): boolean {
    const wait = this.dueAt - this.options.clock.now()
    return this.running === undefined && (wait <= 0 || wait > this.options.periodMs)
  }

  /** The last try failed: nobody should wait for the next. */
  get failing(): boolean {
    return this.failures > 0
  }

  /** The periodic registration: all topics, or with force=false only if the NameServer has another version. */
  refresh(): Promise<boolean> {
    return this.enqueue(async () => (await this.upToDate()) || this.sendAll())
  }

  /** All topics. Resolves to whether the NameServer took them; never rejects. */
  register(): Promise<boolean> {
    return this.enqueue(() => this.sendAll())
  }

  /** One changed topic; all of them where that could leave something out. */
  registerTopic(topicName: string): Promise<boolean> {
    if (this.running !== undefined) return this.register()
    return this.enqueue(async () => (await this.sendTopic(topicName)) || this.sendAll())
  }

  /** Sends 104 and nothing more after it. Resolves to whether it was answered with 0. */
  async unregister(timeoutMs: number): Promise<boolean> {
    this.closed = true
    try {
      const answer = await this.options.client.invoke(this.address, unregisterRequest(this.options.broker()), timeoutMs)
      return answer.code === RESPONSE.SUCCESS
    } catch (error) {
      this.options.log.warn(`NameServer ${this.address} was not told that this broker stops: ${describe(error)}`)
      return false
    }
  }

  /** It may have restarted and know nothing: ask it soon. */
  connectionLost(): void {
    this.dueAt = Math.min(this.dueAt, this.options.clock.now() + RETRY_MS_MIN)
  }

  close(): void {
    this.closed = true
  }

  private enqueue(work: () => Promise<boolean>): Promise<boolean> {
    if (this.closed) return Promise.resolve(false)
    if (this.running !== undefined) {
      // What waits is always the whole table, read when its turn comes, so it serves everybody who asked meanwhile.
      this.next ??= this.running.then(() => this.begin(() => this.sendAll()))
      return this.next
    }
    return this.begin(work)
  }

  private begin(work: () => Promise<boolean>): Promise<boolean> {
    this.next = undefined
    if (this.closed) return Promise.resolve(false)
    const running = work().then(
      (taken) => taken,
      (error: unknown) => this.failed(describe(error)),
    )
    const done = running.then((taken) => {
      if (this.running === done) this.running = undefined
      return taken
    })
    this.running = done
    return done
  }

  private async sendAll(): Promise<boolean> {
    const { broker, topics, compressed, timeoutMs } = this.options
    const table = topics()
    const version = copyOf(table.dataVersion)
    const answer = await this.invoke(registerRequest(broker(), table, compressed), timeoutMs)
    if (answer.code !== RESPONSE.SUCCESS) return this.failed(`code ${answer.code}, ${answer.remark ?? 'no remark'}`)
    return this.taken(version, answer)
  }

  /** False: nothing was sent, or it was refused. */
  private async sendTopic(topicName: string): Promise<boolean> {
    const { broker, topics, compressed, timeoutMs } = this.options
    const accepted = this.accepted
    if (accepted === undefined || this.failing || topics().dataVersion.counter !== accepted.counter + 1) return false
    if (!(await this.knows(accepted))) return false
    const table = topics()
    const version = copyOf(table.dataVersion)
    if (version.counter !== accepted.counter + 1) return false
    const changed = [...table.topics].filter((topic) => topic.topicName === topicName)
    if (changed.length !== 1) return false
    const request = registerRequest(broker(), { dataVersion: version, topics: changed }, compressed)
    const answer = await this.invoke(request, timeoutMs)
    return answer.code === RESPONSE.SUCCESS && this.taken(version, answer)
  }

  /** Whether force=false and the NameServer has our version. After a failure it is not asked: it gets everything. */
  private async upToDate(): Promise<boolean> {
    if (this.options.force || this.accepted === undefined || this.failing) return false
    if (!(await this.knows(this.options.topics().dataVersion))) return false
    this.scheduleNext()
    return true
  }

  /** 322: whether the NameServer's version for this broker is that one. It takes an equal one as a sign of life. */
  private async knows({ timestamp, counter }: TopicVersion): Promise<boolean> {
    const question = versionRequest(this.options.broker(), { timestamp, counter })
    const answer = await this.invoke(question, this.options.timeoutMs)
    return answer.code === RESPONSE.SUCCESS && answer.ext?.changed === 'false'
  }

  /** Once more where the connection was found dead, as after a restart of the NameServer: all requests may come twice. */
  private async invoke(command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> {
    if (this.closed) throw new Error('the broker is stopping')
    try {
      return await this.options.client.invoke(this.address, command, timeoutMs)
    } catch (error) {
      const retry = error instanceof RemotingError && error.code === 'CONNECTION_CLOSED' && !this.closed
      if (!retry) throw error
      return this.options.client.invoke(this.address, command, timeoutMs)
    }
  }

  private taken(version: TopicVersion, command: RemotingCommand): boolean {
    const { log, onAnswer } = this.options
    if (this.accepted === undefined || this.failures > 0) log.info(`registered with NameServer ${this.address}`)
    this.accepted = version
    this.scheduleNext()
    const answer = readRegisterAnswer(this.address, command)
    for (const entry of answer.skipped) log.error(`NameServer ${this.address}: ${entry}; passed over`)
    onAnswer?.(answer)
    return true
  }

  private scheduleNext(): void {
    this.failures = 0
    this.dueAt = this.options.clock.now() + this.options.periodMs
  }

  private failed(why: string): false {
    if (this.closed) return false
    const { log, clock, periodMs } = this.options
    const waitMs = Math.min(RETRY_MS_MIN * 2 ** Math.min(this.failures, 16), periodMs)
    this.dueAt = clock.now() + waitMs
    this.failures += 1
    // One line for an outage, not one for each try.
    if (this.failures === 1) log.warn(`NameServer ${this.address} did not take the registration: ${why}; trying again`)
    return false
  }
}

/** The table's own version goes on counting. */
function copyOf({ timestamp, counter }: TopicVersion): TopicVersion {
  return { timestamp, counter }
}
