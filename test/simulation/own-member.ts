/** Our member: the core, driven as the broker drives it, with simulated log, disk, gate and clock. */
import {
  CODES,
  type Core,
  type CoreSettings,
  createCore,
  type Effect,
  type Input,
  type LogEnd,
  type MemberRequest,
  type MemberResponse,
  nextTickAt,
  step,
} from '../../src/dledger/core/index.ts'
import type { Checker } from './checker.ts'
import { Disk, type HardState } from './disk.ts'
import { batchOf, listOf, type SimEntry } from './entries.ts'
import type { Member, Surroundings } from './member.ts'
import type { Random } from './random.ts'
import { SimProcess } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

interface Waiting {
  index: number
  acknowledged: (index: number) => void
}

export class OwnMember extends SimProcess implements Member {
  readonly index: number
  readonly id: string
  readonly disk: Disk
  private core: Core | undefined
  private readonly settings: CoreSettings
  private readonly world: Surroundings
  private readonly checker: Checker
  private rate = 1
  private clockBase = 0
  private timeBase = 0
  private tickAt = Number.POSITIVE_INFINITY
  private logFreeAt = 0
  private logEpoch = 0
  private gateTerm = -1
  private isFlushing = false
  private isEndTold = true
  private waiting: Waiting[] = []
  private tokens = new Map<number, (response: MemberResponse) => void>()
  private nextToken = 1
  private persistFreeAt = 0
  private writingHard: HardState[] = []
  private committedBefore = -1

  constructor(settings: CoreSettings, timeline: Timeline, random: Random, world: Surroundings, checker: Checker) {
    super(timeline, random)
    this.settings = settings
    this.index = settings.self
    this.id = settings.peers[settings.self]!
    this.world = world
    this.checker = checker
    this.disk = new Disk(random, false)
  }

  get isLeader(): boolean {
    return this.core?.role === 'LEADER'
  }
  get term(): number {
    return this.core?.term ?? this.disk.hard.term
  }
  get commitIndex(): number {
    return this.core?.commitIndex ?? -1
  }
  get log(): readonly SimEntry[] {
    return this.disk.entries
  }
  get syncedLength(): number {
    return this.disk.synced
  }

  start(): void {
    this.life++
    this.isUp = true
    const { disk } = this
    // Recovery syncs what it found before it is believed: after kill -9 it may be in the page cache only.
    disk.sync(disk.entries.length)
    const found = {
      ...disk.hard,
      beginIndex: 0,
      endIndex: disk.endIndex,
      endTerm: disk.endTerm,
      commitIndex: -1,
    }
    this.core = createCore(this.settings, found, this.localNow())
    this.logFreeAt = 0
    this.logEpoch = 0
    this.gateTerm = -1
    this.isFlushing = false
    this.isEndTold = true
    this.committedBefore = -1
    this.tickAt = Number.POSITIVE_INFINITY
    this.input({ kind: 'tick' })
  }

  kill(): void {
    this.stop()
    this.disk.killed()
  }

  powerLoss(): void {
    this.stop()
    this.disk.powerLoss()
  }

  private stop(): void {
    this.end()
    this.core = undefined
    // A file that was being replaced is the old one or the new one.
    for (const state of this.writingHard) if (this.random.chance(0.5)) this.disk.hard = state
    this.writingHard = []
    this.tokens.clear()
    this.waiting = []
  }

  clock(rate: number, jump: number): void {
    this.clockBase = this.localNow() + jump
    this.timeBase = this.timeline.now
    this.rate = rate
    this.planTick()
  }

  diskFull(isFull: boolean): void {
    this.disk.isFull = isFull
  }

  diskSlow(factor: number, syncOnly: boolean): void {
    this.disk.slowness = syncOnly ? 1 : factor
    this.disk.syncSlowness = factor
  }

  receive(request: MemberRequest, answer: (response: MemberResponse) => void): void {
    this.inThisLife(() => {
      const token = this.nextToken++
      this.tokens.set(token, answer)
      this.input({ kind: 'request', token, request })
    })
  }

  reached(peer: number): void {
    this.inThisLife(() => this.input({ kind: 'reached', peer }))
  }

  append(value: number, acknowledged: (index: number) => void): boolean {
    if (this.gateTerm < 0 || this.isPaused) return false
    const term = this.gateTerm
    this.logOperation(0.02, () => {
      const { disk } = this
      if (disk.isFull) return
      const size = 48 + 91 + (value % 7) * 16
      const entry: SimEntry = { index: disk.endIndex + 1, term, pos: disk.endPos, size, value }
      this.write(entry)
      this.waiting.push({ index: entry.index, acknowledged })
      this.tellEnd()
    })
    return true
  }

  describe(): string {
    const core = this.core
    if (core === undefined) return `${this.id} down, ${this.disk.entries.length} entries`
    return `${this.id} ${core.role} t${core.term} vote ${core.voteFor} leader ${core.leaderId} end ${core.log.endIndex}/t${core.log.endTerm} flushed ${core.log.flushedIndex} committed ${core.commitIndex} gate ${core.gate}`
  }

  private localNow(): number {
    return this.clockBase + (this.timeline.now - this.timeBase) * this.rate
  }

  private input(input: Input): void {
    const core = this.core!
    const out: Effect[] = []
    step(core, input, this.localNow(), this.random.unit(), out)
    for (const effect of out) this.carryOut(effect)
    if (this.core !== undefined) this.planTick()
  }

  private planTick(): void {
    if (this.core === undefined) return
    const local = nextTickAt(this.core)
    if (local === Number.POSITIVE_INFINITY) return
    const at = Math.max(this.timeline.now + 0.5, this.timeBase + (local - this.clockBase) / this.rate)
    if (at >= this.tickAt) return
    this.tickAt = at
    this.later(at - this.timeline.now, () => {
      if (this.tickAt > this.timeline.now + 0.001) return
      this.tickAt = Number.POSITIVE_INFINITY
      this.input({ kind: 'tick' })
    })
  }

  private carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.send(effect.peer, effect.call, effect.request)
        return
      case 'answer':
        this.answer(effect.token, effect.response)
        return
      case 'persist':
        this.passes('persist')
        this.persist(effect.sequence, effect.term, effect.voteFor)
        return
      case 'append':
        this.passes('append')
        this.logOperation(0.05, () => this.appendBatch(effect.epoch, listOf(effect.entries)))
        return
      case 'appendNoop':
        this.logOperation(0.05, () => this.appendNoop(effect.epoch, effect.term))
        return
      case 'truncate':
        this.passes('truncate')
        this.logOperation(0.5, () => this.truncate(effect.epoch, listOf(effect.entry)[0]!, effect.mustEqual))
        return
      case 'compare':
        this.logOperation(0.02, () => {
          const equal = listOf(effect.entries).every((entry) => this.disk.entries[entry.index] === entry)
          this.input({ kind: 'compared', ticket: effect.ticket, equal })
        })
        return
      case 'read':
        this.later(this.random.unit() * 0.2, () => this.read(effect.ticket, effect.from, effect.to))
        return
      case 'openGate':
        this.gateTerm = effect.term
        return
      case 'closeGate':
        this.passes('closeGate')
        this.gateTerm = -1
        this.logOperation(0.05, () => this.input({ kind: 'gateClosed', ...this.logEnd() }))
        return
      case 'commit':
        if (this.isLeader) this.passes('commit')
        this.commit(effect.index)
        return
      case 'role':
        this.world.trace(() => `${this.id} is ${effect.role} in term ${effect.term}, leader ${effect.leaderId}`)
        if (effect.role === 'LEADER') this.passes('lead')
        if (effect.role === 'LEADER') this.checker.leads(this.id, effect.term, this.disk.entries)
        // What was not committed by now is the next leader's matter: its clients are told that nobody knows.
        this.waiting = []
        return
      case 'alarm':
        this.world.trace(() => `${this.id} alarm: ${effect.what}`)
        return
    }
  }

  private send(peer: number, call: number, request: MemberRequest): void {
    const { life } = this
    this.world.call(this.index, peer, request, (response) => {
      if (life !== this.life) return
      this.inThisLife(() => {
        if (response === undefined) this.input({ kind: 'callFailed', peer, call })
        else this.input({ kind: 'response', peer, call, response })
      })
    })
  }

  private answer(token: number, response: MemberResponse): void {
    const answer = this.tokens.get(token)
    if (answer === undefined) return
    this.tokens.delete(token)
    if (response.kind === 'PUSH' && response.code === CODES.SUCCESS && response.index !== undefined) {
      const { synced, entries } = this.disk
      const last = response.index + response.count - 1
      this.checker.tells(this.id, last, this.settings.flushBeforeAck ? synced : entries.length)
    }
    answer(response)
  }

  private persist(sequence: number, term: number, voteFor: string | undefined): void {
    const delay = (0.1 + this.random.unit() * 0.5) * this.disk.slowness
    this.logFreeAt = Math.max(this.logFreeAt, this.timeline.now)
    const at = Math.max(this.persistFreeAt, this.timeline.now) + delay
    this.persistFreeAt = at
    this.writingHard.push({ term, voteFor })
    this.later(at - this.timeline.now, () => {
      this.disk.hard = this.writingHard.shift()!
      if (voteFor !== undefined) this.checker.voted(this.index, this.id, term, voteFor)
      this.input({ kind: 'persisted', sequence })
    })
  }

  /** One queue: each begins when the former is done. */
  private logOperation(duration: number, run: () => void): void {
    const delay = duration * (0.5 + this.random.unit()) * this.disk.slowness
    const at = Math.max(this.logFreeAt, this.timeline.now) + delay
    this.logFreeAt = at
    this.later(at - this.timeline.now, run)
  }

  private logEnd(): LogEnd {
    return { endIndex: this.disk.endIndex, endTerm: this.disk.endTerm }
  }

  private write(entry: SimEntry): void {
    this.checker.written(this.id, entry, this.disk.entries[entry.index - 1])
    this.disk.append(entry)
    this.flush()
  }

  private appendBatch(epoch: number, list: readonly SimEntry[]): void {
    if (epoch < this.logEpoch) return
    this.logEpoch = epoch
    for (const entry of list) {
      const fits = entry.index === this.disk.endIndex + 1 && entry.pos === this.disk.endPos
      if (this.disk.isFull || !fits) {
        this.logEpoch++
        this.input({ kind: 'appendFailed', epoch, ...this.logEnd() })
        return
      }
      this.write(entry)
    }
    this.input({ kind: 'appended', epoch, ...this.logEnd() })
  }

  private appendNoop(epoch: number, term: number): void {
    const { disk } = this
    this.appendBatch(epoch, [{ index: disk.endIndex + 1, term, pos: disk.endPos, size: 48 + 91, value: -1 }])
  }

  private tellEnd(): void {
    if (!this.isEndTold) return
    this.isEndTold = false
    this.later(this.random.unit() * 0.3, () => {
      this.isEndTold = true
      if (this.gateTerm >= 0) this.input({ kind: 'localEnd', epoch: this.logEpoch, ...this.logEnd() })
    })
  }

  private truncate(epoch: number, entry: SimEntry, mustEqual: boolean): void {
    const { disk } = this
    this.logEpoch = epoch
    const isEqual = disk.entries[entry.index] === entry
    if (!isEqual && (mustEqual || entry.index > disk.endIndex + 1 || entry.pos !== this.posAt(entry.index))) {
      this.input({ kind: 'truncateFailed', epoch, beginIndex: 0, ...this.logEnd() })
      return
    }
    const from = isEqual ? entry.index + 1 : entry.index
    if (from <= disk.endIndex) {
      this.checker.truncates(this.id, from, this.core!.commitIndex)
      this.world.trace(() => `${this.id} cuts its log at ${from}, of ${disk.entries.length}`)
      disk.cut(from)
    }
    if (!isEqual) this.write(entry)
    disk.sync(disk.entries.length)
    this.input({ kind: 'truncated', epoch, beginIndex: 0, ...this.logEnd() })
  }

  private posAt(index: number): number {
    const before = this.disk.entries[index - 1]
    return before === undefined ? 0 : before.pos + before.size
  }

  private read(ticket: number, from: number, to: number): void {
    const list = this.disk.entries.slice(from, to + 1)
    this.input({ kind: 'read', ticket, entries: list.length === 0 ? undefined : batchOf(list) })
  }

  /** The flush thread: takes what is there, syncs it, tells. */
  private flush(): void {
    const { disk } = this
    if (this.isFlushing || disk.synced >= disk.entries.length) return
    this.isFlushing = true
    const below = disk.entries.length
    const epoch = this.logEpoch
    this.later((0.2 + this.random.unit() * 3) * disk.syncSlowness, () => {
      this.isFlushing = false
      if (epoch === this.logEpoch) disk.sync(Math.min(below, disk.entries.length))
      this.input({ kind: 'flushed', epoch, index: below - 1 })
      this.flush()
    })
  }

  private commit(index: number): void {
    const before = this.committedBefore
    this.committedBefore = index
    this.world.committed(this, before, index)
    if (this.core?.role !== 'LEADER') return
    let count = 0
    while (count < this.waiting.length && this.waiting[count]!.index <= index) {
      const { index: at, acknowledged } = this.waiting[count++]!
      acknowledged(at)
    }
    this.waiting.splice(0, count)
  }
}
