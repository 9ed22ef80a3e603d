/**
 * Typed tables of header fields: one schema a request or answer, from which a header is decoded and encoded.
 *
 *   const GET_MAX_OFFSET = schema(30, { topic: text, queueId: i32, committed: optional(bool, true) })
 *   const header = decodeHeader(GET_MAX_OFFSET, command.ext)   // { topic: string, queueId: number, committed: boolean }
 *   command.ext = encodeHeader(GET_MAX_OFFSET, header)
 *
 * All values travel as text (spec/remoting.md §3). i64 is a number: exact up to 2^53, which positions and times never
 * reach; beyond (Java's Long.MAX_VALUE as "no end") it is the nearest double, and is written back as Long.MAX_VALUE.
 */
import { RemotingError } from '../errors.ts'

type Kind = 'text' | 'i32' | 'i64' | 'bool'
type ValueOf<K extends Kind> = K extends 'text' ? string : K extends 'bool' ? boolean : number
type Presence = 'required' | 'optional' | 'defaulted'

export interface Field<K extends Kind = Kind, P extends Presence = Presence> {
  readonly kind: K
  readonly presence: P
  /** Value of an absent 'defaulted' field. */
  readonly fallback: ValueOf<K> | undefined
  /** Name on the wire where it is not the field's own (the one-letter keys of V2). */
  readonly key: string | undefined
}

const field = <K extends Kind>(kind: K): Field<K, 'required'> => ({
  kind,
  presence: 'required',
  fallback: undefined,
  key: undefined,
})

export const text = field('text')
export const i32 = field('i32')
export const i64 = field('i64')
export const bool = field('bool')

/** May be absent: undefined, or the fallback where one is given. */
export function optional<K extends Kind>(of: Field<K>): Field<K, 'optional'>
export function optional<K extends Kind>(of: Field<K>, fallback: ValueOf<K>): Field<K, 'defaulted'>
export function optional<K extends Kind>(of: Field<K>, fallback?: ValueOf<K>): Field<K> {
  return { ...of, presence: fallback === undefined ? 'optional' : 'defaulted', fallback }
}

/** The field under another name on the wire. */
export function named<K extends Kind, P extends Presence>(key: string, of: Field<K, P>): Field<K, P> {
  return { ...of, key }
}

export type Fields = Record<string, Field>

export interface Schema<F extends Fields = Fields> {
  /** Request code; of an answer's schema, the code of the request that it answers. */
  readonly code: number
  readonly fields: F
  readonly list: readonly FieldEntry[]
}

interface FieldEntry {
  readonly name: string
  readonly key: string
  readonly field: Field
}

export function schema<F extends Fields>(code: number, fields: F): Schema<F> {
  const list = Object.entries(fields).map(([name, field]) => ({ name, key: field.key ?? name, field }))
  return { code, fields, list }
}

type FieldsOf<S> = S extends Schema<infer F> ? F : never
type Always<F extends Fields> = { [N in keyof F]: F[N] extends Field<Kind, 'optional'> ? never : N }[keyof F]
type Sometimes<F extends Fields> = { [N in keyof F]: F[N] extends Field<Kind, 'optional'> ? N : never }[keyof F]
type Needed<F extends Fields> = { [N in keyof F]: F[N] extends Field<Kind, 'required'> ? N : never }[keyof F]
type ValueAt<F> = F extends Field<infer K> ? ValueOf<K> : never
type Plain<T> = { [N in keyof T]: T[N] }

/** What decodeHeader gives: required and defaulted fields are there, optional ones may be undefined. */
export type HeaderOf<S> = Plain<
  { [N in Always<FieldsOf<S>>]: ValueAt<FieldsOf<S>[N]> } & {
    [N in Sometimes<FieldsOf<S>>]?: ValueAt<FieldsOf<S>[N]> | undefined
  }
>
/** What encodeHeader takes: only required fields must be there. */
export type HeaderFor<S> = Plain<
  { [N in Needed<FieldsOf<S>>]: ValueAt<FieldsOf<S>[N]> } & {
    [N in Exclude<keyof FieldsOf<S>, Needed<FieldsOf<S>>>]?: ValueAt<FieldsOf<S>[N]> | undefined
  }
>

/** Throws RemotingError MISSING_FIELD or BAD_FIELD, naming the field; unknown keys are ignored. */
export function decodeHeader<S extends Schema>(of: S, ext: Record<string, string> | undefined): HeaderOf<S> {
  const header: Record<string, unknown> = {}
  for (const { name, key, field } of of.list) {
    const value = ext?.[key]
    if (value !== undefined && value !== null) header[name] = parseValue(field.kind, value, of.code, name)
    else if (field.presence === 'required') throw missingField(of.code, name)
    else header[name] = field.fallback
  }
  return header as HeaderOf<S>
}

/** Undefined fields are left out, as Java leaves out null. */
export function encodeHeader<S extends Schema>(of: S, header: HeaderFor<S>): Record<string, string> {
  const ext: Record<string, string> = {}
  const values = header as Record<string, string | number | boolean | undefined>
  for (const { name, key, field } of of.list) {
    const value = values[name]
    if (value !== undefined) ext[key] = field.kind === 'i64' ? formatLong(value as number) : String(value)
    else if (field.presence === 'required') throw missingField(of.code, name)
  }
  return ext
}

function missingField(code: number, name: string): RemotingError {
  return new RemotingError('MISSING_FIELD', { what: `the header of request ${code} has no field ${name}` })
}

const INTEGER = /^[+-]?[0-9]{1,19}$/

function parseValue(kind: Kind, value: string, code: number, name: string): string | number | boolean {
  if (kind === 'text') return value
  if (kind === 'bool') return value.toLowerCase() === 'true'
  const trimmed = value.trim()
  const number = Number(trimmed)
  const limit = kind === 'i32' ? 0x8000_0000 : 2 ** 63
  // For i64 the bound itself passes: Long.MAX_VALUE rounds to 2^63.
  const fits = kind === 'i32' ? number >= -limit && number < limit : number >= -limit && number <= limit
  // + 0: "-0" is 0.
  if (INTEGER.test(trimmed) && fits) return number + 0
  throw new RemotingError('BAD_FIELD', {
    what: `field ${name} of request ${code} is "${value.slice(0, 64)}", expected ${kind === 'i32' ? 'a 32-bit' : 'a 64-bit'} integer`,
  })
}

function formatLong(value: number): string {
  if (Number.isSafeInteger(value)) return String(value)
  if (value >= 2 ** 63) return '9223372036854775807'
  return value <= -(2 ** 63) ? '-9223372036854775808' : BigInt(Math.trunc(value)).toString()
}
