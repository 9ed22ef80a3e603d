/**
 * What is wrong with an expression, in the words in which RocketMQ 4.9.7 says it: the remark of an answer with code 23 is
 * the exception's class and message, and users search for these texts.
 */
const CLASSES = {
  ParseException: 'org.apache.rocketmq.filter.parser.ParseException',
  TokenMgrError: 'org.apache.rocketmq.filter.parser.TokenMgrError',
  RuntimeException: 'java.lang.RuntimeException',
  NumberFormatException: 'java.lang.NumberFormatException',
  ClassCastException: 'java.lang.ClassCastException',
} as const

export class FilterError extends Error {
  readonly code = 'BAD_EXPRESSION'

  constructor(of: keyof typeof CLASSES, message: string) {
    super(`${CLASSES[of]}: ${message}`)
    this.name = 'FilterError'
  }
}

export function cannotCompare(message: string): FilterError {
  return new FilterError('RuntimeException', message)
}

const TAB = 8

/**
 * Line and column of a character, from 1; of the one before the first: 0, 0. A tab goes to the next multiple of 8. The
 * character that ends a line is in it; \r\n is one end.
 */
export function positionAt(text: string, index: number): { line: number; column: number } {
  if (index < 0) return { line: 0, column: 0 }
  let line = 1
  let column = 0
  for (let at = 0; at <= index; at += 1) {
    const before = text[at - 1]
    if (before === '\n' || (before === '\r' && text[at] !== '\n')) {
      line += 1
      column = 0
    }
    column += text[at] === '\t' ? TAB - (column % TAB) : 1
  }
  return { line, column }
}

const ESCAPES: Record<string, string> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
  '"': '\\"',
  "'": "\\'",
  '\\': '\\\\',
}

/** As a Java literal, without its quotes. */
export function escaped(text: string): string {
  let out = ''
  for (const char of text.split('')) {
    const code = char.charCodeAt(0)
    const isPlain = code >= 0x20 && code <= 0x7e
    out += ESCAPES[char] ?? (isPlain ? char : `\\u${code.toString(16).padStart(4, '0')}`)
  }
  return out
}
