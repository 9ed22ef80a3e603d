/**
 * fastjson prints maps with integer keys as {0:1,-1:2}, which a strict JSON parser refuses. This quotes such keys and
 * leaves every other byte as it is: the result of text that was strict JSON is the same text.
 *
 * Format: spec/store-format.md §7.
 */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d

/** A key can only follow a brace or a comma, and only a colon makes it one: items of arrays keep their form. */
export function quoteIntegerKeys(text: string): string {
  let out = ''
  let copied = 0
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
    } else if (code === OPEN_BRACE || code === COMMA) {
      const start = skipSpace(text, at + 1)
      const end = endOfInteger(text, start)
      if (end > start && text.charCodeAt(skipSpace(text, end)) === COLON) {
        out += `${text.slice(copied, start)}"${text.slice(start, end)}"`
        copied = end
      }
      at = end
    } else {
      at += 1
    }
  }
  return copied === 0 ? text : out + text.slice(copied)
}

/** Index behind the closing quote, or the text's length when there is none. */
function endOfString(text: string, open: number): number {
  let at = open + 1
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    at += code === BACKSLASH ? 2 : 1
  }
  return text.length
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && isSpace(text.charCodeAt(at))) at += 1
  return at
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}

/** `start` itself where no integer begins. */
function endOfInteger(text: string, start: number): number {
  let at = text.charCodeAt(start) === MINUS ? start + 1 : start
  const digits = at
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at += 1
  return at > digits ? at : start
}
