/**
 * Whether `+` and an operand stand at a place. RocketMQ 4.9.7 reads a plus sign only when all of its operand can be read,
 * and blames the sign otherwise; nothing else of its grammar looks that far ahead.
 *
 * Recognises the grammar of parser.ts without its checks. A part that may be left out is left out when it cannot be read.
 */
import { FilterError } from './filter-error.ts'
import type { Kind, Tokens } from './tokens.ts'

/** More than the parser allows: it says so then. */
const DEPTH_MAX = 600
const NONE = -1
const OPERANDS: ReadonlySet<Kind> = new Set(['TRUE', 'FALSE', 'NULL', 'decimal', 'float', 'text', 'name'])
const SIGNS: ReadonlySet<Kind> = new Set(['>', '>=', '<', '<='])

export class Lookahead {
  private readonly tokens: Tokens
  /** End of the operand of a plus sign, by its place: signs in front of signs are looked at once. */
  private readonly known = new Map<number, number>()
  private depth = 0

  constructor(tokens: Tokens) {
    this.tokens = tokens
  }

  isSigned(at: number): boolean {
    return this.unary(at) !== NONE
  }

  /** Each of these returns the place behind what it read, or NONE. */
  private unary(at: number): number {
    const kind = this.kind(at)
    if (kind === '-' || kind === 'NOT') return this.deeper(() => this.unary(at + 1))
    if (kind !== '+') return this.primary(at, kind)
    let end = this.known.get(at)
    if (end === undefined) {
      end = this.deeper(() => this.unary(at + 1))
      this.known.set(at, end)
    }
    return end
  }

  private primary(at: number, kind: Kind): number {
    if (OPERANDS.has(kind)) return at + 1
    if (kind !== '(') return NONE
    const end = this.deeper(() => this.or(at + 1))
    return end !== NONE && this.kind(end) === ')' ? end + 1 : NONE
  }

  private or(at: number): number {
    return this.chain(at, 'OR', (from) => this.and(from))
  }

  private and(at: number): number {
    return this.chain(at, 'AND', (from) => this.equality(from))
  }

  private chain(at: number, word: Kind, operand: (from: number) => number): number {
    let end = operand(at)
    while (end !== NONE && this.kind(end) === word) {
      const next = operand(end + 1)
      if (next === NONE) break
      end = next
    }
    return end
  }

  private equality(at: number): number {
    let end = this.comparison(at)
    for (let next = end; end !== NONE && next !== NONE; ) {
      const kind = this.kind(end)
      if (kind === '=' || kind === '<>') next = this.comparison(end + 1)
      else if (kind === 'IS') next = this.isNull(end + 1)
      else break
      if (next !== NONE) end = next
    }
    return end
  }

  private isNull(at: number): number {
    const kind = this.kind(at)
    if (kind === 'NULL') return at + 1
    return kind === 'NOT' && this.kind(at + 1) === 'NULL' ? at + 2 : NONE
  }

  private comparison(at: number): number {
    let end = this.unary(at)
    for (let next = end; end !== NONE && next !== NONE; ) {
      next = this.compared(end)
      if (next !== NONE) end = next
    }
    return end
  }

  private compared(at: number): number {
    const kind = this.kind(at)
    if (SIGNS.has(kind)) return this.unary(at + 1)
    const from = kind === 'NOT' ? at + 1 : at
    const word = this.kind(from)
    if (word === 'BETWEEN') {
      const low = this.unary(from + 1)
      return low !== NONE && this.kind(low) === 'AND' ? this.unary(low + 1) : NONE
    }
    return word === 'IN' ? this.list(from + 1) : NONE
  }

  private list(at: number): number {
    if (this.kind(at) !== '(' || this.kind(at + 1) !== 'text') return NONE
    let end = at + 2
    while (this.kind(end) === ',' && this.kind(end + 1) === 'text') end += 2
    return this.kind(end) === ')' ? end + 1 : NONE
  }

  private kind(at: number): Kind {
    return this.tokens.token(at).kind
  }

  private deeper(inner: () => number): number {
    this.depth += 1
    if (this.depth > DEPTH_MAX) {
      throw new FilterError('RuntimeException', 'the expression has too many signs and parentheses in each other')
    }
    const end = inner()
    this.depth -= 1
    return end
  }
}
