/**
 * Reads an SQL92 filter expression into a tree.
 *
 *   or       and ( OR and )*
 *   and      equality ( AND equality )*
 *   equality comparison ( = comparison | <> comparison | IS NULL | IS NOT NULL )*
 *   comparison  unary ( > unary | >= unary | < unary | <= unary | [NOT] BETWEEN unary AND unary | [NOT] IN ( 'x', … ) )*
 *   unary    + unary | - unary | NOT unary | primary
 *   primary  TRUE | FALSE | NULL | number | text | name | ( or )
 *
 * NOT binds closest: `NOT a = 1` is `(NOT a) = 1`. Whatever follows a whole expression is ignored, as RocketMQ 4.9.7 does
 * (`a = 1 b` is `a = 1`, `a LIKE 'x'` is `a`): `end` says where it begins, so that somebody can be told.
 *
 * Errors:    FilterError, in RocketMQ's words: what stands there, and all that could have stood there. Each choice that
 *            is passed without being taken adds to that list, and each token that is taken empties it.
 */
import { between, checkBoolean, compare, equal, inList, isNull } from './checks.ts'
import type { Comparator, Expression } from './expression.ts'
import { escaped, FilterError, positionAt } from './filter-error.ts'
import { DOUBLE_MIN, doubleText, INT_MAX, LONG_MAX, numberFault } from './java-numbers.ts'
import { Lookahead } from './lookahead.ts'
import { imageOf, KINDS, type Kind, type Token, Tokens } from './tokens.ts'

/** Parentheses, signs and operators in each other. A chain of ANDs or ORs counts once. */
export const DEPTH_MAX = 300

const COMPARISONS: readonly Kind[] = ['NOT', 'BETWEEN', 'IN', '>', '>=', '<', '<=']
const AFTER_NOT: readonly Kind[] = ['BETWEEN', 'IN', '>', '>=', '<', '<=']
const EQUALITIES: readonly Kind[] = ['IS', '=', '<>']
const OPERANDS: readonly Kind[] = ['NOT', 'TRUE', 'FALSE', 'NULL', 'decimal', 'float', 'text', 'name', '(', '-']

export interface Parsed {
  readonly root: Expression
  /** Index of the first word that is not part of it; the text's length where there is none. */
  readonly end: number
}

/** Throws FilterError. */
export function parseExpression(text: string): Parsed {
  const parser = new Parser(text)
  const root = checkBoolean(parser.or())
  return { root, end: parser.rest }
}

class Parser {
  private readonly text: string
  private readonly tokens: Tokens
  private readonly lookahead: Lookahead
  private at = 0
  private depth = 0
  private expected = new Set<Kind>()

  constructor(text: string) {
    this.text = text
    this.tokens = new Tokens(text)
    this.lookahead = new Lookahead(this.tokens)
  }

  /** Where the token is that was looked at last and not taken. */
  get rest(): number {
    return this.peek().start
  }

  or(): Expression {
    return this.chain('or', 'OR', () => this.and())
  }

  private and(): Expression {
    return this.chain('and', 'AND', () => this.equality())
  }

  private chain(kind: 'and' | 'or', word: Kind, operand: () => Expression): Expression {
    const first = operand()
    if (!this.isNext(word)) return first
    const operands = [first]
    while (this.isNext(word)) {
      this.take(word)
      operands.push(operand())
      if (operands.length === 2) checkBoolean(first)
      checkBoolean(operands[operands.length - 1])
    }
    return { kind, operands }
  }

  private equality(): Expression {
    let left = this.comparison()
    for (let links = 0; ; links += 1) {
      this.checkDepth(links)
      const { kind } = this.peek()
      if (kind === '=' || kind === '<>') {
        this.take(kind)
        const both = equal(left, this.comparison())
        left = kind === '=' ? both : { kind: 'not', operand: both }
      } else if (kind === 'IS') {
        this.take('IS')
        const isNot = this.peek().kind !== 'NULL'
        if (isNot) this.take('NOT')
        this.take('NULL')
        left = isNot ? { kind: 'not', operand: isNull(left) } : isNull(left)
      } else {
        this.expect(EQUALITIES)
        return left
      }
    }
  }

  private comparison(): Expression {
    let left = this.unary()
    for (let links = 0; ; links += 1) {
      this.checkDepth(links)
      const { kind } = this.peek()
      if (!COMPARISONS.includes(kind)) {
        this.expect(COMPARISONS)
        return left
      }
      left = this.compared(left, kind)
    }
  }

  private compared(left: Expression, kind: Kind): Expression {
    const isNot = kind === 'NOT'
    const after = isNot ? this.tokens.token(this.at + 1).kind : kind
    if (isNot && after !== 'BETWEEN' && after !== 'IN') {
      this.expect(AFTER_NOT)
      throw this.unexpected()
    }
    if (isNot) this.take('NOT')
    this.take(after)
    if (after === 'BETWEEN') {
      const low = this.unary()
      this.take('AND')
      return between(left, low, this.unary(), isNot)
    }
    return after === 'IN' ? this.inList(left, isNot) : compare(after as Comparator, left, this.unary())
  }

  private inList(left: Expression, isNot: boolean): Expression {
    this.take('(')
    const values = [textOf(this.take('text'))]
    while (this.isNext(',')) {
      this.take(',')
      values.push(textOf(this.take('text')))
    }
    this.take(')')
    return inList(left, values, isNot)
  }

  private unary(): Expression {
    const { kind } = this.peek()
    if (kind === '+' && this.lookahead.isSigned(this.at)) {
      this.take('+')
      return this.deeper(() => this.unary())
    }
    if (kind === '-') {
      this.take('-')
      return { kind: 'negative', operand: this.deeper(() => this.unary()) }
    }
    if (kind === 'NOT') {
      this.take('NOT')
      return { kind: 'not', operand: checkBoolean(this.deeper(() => this.unary())) }
    }
    return this.primary(kind)
  }

  private primary(kind: Kind): Expression {
    if (kind === '(') {
      this.take('(')
      const inner = this.deeper(() => this.or())
      this.take(')')
      return inner
    }
    if (kind === '+' || !OPERANDS.includes(kind)) {
      this.expect(OPERANDS)
      throw this.unexpected()
    }
    return operandOf(this.take(kind))
  }

  private deeper(inner: () => Expression): Expression {
    this.depth += 1
    this.checkDepth(0)
    const node = inner()
    this.depth -= 1
    return node
  }

  private checkDepth(links: number): void {
    if (this.depth + links <= DEPTH_MAX) return
    throw new FilterError('RuntimeException', `the expression is nested deeper than ${DEPTH_MAX}`)
  }

  private peek(): Token {
    return this.tokens.token(this.at)
  }

  private isNext(kind: Kind): boolean {
    if (this.peek().kind === kind) return true
    this.expect([kind])
    return false
  }

  private take(kind: Kind): Token {
    const token = this.peek()
    if (token.kind !== kind) {
      this.expect([kind])
      throw this.unexpected()
    }
    this.at += 1
    this.expected.clear()
    return token
  }

  private expect(kinds: readonly Kind[]): void {
    for (const kind of kinds) this.expected.add(kind)
  }

  private unexpected(): FilterError {
    const { kind, image, start } = this.peek()
    const isEnd = kind === 'end'
    const { line, column } = positionAt(this.text, isEnd ? this.text.length - 1 : start)
    const what = isEnd ? '<EOF>' : ` ${imageOf(kind)} "${escaped(image)} "`
    const list = KINDS.filter((each) => this.expected.has(each)).map((each) => `${imageOf(each)} ...\n    `)
    const were = list.length === 1 ? 'Was expecting:' : 'Was expecting one of:'
    return new FilterError(
      'ParseException',
      `Encountered "${what}" at line ${line}, column ${column}.\n${were}\n    ${list.join('')}`,
    )
  }
}

function operandOf({ kind, image }: Token): Expression {
  switch (kind) {
    case 'TRUE':
    case 'FALSE':
      return { kind: 'boolean', value: kind === 'TRUE' }
    case 'decimal':
      return integerOf(image)
    case 'float':
      return doubleOf(image)
    case 'text':
      return { kind: 'text', value: textOf({ image }) }
    case 'name':
      return { kind: 'property', name: image }
    default:
      return { kind: 'null' }
  }
}

function textOf({ image }: Pick<Token, 'image'>): string {
  return image.slice(1, -1).replaceAll("''", "'")
}

/** What fits is an Integer, and properties are read as one then: those beyond its range cannot be. */
function integerOf(image: string): Expression {
  const digits = image.replace(/[lL]$/, '')
  const value = BigInt(digits)
  if (value > LONG_MAX) throw new FilterError('NumberFormatException', numberFault(digits, false))
  return value <= INT_MAX ? { kind: 'int', value: Number(value) } : { kind: 'long', value }
}

function doubleOf(image: string): Expression {
  const value = Number(image)
  if (value > Number.MAX_VALUE) {
    throw new FilterError('RuntimeException', `${image} is greater than ${doubleText(Number.MAX_VALUE)}`)
  }
  if (value < DOUBLE_MIN) throw new FilterError('RuntimeException', `${image} is less than ${doubleText(DOUBLE_MIN)}`)
  return { kind: 'double', value }
}
