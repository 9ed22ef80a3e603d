/**
 * Whether a request is allowed: who asks, signed by whom, for what.
 *
 *   white address of all ─▶ yes │ account known ─▶ white address of the account ─▶ yes │ signature ─▶ admin ─▶ permissions
 *
 * Order and texts are RocketMQ's (spec/remoting.md §8); admin codes are more (remoting/admin-codes.ts).
 */
import { BROKER_ADMIN_CODES } from '../../remoting/admin-codes.ts'
import type { RemotingCommand } from '../../remoting/command.ts'
import { ACCESS_KEY, isSigned } from '../../remoting/signature.ts'
import { TOPIC } from '../topics/names.ts'
import type { Account } from './account.ts'
import { AclError } from './acl-error.ts'
import { type Need, needsOf } from './needs.ts'
import { allows, PUB, resourceText, SUB } from './permissions.ts'
import type { AclRules } from './rules.ts'

/** Throws AclError, or RefusedRequest for a body that cannot be read. `address`: the peer's, 4 or 16 bytes. */
export function checkRequest(rules: AclRules, request: RemotingCommand, address: Uint8Array): void {
  if (rules.whiteAddresses.some((isWhite) => isWhite(address))) return
  const account = accountOf(rules, request)
  if (account.isWhite(address)) return
  if (!isSigned(request, account.key)) {
    throw new AclError(`Check signature failed for accessKey=${account.accessKey}`)
  }
  const needs = needsOf(request)
  if (needs.some(isTrace)) return
  checkAdmin(account, request.code)
  for (const need of needs) checkNeed(account, need)
}

/** Whether who asked may see a message of that topic: those who may send to it too. For answers to 33, which names none. */
export function checkSeen(rules: AclRules, request: RemotingCommand, address: Uint8Array, topic: string): void {
  if (rules.whiteAddresses.some((isWhite) => isWhite(address))) return
  const account = accountOf(rules, request)
  if (!account.isWhite(address)) checkNeed(account, { resource: topic, permission: PUB | SUB })
}

function accountOf(rules: AclRules, request: RemotingCommand): Account {
  const accessKey = request.ext?.[ACCESS_KEY]
  if (accessKey === undefined) throw new AclError('No accessKey is configured')
  const known = rules.accounts.get(accessKey)
  if (known === undefined) throw new AclError(`No acl config for ${accessKey.slice(0, ACCESS_KEY_SHOWN)}`)
  return known.account
}
const ACCESS_KEY_SHOWN = 256

function checkAdmin({ accessKey, isAdmin }: Account, code: number): void {
  if (!BROKER_ADMIN_CODES.has(code) || isAdmin) return
  throw new AclError(`Need admin permission for request code=${code}, but accessKey=${accessKey} is not`)
}

/** Everybody who has an account may send traces. */
function isTrace({ resource, permission }: Need): boolean {
  return resource === TOPIC.trace && permission === PUB
}

/** An admin for whom nothing is listed may do everything. */
function checkNeed(account: Account, { resource, permission }: Need): void {
  const { permissions, isAdmin } = account
  if (permissions === undefined && isAdmin) return
  const text = resourceText(resource)
  const owned = permissions?.get(resource)
  const standard = text.startsWith('group:') ? account.defaultGroupPermission : account.defaultTopicPermission
  if (!allows(owned ?? standard, permission)) throw new AclError(`No default permission for ${text}`)
}
