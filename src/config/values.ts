/** Text to value by the key's row, and what to say when it is none. */
import { ConfigError } from '../errors.ts'
import type { AnyKey } from './keys/index.ts'

export type Value = boolean | number | string

/** "0 to 65535", "true or false", "ASYNC_FLUSH or SYNC_FLUSH", "hours of the day, …". */
export function allowed(key: AnyKey): string {
  switch (key.kind) {
    case 'bool':
      return 'true or false'
    case 'int':
      return `whole numbers ${key.min} to ${key.max} (${key.unit})`
    case 'choice':
      return key.choices!.join(' or ')
    case 'text':
      return key.syntax?.words ?? 'any text'
    default:
      return key.kind satisfies never
  }
}

/**
 * Blanks around numbers, switches and choices do not count; a switch is true or false in any case, as in Java, but nothing
 * else. Throws ConfigError BAD_VALUE that names key, value, what is allowed, and `where`.
 */
export function parseValue(name: string, key: AnyKey, text: string, where: string): Value {
  const value = readValue(key, text)
  if (value !== undefined) return value
  throw new ConfigError('BAD_VALUE', {
    what: `${name} is ${JSON.stringify(text.slice(0, 200))}`,
    where,
    todo: `allowed: ${allowed(key)}`,
  })
}

function readValue(key: AnyKey, text: string): Value | undefined {
  const trimmed = text.trim()
  switch (key.kind) {
    case 'bool': {
      const word = trimmed.toLowerCase()
      return word === 'true' ? true : word === 'false' ? false : undefined
    }
    case 'int': {
      const number = /^[+-]?\d{1,16}$/.test(trimmed) ? Number(trimmed) : Number.NaN
      return number >= key.min! && number <= key.max! ? number : undefined
    }
    case 'choice':
      return key.choices!.includes(trimmed) ? trimmed : undefined
    case 'text':
      return key.syntax === undefined || key.syntax.test(text.trim()) ? text.trim() : undefined
    default:
      return key.kind satisfies never
  }
}
