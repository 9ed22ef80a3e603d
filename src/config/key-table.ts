/**
 * The tables of docs/configuration.md: every key, its default, what is allowed, and what a request can do with it. Written
 * into the document by tools/config-docs.mjs; a test holds the document to them.
 */
import { type AnyKey, type Group, groupOf, KEYS, type KeyTable, type Role } from './keys/index.ts'
import { allowed } from './values.ts'

const TITLES: Record<Group, string> = {
  broker: "RocketMQ's BrokerConfig",
  store: "RocketMQ's MessageStoreConfig",
  netty: "RocketMQ's NettyServerConfig and NettyClientConfig",
  tls: "RocketMQ's TLS properties",
  namesrv: "RocketMQ's NamesrvConfig",
  ours: "Basalt's own",
}

/** What request 25 or 318 does with a key, in a word. */
export function overTheWire(key: AnyKey): 'at once' | 'next start' | 'never' {
  if (key.fixed) return 'never'
  return key.live ? 'at once' : 'next start'
}

/** One table a group, in Markdown. */
export function keyTables(role: Role): string {
  const table: KeyTable = KEYS[role]
  const groups = [...new Set(Object.keys(table).map((name) => groupOf(role, name)))]
  return groups.map((group) => section(role, group, table)).join('\n')
}

function section(role: Role, group: Group, table: KeyTable): string {
  const rows = Object.entries(table)
    .filter(([name]) => groupOf(role, name) === group)
    .map(
      ([name, key]) =>
        `| ${[`\`${name}\``, defaultOf(name, key), cell(allowed(key)), overTheWire(key), cell(text(key))].join(' | ')} |`,
    )
  return `### ${TITLES[group]}\n\n| key | default | allowed | by request | |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
}

function defaultOf(name: string, { value }: AnyKey): string {
  if (name === 'brokerName') return "the host's name"
  return value === '' ? '' : `\`${cell(String(value))}\``
}

function text(key: AnyKey): string {
  if (key.effect === 'none') return `No effect: ${key.why}.`
  return key.effect === 'later' ? `${key.help} (Accepted, not served yet.)` : key.help
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
