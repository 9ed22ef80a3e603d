/**
 * One account of a rules file: what it may do, and the key that its signatures are made with.
 *
 * Negative space: no error text holds a secret, and an account holds its secret only as a key that cannot be printed.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { retryTopic } from '../topics/names.ts'
import { AclError } from './acl-error.ts'
import { type AddressMatch, addressPattern } from './addresses.ts'
import { permissionOf, splitPermission } from './permissions.ts'

/** As it stands in the file: RocketMQ's PlainAccessConfig. Absent fields are undefined. */
export interface AccountEntry {
  accessKey: string | undefined
  secretKey: string | undefined
  whiteRemoteAddress: string | undefined
  admin: boolean
  defaultTopicPerm: string | undefined
  defaultGroupPerm: string | undefined
  topicPerms: readonly string[] | undefined
  groupPerms: readonly string[] | undefined
}

export interface Account {
  readonly accessKey: string
  readonly key: KeyObject
  /** Peers from which this account needs no signature. */
  readonly isWhite: AddressMatch
  readonly isAdmin: boolean
  readonly defaultTopicPermission: number
  readonly defaultGroupPermission: number
  /** By topic, or by a group's retry topic; undefined where nothing was listed. */
  readonly permissions: ReadonlyMap<string, number> | undefined
}

/** RocketMQ: "length should longer than 6". */
const KEY_LENGTH_MIN = 7

/** Throws AclError. */
export function accountOf(entry: AccountEntry): Account {
  const { accessKey, secretKey } = entry
  if (!isLongEnough(accessKey) || !isLongEnough(secretKey)) {
    throw new AclError(
      `The accessKey=${accessKey ?? 'null'} and secretKey=${secretKey === undefined ? 'null' : '***'} cannot be null and length should longer than 6`,
    )
  }
  return {
    accessKey,
    key: createSecretKey(Buffer.from(secretKey)),
    isWhite: addressPattern(entry.whiteRemoteAddress ?? ''),
    isAdmin: entry.admin,
    defaultTopicPermission: permissionOf(entry.defaultTopicPerm),
    defaultGroupPermission: permissionOf(entry.defaultGroupPerm),
    permissions: permissionsOf(entry),
  }
}

function isLongEnough(key: string | undefined): key is string {
  return key !== undefined && key.length >= KEY_LENGTH_MIN
}

function permissionsOf({ topicPerms = [], groupPerms = [] }: AccountEntry): Map<string, number> | undefined {
  if (topicPerms.length + groupPerms.length === 0) return undefined
  const permissions = new Map<string, number>()
  for (const entry of groupPerms) {
    const [group, permission] = splitPermission(entry, 'group')
    permissions.set(retryTopic(group), permissionOf(permission))
  }
  for (const entry of topicPerms) {
    const [topic, permission] = splitPermission(entry, 'topic')
    permissions.set(topic, permissionOf(permission))
  }
  return permissions
}
