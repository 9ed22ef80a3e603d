/** The fast port: where requests go with vipChannel, port − 2 (spec/client-behaviour.md §1). Pulls and heartbeats never do. */
import { parseAddress } from '../remoting/host.ts'
import { REQUEST } from '../remoting/request-codes.ts'

const TO_FAST_PORT: ReadonlySet<number> = new Set<number>([
  REQUEST.SEND_MESSAGE,
  REQUEST.SEND_MESSAGE_V2,
  REQUEST.SEND_BATCH_MESSAGE,
  REQUEST.SEND_REPLY_MESSAGE,
  REQUEST.SEND_REPLY_MESSAGE_V2,
  REQUEST.QUERY_MESSAGE,
  REQUEST.QUERY_CONSUMER_OFFSET,
  REQUEST.UPDATE_CONSUMER_OFFSET,
  REQUEST.SEARCH_OFFSET_BY_TIMESTAMP,
  REQUEST.GET_MAX_OFFSET,
  REQUEST.GET_MIN_OFFSET,
  REQUEST.GET_EARLIEST_MSG_STORETIME,
  REQUEST.VIEW_MESSAGE_BY_ID,
  REQUEST.CONSUMER_SEND_MSG_BACK,
  REQUEST.GET_CONSUMER_LIST_BY_GROUP,
  REQUEST.LOCK_BATCH_MQ,
  REQUEST.UNLOCK_BATCH_MQ,
  REQUEST.CHECK_CLIENT_CONFIG,
])

export function portFor(code: number, address: string, vipChannel: boolean): string {
  if (!vipChannel || !TO_FAST_PORT.has(code)) return address
  const { host, port } = parseAddress(address)
  return `${host.includes(':') ? `[${host}]` : host}:${port - 2}`
}
