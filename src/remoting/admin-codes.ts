/**
 * Requests that administer: they change the broker or the NameServer for everybody. With aclEnable they need an account with
 * admin: true; with adminFromLoopbackOnly they are taken from this machine only.
 *
 * Of these RocketMQ 4.9 asks an admin for 17, 25, 200, 207 and 215 only: there any account may write itself an admin account
 * with 50.
 */
import { REQUEST } from './request-codes.ts'

export const BROKER_ADMIN_CODES: ReadonlySet<number> = new Set([
  REQUEST.UPDATE_AND_CREATE_TOPIC,
  REQUEST.UPDATE_AND_CREATE_TOPIC_LIST,
  REQUEST.UPDATE_BROKER_CONFIG,
  REQUEST.UPDATE_AND_CREATE_ACL_CONFIG,
  REQUEST.DELETE_ACL_CONFIG,
  REQUEST.UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,
  REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
  REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST,
  REQUEST.DELETE_SUBSCRIPTIONGROUP,
  REQUEST.DELETE_TOPIC_IN_BROKER,
  REQUEST.INVOKE_BROKER_TO_RESET_OFFSET,
  REQUEST.CLEAN_EXPIRED_CONSUMEQUEUE,
  REQUEST.CONSUME_MESSAGE_DIRECTLY,
  REQUEST.CLONE_GROUP_OFFSET,
  REQUEST.CLEAN_UNUSED_TOPIC,
  REQUEST.RESUME_CHECK_HALF_MESSAGE,
  REQUEST.DELETE_EXPIRED_COMMITLOG,
  REQUEST.UPDATE_AND_GET_GROUP_FORBIDDEN,
  REQUEST.SET_MESSAGE_REQUEST_MODE,
  REQUEST.RESET_MASTER_FLUSH_OFFSET,
])

/** Registrations (103, 104, 217, 904) are the brokers' own and come from anywhere. */
export const NAMESRV_ADMIN_CODES: ReadonlySet<number> = new Set([
  REQUEST.PUT_KV_CONFIG,
  REQUEST.DELETE_KV_CONFIG,
  REQUEST.WIPE_WRITE_PERM_OF_BROKER,
  REQUEST.ADD_WRITE_PERM_OF_BROKER,
  REQUEST.DELETE_TOPIC_IN_NAMESRV,
  REQUEST.UPDATE_NAMESRV_CONFIG,
])

/** Of 127.0.0.0/8 or ::1; the bytes of Connection.remoteHost. */
export function isLoopback(address: Uint8Array): boolean {
  if (address.length === 4) return address[0] === 127
  return address.length === 16 && address[15] === 1 && address.every((byte, index) => byte === 0 || index === 15)
}

/** Code 16, or undefined where the request is taken. */
export function refusedFromAfar(codes: ReadonlySet<number>, code: number, address: Uint8Array): string | undefined {
  if (!codes.has(code) || isLoopback(address)) return undefined
  return `request ${code} administers, and adminFromLoopbackOnly is true: ask from the machine of the server, or switch ACL on`
}
