/** What all commands of `inspect` share: the store argument, options, widths, numbers and times from the command line. */
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { resolveConfig } from '../../config/index.ts'
import { ConfigError } from '../../errors.ts'
import { type InspectedStore, openStore } from '../../inspect/index.ts'
import type { StoreSettings } from '../../store/settings.ts'
import type { Io } from '../io.ts'

export interface StoreFlags {
  config?: string
  set: string[]
  member?: string
  json?: boolean
}

/** A command with a store and the options that say how it was made. */
export function storeCommand(parent: Command, name: string, description: string, isDefault = false): Command {
  return parent
    .command(name, { isDefault })
    .description(description)
    .argument('<store>', 'storePathRootDir of a broker')
    .option('-c, --config <file>', 'configuration of the broker, for sizes, delay levels and the path of the log')
    .option('--set <key=value>', 'one key of it (repeatable)', (value, all: string[]) => [...all, value], [])
    .option('--member <id>', 'whose log, where a store has those of several members of a DLedger group: n0')
    .option('--json', 'for programs')
}

export function storeOf(io: Io, path: string, flags: StoreFlags): InspectedStore {
  const root = isAbsolute(path) ? path : join(io.cwd, path)
  return openStore(root, { known: knownOf(io, root, flags), member: flags.member })
}

/** Only what the user said: defaults are no knowledge of this store. */
export function knownOf(io: Io, root: string, { config: file, set }: StoreFlags): Partial<StoreSettings> {
  if (file === undefined && set.length === 0) return {}
  const overrides = { storePathRootDir: root }
  const resolved = resolveConfig({ role: 'broker', file, set, overrides, env: {}, cwd: io.cwd })
  for (const warning of resolved.warnings) io.error(`basaltmq: warning: ${warning}\n`)
  const known: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(resolved.config)) {
    const kind = resolved.origins.get(key)?.kind
    if (kind === 'file' || kind === 'set') known[key] = value
  }
  return known as Partial<StoreSettings>
}

/** Columns of the terminal; a file or a pipe has no end. */
export function widthOf(io: Io): number {
  const columns = Number(io.env.COLUMNS)
  if (Number.isInteger(columns) && columns > 0) return columns
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
}

/** One line. Numbers of 64 bits that no double holds are texts. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))}\n`
}

/** Digits, with _ or , between them. */
export function integerOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text.replace(/[_,]/g, ''))
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value
  throw new ConfigError('BAD_OPTION', { what: `${name} ${JSON.stringify(text)} is no number`, todo: 'give digits' })
}

/** Milliseconds since 1970, or a time that Date understands ("2026-11-23 09:31", local, or with a zone). */
export function timeOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{10,}$/.test(text)) return Number(text)
  const time = Date.parse(text.replace(' ', 'T'))
  if (!Number.isNaN(time)) return time
  throw new ConfigError('BAD_OPTION', {
    what: `${name} ${JSON.stringify(text)} is no time`,
    todo: 'give milliseconds since 1970, or "2026-11-23 09:31:22"',
  })
}

/** More would only wait for one another, and each takes memory. */
const THREADS_MAX = 64

export function threadsOption(text: string | undefined): number | undefined {
  const threads = integerOption('--threads', text)
  if (threads === undefined || threads <= THREADS_MAX) return threads
  throw new ConfigError('BAD_OPTION', { what: `--threads ${threads} is too many`, todo: `give 0 to ${THREADS_MAX}` })
}
