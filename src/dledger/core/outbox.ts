/**
 * Messages on their way out, and the term and vote that they speak of.
 *
 * Invariant: a message leaves only when the term and vote that it was written under are durable (spec D1, D13). The step that
 * changes them ends with `persist`; until `persisted` comes, everything sent waits in `held`, in order.
 */
import { assert } from '../../assert.ts'
import type { Effect } from './effects.ts'
import type { MemberRequest, MemberResponse } from './messages.ts'
import type { Call, Core } from './state.ts'

export function send(core: Core, peer: number, call: Call, request: MemberRequest): number {
  const id = core.nextId++
  core.calls.set(id, call)
  emit(core, { kind: 'send', peer, call: id, request })
  return id
}

export function answer(core: Core, token: number, response: MemberResponse): void {
  emit(core, { kind: 'answer', token, response })
}

function emit(core: Core, effect: Effect): void {
  const after = core.persistSequence + (core.dirty ? 1 : 0)
  if (after === core.persistedSequence || core.settings.flaws.answerBeforePersist) core.out.push(effect)
  else core.held.push({ after, effect })
}

export function setTerm(core: Core, term: number, voteFor: string | undefined): void {
  assert(term >= core.term, 'a term goes back')
  if (core.term === term && core.voteFor === voteFor) return
  core.term = term
  core.voteFor = voteFor
  core.dirty = true
}

/** At the end of each step. */
export function persistChanges(core: Core): void {
  if (!core.dirty) return
  core.dirty = false
  core.persistSequence++
  core.out.push({ kind: 'persist', sequence: core.persistSequence, term: core.term, voteFor: core.voteFor })
}

export function persisted(core: Core, sequence: number): void {
  assert(sequence > core.persistedSequence && sequence <= core.persistSequence, 'persisted what was not asked for')
  core.persistedSequence = sequence
  let count = 0
  while (count < core.held.length && core.held[count]!.after <= sequence) core.out.push(core.held[count++]!.effect)
  core.held.splice(0, count)
}

/** Term and vote are durable as they stand. */
export function isDurable(core: Core): boolean {
  return (!core.dirty && core.persistedSequence === core.persistSequence) || core.settings.flaws.answerBeforePersist
}

/** The base of a request to `peer`. */
export function baseFor(core: Core, peer: number) {
  return {
    group: core.settings.group,
    remoteId: core.settings.peers[peer],
    localId: core.selfId,
    leaderId: core.selfId,
    term: core.term,
  }
}
