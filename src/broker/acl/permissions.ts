/**
 * Permissions on topics and groups: DENY, PUB, SUB, "PUB|SUB", "SUB|PUB". Whatever is none of them denies, as in RocketMQ.
 *
 * Groups share one table with topics, under the name of their retry topic (topics/names.ts, retryTopic).
 */
import { RETRY_PREFIX } from '../topics/names.ts'
import { AclError } from './acl-error.ts'

export const DENY = 1
export const PUB = 4
export const SUB = 8

const PERMISSIONS: Record<string, number> = { DENY, PUB, SUB, 'PUB|SUB': PUB | SUB, 'SUB|PUB': PUB | SUB }

export function permissionOf(text: string | undefined): number {
  const name = text?.trim() ?? ''
  return Object.hasOwn(PERMISSIONS, name) ? PERMISSIONS[name] : DENY
}

export function allows(owned: number, needed: number): boolean {
  return (owned & DENY) === 0 && (owned & needed) !== 0
}

/** "topic:T" or "group:G", for remarks. */
export function resourceText(resource: string): string {
  return resource.startsWith(RETRY_PREFIX) ? `group:${resource.slice(RETRY_PREFIX.length)}` : `topic:${resource}`
}

/** "T=PUB|SUB": throws AclError unless it is a name, one "=" and something behind it. */
export function splitPermission(entry: string, what: 'topic' | 'group'): [resource: string, permission: string] {
  const parts = entry.split('=').filter((part) => part !== '')
  if (parts.length !== 2) throw new AclError(`Parse resource permission failed for ${what}:${entry}`)
  return [parts[0].trim(), parts[1].trim()]
}

/** What a request (50) may write: an unknown permission would silently deny. */
export function checkPermissions(entries: readonly string[]): void {
  for (const entry of entries) {
    const parts = entry.split('=').filter((part) => part !== '')
    if (parts.length !== 2) {
      throw new AclError(
        `Parse Resource format error for ${entry}.\nThe expected resource format is 'Res=Perm'. For example: topicA=SUB`,
      )
    }
    const permission = parts[1].trim()
    if (permission !== 'DENY' && permissionOf(permission) === DENY) {
      throw new AclError(
        `Parse resource permission error for ${entry}.\nThe expected permissions are 'SUB' or 'PUB' or 'SUB|PUB' or 'PUB|SUB'.`,
      )
    }
  }
}
