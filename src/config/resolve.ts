/**
 * From file, command line and code to one checked configuration that remembers where each value came from.
 *
 * Later wins: default, environment (NAMESRV_ADDR), file, --set, overrides. Then what follows from other keys (checks.ts).
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError, describe } from '../errors.ts'
import { type Context, checkBroker, deriveBroker } from './checks.ts'
import { type AnyKey, type BrokerConfig, type ConfigOf, KEYS, type KeyTable, type Role } from './keys/index.ts'
import { nearest } from './nearest.ts'
import { decodeText, parseProperties } from './properties.ts'
import { parseValue, type Value } from './values.ts'

export interface Origin {
  readonly kind: 'default' | 'environment' | 'file' | 'set' | 'code' | 'derived'
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
  /** Read: NAMESRV_ADDR. process.env by default. */
  env?: Record<string, string | undefined> | undefined
  /** Where relative paths of the store start. */
  cwd?: string | undefined
}

export interface Resolved<R extends Role = Role> {
  readonly role: R
  readonly config: ConfigOf[R]
  readonly origins: ReadonlyMap<string, Origin>
  /** One line each. */
  readonly warnings: readonly string[]
}

const DEFAULT: Origin = { kind: 'default', text: 'default' }

/** Throws ConfigError: FILE_UNREADABLE, BAD_ESCAPE, BAD_VALUE, BAD_SET. */
export function resolveConfig<R extends Role>(options: ResolveOptions<R>): Resolved<R> {
  const layers = new Layers(options.role)
  const { env = process.env, file, set = [], overrides = {} } = options
  if (options.role === 'broker' && env.NAMESRV_ADDR) {
    layers.put('namesrvAddr', env.NAMESRV_ADDR, { kind: 'environment', text: 'NAMESRV_ADDR' })
  }
  if (file !== undefined) readFile(layers, file)
  for (const argument of set) {
    const [key, value] = splitSet(argument)
    layers.put(key, value, { kind: 'set', text: '--set' })
  }
  for (const [key, value] of Object.entries(overrides)) {
    if (value !== undefined) layers.put(key, String(value), { kind: 'code', text: 'options' })
  }
  if (options.role === 'broker') {
    if (file !== undefined) layers.values.brokerConfigPath = file
    const context = layers.context(options.cwd ?? process.cwd())
    deriveBroker(context)
    checkBroker(context)
  }
  if (options.role === 'namesrv' && layers.values.kvConfigPath !== '') {
    layers.values.kvConfigPath = resolve(options.cwd ?? process.cwd(), String(layers.values.kvConfigPath))
  }
  const { values, origins, warnings } = layers
  return { role: options.role, config: values as unknown as ConfigOf[R], origins, warnings }
}

class Layers {
  readonly values: Record<string, Value> = {}
  readonly origins = new Map<string, Origin>()
  readonly warnings: string[] = []
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
    const value = parseValue(name, key, text, origin.text)
    this.values[name] = value
    this.origins.set(name, origin)
    const note = value === key.value ? undefined : noteOf(name, key)
    if (note !== undefined) this.warnings.push(`${origin.text}: ${note}`)
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
      isSet: (key) => !['default', 'derived'].includes(origins.get(key)!.kind),
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

function readFile(layers: Layers, file: string): void {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    throw new ConfigError('FILE_UNREADABLE', {
      what: `the configuration file cannot be read: ${describe(cause)}`,
      where: file,
      todo: 'check the path given with -c',
      cause,
    })
  }
  for (const { key, value, line } of parseProperties(decodeText(bytes), file)) {
    layers.put(key, value, { kind: 'file', text: `${file}:${line}` })
  }
}

function splitSet(argument: string): [key: string, value: string] {
  const equals = argument.indexOf('=')
  if (equals > 0) return [argument.slice(0, equals).trim(), argument.slice(equals + 1)]
  throw new ConfigError('BAD_SET', {
    what: `${JSON.stringify(argument)} is not key=value`,
    where: '--set',
    todo: 'write --set key=value',
  })
}
