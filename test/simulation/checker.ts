/**
 * What must hold at every step, whoever the members are. A violation is thrown at once; the world adds seed, schedule and trace.
 *
 *  election safety · one vote a term · log matching · leader append-only · leader completeness · committed never lost or
 *  changed · committed is on a majority (synced, where that is promised) · committed monotone · acknowledged is committed ·
 *  appends linearizable · refused appends in no log · positions equal
 */
import type { SimEntry } from './entries.ts'

export class Violation extends Error {
  override name = 'Violation'
}

interface Made {
  entry: SimEntry
  before: SimEntry | undefined
}

export class Checker {
  /** As soon as any member said so. */
  readonly committed: SimEntry[] = []
  /** Term of the member that said so first. */
  private readonly committedTerm: number[] = []
  acknowledged = 0
  private readonly leaders = new Map<number, string>()
  private readonly votes = new Map<number, string>()
  private readonly made = new Map<number, Made>()
  private readonly indexOf = new Map<number, number>()
  private readonly refused = new Set<number>()
  private highestAcknowledged = -1

  /** Before an operation starts: whatever is acknowledged by now comes before it. */
  get floor(): number {
    return this.highestAcknowledged
  }

  /** `mayAgain`: a JVM member may lead twice in a term (spec D10). */
  leads(node: string, term: number, log: readonly SimEntry[], mayAgain = false): void {
    const other = this.leaders.get(term)
    if (other !== undefined && !(mayAgain && other === node))
      throw new Violation(`election safety: ${other} and ${node} lead in term ${term}`)
    this.leaders.set(term, node)
    // A member that slept through an election may become leader of an old term after a newer one has committed.
    let last = this.committed.length - 1
    while (last >= 0 && this.committedTerm[last]! >= term) last--
    if (last >= 0 && log[last] !== this.committed[last])
      throw new Violation(
        `leader completeness: ${node} leads in term ${term} without committed ${show(this.committed[last])}`,
      )
  }

  voted(voter: number, node: string, term: number, candidate: string): void {
    const key = term * 16 + voter
    const other = this.votes.get(key)
    if (other !== undefined && other !== candidate)
      throw new Violation(`one vote: ${node} voted for ${other} and ${candidate} in term ${term}`)
    this.votes.set(key, candidate)
  }

  /** An entry stands in a log behind `before`. */
  written(node: string, entry: SimEntry, before: SimEntry | undefined): void {
    const key = entry.term * 0x100_0000 + entry.index
    const first = this.made.get(key)
    if (first === undefined) this.made.set(key, { entry, before })
    else if (first.entry !== entry || first.before !== before)
      throw new Violation(
        `log matching: ${node} has ${show(entry)} behind ${show(before)}, another member ${show(first.entry)} behind ${show(first.before)}`,
      )
    if (this.refused.has(entry.value)) throw new Violation(`a refused append is in the log of ${node}: ${show(entry)}`)
  }

  truncates(node: string, from: number, commitIndex: number): void {
    if (from <= commitIndex)
      throw new Violation(`${node} cuts its log at ${from} though ${commitIndex} is committed there`)
  }

  commits(node: string, term: number, before: number, index: number, log: readonly SimEntry[]): void {
    if (index <= before) throw new Violation(`committed went from ${before} to ${index} on ${node}`)
    if (index >= log.length) throw new Violation(`${node} committed ${index} and has ${log.length} entries`)
    for (let i = before + 1; i <= index; i++) {
      const known = this.committed[i]
      if (known === undefined) {
        this.committed[i] = log[i]!
        this.committedTerm[i] = term
      } else if (known !== log[i])
        throw new Violation(`committed changed: ${node} committed ${show(log[i])}, another member ${show(known)}`)
    }
  }

  held(node: string, index: number, holders: number, quorum: number, how: string): void {
    if (holders < quorum)
      throw new Violation(`${node} committed ${index}, which ${holders} of at least ${quorum} members hold ${how}`)
  }

  /** A member answers a leader that it holds everything up to `last`. */
  tells(node: string, last: number, length: number): void {
    if (last >= length) throw new Violation(`${node} says that it holds ${last}, and holds ${length} entries`)
  }

  acknowledges(value: number, index: number, floor: number): void {
    const entry = this.committed[index]
    if (entry?.value !== value)
      throw new Violation(`acknowledged ${value} at ${index}, where ${show(entry)} is committed`)
    if (this.indexOf.has(value)) throw new Violation(`acknowledged twice: ${value}`)
    if (index <= floor)
      throw new Violation(`not linearizable: ${value} at ${index} began after ${floor} was acknowledged`)
    this.indexOf.set(value, index)
    this.acknowledged++
    this.highestAcknowledged = Math.max(this.highestAcknowledged, index)
  }

  refuses(value: number): void {
    this.refused.add(value)
  }

  /** At the end, on every member. */
  finds(node: string, log: readonly SimEntry[]): void {
    for (const [value, index] of this.indexOf)
      if (log[index]?.value !== value) throw new Violation(`acknowledged ${value} at ${index} is lost on ${node}`)
  }
}

export function show(entry: SimEntry | undefined): string {
  return entry === undefined ? 'nothing' : `${entry.index}/t${entry.term}=${entry.value}`
}
