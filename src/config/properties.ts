/**
 * Java's .properties syntax, as java.util.Properties reads it: RocketMQ's configuration files and the bodies of requests
 * 25, 26, 318 and 319.
 *
 *   natural lines end with \n, \r or \r\n; blank ones and those that start with # or ! (after blanks) are left out
 *   a final odd backslash joins the next line, without the blanks that it starts with
 *   key: up to the first unescaped =, : or blank; then blanks, at most one = or :, blanks; the rest is the value, with
 *   its trailing blanks; \t \n \r \f \uXXXX; any other escaped character is itself
 */
import { ConfigError } from '../errors.ts'

export interface Property {
  key: string
  value: string
  /** Line of the key, from 1, and the last line of the value. */
  line: number
  lastLine: number
}

const BLANK = /^[ \t\f]*/

/** `source` names the text in errors. Throws ConfigError BAD_ESCAPE for a \u without four hexadecimal digits. */
export function parseProperties(text: string, source = 'properties'): Property[] {
  const lines = text.split(/\r\n|\n|\r/)
  const properties: Property[] = []
  if (lines.length > 1 && lines.at(-1) === '') lines.pop()
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1
    let logical = lines[index].replace(BLANK, '')
    if (logical === '' || logical[0] === '#' || logical[0] === '!') continue
    while (isContinued(logical)) {
      logical = logical.slice(0, -1)
      // Nothing but a backslash: Java starts anew, so that a comment may follow.
      if (logical === '' || index + 1 === lines.length) break
      index++
      logical += lines[index].replace(BLANK, '')
    }
    const isNothing = logical === '' && index + 1 < lines.length
    if (!isNothing) properties.push({ ...split(logical, `${source}:${line}`), line, lastLine: index + 1 })
  }
  return properties
}

function isContinued(text: string): boolean {
  const backslashes = /\\*$/.exec(text)![0].length
  return backslashes % 2 === 1
}

function split(text: string, where: string): { key: string; value: string } {
  let end = 0
  while (end < text.length && !'=: \t\f'.includes(text[end])) end += text[end] === '\\' ? 2 : 1
  const rest = text.slice(end).replace(BLANK, '')
  const value = rest[0] === '=' || rest[0] === ':' ? rest.slice(1).replace(BLANK, '') : rest
  return { key: unescapeText(text.slice(0, end), where), value: unescapeText(value, where) }
}

const ESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescapeText(text: string, where: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S]|$)/g, (_, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    if (escaped === 'u') {
      throw new ConfigError('BAD_ESCAPE', {
        what: `a \\u without four hexadecimal digits in ${JSON.stringify(text)}`,
        where,
        todo: 'write a backslash as two: \\\\',
      })
    }
    return ESCAPES[escaped] ?? escaped
  })
}

/** Bytes of a file: UTF-8 where they are that, else ISO-8859-1 as Java reads them. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('latin1')
  }
}

/** One line without its end; read back by Java and by parseProperties to the same key and value. */
export function formatProperty(key: string, value: string): string {
  return `${escapeText(key).replace(/[ =:#!]/g, '\\$&')}=${escapeText(value).replace(/^ /, '\\ ')}`
}

/**
 * The text with these values: what stands there is replaced where it stands (of a key that is set twice the last one, which
 * holds), what is missing is added at the end. Everything else stays byte for byte.
 */
export function editProperties(text: string, values: ReadonlyMap<string, string>): string {
  const lines = text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? []
  const lineEnd = /\r\n|\n|\r/.exec(text)?.[0] ?? '\n'
  const found = new Map(parseProperties(text).map((property) => [property.key, property]))
  let added = ''
  for (const [key, value] of values) {
    const line = formatProperty(key, value) + lineEnd
    const property = found.get(key)
    if (property === undefined) added += line
    else for (let i = property.line; i <= property.lastLine; i += 1) lines[i - 1] = i === property.line ? line : ''
  }
  const body = lines.join('')
  if (added === '') return body
  const isOpen = body !== '' && !/[\r\n]$/.test(body)
  // A last line that is to be continued would take what is added for its continuation: it gets an empty one.
  const joins = isContinued(body.replace(/(?:\r\n|\n|\r)$/, ''))
  return body + (isOpen ? lineEnd : '') + (joins ? lineEnd : '') + added
}

/** The body of requests 26 and 319. */
export function formatProperties(entries: Iterable<readonly [string, string]>): string {
  let text = ''
  for (const [key, value] of entries) text += `${formatProperty(key, value)}\n`
  return text
}

const NAMES: Record<string, string> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\f': '\\f', '\\': '\\\\' }

function escapeText(text: string): string {
  return text.replace(/[^ -~]|\\/g, (character) => {
    return NAMES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`
  })
}
