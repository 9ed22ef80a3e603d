/** The table of keys for people: `basaltmq keys`. */
import { type AnyKey, allowed, KEYS, type Role } from '../config/index.ts'

/** Keys whose name or help contains `word`, in any case; all of them without one. */
export function keyList(role: Role, word = ''): string {
  const wanted = word.toLowerCase()
  const rows = Object.entries(KEYS[role] as Record<string, AnyKey>).filter(
    ([name, { help }]) => name.toLowerCase().includes(wanted) || help.toLowerCase().includes(wanted),
  )
  return rows.map(([name, key]) => `${name}=${key.value}\n    ${describeKey(key)}\n`).join('')
}

function describeKey(key: AnyKey): string {
  const notes = [allowed(key)]
  if (key.live) notes.push('may change while running')
  if (key.fixed) notes.push('never changed by a request')
  if (key.ours) notes.push("not one of RocketMQ's")
  if (key.effect === 'later') notes.push('accepted, not served yet')
  if (key.effect === 'none') notes.push(`accepted, no effect: ${key.why}`)
  return `${key.help} [${notes.join('; ')}]`
}
