/**
 * One table entry a command: path, mqadmin's name for it, arguments, options, examples and what it does. Commander's tree,
 * the help, the aliases and the completion come from it.
 */
import { ConfigError } from '../../errors.ts'
import type { Context } from './context.ts'

export interface OptionSpec {
  /** As commander writes them: "-q, --queues <n>". */
  flags: string
  about: string
  /** May be given again and again. */
  many?: boolean
}

export interface CommandSpec {
  /** "topic list" */
  path: string
  about: string
  /** Commands of mqadmin that do this; each is an alias. */
  mqadmin: readonly string[]
  /** Where mqadmin has none: what comes nearest, and whose it is. */
  nearest?: string
  args?: readonly (readonly [name: string, about: string])[]
  options?: readonly OptionSpec[]
  /** Asks, unless --yes is given. */
  destroys?: boolean
  /** Has --dry-run. */
  rehearses?: boolean
  /** What follows "basaltmq admin ". */
  examples: readonly string[]
  run(context: Context, given: Given): Promise<void>
}

/** What stood on the command line. */
export class Given {
  private readonly args: readonly (string | string[] | undefined)[]
  private readonly options: Readonly<Record<string, unknown>>

  constructor(args: readonly (string | string[] | undefined)[], options: Readonly<Record<string, unknown>>) {
    this.args = args
    this.options = options
  }

  /** Commander has seen to it that a required one is there. */
  arg(index: number): string {
    const value = this.args[index]
    return typeof value === 'string' ? value : ''
  }

  optionalArg(index: number): string | undefined {
    const value = this.args[index]
    return typeof value === 'string' ? value : undefined
  }

  /** A variadic argument. */
  rest(index: number): string[] {
    const value = this.args[index]
    return Array.isArray(value) ? value : value === undefined ? [] : [value]
  }

  text(name: string): string | undefined {
    const value = this.options[name]
    return typeof value === 'string' ? value : undefined
  }

  list(name: string): string[] {
    const value = this.options[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  is(name: string): boolean {
    return this.options[name] === true
  }

  /** An integer within bounds. */
  count(name: string, min = 0, max = 2 ** 31 - 1): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const number = Number(value)
    if (/^-?\d+$/.test(value.trim()) && number >= min && number <= max) return number
    throw usage(`--${dashed(name)} is "${value}", expected a whole number from ${min} to ${max}`)
  }
}

export const dashed = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** Ends the command with status 2. */
export function usage(what: string, todo?: string): ConfigError {
  return new ConfigError('USAGE', { what, ...(todo === undefined ? {} : { todo }) })
}

/** "key=value" words. */
export function pairsOfWords(words: readonly string[], what = 'key=value'): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const word of words) {
    const at = word.indexOf('=')
    if (at <= 0) throw usage(`"${word}" is not ${what}`)
    pairs.set(word.slice(0, at).trim(), word.slice(at + 1).trim())
  }
  return pairs
}
