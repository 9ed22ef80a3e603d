/**
 * A member that behaves as DLedger 0.3.1.2 does, its deviations from Raft included (spec §4.9): votes and entries that a power loss takes
 * back (D1, D13), entries of earlier terms committed by counting (D2), APPEND without a check of what is before it (D3), COMPARE and
 * COMMIT without term (D4), TRUNCATE below the committed index (D5), the same leader twice in a term (D10).
 *
 * This file: life, disk, elections and heartbeats. Pushes: jvm-push.ts.
 */
import {
  CODES,
  type HeartBeatRequest,
  type MemberRequest,
  type MemberResponse,
  type TransferRequest,
  type VoteRequest,
  type VoteResult,
} from '../../src/dledger/core/index.ts'
import type { Checker } from './checker.ts'
import { JvmProcess } from './jvm-process.ts'
import { JvmPush } from './jvm-push.ts'
import { JVM } from './jvm-timers.ts'
import type { Member, Surroundings } from './member.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

export class JvmMember extends JvmProcess implements Member {
  role: 'CANDIDATE' | 'LEADER' | 'FOLLOWER' = 'CANDIDATE'
  leaderId: string | undefined
  transferee = -1
  private knownMaxTerm = -1
  private needsNextTerm = false
  private votesNext = false
  private nextVoteAt = -1
  private takeTerm = -1
  private heardAt = -1
  private sentAt = -1
  private succeededAt = -1
  /** The maintainer thread waits for a round of votes or heartbeats. */
  private isBlocked = false
  private push: JvmPush

  constructor(
    peers: readonly string[],
    index: number,
    timeline: Timeline,
    random: Random,
    world: Surroundings,
    checker: Checker,
  ) {
    super(peers, index, timeline, random, world, checker)
    this.push = new JvmPush(this)
  }

  override get isLeader(): boolean {
    return this.role === 'LEADER' && this.isUp
  }

  start(): void {
    const { disk } = this
    this.isUp = true
    this.role = 'CANDIDATE'
    this.leaderId = undefined
    this.commitIndex = -1
    this.transferee = -1
    this.term = disk.hard.term
    this.voteFor = disk.hard.voteFor
    this.knownMaxTerm = -1
    this.needsNextTerm = false
    this.votesNext = false
    this.nextVoteAt = -1
    this.takeTerm = -1
    this.sentAt = -1
    this.succeededAt = -1
    this.isBlocked = false
    this.push = new JvmPush(this)
    this.every(JVM.stepMs, () => this.step())
    this.every(JVM.flushMs, () => disk.sync(disk.entries.length))
  }

  receive(request: MemberRequest, answer: (response: MemberResponse) => void): void {
    this.inThisLife(() => {
      switch (request.kind) {
        case 'VOTE':
          answer(this.vote(request))
          return
        case 'HEART_BEAT':
          answer(this.heartbeat(request))
          return
        case 'PUSH':
          this.push.receive(request, answer)
          return
        case 'LEADERSHIP_TRANSFER':
          this.transfer(request, answer)
      }
    })
  }

  append(value: number, acknowledged: (index: number) => void): boolean {
    if (this.role !== 'LEADER' || this.isPaused || this.transferee >= 0 || this.disk.isFull) return false
    const { disk } = this
    this.write({ index: disk.endIndex + 1, term: this.term, pos: disk.endPos, size: 48 + 91 + (value % 7) * 16, value })
    this.push.appended(disk.endIndex, acknowledged)
    return true
  }

  protected override asMember(): Member {
    return this
  }

  describe(): string {
    return `${this.id} (JVM) ${this.isUp ? this.role : 'down'} t${this.term} vote ${this.voteFor} leader ${this.leaderId} end ${this.disk.endIndex}/t${this.disk.endTerm} committed ${this.commitIndex}`
  }

  private step(): void {
    if (this.isBlocked) return
    if (this.role === 'CANDIDATE') this.candidateStep()
    else if (this.role === 'LEADER') this.leaderStep()
    else if (this.now - this.heardAt > JVM.heartbeatMs * JVM.heartbeatLeak) this.becomeCandidate(this.term)
    this.push.step()
  }

  private becomeCandidate(term: number): void {
    if (term < this.term) return
    this.role = 'CANDIDATE'
    this.knownMaxTerm = Math.max(this.knownMaxTerm, term)
    this.leaderId = undefined
    this.transferee = -1
    this.world.trace(() => `${this.id} is CANDIDATE in term ${this.term}`)
  }

  private becomeFollower(leaderId: string): void {
    this.role = 'FOLLOWER'
    this.leaderId = leaderId
    this.transferee = -1
    this.votesNext = false
    this.heardAt = this.now
    this.world.trace(() => `${this.id} is FOLLOWER in term ${this.term}, leader ${leaderId}`)
  }

  private becomeLeader(term: number): void {
    if (term !== this.term) return
    this.role = 'LEADER'
    this.leaderId = this.id
    this.sentAt = -1
    this.world.trace(() => `${this.id} is LEADER in term ${term}`)
    this.checker.leads(this.id, term, this.disk.entries, true)
    this.passes('lead')
    this.push.lead()
  }

  private votePause(): number {
    return this.takeTerm === this.term + 1 || this.takeTerm === this.term
      ? this.random.between(JVM.takeMsMin, JVM.takeMsMax)
      : this.random.between(JVM.voteMsMin, JVM.voteMsMax)
  }

  private candidateStep(): void {
    if (this.now < this.nextVoteAt && !this.needsNextTerm) return
    if (this.votesNext || this.needsNextTerm) {
      this.term = this.knownMaxTerm > this.term ? this.knownMaxTerm : this.term + 1
      this.voteFor = undefined
      this.persist()
      this.votesNext = false
    }
    if (this.needsNextTerm) {
      this.needsNextTerm = false
      this.nextVoteAt = this.now + this.votePause()
      return
    }
    this.voteRound()
  }

  private voteRound(): void {
    const { term } = this
    const n = this.peers.length
    let answered = 0
    let valid = 0
    let accepted = 0
    let notReady = 0
    let bigger = 0
    let hasLeader = false
    let maxTerm = -1
    let isOpen = true
    this.isBlocked = true
    const done = (isOver: boolean) => {
      const decided = hasLeader || accepted >= this.quorum || accepted + notReady >= this.quorum || answered === n
      if (!isOpen || (!decided && !isOver)) return
      isOpen = false
      this.isBlocked = false
      if (this.role !== 'CANDIDATE' || this.term !== term) return
      const pause = this.votePause()
      this.nextVoteAt = this.now + pause
      if (maxTerm > term) {
        this.votesNext = true
        this.becomeCandidate(maxTerm)
      } else if (hasLeader) this.nextVoteAt += JVM.heartbeatMs * JVM.heartbeatLeak
      else if (valid < this.quorum) return
      else if (valid - bigger < this.quorum) this.nextVoteAt += JVM.voteMsMax
      else if (accepted >= this.quorum) this.becomeLeader(term)
      else if (accepted + notReady >= this.quorum) this.nextVoteAt = this.now
      else this.votesNext = true
    }
    const count = (result: VoteResult, answerTerm: number) => {
      if (result === 'UNKNOWN') return
      valid++
      if (result === 'ACCEPT') accepted++
      else if (result === 'REJECT_TERM_NOT_READY') notReady++
      else if (result === 'REJECT_ALREADY_HAS_LEADER') hasLeader = true
      else if (result === 'REJECT_EXPIRED_LEDGER_TERM' || result === 'REJECT_SMALL_LEDGER_END_INDEX') bigger++
      else if (result === 'REJECT_EXPIRED_VOTE_TERM' || result === 'REJECT_TERM_SMALL_THAN_LEDGER')
        maxTerm = Math.max(maxTerm, answerTerm)
    }
    const request = (peer: number): VoteRequest => ({
      kind: 'VOTE',
      ...this.base(peer),
      ledgerEndIndex: this.disk.endIndex,
      ledgerEndTerm: this.disk.endTerm,
    })
    for (const peer of this.others())
      this.call(peer, request(peer), (response) => {
        answered++
        if (response?.kind === 'VOTE') count(response.voteResult, response.term)
        done(false)
      })
    answered++
    const own = this.judge(request(this.index), true)
    count(own.result, own.term)
    done(false)
    this.later(JVM.voteRoundMs + this.votePause(), () => done(true))
  }

  private vote(request: VoteRequest): MemberResponse {
    const { result, term } = this.judge(request, false)
    return { ...request, kind: 'VOTE', code: CODES.SUCCESS, term, voteResult: result }
  }

  private judge(request: VoteRequest, isSelf: boolean): { result: VoteResult; term: number } {
    const { term } = this
    const { disk } = this
    if (request.ledgerEndTerm < disk.endTerm) return { result: 'REJECT_EXPIRED_LEDGER_TERM', term }
    if (request.ledgerEndTerm === disk.endTerm && request.ledgerEndIndex < disk.endIndex)
      return { result: 'REJECT_SMALL_LEDGER_END_INDEX', term }
    if (request.term < term) return { result: 'REJECT_EXPIRED_VOTE_TERM', term }
    if (request.term === term && this.voteFor !== undefined && this.voteFor !== request.leaderId)
      return { result: this.leaderId === undefined ? 'REJECT_ALREADY_VOTED' : 'REJECT_ALREADY_HAS_LEADER', term }
    if (request.term > term) {
      this.becomeCandidate(request.term)
      this.needsNextTerm = true
      return { result: 'REJECT_TERM_NOT_READY', term }
    }
    if (request.term < disk.endTerm) return { result: 'REJECT_TERM_SMALL_THAN_LEDGER', term: disk.endTerm }
    if (
      !isSelf &&
      this.takeTerm === term &&
      request.ledgerEndTerm === disk.endTerm &&
      disk.endIndex >= request.ledgerEndIndex
    )
      return { result: 'REJECT_TAKING_LEADERSHIP', term }
    this.voteFor = request.leaderId
    this.persist()
    return { result: 'ACCEPT', term }
  }

  private leaderStep(): void {
    if (this.now - this.sentAt <= JVM.heartbeatMs) return
    this.sentAt = this.now
    const { term } = this
    const n = this.peers.length
    let answered = 1
    let success = 1
    let notReady = 0
    let inconsistent = false
    let maxTerm = -1
    let isOpen = true
    this.isBlocked = true
    const done = (isOver: boolean) => {
      const decided = success >= this.quorum || success + notReady >= this.quorum || answered === n
      if (!isOpen || (!decided && !isOver)) return
      isOpen = false
      this.isBlocked = false
      if (this.role !== 'LEADER' || this.term !== term) return
      if (success >= this.quorum) this.succeededAt = this.now
      else if (success + notReady >= this.quorum) this.sentAt = -1
      else if (maxTerm > term) this.becomeCandidate(maxTerm)
      else if (inconsistent || this.now - this.succeededAt > JVM.heartbeatMs * JVM.heartbeatLeak)
        this.becomeCandidate(term)
    }
    for (const peer of this.others())
      this.call(peer, { kind: 'HEART_BEAT', ...this.base(peer) }, (response) => {
        answered++
        if (response?.code === CODES.SUCCESS) success++
        else if (response?.code === CODES.TERM_NOT_READY) notReady++
        else if (response?.code === CODES.INCONSISTENT_LEADER) inconsistent = true
        else if (response?.code === CODES.EXPIRED_TERM) maxTerm = Math.max(maxTerm, response.term)
        done(false)
      })
    this.later(JVM.heartbeatMs, () => done(true))
  }

  private heartbeat(request: HeartBeatRequest): MemberResponse {
    const answer = (code: number, term = -1): MemberResponse => ({ kind: 'HEART_BEAT', code, term })
    if (request.term < this.term) return answer(CODES.EXPIRED_TERM, this.term)
    if (request.term > this.term) {
      this.becomeCandidate(request.term)
      this.needsNextTerm = true
      return answer(CODES.TERM_NOT_READY)
    }
    if (this.leaderId === undefined) this.becomeFollower(request.leaderId!)
    if (this.leaderId !== request.leaderId) return answer(CODES.INCONSISTENT_LEADER)
    this.heardAt = this.now
    return answer(CODES.SUCCESS)
  }

  private transfer(request: TransferRequest, answer: (response: MemberResponse) => void): void {
    const reply = (code: number) => answer({ kind: 'LEADERSHIP_TRANSFER', code, term: this.term })
    if (request.transferId === this.id) {
      const peer = this.peers.indexOf(request.transfereeId!)
      if (request.term !== this.term || this.role !== 'LEADER' || this.transferee >= 0 || peer === this.index) {
        reply(CODES.NOT_LEADER)
        return
      }
      this.transferee = peer
      const take = { ...request, ...this.base(peer), takeLeadershipLedgerIndex: this.disk.endIndex }
      this.call(peer, take, (response) => {
        this.transferee = -1
        reply(response?.code ?? CODES.NETWORK_ERROR)
      })
      return
    }
    if (
      this.role !== 'FOLLOWER' ||
      this.leaderId !== request.transferId ||
      request.term !== this.term ||
      this.disk.endIndex < request.takeLeadershipLedgerIndex
    ) {
      reply(CODES.TAKE_LEADERSHIP_FAILED)
      return
    }
    this.takeTerm = this.term + 1
    this.becomeCandidate(this.takeTerm)
    this.needsNextTerm = true
    this.later(JVM.callMs * 0.9, () => reply(this.isLeader ? CODES.SUCCESS : CODES.TAKE_LEADERSHIP_FAILED))
  }
}
