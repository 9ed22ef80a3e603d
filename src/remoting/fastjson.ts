/**
 * The JSON dialect of Java's bodies (fastjson 1.2): spec/remoting.md §12.
 *
 *   parse      {"offsetTable":{"T@G":{0:5,"1":7}}}                     unquoted integer keys: an object, keys as text
 *              {"offsetTable":{{"brokerName":"b","queueId":0}:5}}      objects as keys: a Map
 *              9223372036854775807                                     a bigint where a number would lose digits
 *              'text', {name:1}, control characters in texts           taken, as fastjson takes them
 *   stringify  a Map with objects as keys in brace-key form, with numbers as keys unquoted; bigint as digits;
 *              undefined and null members left out, as Java leaves out null
 */
import { RemotingError } from '../errors.ts'

export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject | JsonMap
export interface JsonObject {
  [key: string]: JsonValue
}
export type JsonMap = Map<JsonValue, JsonValue>

/** Nesting beyond it is no body of RocketMQ's. */
const DEPTH_MAX = 200
/** Longest run of digits that a number always holds. */
const LONG_NUMBER = /[0-9]{16}/

/** Throws RemotingError BAD_JSON, naming the place. */
export function parse(input: string | Uint8Array): JsonValue {
  const text = typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.length).toString()
  if (!LONG_NUMBER.test(text)) {
    try {
      return JSON.parse(text) as JsonValue
    } catch {
      // The dialect, or no JSON at all: the parser below says which.
    }
  }
  return new Parser(text).parse()
}

class Parser {
  private readonly text: string
  private at = 0
  private depth = 0

  constructor(text: string) {
    this.text = text
  }

  parse(): JsonValue {
    const value = this.value()
    if (this.peek() !== '') throw this.wrong('the end')
    return value
  }

  /** The next character that is no space, '' at the end. */
  private peek(): string {
    while (this.text.charCodeAt(this.at) <= 0x20) this.at++
    return this.text.charAt(this.at)
  }

  private value(): JsonValue {
    const c = this.peek()
    if (c === '"' || c === "'") return this.string(c)
    if (c === '{') return this.nested(() => this.object())
    if (c === '[') return this.nested(() => this.list())
    const literal = this.match(/[^\s,:[\]{}"']+/y)
    if (literal === 'true') return true
    if (literal === 'false') return false
    if (literal === 'null') return null
    return this.number(literal)
  }

  private nested<T>(read: () => T): T {
    this.depth++
    if (this.depth > DEPTH_MAX) throw this.wrong(`at most ${DEPTH_MAX} levels`)
    this.at++
    const value = read()
    this.at++
    this.depth--
    return value
  }

  private list(): JsonValue[] {
    const list: JsonValue[] = []
    if (this.peek() === ']') return list
    for (;;) {
      list.push(this.value())
      const c = this.peek()
      if (c === ']') return list
      if (c !== ',') throw this.wrong(', or ]')
      this.at++
    }
  }

  private object(): JsonObject | JsonMap {
    const entries: [JsonValue, JsonValue][] = []
    let keyed = false
    if (this.peek() !== '}') {
      for (;;) {
        const key = this.key()
        keyed ||= typeof key === 'object'
        if (this.peek() !== ':') throw this.wrong(':')
        this.at++
        entries.push([key, this.value()])
        const c = this.peek()
        if (c === '}') break
        if (c !== ',') throw this.wrong(', or }')
        this.at++
      }
    }
    return keyed ? new Map(entries) : (Object.fromEntries(entries) as JsonObject)
  }

  /** A text, an object, or a bare number or name, which is its text. */
  private key(): JsonValue {
    const c = this.peek()
    if (c === '"' || c === "'") return this.string(c)
    if (c === '{') return this.nested(() => this.object())
    return this.match(/-?[0-9]+|[A-Za-z_$][\w$.-]*/y)
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found === undefined) throw this.wrong('a value')
    this.at += found.length
    return found
  }

  private number(literal: string): number | bigint {
    const value = Number(literal)
    if (!/^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(literal)) {
      this.at -= literal.length
      throw this.wrong('a value')
    }
    return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(literal)
      ? BigInt(literal)
      : value
  }

  private string(quote: string): string {
    let end = this.at + 1
    for (; end < this.text.length && this.text.charAt(end) !== quote; end++) {
      if (this.text.charAt(end) === '\\') end++
    }
    if (end >= this.text.length) throw this.wrong(`a closing ${quote}`)
    const raw = this.text.slice(this.at + 1, end)
    this.at = end + 1
    return raw.includes('\\') ? raw.replace(ESCAPE, unescaped) : raw
  }

  private wrong(expected: string): RemotingError {
    const found = this.at < this.text.length ? JSON.stringify(this.text.slice(this.at, this.at + 20)) : 'the end'
    return new RemotingError('BAD_JSON', {
      what: `not JSON at character ${this.at}: found ${found}, expected ${expected}`,
    })
  }
}

const ESCAPE = /\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\s\S])/g
const SHORT: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', 0: '\0' }

function unescaped(_: string, what: string): string {
  if (what.length > 1) return String.fromCharCode(Number.parseInt(what.slice(1), 16))
  return SHORT[what] ?? what
}

/** What stringify takes: JsonValue, and members that are undefined. */
export type Writable =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Writable[]
  | ReadonlyMap<Writable, Writable>
  | { readonly [key: string]: Writable }

export function stringify(value: Writable): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`
  const members: string[] = []
  const entries = value instanceof Map ? value.entries() : Object.entries(value as { [key: string]: Writable })
  for (const [key, member] of entries) {
    if (member !== undefined && member !== null) members.push(`${stringify(key)}:${stringify(member)}`)
  }
  return `{${members.join(',')}}`
}
