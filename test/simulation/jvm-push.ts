/** Pushes of the JVM-like member: its dispatchers (one per peer), quorum check, and follower. Source: spec §5. */
import {
  CODES,
  lastIndexOf,
  type MemberResponse,
  type PushRequest,
  type PushResponse,
  type PushType,
} from '../../src/dledger/core/index.ts'
import { batchOf, listOf, type SimEntry } from './entries.ts'
import type { JvmMember } from './jvm-member.ts'
import { JVM } from './jvm-timers.ts'

interface Dispatcher {
  peer: number
  state: 'COMPARE' | 'APPEND'
  isWaiting: boolean
  sleepUntil: number
  compareIndex: number
  waterMark: number
  writeIndex: number
  pending: Map<number, number>
  lastPushAt: number
}

interface Waiting {
  request: PushRequest
  answer: (response: MemberResponse) => void
  since: number
}

export class JvmPush {
  private readonly member: JvmMember
  private dispatchers: Dispatcher[] = []
  private term = -1
  private futures: { index: number; acknowledged: (index: number) => void }[] = []
  private readonly waiting = new Map<number, Waiting>()

  constructor(member: JvmMember) {
    this.member = member
  }

  lead(): void {
    const { member } = this
    // The same leader in the same term goes on where it was.
    if (this.term !== member.term) this.futures = []
    this.term = member.term
    this.dispatchers = member.others().map((peer) => ({
      peer,
      state: 'COMPARE',
      isWaiting: false,
      sleepUntil: 0,
      compareIndex: -1,
      waterMark: -1,
      writeIndex: -1,
      pending: new Map(),
      lastPushAt: member.now,
    }))
  }

  appended(index: number, acknowledged: (index: number) => void): void {
    this.futures.push({ index, acknowledged })
    for (const dispatcher of this.dispatchers) this.dispatch(dispatcher)
  }

  step(): void {
    if (this.member.isLeader) for (const dispatcher of this.dispatchers) this.dispatch(dispatcher)
    else this.checkWaiting()
  }

  private dispatch(d: Dispatcher): void {
    const { member } = this
    const { disk } = member
    if (!member.isLeader || d.isWaiting || member.now < d.sleepUntil || disk.endIndex < 0) return
    if (d.state === 'COMPARE') {
      if (d.compareIndex < 0 || d.compareIndex > disk.endIndex) d.compareIndex = disk.endIndex
      this.compare(d)
      return
    }
    while (d.writeIndex <= disk.endIndex && d.pending.size < 1000) {
      this.pushEntry(d, d.writeIndex)
      d.writeIndex++
    }
    const oldest = d.pending.get(d.waterMark + 1)
    if (oldest !== undefined && member.now - oldest > JVM.pushTimeoutMs) this.pushEntry(d, d.waterMark + 1)
    if (member.now - d.lastPushAt > JVM.commitMs) {
      d.lastPushAt = member.now
      this.send(d, 'COMMIT', undefined, () => undefined)
    }
  }

  private pushEntry(d: Dispatcher, index: number): void {
    const entry = this.member.disk.entries[index]
    if (entry === undefined) return
    d.pending.set(index, this.member.now)
    d.lastPushAt = this.member.now
    this.send(d, 'APPEND', entry, (response) => {
      if (response?.code === CODES.SUCCESS) {
        d.pending.delete(index)
        d.waterMark = Math.max(d.waterMark, index)
        this.checkQuorum()
      } else if (response?.code === CODES.INCONSISTENT_STATE) this.startCompare(d, 0)
    })
  }

  private startCompare(d: Dispatcher, sleep: number): void {
    d.state = 'COMPARE'
    d.compareIndex = -1
    d.pending.clear()
    d.sleepUntil = this.member.now + sleep
  }

  private compare(d: Dispatcher): void {
    const { disk } = this.member
    const asked = d.compareIndex
    d.isWaiting = true
    this.send(d, 'COMPARE', disk.entries[asked]!, (response) => {
      d.isWaiting = false
      if (response?.code !== CODES.SUCCESS && response?.code !== CODES.INCONSISTENT_STATE)
        return this.startCompare(d, JVM.errorPauseMs)
      const { endIndex } = response
      let truncate = -1
      if (response.code === CODES.SUCCESS) {
        if (asked === endIndex) return this.startAppend(d, asked)
        truncate = asked
      } else if (endIndex < 0) truncate = 0
      else if (asked > endIndex) d.compareIndex = endIndex
      else {
        d.compareIndex = asked - 1
        if (d.compareIndex < 0) truncate = 0
      }
      if (truncate >= 0) this.truncate(d, truncate)
      else this.dispatch(d)
    })
  }

  private truncate(d: Dispatcher, index: number): void {
    d.isWaiting = true
    this.send(d, 'TRUNCATE', this.member.disk.entries[index]!, (response) => {
      d.isWaiting = false
      if (response?.code === CODES.SUCCESS) this.startAppend(d, index)
      else this.startCompare(d, JVM.errorPauseMs)
    })
  }

  private startAppend(d: Dispatcher, index: number): void {
    d.state = 'APPEND'
    d.waterMark = index
    d.writeIndex = index + 1
    d.pending.clear()
    this.checkQuorum()
    this.dispatch(d)
  }

  private send(
    d: Dispatcher,
    type: PushType,
    entry: SimEntry | undefined,
    then: (response: PushResponse | undefined) => void,
  ): void {
    const { member } = this
    const { term } = member
    const dispatchers = this.dispatchers
    const entries = entry === undefined ? undefined : batchOf([entry])
    member.call(
      d.peer,
      { kind: 'PUSH', ...member.base(d.peer), type, commitIndex: member.commitIndex, entries },
      (response) => {
        if (dispatchers !== this.dispatchers || !member.isLeader || member.term !== term) return
        then(response?.kind === 'PUSH' ? response : undefined)
      },
    )
  }

  private checkQuorum(): void {
    const { member } = this
    const marks = this.dispatchers.map((d) => d.waterMark)
    marks.push(member.disk.endIndex)
    marks.sort((a, b) => b - a)
    const index = marks[Math.floor(member.peers.length / 2)]!
    member.updateCommitted(member.term, index)
    while (this.futures.length > 0 && this.futures[0]!.index <= index) {
      const { index: at, acknowledged } = this.futures.shift()!
      acknowledged(at)
    }
  }

  // The follower.

  receive(request: PushRequest, answer: (response: MemberResponse) => void): void {
    const { member } = this
    if (request.type !== 'APPEND') {
      if (request.type !== 'COMMIT') this.waiting.clear()
      answer(this.respond(request, member.role === 'FOLLOWER' ? this.handle(request) : CODES.NOT_FOLLOWER))
      return
    }
    const first = request.entries!.firstIndex
    if (this.waiting.has(first)) {
      answer(this.respond(request, CODES.REPEATED_PUSH))
      return
    }
    this.waiting.set(first, { request, answer, since: member.now })
    this.drain()
  }

  private drain(): void {
    const { member } = this
    for (;;) {
      const next = this.waiting.get(member.disk.endIndex + 1)
      if (next === undefined || member.role !== 'FOLLOWER') return
      this.waiting.delete(member.disk.endIndex + 1)
      const code = this.append(next.request)
      next.answer(this.respond(next.request, code))
      if (code === CODES.SUCCESS) member.updateCommitted(next.request.term, next.request.commitIndex)
    }
  }

  private checkWaiting(): void {
    const { member } = this
    if (member.role !== 'FOLLOWER' || this.waiting.size === 0) return
    this.drain()
    for (const [first, { request, answer, since }] of this.waiting) {
      const end = member.disk.endIndex
      if (lastIndexOf(request.entries!) <= end) {
        const isEqual = listOf(request.entries!).every((entry) => member.disk.entries[entry.index] === entry)
        this.waiting.delete(first)
        answer(this.respond(request, isEqual ? CODES.SUCCESS : CODES.INCONSISTENT_STATE))
      } else if (first > end + 1 && member.now - since > JVM.pushTimeoutMs)
        answer(this.respond(request, CODES.INCONSISTENT_STATE))
    }
  }

  private append(request: PushRequest): number {
    const { member } = this
    if (request.term !== member.term || request.leaderId !== member.leaderId) return CODES.INCONSISTENT_STATE
    for (const entry of listOf(request.entries!)) {
      if (member.disk.isFull || entry.index !== member.disk.endIndex + 1 || entry.pos !== member.disk.endPos)
        return CODES.INCONSISTENT_STATE
      member.write(entry)
    }
    return CODES.SUCCESS
  }

  private handle(request: PushRequest): number {
    const { member } = this
    if (request.type === 'COMMIT') {
      member.updateCommitted(request.term, request.commitIndex)
      return CODES.SUCCESS
    }
    const entry = listOf(request.entries!)[0]!
    const isEqual = member.disk.entries[entry.index] === entry
    if (request.type === 'COMPARE') return isEqual ? CODES.SUCCESS : CODES.INCONSISTENT_STATE
    if (request.term !== member.term || request.leaderId !== member.leaderId) return CODES.INCONSISTENT_STATE
    if (entry.index > member.disk.endIndex + 1) return CODES.INCONSISTENT_STATE
    const from = isEqual ? entry.index + 1 : entry.index
    if (from <= member.disk.endIndex) member.cut(from)
    if (!isEqual) member.write(entry)
    member.updateCommitted(request.term, request.commitIndex)
    return CODES.SUCCESS
  }

  private respond(request: PushRequest, code: number): PushResponse {
    const { disk } = this.member
    return {
      kind: 'PUSH',
      group: 'g',
      code,
      term: request.term,
      index: request.entries?.firstIndex,
      beginIndex: disk.endIndex < 0 ? -1 : 0,
      endIndex: disk.endIndex,
      count: request.entries?.count ?? 0,
    }
  }
}
