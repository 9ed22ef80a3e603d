/**
 * One pull as the processor sees it, from a scanned or a decoded header (spec/broker-requests.md §7).
 */
import { answerTo, FLAG_ONEWAY, type SerializeType } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { PullFields } from '../../remoting/hot/index.ts'

export interface PullRequest {
  connection: Connection
  opaque: number
  serialize: 0 | 1
  isOneway: boolean
  /** Release of the client (spec/remoting.md §6). */
  version: number
  consumerGroup: string
  topic: string
  queueId: number
  queueOffset: number
  maxMsgNums: number
  sysFlag: number
  commitOffset: number
  suspendTimeoutMillis: number
  subscription: string | undefined
  subVersion: number
  expressionType: string | undefined
  /** 5.x: bytes that the client wants at most; undefined: no bound of its own. */
  maxMsgBytes: number | undefined
}

export const PULL_FLAG = { commitOffset: 1, suspend: 2, subscription: 4, classFilter: 8, litePull: 16 } as const

export const PULL_CODE = {
  found: 0,
  systemError: 1,
  noPermission: 16,
  topicNotExist: 17,
  notFound: 19,
  retryImmediately: 20,
  offsetMoved: 21,
  subscriptionParseFailed: 23,
  subscriptionNotExist: 24,
  subscriptionNotLatest: 25,
  groupNotExist: 26,
  filterDataNotExist: 27,
  filterDataNotLatest: 28,
} as const

/** Internal status, also the remark of the answer. */
export type ReadStatus =
  | 'FOUND'
  | 'NO_MATCHED_MESSAGE'
  | 'MESSAGE_WAS_REMOVING'
  | 'NO_MESSAGE_IN_QUEUE'
  | 'OFFSET_TOO_SMALL'
  | 'OFFSET_OVERFLOW_ONE'
  | 'OFFSET_OVERFLOW_BADLY'
  | 'OFFSET_FOUND_NULL'
  /** RocketMQ 5: an administrator has set the group's offset on the broker. */
  | 'OFFSET_RESET'

/** Answer code by status; `requested` is the queue offset that was asked for. */
export function codeOf(status: ReadStatus, requested: number): number {
  switch (status) {
    case 'FOUND':
      return PULL_CODE.found
    case 'NO_MATCHED_MESSAGE':
    case 'MESSAGE_WAS_REMOVING':
      return PULL_CODE.retryImmediately
    case 'NO_MESSAGE_IN_QUEUE':
      return requested !== 0 ? PULL_CODE.offsetMoved : PULL_CODE.notFound
    case 'OFFSET_OVERFLOW_ONE':
    case 'OFFSET_FOUND_NULL':
      return PULL_CODE.notFound
    case 'OFFSET_TOO_SMALL':
    case 'OFFSET_OVERFLOW_BADLY':
    case 'OFFSET_RESET':
      return PULL_CODE.offsetMoved
    default: {
      const never: never = status
      return never
    }
  }
}

/** From the places in a frame to texts that outlive it: a pull may be held. */
export function pullRequestOf(connection: Connection, bytes: Buffer, f: PullFields): PullRequest {
  const hasSubscription = (f.sysFlag & PULL_FLAG.subscription) !== 0 && f.subscriptionStart >= 0
  return {
    connection,
    opaque: f.opaque,
    serialize: f.serialize as SerializeType,
    isOneway: (f.flag & FLAG_ONEWAY) !== 0,
    version: f.version,
    consumerGroup: bytes.toString('utf8', f.groupStart, f.groupEnd),
    topic: bytes.toString('utf8', f.topicStart, f.topicEnd),
    queueId: f.queueId,
    queueOffset: f.queueOffset,
    maxMsgNums: f.maxMsgNums,
    sysFlag: f.sysFlag,
    commitOffset: f.commitOffset,
    suspendTimeoutMillis: f.suspendTimeoutMillis,
    subscription: hasSubscription ? bytes.toString('utf8', f.subscriptionStart, f.subscriptionEnd) : undefined,
    subVersion: f.subVersion,
    expressionType:
      f.expressionTypeStart < 0 ? undefined : bytes.toString('utf8', f.expressionTypeStart, f.expressionTypeEnd),
    maxMsgBytes: f.maxMsgBytes < 0 ? undefined : f.maxMsgBytes,
  }
}

/** An answer without what a read gives: the pull was not taken, or its read failed. */
export function refusePull(pull: PullRequest, code: number, remark: string): void {
  if (!pull.isOneway) pull.connection.send(answerTo(pull, code, remark))
}
