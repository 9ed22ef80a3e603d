/** One member's core on a bench: inputs by hand, effects as a list. */
import {
  type Core,
  type CoreSettings,
  createCore,
  type Effect,
  type EntryBatch,
  type Input,
  JVM_TIMERS,
  LIMITS,
  type MemberRequest,
  type MemberResponse,
  NO_FLAWS,
  type Recovered,
  step,
} from '../../../src/dledger/core/index.ts'

export const EMPTY: Recovered = {
  term: 0,
  voteFor: undefined,
  beginIndex: 0,
  endIndex: -1,
  endTerm: -1,
  commitIndex: -1,
}

export class Bench {
  readonly core: Core
  now = 0

  constructor(found: Partial<Recovered> = {}, settings: Partial<CoreSettings> = {}) {
    this.core = createCore(
      {
        group: 'g1',
        peers: ['n0', 'n1', 'n2'],
        self: 0,
        flushBeforeAck: false,
        preferredLeaderIds: [],
        timers: JVM_TIMERS,
        limits: LIMITS,
        flaws: NO_FLAWS,
        ...settings,
      },
      { ...EMPTY, ...found },
      0,
    )
  }

  /** Effects of one input; what is persisted is durable at once, unless asked to wait. */
  put(input: Input, isPersisted = true): Effect[] {
    const out: Effect[] = []
    step(this.core, input, this.now, 0.5, out)
    for (const effect of [...out])
      if (effect.kind === 'persist' && isPersisted)
        out.push(...this.put({ kind: 'persisted', sequence: effect.sequence }))
    return out
  }

  ask(request: Partial<MemberRequest> & { kind: MemberRequest['kind'] }): MemberResponse | undefined {
    const base = { group: 'g1', remoteId: 'n0', localId: 'n1', leaderId: 'n1', term: 0 }
    const out = this.put({ kind: 'request', token: 1, request: { ...base, ...request } as MemberRequest })
    return answersIn(out)[0]
  }

  /** Votes, the no-op at `endIndex + 1`, and both peers following. */
  lead(): Effect[] {
    const asked = this.put({ kind: 'tick' })
    const out: Effect[] = []
    for (const effect of asked) {
      if (effect.kind !== 'send' || effect.request.kind !== 'VOTE') continue
      const { term } = effect.request
      const response: MemberResponse = { kind: 'VOTE', code: 200, term, voteResult: 'ACCEPT' }
      out.push(...this.put({ kind: 'response', peer: effect.peer, call: effect.call, response }))
    }
    const { endIndex } = this.core.log
    out.push(...this.appended(endIndex + 1))
    return [...out, ...this.heartbeatsAnswered(out)]
  }

  appended(endIndex: number): Effect[] {
    return this.put({ kind: 'appended', epoch: this.core.log.epoch, endIndex, endTerm: this.core.term })
  }

  heartbeatsAnswered(effects: Effect[]): Effect[] {
    return effects.flatMap((effect) =>
      effect.kind === 'send' && effect.request.kind === 'HEART_BEAT'
        ? this.put({
            kind: 'response',
            peer: effect.peer,
            call: effect.call,
            response: { kind: 'HEART_BEAT', code: 200, term: -1 },
          })
        : [],
    )
  }
}

export function batch(firstIndex: number, count: number, lastTerm: number): EntryBatch {
  return { firstIndex, count, lastTerm, bytes: count * 1024 }
}

export function answersIn(effects: Effect[]): MemberResponse[] {
  return effects.flatMap((effect) => (effect.kind === 'answer' ? [effect.response] : []))
}
