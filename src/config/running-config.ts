/**
 * The configuration of a running server, and how requests 25 and 318 change it.
 *
 *   live keys     change at once: listeners are told, and whoever reads the key where it is used finds the new value
 *   fixed keys    no request changes them (code 16)
 *   all others    are kept for the next start; `running` stays as it is, the answer to 26 and 319 shows what is to come
 *
 * Owns:      `running`, which every module reads, and the file of changes (the -c file as in RocketMQ, else one of ours).
 * Invariant: all or nothing, and nothing is kept with which the next start would fail.
 * Blocks on: nothing: files are read and written by the system's threads, one change after the other.
 */
import { readFile } from 'node:fs/promises'
import { DurableFile } from '../durable-file.ts'
import { ConfigError, describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { configText, HIDDEN } from './format.ts'
import { type AnyKey, type ConfigOf, KEYS, type KeyTable, type Role } from './keys/index.ts'
import { decodeText, editProperties, formatProperty, parseProperties } from './properties.ts'
import { type Resolved, resolveConfig } from './resolve.ts'
import { parseValue, type Value } from './values.ts'

export interface Change {
  readonly key: string
  readonly from: Value
  readonly to: Value
}

export type ChangeOutcome =
  /** `remark` tells which keys wait for the next start. */
  | { readonly kind: 'done'; readonly remark: string | undefined }
  /** By a rule: code 16. */
  | { readonly kind: 'refused'; readonly remark: string }
  /** The values do not do, or cannot be kept: code 1. */
  | { readonly kind: 'failed'; readonly remark: string }

/** RocketMQ's text. */
const BLACK_LISTED = 'Can not update config in black list.'
/** RocketMQ black-lists them whatever the configuration says. */
const ALWAYS_BLACK = ['configBlackList', 'rocketmqHome']

export class RunningConfig<R extends Role> {
  readonly running: ConfigOf[R]
  /** As a Java broker's, it begins with 0 and grows with each request that was taken. */
  version: { readonly counter: number; readonly timestamp: number }
  private readonly role: R
  private readonly resolved: Resolved<R>
  private readonly log: Log
  private readonly now: () => number
  private readonly keys: KeyTable
  /** What the next start will have, where it differs. */
  private readonly pending = new Map<string, Value>()
  private readonly listeners: ((changes: readonly Change[]) => unknown)[] = []
  private last: Promise<unknown> = Promise.resolve()

  constructor(resolved: Resolved<R>, options: { log: Log; now(): number }) {
    this.resolved = resolved
    this.role = resolved.role
    this.running = resolved.config
    this.keys = KEYS[resolved.role]
    this.log = options.log
    this.now = options.now
    this.version = { counter: 0, timestamp: options.now() }
  }

  /** Told of changes that are in force, after they are; a promise that it gives is waited for before the answer. */
  onChange(listener: (changes: readonly Change[]) => unknown): void {
    this.listeners.push(listener)
  }

  /** Body of 26 and 319. What waits for the next start is shown as it will be, with a comment that says so. */
  text(): string {
    const values = this.values
    const comments = [...this.pending].map(
      ([key, value]) =>
        `# ${formatProperty(key, String(value))} takes effect at the next start, until then ${formatProperty(key, String(values[key]))}\n`,
    )
    return comments.join('') + configText(this.role, { ...this.running, ...Object.fromEntries(this.pending) })
  }

  /** `body`: properties. Never rejects for what was asked. */
  update(body: string): Promise<ChangeOutcome> {
    const running = this.last.then(() => this.change(body))
    this.last = running.catch(() => {})
    return running
  }

  /** Settled when nothing is being written. */
  async settled(): Promise<void> {
    await this.last
  }

  private get values(): Record<string, Value> {
    return this.running as unknown as Record<string, Value>
  }

  private async change(body: string): Promise<ChangeOutcome> {
    try {
      const wanted = this.wanted(body)
      if ('remark' in wanted) {
        this.log.warn(`change of the configuration refused: ${wanted.remark}`)
        return { kind: 'refused', remark: wanted.remark }
      }
      const kept = await this.checked(wanted)
      const problem = await kept().then(() => undefined, describe)
      const remark = await this.apply(wanted)
      if (problem === undefined) return { kind: 'done', remark }
      this.log.error(`the changed configuration could not be written: ${problem}`)
      return { kind: 'failed', remark: `changed in memory, but not on disk: ${problem}` }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      this.log.warn(`change of the configuration refused: ${error.message}`)
      return { kind: 'failed', remark: error.message }
    }
  }

  /** The keys that change. Throws ConfigError for text that is no properties, and for a value that is not allowed. */
  private wanted(body: string): Map<string, Value> | { remark: string } {
    const wanted = new Map<string, Value>()
    const blackList = new Set(
      `${this.running.configBlackList};${ALWAYS_BLACK.join(';')}`.split(';').map((it) => it.trim()),
    )
    const unknown: string[] = []
    for (const { key: name, value: text } of parseProperties(body, 'request')) {
      if (blackList.has(name)) return { remark: BLACK_LISTED }
      const key: AnyKey | undefined = Object.hasOwn(this.keys, name) ? this.keys[name] : undefined
      if (key === undefined) unknown.push(name.slice(0, 100))
      else if (!(key.secret && text === HIDDEN)) {
        const value = parseValue(name, key, text, 'request')
        if (value === (this.pending.get(name) ?? this.values[name])) wanted.delete(name)
        else if (key.fixed) return { remark: `${name} cannot be changed by a request: set it in the file and restart` }
        else wanted.set(name, value)
      }
    }
    if (unknown.length > 0)
      this.log.warn(`unknown keys in a change of the configuration: ${unknown.slice(0, 20).join(', ')}`)
    return wanted
  }

  /** What keeps the change, once it is sure that this server and its next start can live with it. */
  private async checked(wanted: ReadonlyMap<string, Value>): Promise<() => Promise<void>> {
    if (wanted.size === 0) return () => Promise.resolve()
    const live = [...wanted].filter(([name]) => this.keys[name].live)
    const now = { ...this.running, ...Object.fromEntries(live) }
    resolveConfig({ role: this.role, overrides: now, env: {}, texts: new Map() })
    const { keptIn, options } = this.resolved
    if (keptIn === undefined) return () => Promise.resolve()
    const bytes = await readKept(keptIn)
    const former = decodeText(bytes)
    const text = editProperties(former, new Map([...wanted].map(([name, value]) => [name, String(value)])))
    const next = resolveConfig({ ...options, texts: await this.textsOfNextStart(keptIn, text) })
    for (const name of wanted.keys()) {
      const origin = next.origins.get(name)
      // With this value our own file would be left out.
      if (origin?.kind === 'default') throw new ConfigError('BAD_VALUE', { what: String(next.warnings.at(-1)) })
      if (origin?.kind !== 'set' && origin?.kind !== 'code' && origin?.kind !== 'tls') continue
      this.log.warn(`${name} is given by ${origin.text} too, which holds again at the next start`)
    }
    // In the encoding that the file has.
    const isUtf8 = Buffer.from(former).equals(bytes)
    return () => new DurableFile(keptIn).save(() => (isUtf8 ? text : Buffer.from(text, 'latin1')))
  }

  private async textsOfNextStart(keptIn: string, text: string): Promise<Map<string, string>> {
    const texts = new Map<string, string>()
    const others = [this.resolved.options.file, String(this.values['tls.config.file'])]
    for (const path of others) {
      if (path === undefined || path === '') continue
      const bytes = await readFile(path).catch(() => undefined)
      if (bytes !== undefined) texts.set(path, decodeText(bytes))
    }
    return texts.set(keptIn, text)
  }

  private async apply(wanted: ReadonlyMap<string, Value>): Promise<string | undefined> {
    const changes: Change[] = []
    const later: string[] = []
    for (const [key, to] of wanted) {
      const from = this.values[key]
      if (this.keys[key].live) {
        changes.push({ key, from, to })
        this.values[key] = to
        this.log.info(`configuration changed: ${key} from ${from} to ${to}`)
      } else {
        later.push(key)
        if (to === from) this.pending.delete(key)
        else this.pending.set(key, to)
        this.log.info(`configuration changed: ${key} from ${from} to ${to} at the next start`)
      }
    }
    this.version = { counter: this.version.counter + 1, timestamp: this.now() }
    if (changes.length > 0) await Promise.all(this.listeners.map((listener) => listener(changes)))
    return later.length === 0 ? undefined : `${later.join(', ')}: from the next start on`
  }
}

/** Only what is not there is empty: a file that cannot be read must not be replaced by a few keys. */
async function readKept(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw new ConfigError('FILE_UNREADABLE', {
      what: `the file of the configuration cannot be read: ${describe(cause)}`,
      where: path,
      cause,
    })
  }
}
