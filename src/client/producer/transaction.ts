/**
 * Transactions: a half message that nobody sees, the local transaction, then its end; and the broker's question when it
 * hears of no end (spec/client-behaviour.md §4).
 *
 *   half ─► stored ─► local transaction ─► 37 commit, rollback, or nothing said
 *                         broker: 39 ─► checkLocalTransaction ─► 37
 */
import { describe } from '../../errors.ts'
import { answerTo, type RemotingCommand, request } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader, type HeaderFor, type HeaderOf } from '../../remoting/schema.ts'
import { CHECK_TRANSACTION_STATE, END_TRANSACTION } from '../../remoting/schemas/index.ts'
import { physicalOffsetOf } from '../../store/commitlog/offset-msg-id.ts'
import { SYS_FLAG } from '../../store/commitlog/record-view.ts'
import { ClientError } from '../errors.ts'
import type { ClientInstance } from '../instance.ts'
import { decodeMessages, type MessageExt } from '../message/message-ext.ts'
import { PROPERTY } from '../message/property-names.ts'
import { unwrapNamespace, wrapNamespace } from '../namespace.ts'
import type { SendResult } from './send-result.ts'

/** What became of a local transaction. UNKNOW, in RocketMQ's spelling: the broker asks later. */
export type LocalTransactionState = 'COMMIT_MESSAGE' | 'ROLLBACK_MESSAGE' | 'UNKNOW'

/** What a transaction came to. */
export interface TransactionSendResult extends SendResult {
  /** What was told to the broker. */
  readonly localTransactionState: LocalTransactionState
  /** What the local transaction threw; the state is UNKNOW then. */
  readonly localException: unknown
}

export type CheckListener = (
  message: MessageExt,
) => LocalTransactionState | undefined | Promise<LocalTransactionState | undefined>

const END: Record<LocalTransactionState, number> = {
  COMMIT_MESSAGE: SYS_FLAG.commit,
  ROLLBACK_MESSAGE: SYS_FLAG.rollback,
  UNKNOW: 0,
}

/** Told of every end that was sent, for the trace. */
export type EndListener = (end: {
  state: LocalTransactionState
  msgId: string
  fromCheck: boolean
  message?: MessageExt
}) => void

export function stateOf(given: unknown): LocalTransactionState {
  if (given === undefined || given === null) return 'UNKNOW'
  if (typeof given === 'string' && Object.hasOwn(END, given)) return given as LocalTransactionState
  throw new ClientError('BAD_LISTENER', {
    what: `a transaction listener gave ${JSON.stringify(given)}`,
    hint: "give 'COMMIT_MESSAGE', 'ROLLBACK_MESSAGE' or 'UNKNOW'",
  })
}

/** Runs a listener; what it throws is UNKNOW. */
export async function decide(run: () => unknown): Promise<{ state: LocalTransactionState; error: unknown }> {
  try {
    return { state: stateOf(await run()), error: undefined }
  } catch (error) {
    return { state: 'UNKNOW', error }
  }
}

/** Tells the broker of the result how the local transaction ended. Rejects when it cannot be told: it asks then. */
export async function endTransaction(
  instance: ClientInstance,
  group: string,
  result: SendResult,
  state: LocalTransactionState,
  failure: unknown,
): Promise<void> {
  const { messageQueue, msgId } = result
  const address = await instance.masterOf(messageQueue.brokerName, messageQueue.topic)
  const header: HeaderFor<typeof END_TRANSACTION> = {
    producerGroup: group,
    tranStateTableOffset: result.queueOffset,
    commitLogOffset: physicalOffsetOf(result.offsetMsgId) ?? 0,
    commitOrRollback: END[state],
    fromTransactionCheck: false,
    msgId,
    transactionId: result.transactionId,
    bname: messageQueue.brokerName,
  }
  await end(instance, address, header, failure)
}

async function end(
  instance: ClientInstance,
  address: string,
  header: HeaderFor<typeof END_TRANSACTION>,
  failure: unknown,
): Promise<void> {
  const command = request(END_TRANSACTION.code, encodeHeader(END_TRANSACTION, header))
  if (failure !== undefined) command.remark = `executeLocalTransactionBranch exception: ${describe(failure)}`
  await instance.oneway(address, command)
}

export interface Checks {
  readonly instance: ClientInstance
  /** In its namespace. */
  readonly group: string
  readonly namespace: string
  readonly listener: CheckListener
  readonly onEnd?: EndListener
}

/** Answers the broker's questions for one group; gives what ends that. */
export function serveChecks(checks: Checks): () => void {
  return checks.instance.serve(REQUEST.CHECK_TRANSACTION_STATE, (command, address) => {
    const header = decodeHeader(CHECK_TRANSACTION_STATE, command.ext)
    const [message] = decodeMessages(command.body, header.bname ?? '')
    const group = message?.properties[PROPERTY.producerGroup]
    if (message === undefined || group === undefined) return undefined
    if (wrapNamespace(checks.namespace, group) !== checks.group) return undefined
    void check(checks, header, message, address).catch((error: unknown) =>
      checks.instance.log.warn(`the end of transaction ${message.msgId} was not told: ${describe(error)}`),
    )
    return ok(command)
  })
}

function ok(command: RemotingCommand): RemotingCommand {
  return answerTo(command, RESPONSE.SUCCESS)
}

async function check(
  { instance, group, namespace, listener, onEnd }: Checks,
  header: HeaderOf<typeof CHECK_TRANSACTION_STATE>,
  message: MessageExt,
  address: string,
): Promise<void> {
  message.topic = unwrapNamespace(namespace, message.topic)
  const { state, error } = await decide(() => listener(message))
  if (error !== undefined) instance.log.warn(`checkLocalTransaction of ${message.msgId} failed: ${describe(error)}`)
  const msgId = message.properties[PROPERTY.uniqueKey] ?? header.msgId ?? ''
  const answer: HeaderFor<typeof END_TRANSACTION> = {
    producerGroup: group,
    tranStateTableOffset: header.tranStateTableOffset,
    commitLogOffset: header.commitLogOffset,
    commitOrRollback: END[state],
    fromTransactionCheck: true,
    msgId,
    transactionId: header.transactionId,
    bname: header.bname,
  }
  await end(instance, address, answer, error)
  onEnd?.({ state, msgId, fromCheck: true, message })
}
