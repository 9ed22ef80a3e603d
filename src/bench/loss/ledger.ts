/**
 * What was sent, what was promised, and the judgement over what is read back: the criteria of the loss experiment and of all rows of the fault
 * campaign share. A ledger outlives brokers: numbers go on over kills and restarts.
 */

/** Where the broker said that a message lies. */
export interface Place {
  queueId: number
  queueOffset: number
  physicalOffset: number
}

/** A message as a consumer got it. */
export interface ReadMessage extends Place {
  number: number
}

/** Codes by which a broker says that it did not store the message: system busy, service not available. */
const REFUSALS: ReadonlySet<number> = new Set([2, 14])
const PROBLEMS_MAX = 10

export class Ledger {
  /** Answered 0. */
  readonly acknowledged = new Map<number, Place>()
  /** Answered otherwise, by code. */
  readonly refused = new Map<number, { code: number; remark: string | undefined }>()
  /** The connection each number was sent on: one line keeps its order. */
  private readonly lines: number[] = []

  get sent(): number {
    return this.lines.length
  }

  /** A new number, about to be sent. */
  take(line: number): number {
    return this.lines.push(line) - 1
  }

  lineOf(number: number): number {
    return this.lines[number]
  }

  wasSent(number: number): boolean {
    return Number.isInteger(number) && number >= 0 && number < this.lines.length
  }

  codes(): Record<number, number> {
    const counts: Record<number, number> = {}
    for (const { code } of this.refused.values()) counts[code] = (counts[code] ?? 0) + 1
    return counts
  }
}

export interface JudgeOptions {
  /** Acknowledged messages that may be missing, by where they were. None by default. */
  mayMiss?(place: Place): boolean
  /** Queue offsets that nobody holds are allowed where an unacknowledged message was lost. Not by default. */
  gaps?: boolean
}

/** Every way in which `read` (each queue in its order) breaks what the broker promised; empty when it kept it all. */
export function judge(ledger: Ledger, read: ReadMessage[], options: JudgeOptions = {}): string[] {
  const problems: string[] = []
  const places = new Map<number, ReadMessage>()
  const lastInQueue = new Map<number, ReadMessage>()
  const lastOfLine = new Map<string, number>()
  for (const message of read) {
    const { number, queueId, queueOffset } = message
    if (!ledger.wasSent(number)) problems.push(`message ${number} was never sent`)
    if (places.has(number)) problems.push(`message ${number} is there twice`)
    places.set(number, message)
    const before = lastInQueue.get(queueId)
    lastInQueue.set(queueId, message)
    const expected = before === undefined ? 0 : before.queueOffset + 1
    if (queueOffset < expected || (queueOffset > expected && options.gaps !== true))
      problems.push(`queue ${queueId}: offset ${queueOffset} where ${expected} was expected`)
    if (before !== undefined && message.physicalOffset <= before.physicalOffset)
      problems.push(`queue ${queueId}: offset ${queueOffset} lies below its predecessor in the log`)
    const line = `${queueId}/${ledger.lineOf(number)}`
    const former = lastOfLine.get(line)
    if (former !== undefined && former > number)
      problems.push(`queue ${queueId}: message ${number} came behind ${former} of the same connection`)
    lastOfLine.set(line, number)
    const refusal = ledger.refused.get(number)
    if (refusal !== undefined && REFUSALS.has(refusal.code))
      problems.push(`message ${number} was refused with ${refusal.code} and stored all the same`)
  }
  for (const [number, place] of ledger.acknowledged) {
    const found = places.get(number)
    if (found === undefined) {
      if (options.mayMiss?.(place) !== true)
        problems.push(`message ${number} was acknowledged (queue ${said(place)}) and is gone`)
    } else if (said(found) !== said(place)) {
      problems.push(`message ${number} was promised at queue ${said(place)} and is at ${said(found)}`)
    }
  }
  return shortened(problems)
}

/** Acknowledged numbers that are not among `read`. */
export function missing(ledger: Ledger, read: ReadMessage[]): [number: number, place: Place][] {
  const there = new Set(read.map(({ number }) => number))
  return [...ledger.acknowledged].filter(([number]) => !there.has(number))
}

export function shortened(problems: string[]): string[] {
  if (problems.length <= PROBLEMS_MAX) return problems
  return [...problems.slice(0, PROBLEMS_MAX), `and ${problems.length - PROBLEMS_MAX} more`]
}

function said({ queueId, queueOffset, physicalOffset }: Place): string {
  return `${queueId} offset ${queueOffset} at ${physicalOffset}`
}
