/** Changing a running configuration (requests 25 and 318). */
import { type ConfigOf, KEYS, type KeyTable, type Role } from './keys/index.ts'
import type { Property } from './properties.ts'
import { parseValue, type Value } from './values.ts'

export interface Change {
  readonly key: string
  readonly from: Value
  readonly to: Value
}

/**
 * All or nothing. Unknown keys and values that stay the same are left out, as by Apache. Returns why it is refused as
 * text: a black-listed key, or one that may not change while the server runs. Throws ConfigError BAD_VALUE.
 */
export function changeConfig<R extends Role>(
  role: R,
  config: ConfigOf[R],
  asked: Iterable<Pick<Property, 'key' | 'value'>>,
): { changes: Change[] } | { refused: string } {
  const values = config as unknown as Record<string, Value>
  const table: KeyTable = KEYS[role]
  const blackList = new Set(
    `${config.configBlackList};configBlackList;rocketmqHome`.split(';').map((name) => name.trim()),
  )
  const changes: Change[] = []
  for (const { key, value } of asked) {
    if (blackList.has(key)) return { refused: 'Can not update config in black list.' }
    if (!Object.hasOwn(table, key)) continue
    const to = parseValue(key, table[key], value, 'request')
    if (to === values[key]) continue
    if (!table[key].live)
      return { refused: `${key} cannot change while the server runs: set it in the file and restart` }
    changes.push({ key, from: values[key], to })
  }
  for (const { key, to } of changes) values[key] = to
  return { changes }
}
