/**
 * The NameServer's configuration: RocketMQ's keys in one table, what each may be, and which may change at run time.
 *
 * Only keys marked 'run' can be changed over the wire: none of them is a path, an address or a command
 * (CVE-2023-37582: an unauthenticated update of paths wrote arbitrary files). Keys: spec/namesrv.md §9.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../errors.ts'

interface Key {
  readonly kind: 'text' | 'bool' | 'int'
  readonly value: string
  /** 'run': also by 318. 'start': only when the process starts. 'never': in the black list too. */
  readonly change: 'run' | 'start' | 'never'
  readonly help: string
}

const key = (kind: Key['kind'], value: string, change: Key['change'], help: string): Key => ({
  kind,
  value,
  change,
  help,
})
const folder = join(homedir(), 'namesrv')

export const NAMESRV_KEYS = {
  rocketmqHome: key('text', process.env.ROCKETMQ_HOME ?? '', 'never', "Apache's home folder; unused here"),
  kvConfigPath: key('text', join(folder, 'kvConfig.json'), 'never', 'file of the KV configuration; empty: memory only'),
  configStorePath: key('text', '', 'never', 'file that keeps what 318 changed; empty: memory only'),
  configBlackList: key('text', 'configBlackList;configStorePath;kvConfigPath', 'never', 'keys that 318 refuses'),
  listenPort: key('int', '9876', 'start', 'TCP port; 0 takes a free one'),
  bindAddress: key('text', '0.0.0.0', 'start', 'address that is listened on'),
  serverChannelMaxIdleTimeSeconds: key('int', '120', 'start', 'a silent connection is closed after this time'),
  maxConnections: key('int', '65535', 'start', 'further connections are refused with a line in the log'),
  scanNotActiveBrokerInterval: key('int', '10000', 'start', 'ms between two looks for silent brokers'),
  productEnvName: key('text', 'center', 'start', 'unused, shown for compatibility'),
  clusterTest: key('bool', 'false', 'start', 'unused, shown for compatibility'),
  orderMessageEnable: key('bool', 'false', 'run', 'adds the order configuration of a topic to its route'),
  returnOrderTopicConfigToBroker: key('bool', 'true', 'run', 'answers registrations with ORDER_TOPIC_CONFIG (5.x key)'),
  enableAllTopicList: key('bool', 'true', 'run', 'answers the list of all topics (5.x key)'),
  enableTopicList: key('bool', 'true', 'run', "answers the list of a cluster's topics (5.x key)"),
} as const satisfies Record<string, Key>
export type NamesrvKey = keyof typeof NAMESRV_KEYS

export function isNamesrvKey(name: string): name is NamesrvKey {
  return Object.hasOwn(NAMESRV_KEYS, name)
}

export class NamesrvConfig {
  private readonly values = new Map<NamesrvKey, string>()

  /** Unknown keys are ignored here: who read the file has named them. Throws ConfigError BAD_VALUE. */
  constructor(given: Readonly<Record<string, string>> = {}) {
    for (const [name, value] of Object.entries(given)) if (isNamesrvKey(name)) this.set(name, value)
  }

  text(name: NamesrvKey): string {
    return this.values.get(name) ?? NAMESRV_KEYS[name].value
  }

  flag(name: NamesrvKey): boolean {
    return this.text(name) === 'true'
  }

  int(name: NamesrvKey): number {
    return Number(this.text(name))
  }

  set(name: NamesrvKey, value: string): void {
    this.values.set(name, checkValue(name, value))
  }

  /**
   * 318: all or nothing. Unknown keys are ignored. Returns the changes, or why it is refused: answer 16.
   * Throws ConfigError BAD_VALUE.
   */
  change(asked: ReadonlyMap<string, string>): { changed: Map<NamesrvKey, string> } | { refused: string } {
    const blackList = new Set(
      this.text('configBlackList')
        .split(';')
        .map((it) => it.trim()),
    )
    const changed = new Map<NamesrvKey, string>()
    for (const [name, value] of asked) {
      const known = isNamesrvKey(name)
      if (blackList.has(name) || (known && NAMESRV_KEYS[name].change === 'never')) {
        return { refused: 'Can not update config in black list.' }
      }
      if (!known) continue
      if (NAMESRV_KEYS[name].change === 'start') return { refused: `Can not update config ${name} while running.` }
      changed.set(name, checkValue(name, value))
    }
    for (const [name, value] of changed) this.values.set(name, value)
    return { changed }
  }

  /** 319: every key, one a line. */
  properties(): string {
    return formatProperties(Object.keys(NAMESRV_KEYS).map((name) => [name, this.text(name as NamesrvKey)]))
  }

  /** What 318 may change and is not at its default: the content of configStorePath. */
  stored(): string {
    return formatProperties([...this.values].filter(([name]) => NAMESRV_KEYS[name].change === 'run'))
  }
}

function checkValue(name: NamesrvKey, value: string): string {
  const { kind } = NAMESRV_KEYS[name]
  const trimmed = value.trim()
  if (kind === 'bool' && trimmed !== 'true' && trimmed !== 'false') throw badValue(name, trimmed, 'true or false')
  if (kind === 'int' && !/^[0-9]{1,9}$/.test(trimmed)) throw badValue(name, trimmed, 'an integer of at least 0')
  if (name === 'listenPort' && Number(trimmed) > 65_535) throw badValue(name, trimmed, 'a port, 0 to 65535')
  return trimmed
}

function badValue(name: string, value: string, allowed: string): ConfigError {
  return new ConfigError('BAD_VALUE', { what: `${name} is ${JSON.stringify(value.slice(0, 64))}, expected ${allowed}` })
}

function formatProperties(entries: Iterable<readonly [string, string]>): string {
  let text = ''
  for (const [name, value] of entries) text += `${name}=${value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n`
  return text
}

const ESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/** Java's properties format: `k=v`, `k:v` or `k v`, # and ! comments, a final backslash joins lines. */
export function parseProperties(text: string): Map<string, string> {
  const entries = new Map<string, string>()
  const joined = text.replace(/\r\n?/g, '\n').replace(/(?<!\\)((?:\\\\)*)\\\n[ \t\f]*/g, '$1')
  for (const line of joined.split('\n')) {
    const found = /^[ \t\f]*((?:\\.|[^\\\s=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)$/.exec(line)
    if (found === null || /^[ \t\f]*([#!]|$)/.test(line)) continue
    entries.set(unescapeText(found[1]), unescapeText(found[2]))
  }
  return entries
}

function unescapeText(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex: string | undefined, one: string) => {
    return hex === undefined ? (ESCAPES[one] ?? one) : String.fromCharCode(Number.parseInt(hex, 16))
  })
}
