/**
 * Numbers as Java reads and writes them: property values are compared by Integer.valueOf, Long.valueOf or Double.valueOf,
 * and a value that these refuse makes the whole expression fail.
 */
export const INT_MAX = 2_147_483_647
export const INT_MIN = -2_147_483_648
export const LONG_MAX = 9_223_372_036_854_775_807n
export const LONG_MIN = -9_223_372_036_854_775_808n
export const DOUBLE_MIN = 5e-324

/** Integer.valueOf; undefined where Java throws NumberFormatException. */
export function parseInteger(text: string): number | undefined {
  const value = parseDigits(text)
  return value === undefined || value > INT_MAX || value < INT_MIN ? undefined : Number(value)
}

/** Long.valueOf. */
export function parseLong(text: string): bigint | undefined {
  const value = parseDigits(text)
  return value === undefined || value > LONG_MAX || value < LONG_MIN ? undefined : value
}

const ASCII_INTEGER = /^[+-]?[0-9]+$/
const DIGIT = /^\p{Nd}$/u

function parseDigits(text: string): bigint | undefined {
  if (ASCII_INTEGER.test(text)) return BigInt(text[0] === '+' ? text.slice(1) : text)
  // Any script's digits will do, sign and digits one UTF-16 unit each.
  let digits = ''
  const isSigned = text[0] === '-' || text[0] === '+'
  for (let at = isSigned ? 1 : 0; at < text.length; at += 1) {
    const digit = digitOf(text.charCodeAt(at))
    if (digit < 0) return undefined
    digits += digit
  }
  if (digits === '') return undefined
  return text[0] === '-' ? -BigInt(digits) : BigInt(digits)
}

/** Scripts have their digits side by side, from 0 to 9. */
function digitOf(code: number): number {
  if (!DIGIT.test(String.fromCharCode(code))) return -1
  let value = 0
  while (value < 9 && DIGIT.test(String.fromCharCode(code - value - 1))) value += 1
  return value
}

const DECIMAL = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?$/
const HEX = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?[0-9]+)[fFdD]?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: what String.trim() of Java takes away
const TRIMMED = /^[\u0000-\u0020]+|[\u0000-\u0020]+$/g

/** Double.valueOf. */
export function parseDouble(text: string): number | undefined {
  const trimmed = text.replace(TRIMMED, '')
  if (DECIMAL.test(trimmed)) return Number(/[fFdD]$/.test(trimmed) ? trimmed.slice(0, -1) : trimmed)
  switch (trimmed.replace(/^[+-]/, '')) {
    case 'NaN':
      return Number.NaN
    case 'Infinity':
      return trimmed[0] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
    default:
      return parseHexDouble(trimmed)
  }
}

function parseHexDouble(text: string): number | undefined {
  const [, sign, whole, fraction = '', exponent] = HEX.exec(text) ?? []
  if (sign === undefined || whole + fraction === '') return undefined
  const mantissa = Number(BigInt(`0x${whole}${fraction}`))
  const power = Number(exponent) - 4 * fraction.length
  // In two steps: 2^power alone may be out of range.
  const half = Math.trunc(power / 2)
  const value = mantissa === 0 ? 0 : mantissa * 2 ** half * 2 ** (power - half)
  return sign === '-' ? -value : value
}

/** The message of the NumberFormatException. */
export function numberFault(text: string, isDouble: boolean): string {
  if (isDouble && text.replace(TRIMMED, '') === '') return 'empty String'
  return `For input string: "${isDouble ? text.replace(TRIMMED, '') : text}"`
}

/** Double.toString. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  if (Math.abs(value) === DOUBLE_MIN) return value < 0 ? '-4.9E-324' : '4.9E-324'
  const size = Math.abs(value)
  if (size >= 1e-3 && size < 1e7) {
    const text = String(value)
    return text.includes('.') ? text : `${text}.0`
  }
  const [digits, exponent] = value.toExponential().split('e')
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`
}
