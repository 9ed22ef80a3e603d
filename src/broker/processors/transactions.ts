/**
 * Transactions: their end 37, a half that is to be checked again 323.
 * Rules: spec/broker-requests.md §10.
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { END_TRANSACTION, RESUME_CHECK_HALF_MESSAGE } from '../../remoting/schemas/send.ts'
import type { Processor } from '../router.ts'
import type { Transactions } from '../transaction/index.ts'

export function transactionProcessors(transactions: Transactions): [number, Processor][] {
  return [
    [REQUEST.END_TRANSACTION, (request) => end(transactions, request)],
    [REQUEST.RESUME_CHECK_HALF_MESSAGE, (request) => resume(transactions, request)],
  ]
}

async function end(transactions: Transactions, request: RemotingCommand): Promise<RemotingCommand | undefined> {
  const ended = await transactions.end(decodeHeader(END_TRANSACTION, request.ext))
  return ended === undefined ? undefined : answerTo(request, ended.code, ended.remark)
}

async function resume(transactions: Transactions, request: RemotingCommand): Promise<RemotingCommand> {
  const { code, remark } = await transactions.resume(decodeHeader(RESUME_CHECK_HALF_MESSAGE, request.ext).msgId)
  return answerTo(request, code, remark)
}
