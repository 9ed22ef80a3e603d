/**
 * One history: members, network, clients, faults, checks; all from one seed. `runHistory` returns what was found, never throws for it.
 */
import {
  type CoreSettings,
  FAST_TIMERS,
  type Flaws,
  LIMITS,
  type MemberRequest,
  type MemberResponse,
  NO_FLAWS,
} from '../../src/dledger/core/index.ts'
import { Checker, Violation } from './checker.ts'
import { FaultHand } from './fault-hand.ts'
import { drawFaults, type Fault, tell } from './faults.ts'
import { JvmMember } from './jvm-member.ts'
import { TENTH } from './jvm-timers.ts'
import type { Member, Surroundings } from './member.ts'
import { CALM, Network } from './network.ts'
import { OwnMember } from './own-member.ts'
import { Random } from './random.ts'
import { Timeline } from './timeline.ts'

export interface HistoryOptions {
  seed: number
  flaws?: Partial<Flaws>
  /** Which faults of the schedule strike; all, when undefined. */
  keep?: readonly number[]
  traced?: boolean
  /** So many members behave as the JVM's do. */
  jvm?: number
  /** Of mixed groups: also power losses, which JVM members do not survive whole. */
  jvmPowerLoss?: boolean
}

export interface HistoryResult {
  seed: number
  violation: string | undefined
  faults: Fault[]
  trace: string[]
  events: number
  acknowledged: number
  committed: number
  /** Equal for equal histories. */
  digest: string
}

const TRACE_LINES = 400
/** From the last fault until a leader must lead, all logs be equal and new appends acknowledged. */
const SETTLE_MS = 3500
/** For the logs alone, where the leader pushes one entry at a time and has hundreds to push. */
const SLOW_SETTLE_MS = 6000

export function runHistory(options: HistoryOptions): HistoryResult {
  const world = new World(options)
  let violation: string | undefined
  try {
    world.run()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // An assertion of the core that fails is a finding too.
    violation =
      error instanceof Violation || error.name === 'AssertionError' ? error.message : (error.stack ?? error.message)
    world.trace(() => `!! ${violation}`)
  }
  const { checker, timeline } = world
  return {
    seed: options.seed,
    violation,
    faults: world.faults,
    trace: world.lines,
    events: timeline.events,
    acknowledged: checker.acknowledged,
    committed: checker.committed.length,
    digest: `${timeline.events} ${timeline.now.toFixed(6)} ${checker.committed.map((e) => `${e.term}:${e.value}`).join(' ')}`,
  }
}

class World implements Surroundings {
  readonly timeline = new Timeline()
  readonly checker = new Checker()
  readonly faults: Fault[]
  readonly lines: string[] = []
  readonly members: Member[] = []
  /** Members that have one entry on its way at most. */
  private readonly slow = new Set<Member>()
  readonly network: Network
  private readonly random: Random
  private readonly options: HistoryOptions
  private readonly quietAt: number
  private readonly size: number
  private readonly flushBeforeAck: boolean
  private nextValue = 0
  private lastProbe = -1
  private readonly hand: FaultHand

  constructor(options: HistoryOptions) {
    this.options = options
    const shape = new Random(options.seed, 1)
    this.size = (options.jvm ?? 0) > 0 ? 3 : shape.pick([3, 3, 5, 5, 7])
    const jvm = options.jvm ?? 0
    this.flushBeforeAck = shape.chance(0.75) && jvm === 0
    this.quietAt = shape.pick([2500, 4000, 6000])
    const hasPreferred = shape.chance(0.15)
    this.faults = drawFaults(
      shape,
      this.size,
      this.quietAt,
      jvm === 0 ? this.flushBeforeAck : options.jvmPowerLoss === true,
      jvm === 0 ? 1 : 2,
    )
    this.random = new Random(options.seed, 2)
    this.network = new Network(this.size, this.timeline, this.random, jvm > 0)
    const peers = Array.from({ length: this.size }, (_, i) => `n${i}`)
    for (let self = 0; self < this.size; self++) {
      if (self < jvm) {
        this.members.push(new JvmMember(peers, self, this.timeline, this.random, this, this.checker))
        continue
      }
      const settings: CoreSettings = {
        group: 'g',
        peers,
        self,
        flushBeforeAck: this.flushBeforeAck || options.jvmPowerLoss === true,
        preferredLeaderIds: hasPreferred ? ['n1', 'n2'] : [],
        timers: jvm === 0 ? FAST_TIMERS : TENTH,
        limits: { ...LIMITS, pushEntries: shape.pick([1, 3, 2048]), pushesInFlight: shape.pick([1, 4, 8]) },
        flaws: options.flaws === undefined ? NO_FLAWS : { ...NO_FLAWS, ...options.flaws },
      }
      const member = new OwnMember(settings, this.timeline, this.random, this, this.checker)
      this.members.push(member)
      if (settings.limits.pushEntries * settings.limits.pushesInFlight === 1) this.slow.add(member)
    }
    this.hand = new FaultHand(this.members, this.network, this.timeline, this)
  }

  run(): void {
    for (const member of this.members) this.timeline.after(this.random.unit() * 100, () => member.start())
    this.faults.forEach((fault, i) => {
      if (this.options.keep !== undefined && !this.options.keep.includes(i)) return
      this.timeline.at(fault.at, () => {
        this.trace(() => `fault ${i}: ${tell(fault)}`)
        this.hand.strike(fault)
      })
    })
    this.timeline.at(this.quietAt, () => this.hand.mend())
    this.clients()
    this.goOn(this.quietAt + SETTLE_MS)
    this.judge()
  }

  /** Every event is checked where it happens. */
  private goOn(until: number): void {
    while (this.timeline.step(until)) {}
  }

  trace(text: () => string): void {
    if (this.options.traced !== true) return
    this.lines.push(`${this.timeline.now.toFixed(2).padStart(9)}  ${text()}`)
    if (this.lines.length > TRACE_LINES) this.lines.shift()
  }

  call(
    from: number,
    to: number,
    request: MemberRequest,
    answered: (response: MemberResponse | undefined) => void,
  ): void {
    const { network, random } = this
    this.trace(() => `n${from} → n${to} ${showRequest(request)}`)
    network.deliver(from, to, () => {
      const target = this.members[to]!
      if (!target.isUp) {
        if (random.chance(0.7)) network.deliver(to, from, () => answered(undefined))
        return
      }
      target.receive(request, (response) => {
        this.watch(target, request, response)
        this.trace(() => `n${from} ← n${to} ${showResponse(response)}`)
        network.deliver(to, from, () => answered(response))
      })
    })
  }

  committed(member: Member, before: number, index: number): void {
    this.trace(() => `${member.id} committed ${index}`)
    this.checker.commits(member.id, member.term, before, index, member.log)
    if (!member.isLeader) return
    const entry = member.log[index]
    let holders = 0
    for (const other of this.members) {
      const length = this.flushBeforeAck ? other.syncedLength : other.log.length
      if (index < length && other.log[index] === entry) holders++
    }
    const quorum = Math.floor(this.size / 2) + 1
    this.checker.held(member.id, index, holders, quorum, this.flushBeforeAck ? 'synced' : 'written')
  }

  private watch(voter: Member, request: MemberRequest, response: MemberResponse): void {
    if (response.kind === 'VOTE' && response.voteResult === 'ACCEPT' && request.leaderId !== undefined)
      this.checker.voted(voter.index, voter.id, response.term, request.leaderId)
  }

  private clients(): void {
    const pace = this.random.pick([4, 15, 40])
    const again = () => {
      const { now } = this.timeline
      if (now > this.quietAt + SETTLE_MS - 600) return
      this.clientAppends()
      this.timeline.after(this.random.unit() * 2 * (now > this.quietAt ? 60 : pace), again)
    }
    this.timeline.after(100, again)
  }

  private clientAppends(): void {
    const leaders = this.members.filter((member) => member.isLeader)
    const target =
      leaders.length > 0 && this.random.chance(0.9) ? this.random.pick(leaders) : this.random.pick(this.members)
    const value = this.nextValue++
    const { floor } = this.checker
    const isTaken =
      target.isUp &&
      target.append(value, (index) => {
        this.checker.acknowledges(value, index, floor)
        this.lastProbe = Math.max(this.lastProbe, value)
      })
    if (!isTaken) this.checker.refuses(value)
  }

  /** After the last fault and the time to settle. */
  private judge(): void {
    const quorum = Math.floor(this.size / 2) + 1
    const leaders = this.members.filter((member) => member.isLeader)
    const all = () => this.members.map((member) => member.describe()).join('\n            ')
    if (leaders.length !== 1)
      throw new Violation(
        `no progress: ${leaders.length} leaders ${SETTLE_MS} ms after the last fault\n            ${all()}`,
      )
    if (this.lastProbe < this.nextValue - quorum - 5)
      throw new Violation(
        `no progress: the last acknowledged append is ${this.lastProbe} of ${this.nextValue}\n            ${all()}`,
      )
    const leader = leaders[0]!
    if (leader.commitIndex !== leader.log.length - 1)
      throw new Violation(`no progress: the leader committed ${leader.commitIndex}\n            ${all()}`)
    const behind = () =>
      this.members.find(
        ({ log, commitIndex }) => log.length !== leader.log.length || commitIndex !== leader.commitIndex,
      )
    if (behind() !== undefined && this.slow.has(leader)) this.goOn(this.quietAt + SLOW_SETTLE_MS)
    const late = behind()
    if (late !== undefined) throw new Violation(`no progress: ${late.id} did not catch up\n            ${all()}`)
    for (const member of this.members) this.checker.finds(member.id, member.log)
    if (this.network.weather !== CALM) throw new Violation('the world did not mend')
  }
}

function showRequest(request: MemberRequest): string {
  const term = `t${request.term}`
  switch (request.kind) {
    case 'VOTE':
      return `VOTE ${term} end ${request.ledgerEndIndex}/t${request.ledgerEndTerm}`
    case 'PUSH': {
      const { entries } = request
      const range = entries === undefined ? '' : ` ${entries.firstIndex}+${entries.count}/t${entries.lastTerm}`
      return `${request.type} ${term}${range} committed ${request.commitIndex}`
    }
    case 'LEADERSHIP_TRANSFER':
      return `TRANSFER ${term} to ${request.transfereeId} at ${request.takeLeadershipLedgerIndex}`
    case 'HEART_BEAT':
      return `HEART_BEAT ${term}`
  }
}

function showResponse(response: MemberResponse): string {
  switch (response.kind) {
    case 'VOTE':
      return `${response.voteResult} t${response.term}`
    case 'PUSH':
      return `PUSH ${response.code} at ${response.index} of ${response.beginIndex}…${response.endIndex}`
    default:
      return `${response.kind} ${response.code} t${response.term}`
  }
}
