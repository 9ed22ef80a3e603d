/**
 * The two small files of a member: `currterm` (term and vote) and `checkpoint` (end and committed index), as text.
 *
 *   voteLeader=n1\ncurrTerm=3\n          committedIndex=608\nendIndex=608\n
 *
 * Whoever writes them owes the core a durable currterm before `persisted`. Whoever reads currterm must not fall back to an older copy
 * (.bak): an older vote is a vote given twice. A currterm that is damaged, or missing beside a log, is an operator's matter.
 * Format: spec/dledger.md §2.4.
 */
import { parseProperties } from '../../config/index.ts'
import { StoreError } from '../../errors.ts'

export interface TermAndVote {
  term: number
  voteFor: string | undefined
}

export interface Checkpoint {
  endIndex: number
  committedIndex: number
}

export function parseCurrTerm(text: string, where: string): TermAndVote {
  const values = valuesOf(text)
  const vote = values.get('voteLeader') ?? ''
  return { term: numberOf(values, 'currTerm', where), voteFor: vote === '' ? undefined : vote }
}

export function formatCurrTerm({ term, voteFor }: TermAndVote): string {
  return `voteLeader=${voteFor ?? ''}\ncurrTerm=${term}\n`
}

/** A missing or broken checkpoint costs nothing but time: −1 is always true. */
export function parseCheckpoint(text: string): Checkpoint {
  const values = valuesOf(text)
  const read = (key: string): number => {
    const value = Number(values.get(key) ?? -1)
    return Number.isSafeInteger(value) ? value : -1
  }
  return { endIndex: read('endIndex'), committedIndex: read('committedIndex') }
}

export function formatCheckpoint({ endIndex, committedIndex }: Checkpoint): string {
  return `committedIndex=${committedIndex}\nendIndex=${endIndex}\n`
}

function valuesOf(text: string): Map<string, string> {
  return new Map(parseProperties(text).map(({ key, value }) => [key, value]))
}

function numberOf(values: Map<string, string>, key: string, where: string): number {
  const text = values.get(key) ?? ''
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value)) return value
  throw new StoreError('CURRTERM_DAMAGED', {
    what: `${key} is "${text.slice(0, 40)}", which is no number`,
    where,
    todo: 'do not start this member with an older copy: it could vote twice; give it an empty folder while all others are up',
  })
}
