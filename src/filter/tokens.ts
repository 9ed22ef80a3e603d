/**
 * Words of an SQL92 filter expression, one at a time: the parser may stop before the end, and what it never asked for is
 * never looked at, as in RocketMQ 4.9.7.
 *
 *   price  >  1.5  AND  region  IN  ( 'eu' )   -- comment
 *   id     gt float and id     in  lp text rp  skipped
 *
 * Names and texts of errors are those that RocketMQ answers (observed on a running 4.9.7), because clients print them.
 * Source: spec/broker-requests.md §7 "SQL92 grammar".
 */
import { escaped, FilterError, positionAt } from './filter-error.ts'

/** Kinds in the order in which an error lists them; `image` is how it names them. */
export const KINDS = [
  'NOT',
  'AND',
  'OR',
  'BETWEEN',
  'IN',
  'TRUE',
  'FALSE',
  'NULL',
  'IS',
  'decimal',
  'float',
  'text',
  'name',
  '=',
  '<>',
  '>',
  '>=',
  '<',
  '<=',
  '(',
  ',',
  ')',
  '+',
  '-',
  'end',
] as const
export type Kind = (typeof KINDS)[number]

const IMAGES: Partial<Record<Kind, string>> = {
  decimal: '<DECIMAL_LITERAL>',
  float: '<FLOATING_POINT_LITERAL>',
  text: '<STRING_LITERAL>',
  name: '<ID>',
}
const WORDS: ReadonlySet<string> = new Set(['NOT', 'AND', 'OR', 'BETWEEN', 'IN', 'TRUE', 'FALSE', 'NULL', 'IS'])

export interface Token {
  readonly kind: Kind
  /** As written; empty at the end. */
  readonly image: string
  /** Index of its first character. */
  readonly start: number
}

export function imageOf(kind: Kind): string {
  return IMAGES[kind] ?? `"${kind}"`
}

const SPACE = /[ \t\n\r\f]+/y
const LINE_COMMENT = /--[^\n\r]*(?:\r\n|\n|\r)/y
const BLOCK_COMMENT = /\/\*[\s\S]*?\*\//y
const NUMBER =
  /[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[1-9][0-9]*[lL]?|0/y
const NAME = /[a-zA-Z_$][a-zA-Z0-9_$]*/y
const TEXT = /'(?:''|[^'])*'/y
const OPERATOR = /<>|<=|>=|[=<>(),+-]/y

export class Tokens {
  private readonly text: string
  private readonly read: Token[] = []
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  /** The token at an index, read when it is asked for. Throws FilterError where no token starts. */
  token(index: number): Token {
    while (this.read.length <= index) this.read.push(this.next())
    return this.read[index]
  }

  private next(): Token {
    while (this.match(SPACE) || this.match(LINE_COMMENT) || this.match(BLOCK_COMMENT)) {}
    const { text, at: start } = this
    if (start >= text.length) return { kind: 'end', image: '', start }
    const kind = this.kindHere()
    if (kind === undefined) throw this.lexicalError(start)
    return { kind, image: text.slice(start, this.at), start }
  }

  private kindHere(): Kind | undefined {
    const { text, at } = this
    if (this.match(NUMBER)) return /[.eE]/.test(text.slice(at, this.at)) ? 'float' : 'decimal'
    if (this.match(NAME)) {
      const word = text.slice(at, this.at).toUpperCase()
      return WORDS.has(word) ? (word as Kind) : 'name'
    }
    if (this.match(TEXT)) return 'text'
    return this.match(OPERATOR) ? (text.slice(at, this.at) as Kind) : undefined
  }

  private match(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    if (!pattern.test(this.text)) return false
    this.at = pattern.lastIndex
    return true
  }

  /**
   * RocketMQ's scanner reads on while a token can still come of it, and blames the character that it then stands at. It
   * looks one character further too, and blames the end where there is none.
   */
  private lexicalError(start: number): FilterError {
    const { text } = this
    const stuck = stuckAt(text, start)
    const isAtEnd = stuck >= text.length
    const last = isAtEnd ? text.length - 1 : stuck
    const { line, column } = positionAt(text, last)
    if (isAtEnd || stuck === text.length - 1) {
      const after = (isAtEnd ? text.length - start : text.length - start) > 1 ? text.slice(start) : ''
      const isNewLine = text[last] === '\n' || text[last] === '\r'
      const where = isNewLine ? `line ${line + 1}, column 0` : `line ${line}, column ${column + 1}`
      return lexical(where, '<EOF> ', after)
    }
    const blamed = text[stuck]
    const encountered = `"${escaped(blamed)}" (${blamed.charCodeAt(0)}), `
    return lexical(`line ${line}, column ${column}`, encountered, text.slice(start, stuck))
  }
}

/** Index of the first character with which nothing that started at `start` goes on. */
function stuckAt(text: string, start: number): number {
  const first = text[start]
  if (first === "'" || text.startsWith('/*', start)) return text.length
  return first === '.' || first === '/' ? start + 1 : start
}

function lexical(where: string, encountered: string, after: string): FilterError {
  return new FilterError(
    'TokenMgrError',
    `Lexical error at ${where}.  Encountered: ${encountered}after : "${escaped(after)}"`,
  )
}
