/**
 * Access rules (ACL 1.0) of a broker: set and delete an account, the global white list, which version is in force.
 *
 * The request that tells the rules themselves (54) gives every secret away (CVE-2024-23321): brokers of 4.9.8 and later and ours refuse
 * it. Where an older one answers, secrets are left out before anybody sees them; elsewhere plain_acl.yml says it, on the
 * broker's machine.
 */
import { request } from '../remoting/command.ts'
import { parse } from '../remoting/fastjson.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import type { HeaderFor, Schema } from '../remoting/schema.ts'
import {
  DELETE_ACL_CONFIG,
  UPDATE_AND_CREATE_ACL_CONFIG,
  UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,
} from '../remoting/schemas/index.ts'
import type { AdminClient } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { bodyOf, boolAt, type Json, listOf, member, numberAt, pairsOf, textAt, textOf } from './json.ts'

export interface AclFileVersion {
  file: string
  counter: number
  timestamp: number
}

const LIST_TIMEOUT_MS = 2000
/** Without a name among our codes: nothing of ours answers it. */
const GET_BROKER_CLUSTER_ACL_CONFIG = 54

/** GET_BROKER_CLUSTER_ACL_INFO (52). A broker of Apache's without access rules does not answer at all. */
export async function aclVersions(admin: AdminClient, address: string): Promise<AclFileVersion[]> {
  try {
    const asked = request(REQUEST.GET_BROKER_CLUSTER_ACL_INFO)
    const { ext = {} } = await admin.ask(address, asked, { timeoutMs: Math.min(LIST_TIMEOUT_MS, admin.timeoutMs) })
    const files = ext.allAclFileVersion === undefined ? [] : pairsOf(parse(ext.allAclFileVersion))
    const versions = files.map(([file, version]) => ({ file: textOf(file), version }))
    if (versions.length === 0 && ext.version !== undefined) versions.push({ file: '', version: parse(ext.version) })
    return versions.map(({ file, version }) => ({
      file,
      counter: numberAt(version, 'counter'),
      timestamp: numberAt(version, 'timestamp'),
    }))
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'TIMEOUT') throw withoutRules(error, address)
    throw noRules(address, 'no answer about access rules: a 4.9 broker without them says nothing', error)
  }
}

function noRules(address: string, what: string, cause: unknown): AdminError {
  const todo = 'aclEnable=true switches them on, in its configuration file'
  return new AdminError('NO_ACL', { what, where: address, todo, cause })
}

/** Ours says so; what is said of a null AccessValidator is Apache's way to. */
function withoutRules(error: unknown, address: string): unknown {
  const isOff = error instanceof AdminError && /aclEnable is false|AccessValidator/i.test(error.remark)
  return isOff ? noRules(address, 'the broker has no access rules', error) : error
}

async function change<S extends Schema>(
  admin: AdminClient,
  address: string,
  of: S,
  header: HeaderFor<S>,
): Promise<void> {
  try {
    await admin.call(address, of, header)
  } catch (error) {
    throw withoutRules(error, address)
  }
}

export interface AclAccount {
  accessKey: string
  admin: boolean
  whiteRemoteAddress: string
  defaultTopicPerm: string
  defaultGroupPerm: string
  topicPerms: string[]
  groupPerms: string[]
}

export interface AclRules {
  globalWhiteAddrs: string[]
  accounts: AclAccount[]
}

/** GET_BROKER_CLUSTER_ACL_CONFIG (54), without the secrets. */
export async function aclRules(admin: AdminClient, address: string): Promise<AclRules> {
  // Says whether there are any, and where.
  const files = await aclVersions(admin, address)
  const asked = request(GET_BROKER_CLUSTER_ACL_CONFIG)
  try {
    return rulesIn(bodyOf(await admin.ask(address, asked, { timeoutMs: Math.min(LIST_TIMEOUT_MS, admin.timeoutMs) })))
  } catch (error) {
    if (!(error instanceof AdminError) || !(error.code === 'TIMEOUT' || error.code === 'REFUSED')) throw error
    throw new AdminError('NO_RULES', {
      what: 'the broker does not tell its access rules, which would give their secrets away',
      where: address,
      todo: `read them on its machine: basaltmq admin acl show --rules ${files[0]?.file || '…/plain_acl.yml'}`,
      cause: error,
    })
  }
}

/** Of what 54 answers, or of plain_acl.yml as an object: the same members, but for the white list's name. */
export function rulesIn(body: Json): AclRules {
  const texts = (value: Json) => listOf(value).map(textOf)
  const accounts = listOf(member(body, 'plainAccessConfigs') ?? member(body, 'accounts'))
  return {
    globalWhiteAddrs: texts(member(body, 'globalWhiteAddrs') ?? member(body, 'globalWhiteRemoteAddresses')),
    accounts: accounts.map((account) => ({
      accessKey: textAt(account, 'accessKey'),
      admin: boolAt(account, 'admin'),
      whiteRemoteAddress: textAt(account, 'whiteRemoteAddress'),
      defaultTopicPerm: textAt(account, 'defaultTopicPerm'),
      defaultGroupPerm: textAt(account, 'defaultGroupPerm'),
      topicPerms: texts(member(account, 'topicPerms')),
      groupPerms: texts(member(account, 'groupPerms')),
    })),
  }
}

export type AccountChange = HeaderFor<typeof UPDATE_AND_CREATE_ACL_CONFIG>

export async function setAccount(admin: AdminClient, address: string, account: AccountChange): Promise<void> {
  await change(admin, address, UPDATE_AND_CREATE_ACL_CONFIG, account)
}

export async function deleteAccount(admin: AdminClient, address: string, accessKey: string): Promise<void> {
  await change(admin, address, DELETE_ACL_CONFIG, { accessKey })
}

export async function setWhiteList(
  admin: AdminClient,
  address: string,
  addresses: readonly string[],
  file: string | undefined,
): Promise<void> {
  await change(admin, address, UPDATE_GLOBAL_WHITE_ADDRS_CONFIG, {
    globalWhiteAddrs: addresses.join(','),
    aclFileFullPath: file,
  })
}
