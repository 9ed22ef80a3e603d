/** What the world knows of a member, whichever kind it is: our core with its driver, or one that behaves as the JVM's does. */
import type { MemberRequest, MemberResponse } from '../../src/dledger/core/index.ts'
import type { SimEntry } from './entries.ts'

/** Moments at which a crash hurts most: just after the member has begun to do this. */
export type CrashPoint = 'persist' | 'append' | 'truncate' | 'lead' | 'commit' | 'closeGate'

export interface Member {
  readonly index: number
  readonly id: string
  readonly isUp: boolean
  readonly isLeader: boolean
  readonly term: number
  readonly commitIndex: number
  readonly log: readonly SimEntry[]
  /** Entries that survive a power loss. */
  readonly syncedLength: number
  start(): void
  kill(): void
  powerLoss(): void
  pause(): void
  resume(): void
  clock(rate: number, jump: number): void
  diskFull(isFull: boolean): void
  diskSlow(factor: number, syncOnly: boolean): void
  /** A request that arrived; `answer` may be called later, or never. */
  receive(request: MemberRequest, answer: (response: MemberResponse) => void): void
  /** Once, when the member next does this. */
  crashAt(point: CrashPoint, crash: () => void): void
  /** A connection of `peer` came anew. */
  reached(peer: number): void
  /** A client's append. False: refused, and certainly in no log. */
  append(value: number, acknowledged: (index: number) => void): boolean
  describe(): string
}

/** What a member needs of the world. */
export interface Surroundings {
  call(from: number, to: number, request: MemberRequest, answered: (response: MemberResponse | undefined) => void): void
  committed(member: Member, before: number, index: number): void
  trace(text: () => string): void
}
