/**
 * Namespaces: only wrapped names travel, users see their own (spec/client-behaviour.md §9).
 *
 *   T ⇄ ns%T      %RETRY%G ⇄ %RETRY%ns%G      system topics and CID_RMQ_SYS_ groups stay as they are
 */
const PREFIXES = ['%RETRY%', '%DLQ%'] as const
const SYSTEM_GROUP = 'CID_RMQ_SYS_'
const SYSTEM: ReadonlySet<string> = new Set([
  'SELF_TEST_TOPIC',
  'TBW102',
  'BenchmarkTest',
  'OFFSET_MOVED_EVENT',
  'SCHEDULE_TOPIC_XXXX',
  'RMQ_SYS_TRACE_TOPIC',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
])

function split(name: string): [prefix: string, rest: string] {
  for (const prefix of PREFIXES) if (name.startsWith(prefix)) return [prefix, name.slice(prefix.length)]
  return ['', name]
}

/** Not wrapped twice. */
export function wrapNamespace(namespace: string, name: string): string {
  if (namespace === '' || name === '') return name
  const [prefix, rest] = split(name)
  if (SYSTEM.has(rest) || rest.startsWith('rmq_sys_') || rest.startsWith(SYSTEM_GROUP)) return name
  return rest.startsWith(`${namespace}%`) ? name : `${prefix}${namespace}%${rest}`
}

/** As the user knows it. */
export function unwrapNamespace(namespace: string, name: string): string {
  if (namespace === '') return name
  const [prefix, rest] = split(name)
  return rest.startsWith(`${namespace}%`) ? prefix + rest.slice(namespace.length + 1) : name
}

/** "a:1;b:2", or a list of them; `http://` in front is taken off, as Java's clients do. */
export function namesrvAddresses(given: string | readonly string[] | undefined): string[] {
  const all = typeof given === 'string' ? given.split(/[;,]/) : (given ?? []).flatMap((one) => one.split(/[;,]/))
  return all.map((one) => one.trim().replace(/^https?:\/\//, '')).filter((one) => one !== '')
}

const INSTANCE = /^(?:\w+:\/\/)?(MQ_INST_\w+_\w+)\..+/

/** `MQ_INST_<word>_<word>.<host>`: the part before the first dot. */
export function namespaceIn(given: string | readonly string[] | undefined): string | undefined {
  const [first] = typeof given === 'string' ? [given] : (given ?? [])
  return INSTANCE.exec(first ?? '')?.[1]
}
