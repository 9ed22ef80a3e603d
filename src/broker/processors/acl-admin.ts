/**
 * Administration of the access rules: 50, 51, 52, 53. Answers name accounts and never hold a secret (CVE-2024-23321: request
 * 54 of 4.9 gives all secrets to everybody with an account; it is unknown here).
 * Rules: spec/broker-requests.md §15; codes 209, 210, 211.
 */
import { describe } from '../../errors.ts'
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../../remoting/schema.ts'
import {
  DELETE_ACL_CONFIG,
  GET_BROKER_CLUSTER_ACL_INFO_ANSWER,
  UPDATE_AND_CREATE_ACL_CONFIG,
  UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,
} from '../../remoting/schemas/admin.ts'
import type { Acl, AclError } from '../acl/index.ts'
import type { Processor } from '../router.ts'
import { headerAnswer, refuse } from './support.ts'

export interface AclAdminContext {
  /** Undefined: aclEnable is false. */
  readonly acl: Acl | undefined
  readonly settings: { readonly brokerName: string; readonly brokerClusterName: string }
  brokerAddress(): string
}

const OFF = 'aclEnable is false: there are no access rules'

export function aclProcessors(context: AclAdminContext): [number, Processor][] {
  return [
    [REQUEST.UPDATE_AND_CREATE_ACL_CONFIG, (request) => putAccount(context, request)],
    [REQUEST.DELETE_ACL_CONFIG, (request) => removeAccount(context, request)],
    [REQUEST.GET_BROKER_CLUSTER_ACL_INFO, (request) => versions(context, request)],
    [REQUEST.UPDATE_GLOBAL_WHITE_ADDRS_CONFIG, (request) => setWhiteAddresses(context, request)],
  ]
}

async function putAccount({ acl }: AclAdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const failed = RESPONSE.UPDATE_AND_CREATE_ACL_CONFIG_FAILED
  if (acl === undefined) throw refuse(failed, OFF)
  const { topicPerms, groupPerms, ...entry } = decodeHeader(UPDATE_AND_CREATE_ACL_CONFIG, request.ext)
  await attempt(failed, () =>
    acl.putAccount({
      accessKey: entry.accessKey,
      secretKey: entry.secretKey,
      whiteRemoteAddress: entry.whiteRemoteAddress,
      admin: entry.admin,
      defaultTopicPerm: entry.defaultTopicPerm || undefined,
      defaultGroupPerm: entry.defaultGroupPerm || undefined,
      topicPerms: listOf(topicPerms),
      groupPerms: listOf(groupPerms),
    }),
  )
  return answerTo(request, RESPONSE.SUCCESS)
}

async function removeAccount({ acl }: AclAdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const failed = RESPONSE.DELETE_ACL_CONFIG_FAILED
  if (acl === undefined) throw refuse(failed, OFF)
  const { accessKey } = decodeHeader(DELETE_ACL_CONFIG, request.ext)
  if (await attempt(failed, () => acl.removeAccount(accessKey))) return answerTo(request, RESPONSE.SUCCESS)
  throw refuse(failed, `The accesskey[${accessKey}] corresponding to accessConfig has been deleted failed.`)
}

async function setWhiteAddresses({ acl }: AclAdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const failed = RESPONSE.UPDATE_GLOBAL_WHITE_ADDRS_CONFIG_FAILED
  if (acl === undefined) throw refuse(failed, OFF)
  const { globalWhiteAddrs, aclFileFullPath = '' } = decodeHeader(UPDATE_GLOBAL_WHITE_ADDRS_CONFIG, request.ext)
  const addresses = listOf(globalWhiteAddrs) ?? []
  if (await attempt(failed, () => acl.setWhiteAddresses(addresses, aclFileFullPath))) {
    return answerTo(request, RESPONSE.SUCCESS)
  }
  throw refuse(failed, `The globalWhiteAddresses[${globalWhiteAddrs}] has been updated failed.`)
}

function versions({ acl, settings, brokerAddress }: AclAdminContext, request: RemotingCommand): RemotingCommand {
  if (acl === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, OFF)
  const { own, all } = acl.versions()
  return headerAnswer(
    request,
    encodeHeader(GET_BROKER_CLUSTER_ACL_INFO_ANSWER, {
      version: JSON.stringify(own),
      allAclFileVersion: JSON.stringify(Object.fromEntries(all)),
      brokerName: settings.brokerName,
      brokerAddr: brokerAddress(),
      clusterName: settings.brokerClusterName,
    }),
  )
}

/** "a,b" → its parts; undefined stays that: the file's value is kept. */
function listOf(text: string | undefined): string[] | undefined {
  return text === undefined ? undefined : text.split(',').filter((part) => part !== '')
}

/** What the rules or the disk do not allow, with the request's own code. */
async function attempt<T>(code: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw refuse(code, (error as Partial<AclError>).what ?? describe(error))
  }
}
