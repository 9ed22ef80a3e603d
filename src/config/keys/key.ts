/**
 * What a row of the key tables says, and the words that build one. A wrapper changes one property: live(), fixed(), ours(),
 * later(), unused(), secret().
 */
export type Unit = 'bytes' | 'ms' | 's' | 'hours' | 'percent' | 'count' | 'bits' | 'port' | 'ids' | '1 in N'

/** used: it does something here. later: accepted, a coming version uses it. none: there is nothing here that it could change. */
export type Effect = 'used' | 'later' | 'none'

export interface Key<T> {
  /** The default. */
  readonly value: T
  readonly kind: 'bool' | 'int' | 'text' | 'choice'
  readonly help: string
  readonly unit?: Unit
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
  /** Text keys with a syntax: what is allowed, in words, and the test. */
  readonly syntax?: { readonly words: string; readonly test: (text: string) => boolean }
  readonly effect: Effect
  /** Why it does nothing (effect none). */
  readonly why?: string
  /** A request (25, 318) changes it at once. Others that a request may change take effect at the next start. */
  readonly live: boolean
  /** No request may change it: a path, a command, an address that is listened on, a rule of access, a size of files. */
  readonly fixed: boolean
  /** Never shown to a request. */
  readonly secret: boolean
  /** Not one of RocketMQ's keys. */
  readonly ours: boolean
}
export type AnyKey = Key<boolean> | Key<number> | Key<string>
export type KeyTable = Readonly<Record<string, AnyKey>>

/** The values of a table, by its keys. */
export type ValuesOf<T extends KeyTable> = {
  -readonly [K in keyof T]: T[K] extends Key<infer V> ? V : never
}

const plain = { effect: 'used', live: false, fixed: false, secret: false, ours: false } as const

export function bool(value: boolean, help: string): Key<boolean> {
  return { ...plain, kind: 'bool', value, help }
}

/** A whole number of min … max. */
export function int(value: number, min: number, max: number, unit: Unit, help: string): Key<number> {
  return { ...plain, kind: 'int', value, min, max, unit, help }
}

export function text(value: string, help: string, syntax?: Key<string>['syntax']): Key<string> {
  return { ...plain, kind: 'text', value, help, ...(syntax && { syntax }) }
}

export function choice<const T extends string>(value: NoInfer<T>, choices: readonly T[], help: string): Key<T> {
  return { ...plain, kind: 'choice', value, choices, help }
}

export function live<K extends AnyKey>(key: K): K {
  return { ...key, live: true }
}

export function fixed<K extends AnyKey>(key: K): K {
  return { ...key, fixed: true }
}

/** Fixed, too. */
export function secret<K extends AnyKey>(key: K): K {
  return { ...key, fixed: true, secret: true }
}

export function ours<K extends AnyKey>(key: K): K {
  return { ...key, ours: true }
}

export function later<K extends AnyKey>(key: K): K {
  return { ...key, effect: 'later' }
}

export function unused<K extends AnyKey>(why: string, key: K): K {
  return { ...key, effect: 'none', why }
}

export const INT_MAX = 2_147_483_647
export const LONG_MAX = Number.MAX_SAFE_INTEGER
export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
