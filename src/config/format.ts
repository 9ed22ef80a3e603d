/** A configuration as text: for `-p` with origins, and for requests 26 and 319. */
import { type ConfigOf, KEYS, type KeyTable, type Role } from './keys/index.ts'
import { formatProperties, formatProperty } from './properties.ts'
import type { Resolved } from './resolve.ts'

/** What stands for a secret in an answer; sent back as a value it means "as it is". */
export const HIDDEN = '******'

/** Body of requests 26 and 319: every key, one a line, secrets hidden. */
export function configText<R extends Role>(role: R, config: ConfigOf[R]): string {
  const values = config as unknown as Record<string, unknown>
  const table: KeyTable = KEYS[role]
  return formatProperties(
    Object.entries(table).map(([name, { secret }]) => {
      const value = String(values[name])
      return [name, secret && value !== '' ? HIDDEN : value] as const
    }),
  )
}

/**
 * Every key below a comment that says where its value came from: what was set first, in the order of the table, defaults
 * last. A file that can be read again.
 */
export function printConfig(resolved: Resolved): string {
  const groups = new Map<string, string[]>()
  const values = resolved.config as unknown as Record<string, unknown>
  for (const name of Object.keys(KEYS[resolved.role])) {
    const { text } = resolved.origins.get(name)!
    const lines = groups.get(text) ?? []
    lines.push(formatProperty(name, String(values[name])))
    groups.set(text, lines)
  }
  const defaults = groups.get('default') ?? []
  groups.delete('default')
  const all = [...groups].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
  return [...all, ['default', defaults] as const].map(([text, lines]) => `# ${text}\n${lines.join('\n')}\n`).join('\n')
}
