/**
 * From file, command line and code to one checked configuration that remembers where each value came from.
 *
 * Later wins: default, environment (NAMESRV_ADDR, ROCKETMQ_HOME), file, what requests changed (where that is a file of its
 * own), tls.config.file, --set, overrides. Then what follows from other keys (checks.ts, tls.ts).
 */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ConfigError, describe } from '../errors.ts'
import { type Context, checkBroker, deriveBroker } from './checks.ts'
import {
  type AnyKey,
  type BrokerConfig,
  type ConfigOf,
  KEYS,
  type KeyTable,
  type Role,
  TLS_FILE_KEYS,
} from './keys/index.ts'
import { nearest } from './nearest.ts'
import { decodeText, parseProperties } from './properties.ts'
import { deriveTls } from './tls.ts'
import { parseValue, type Value } from './values.ts'

export interface Origin {
  readonly kind: 'default' | 'environment' | 'file' | 'stored' | 'tls' | 'set' | 'code' | 'derived'
  /** "default", "NAMESRV_ADDR", "broker.conf:12", "--set", "options", "from listenPort". */
  readonly text: string
}

export interface ResolveOptions<R extends Role> {
  role: R
  /** Path of a configuration file in Java's properties syntax. */
  file?: string | undefined
  /** "key=value", as after --set. */
  set?: readonly string[] | undefined
  overrides?: Partial<ConfigOf[R]> | undefined
  /** Read: NAMESRV_ADDR, ROCKETMQ_HOME. process.env by default. */
  env?: Record<string, string | undefined> | undefined
  /** Where relative paths of the store start. */
  cwd?: string | undefined
  /** Texts by path in place of the files: no disk is touched, and a file that is not here is not there. */
  texts?: ReadonlyMap<string, string> | undefined
}

export interface Resolved<R extends Role = Role> {
  readonly role: R
  readonly config: ConfigOf[R]
  readonly origins: ReadonlyMap<string, Origin>
  /** One line each. */
  readonly warnings: readonly string[]
  /** The file that keeps what requests change; undefined: memory. */
  readonly keptIn: string | undefined
  readonly options: ResolveOptions<R>
}

const DEFAULT: Origin = { kind: 'default', text: 'default' }

/** Throws ConfigError: FILE_UNREADABLE, BAD_ESCAPE, BAD_VALUE, BAD_SET. */
export function resolveConfig<R extends Role>(options: ResolveOptions<R>): Resolved<R> {
  const layers = new Layers(options.role)
  try {
    return resolveLayers(options, layers, true)
  } catch (error) {
    // What requests changed must not end a start: if it goes without that, it does.
    if (!layers.hasKept) throw error
    const without = resolveLayers(options, new Layers(options.role), false)
    const warning = `what requests changed is left out, ${without.keptIn}: ${describe(error)}`
    return { ...without, warnings: [...without.warnings, warning] }
  }
}

function resolveLayers<R extends Role>(options: ResolveOptions<R>, layers: Layers, takesKept: boolean): Resolved<R> {
  const { env = process.env, file, set = [], overrides = {}, cwd = process.cwd() } = options
  if (options.role === 'broker') {
    if (env.NAMESRV_ADDR) layers.put('namesrvAddr', env.NAMESRV_ADDR, { kind: 'environment', text: 'NAMESRV_ADDR' })
    if (env.ROCKETMQ_HOME) layers.put('rocketmqHome', env.ROCKETMQ_HOME, { kind: 'environment', text: 'ROCKETMQ_HOME' })
  }
  if (file !== undefined) readFile(layers, file, options)
  for (const argument of set) {
    const [key, value] = splitSet(argument)
    layers.put(key, value, { kind: 'set', text: '--set' })
  }
  for (const [key, value] of Object.entries(overrides)) {
    if (value !== undefined) layers.put(key, String(value), { kind: 'code', text: 'options' })
  }
  const keptIn = fileOfChanges(options, layers.values, cwd)
  if (takesKept && keptIn !== undefined && keptIn !== file) readKept(layers, keptIn, options)
  readTlsFile(layers, options)
  const context = layers.context(cwd)
  if (options.role === 'broker') {
    if (file !== undefined) layers.values.brokerConfigPath = file
    deriveBroker(context)
    checkBroker(context)
  }
  if (options.role === 'namesrv' && layers.values.kvConfigPath !== '') {
    layers.values.kvConfigPath = resolve(cwd, String(layers.values.kvConfigPath))
  }
  deriveTls(context)
  const { values, origins, warnings } = layers
  return { role: options.role, config: values as unknown as ConfigOf[R], origins, warnings, keptIn, options }
}

/** As RocketMQ: the file that was given. Without one, ours: in the store, or beside the KV configuration. */
function fileOfChanges(
  { role, file }: ResolveOptions<Role>,
  values: Record<string, Value>,
  cwd: string,
): string | undefined {
  if (role === 'broker') return file ?? resolve(cwd, String(values.storePathRootDir), 'basalt', 'broker.properties')
  if (values.configStorePath !== '') return resolve(cwd, String(values.configStorePath))
  if (file !== undefined) return file
  if (values.kvConfigPath === '') return undefined
  return join(dirname(resolve(cwd, String(values.kvConfigPath))), 'namesrv.properties')
}

class Layers {
  readonly values: Record<string, Value> = {}
  readonly origins = new Map<string, Origin>()
  readonly warnings: string[] = []
  /** A value of our own file counts. */
  hasKept = false
  private readonly role: Role
  private readonly keys: KeyTable

  constructor(role: Role) {
    this.role = role
    this.keys = KEYS[role]
    for (const [name, key] of Object.entries(this.keys)) {
      this.values[name] = key.value
      this.origins.set(name, DEFAULT)
    }
  }

  put(name: string, text: string, origin: Origin): void {
    const key = Object.hasOwn(this.keys, name) ? this.keys[name] : undefined
    if (key === undefined) {
      this.warnings.push(`${origin.text}: ${this.unknown(name)}`)
      return
    }
    const former = this.origins.get(name)!
    if (origin.kind === 'file' && former.kind === 'file') {
      this.warnings.push(`${origin.text}: ${name} is set twice, first in ${former.text}; the last one holds`)
    }
    // What was said on the command line or in code is not changed by a file that is read after it.
    if ((origin.kind === 'stored' || origin.kind === 'tls') && (former.kind === 'set' || former.kind === 'code')) return
    const value = parseValue(name, key, text, origin.text)
    this.values[name] = value
    this.origins.set(name, origin)
    const note = value === key.value ? undefined : noteOf(name, key)
    if (note !== undefined) this.warnings.push(`${origin.text}: ${note}`)
  }

  /** A value of our own file: what does not fit is left out. What no request may change was not written by one. */
  putKept(name: string, text: string, where: string): void {
    const key = Object.hasOwn(this.keys, name) ? this.keys[name] : undefined
    if (key === undefined || key.fixed) {
      this.warnings.push(`${where}: ${name} is left out: no request can have changed it`)
      return
    }
    try {
      this.put(name, text, { kind: 'stored', text: where })
      this.hasKept = true
    } catch (error) {
      this.warnings.push(`${describe(error)}; left out`)
    }
  }

  private unknown(name: string): string {
    const other = this.role === 'broker' ? 'namesrv' : 'broker'
    if (Object.hasOwn(KEYS[other], name)) {
      return `${name} is a key of the ${other === 'broker' ? 'broker' : 'NameServer'} and has no effect here`
    }
    const near = nearest(name, Object.keys(this.keys))
    return `unknown key ${JSON.stringify(name)}${near === undefined ? '' : `, did you mean "${near}"?`}`
  }

  context(cwd: string): Context {
    const { values, origins, warnings } = this
    return {
      config: values as unknown as BrokerConfig,
      cwd,
      where: (key) => origins.get(key)!.text,
      isSet: (key) => !['default', 'derived'].includes(origins.get(key)?.kind ?? 'default'),
      derive(key, value, from) {
        if (values[key] === value) return
        values[key] = value
        origins.set(key, { kind: 'derived', text: `from ${from}` })
      },
      warn: (key, message) => warnings.push(`${origins.get(key)!.text}: ${message}`),
    }
  }
}

function noteOf(name: string, key: AnyKey): string | undefined {
  if (key.effect === 'none') return `${name} has no effect here: ${key.why}`
  return key.effect === 'later' ? `${name} is accepted, but not served yet` : undefined
}

function readFile(layers: Layers, file: string, options: ResolveOptions<Role>): void {
  const text = textOf(file, options)
  if (text instanceof Error) {
    throw new ConfigError('FILE_UNREADABLE', {
      what: `the configuration file cannot be read: ${describe(text)}`,
      where: file,
      todo: 'check the path given with -c',
      cause: text,
    })
  }
  for (const { key, value, line } of parseProperties(text, file)) {
    layers.put(key, value, { kind: 'file', text: `${file}:${line}` })
  }
}

/** What requests changed in earlier runs. Nothing in it ends a start: it may hold what no human wrote. */
function readKept(layers: Layers, path: string, options: ResolveOptions<Role>): void {
  for (const file of [path, `${path}.bak`]) {
    const text = textOf(file, options)
    if (text instanceof Error) {
      if (!isAbsent(text)) layers.warnings.push(`${file} cannot be read and is left out: ${describe(text)}`)
      continue
    }
    try {
      for (const { key, value, line } of parseProperties(text, file)) layers.putKept(key, value, `${file}:${line}`)
      return
    } catch (error) {
      layers.warnings.push(`${file} is damaged and is left out: ${describe(error)}`)
    }
  }
}

function readTlsFile(layers: Layers, options: ResolveOptions<Role>): void {
  const path = String(layers.values['tls.config.file'])
  if (path === '') return
  const text = textOf(path, options)
  if (text instanceof Error) {
    const isAsked = path !== KEYS.broker['tls.config.file'].value
    if (isAsked || !isAbsent(text)) layers.warnings.push(`tls.config.file cannot be read: ${describe(text)}`)
    return
  }
  for (const { key, value, line } of parseProperties(text, path)) {
    if (TLS_FILE_KEYS.has(key)) layers.put(key, value, { kind: 'tls', text: `${path}:${line}` })
  }
}

/** The file's text, or why there is none. */
function textOf(path: string, { texts }: ResolveOptions<Role>): string | Error {
  if (texts !== undefined) return texts.get(path) ?? Object.assign(new Error('no such file'), { code: 'ENOENT' })
  try {
    return decodeText(readFileSync(path))
  } catch (error) {
    return error as Error
  }
}

function isAbsent(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Of a word after --set. Throws ConfigError BAD_SET. */
export function splitSet(argument: string): [key: string, value: string] {
  const equals = argument.indexOf('=')
  if (equals > 0) return [argument.slice(0, equals).trim(), argument.slice(equals + 1)]
  throw new ConfigError('BAD_SET', {
    what: `${JSON.stringify(argument)} is not key=value`,
    where: '--set',
    todo: 'write --set key=value',
  })
}
