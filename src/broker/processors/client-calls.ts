/**
 * What an administrator asks of a client, through the broker: running info 307, one message consumed now 309, offsets as the
 * clients see them 223 (221 to each of them).
 *
 *   administrator ─▶ broker ─▶ the consumer's own connection ─▶ its answer ─▶ administrator
 *
 * Bounds: 10 s (5 s for 221) a call, 64 calls that wait at one client; both as RocketMQ's.
 * Rules:  spec/broker-requests.md §14.
 */
import { describe, RemotingError } from '../../errors.ts'
import { answerTo, type RemotingCommand, request as requestOf, VERSIONS } from '../../remoting/command.ts'
import { type JsonValue, parse, stringify } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import {
  CONSUME_MESSAGE_DIRECTLY,
  GET_CONSUMER_RUNNING_INFO,
  INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
} from '../../remoting/schemas/clients.ts'
import type { GroupMember } from '../groups/index.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { refuse, textAnswer } from './support.ts'

const CALL_MS_MAX = 10_000
const STATUS_MS_MAX = 5_000
const CALLS_MAX = 64
/** Ordinal of V3_0_7_SNAPSHOT: older clients know neither 220 nor 221. */
const RESET_VERSION_MIN = 28
/** ip of 4 or 16 bytes, port, and the physical offset, as hex. */
const OFFSET_MSG_ID = /^(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{40})([0-9a-fA-F]{16})$/

export function clientCallProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.GET_CONSUMER_RUNNING_INFO, (request) => runningInfo(context, request)],
    [REQUEST.CONSUME_MESSAGE_DIRECTLY, (request) => consumeDirectly(context, request)],
    [REQUEST.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, (request) => clientOffsets(context, request)],
  ]
}

function runningInfo(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { consumerGroup, clientId } = decodeHeader(GET_CONSUMER_RUNNING_INFO, request.ext)
  return forward(context, request, consumerGroup, clientId, { ...request.ext }, request.body)
}

/** The client gets the record itself: it may not be able to read it any more. */
async function consumeDirectly(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { consumerGroup, clientId, msgId } = decodeHeader(CONSUME_MESSAGE_DIRECTLY, request.ext)
  const record = await recordOf(context, msgId ?? '')
  const ext = { ...request.ext, brokerName: context.settings.brokerName }
  return forward(context, request, consumerGroup, clientId, ext, record)
}

async function recordOf({ store }: AdminContext, msgId: string): Promise<Uint8Array> {
  const offset = OFFSET_MSG_ID.exec(msgId)?.[1]
  if (offset === undefined) {
    throw refuse(
      RESPONSE.SYSTEM_ERROR,
      `msgId is "${msgId.slice(0, 100)}", expected an id by offset: 32 (IPv4) or 56 (IPv6) hexadecimal digits`,
    )
  }
  const physicalOffset = Number(BigInt(`0x${offset}`))
  const isInLog =
    Number.isSafeInteger(physicalOffset) && physicalOffset >= store.logMin() && physicalOffset < store.logMax()
  const record = isInLog ? await store.view(physicalOffset) : undefined
  if (record !== undefined) return record
  throw refuse(RESPONSE.SYSTEM_ERROR, `no message at ${physicalOffset}, where ${msgId} says it is`)
}

async function forward(
  { consumers }: AdminContext,
  request: RemotingCommand,
  group: string,
  clientId: string | undefined,
  ext: Record<string, string>,
  body: Uint8Array | undefined,
): Promise<RemotingCommand> {
  const member = clientId === undefined ? undefined : consumers.member(group, clientId)
  if (member === undefined) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `The Consumer <${group}> <${clientId}> not online`)
  }
  if (member.version < VERSIONS.v3_1_8) {
    throw refuse(
      RESPONSE.SYSTEM_ERROR,
      `The Consumer <${clientId}> Version <${member.version}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT`,
    )
  }
  const given = await call(member, requestOf(request.code, ext, body), group, CALL_MS_MAX)
  const answer = answerTo(request, given.code, given.remark)
  answer.ext = given.ext
  answer.body = given.body
  return answer
}

async function call(
  { peer, clientId }: GroupMember,
  command: RemotingCommand,
  group: string,
  timeoutMs: number,
): Promise<RemotingCommand> {
  const name = `consumer <${group}> <${clientId}>`
  if (peer.pendingAnswers >= CALLS_MAX) {
    throw refuse(RESPONSE.SYSTEM_BUSY, `${name} has not answered ${peer.pendingAnswers} requests yet`)
  }
  try {
    return await peer.invoke(command, timeoutMs)
  } catch (error) {
    const isLate = error instanceof RemotingError && error.code === 'TIMEOUT'
    if (isLate) throw refuse(RESPONSE.CONSUME_MSG_TIMEOUT, `${name} Timeout: ${describe(error)}`)
    throw refuse(RESPONSE.SYSTEM_ERROR, `invoke ${name} Exception: ${describe(error)}`)
  }
}

/** All clients of the group, or one; those that do not answer are left out, as in RocketMQ. */
async function clientOffsets(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { topic, group, clientAddr } = decodeHeader(INVOKE_BROKER_TO_GET_CONSUMER_STATUS, request.ext)
  const online = context.consumers.group(group)
  if (online === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, `the consumer group <${group}> is not online`)
  const wanted = clientAddr === undefined || clientAddr.trim() === '' ? undefined : clientAddr
  const members = [...online.members.values()].filter(({ clientId }) => wanted === undefined || clientId === wanted)
  refuseOldClients(members)
  const consumerTable = new Map<string, JsonValue>()
  await Promise.all(
    members.map(async (member) => {
      try {
        const command = requestOf(REQUEST.GET_CONSUMER_STATUS_FROM_CLIENT, { topic, group })
        const { code, body, remark } = await call(member, command, group, STATUS_MS_MAX)
        if (code !== RESPONSE.SUCCESS) throw new Error(`it answered ${code} ${remark ?? ''}`)
        consumerTable.set(member.clientId, offsetsOf(body))
      } catch (error) {
        context.log.warn(`consumer ${member.clientId} of group ${group} did not tell its offsets: ${describe(error)}`, {
          group,
          topic,
          remote: member.peer.remoteAddress,
        })
      }
    }),
  )
  return textAnswer(request, stringify({ consumerTable, messageQueueTable: {} }))
}

function offsetsOf(body: Uint8Array | undefined): JsonValue {
  const value = body === undefined ? undefined : parse(body)
  const table = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
  return (table ? value.messageQueueTable : undefined) ?? {}
}

export function refuseOldClients(members: readonly GroupMember[]): void {
  const old = members.find(({ version }) => version < RESET_VERSION_MIN)
  if (old === undefined) return
  throw refuse(
    RESPONSE.SYSTEM_ERROR,
    `the client does not support this feature. version=${old.version} client=${old.clientId}`,
  )
}
